"""The API's pages: of each package one, with all of its public modules, and one of what `jaxvec` itself has."""

import ast
from pathlib import Path

from page_text import escaped, table

JAXVEC = Path(__file__).resolve().parents[2] / "jaxvec"
FIRST = """\
# jaxvec

These names are all that most programs need. The other pages have every public name of the package, module by module. Shapes are
those of one world; a batch of worlds adds its axis at the end. Numbers are in SI units unless a unit stands in brackets.
"""
NAMES = {  # of `jaxvec` itself -> where they are defined
    "make": "jaxvec.core.make.make",
    "env_ids": "jaxvec.core.make.env_ids",
    "register": "jaxvec.core.registry.register",
    "train": "jaxvec.training.driver.train",
    "load": "jaxvec.training.run_folder.load",
    "learners.make": "jaxvec.learners.make",
    "policies.fixed": "jaxvec.policies.fixed",
    "policies.random": "jaxvec.policies.random.random",
}
OF_ONE_FILE = ("bench", "describe", "describe_learners")  # modules of the package itself that others may call


def packages() -> list[str]:
    """Names of the packages below `jaxvec`, in the order of the alphabet."""
    return sorted(".".join(path.parent.relative_to(JAXVEC).parts) for path in JAXVEC.glob("*/**/__init__.py"))


def modules(package: str) -> list[str]:
    """A package's public modules, itself first; those that only hand out what others define are left out.

    Args:
        package: below `jaxvec`, as "envs.isac_iov".
    """
    folder = JAXVEC.joinpath(*package.split("."))
    stems = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    names = [f"jaxvec.{package}", *(f"jaxvec.{package}.{stem}" for stem in stems)]
    return [name for name in names if public(name)]


def public(module: str) -> list[str]:
    """Names of the functions and classes that a module defines and documents.

    Args:
        module: with its packages.
    """
    kinds = ast.FunctionDef | ast.ClassDef
    return [x.name for x in _body(module) if isinstance(x, kinds) and x.name[0] != "_" and ast.get_docstring(x)]


def _body(module: str) -> list[ast.stmt]:
    """What stands in a module."""
    path = JAXVEC.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text()).body


def _summary(name: str) -> str:
    """The first sentence of a function's docstring."""
    module, _, function = name.rpartition(".")
    node = next(x for x in _body(module) if isinstance(x, ast.FunctionDef) and x.name == function)
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


def pages() -> dict[str, str]:
    """Address -> Markdown."""
    rows = [(f"[`jaxvec.{name}`][{target}]", escaped(_summary(target))) for name, target in NAMES.items()]
    made = {"api/jaxvec.md": "\n\n".join([FIRST, table(("name", "what it does"), rows)])}
    for package in packages():
        if names := modules(package):
            made[f"api/{package}.md"] = "\n\n".join([f"# jaxvec.{package}", *(f"::: {name}" for name in names)]) + "\n"
    made["api/others.md"] = "\n\n".join(["# Other modules", *(f"::: jaxvec.{name}" for name in OF_ONE_FILE)]) + "\n"
    return made


def navigation() -> list[dict[str, str]]:
    """Entries of the table of contents."""
    return [{address.removeprefix("api/").removesuffix(".md"): address} for address in pages()]
