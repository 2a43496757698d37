"""Who may import whom, how long a module may be, and that everything public says what it is."""

import ast
from pathlib import Path

import pytest

import jaxvec

ROOT = Path(jaxvec.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST = 450  # lines; more means that a concept is missing
EVERYTHING = None

# What the modules of a folder may import of ours, besides their own folder. Physics and core stand alone; an environment
# is built on them, policies and learners on the contract in core, training on learners, and the outer shell on all of it.
MAY_IMPORT = {
    "core": set(),
    "physics": {"core"},
    "quantum": {"core"},
    "forecast": {"core"},
    "traces": {"core", "forecast"},
    "envs": {"core", "physics", "forecast", "traces"},
    "policies": {"core", "physics", "envs", "traces"},
    "learners": {"core", "quantum", "forecast"},
    "training": {"core", "learners"},
    "papers": EVERYTHING,
    "adapters": EVERYTHING,
    "viz": EVERYTHING,
    "": EVERYTHING,  # the modules of the package itself: the command line, the benchmark
}


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder_of(module):
    """Of `jaxvec.core.rng` it is core; of `jaxvec.cli` and `jaxvec` itself, the empty name."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / parts[1]).is_dir() else ""


def imports_of(path):
    """Every module of ours that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write it out"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "jaxvec":
                yield name, node.lineno


def wrong_imports(folder, imports, may_import):
    allowed = may_import[folder]
    return [name for name, _ in imports if allowed is not EVERYTHING and folder_of(name) not in {*allowed, folder}]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_arrows(path):
    folder = folder_of(name_of(path))
    assert folder in MAY_IMPORT, f"say in MAY_IMPORT what jaxvec/{folder} may import"
    assert wrong_imports(folder, imports_of(path), MAY_IMPORT) == []


def test_policies_import_only_the_environment_whose_rules_they_are():
    for path in (ROOT / "policies").glob("*.py"):
        for name, _ in imports_of(path):
            if name.startswith("jaxvec.envs."):
                assert name.split(".")[2].startswith(path.stem), f"{path.name} imports {name}"


def test_a_wrong_import_would_be_seen(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(
        "def f():\n    from jaxvec.envs import mobility\nimport jaxvec.core.rng\nfrom jaxvec import learners\n"
    )
    assert wrong_imports("physics", imports_of(file), MAY_IMPORT) == ["jaxvec.learners", "jaxvec.envs.mobility"]
    assert wrong_imports("envs", imports_of(file), MAY_IMPORT) == ["jaxvec.learners"]
    assert wrong_imports("", imports_of(file), MAY_IMPORT) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long(path):
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module"
    assert [name for name, node in public(tree) if not ast.get_docstring(node)] == []


def public(tree, prefix=""):
    """Public functions, classes and their methods; what is defined inside a function is its own affair."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{node.name}.")
