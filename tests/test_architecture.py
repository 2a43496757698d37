"""Who may import whom, without circles; how long modules and functions may be; how often the type checker may be silenced; that
everything public says what it is, and of each argument what that is. Each rule is tried on files that break it."""

import ast
import re
from pathlib import Path

import pytest

import jaxvec

ROOT = Path(jaxvec.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60  # lines; more means that a concept is missing
MOST_SILENCED = 20  # "type: ignore"
EVERYTHING = None
ARGUMENTS_DOCUMENTED = (
    "adapters",
    "core",
    "envs",
    "learners",
    "physics",
)  # folders in which docstrings name every argument, field and error
FIELDS_WITH_WORDS = {
    "size",
    "switch",
    "number",
    "count",
    "data",
}  # of `jaxvec.core.params`: they say themselves what a field is

# What the modules of a folder may import of ours, besides their own folder. Physics and core stand alone; an environment
# is built on them, policies and learners on the contract in core, training on learners, and the outer shell on all of it.
MAY_IMPORT = {
    "core": set(),
    "physics": {"core"},
    "quantum": {"core"},
    "forecast": {"core"},
    "traces": {"core", "physics", "forecast"},
    "envs": {"core", "physics", "forecast", "traces"},
    "policies": {"core", "physics", "envs"},
    "learners": {"core", "quantum", "forecast", "policies"},  # rules, as priors
    "training": {"core", "learners"},
    "adapters": {"core", "learners"},  # flat actions, as learners have them
    "papers": EVERYTHING,
    "league": EVERYTHING,
    "viz": EVERYTHING,
    "": EVERYTHING,  # the modules of the package itself: the command line, the benchmark
}


def name_of(path, root=ROOT):
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder_of(module):
    """Of `jaxvec.core.rng` it is core; of `jaxvec.cli` and `jaxvec` itself, the empty name."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / parts[1]).is_dir() else ""


def nodes_of(path):
    """Every node of a file's syntax."""
    return ast.walk(ast.parse(path.read_text()))


def imports_of(path):
    """Every module of ours that a file imports, wherever in the file: in functions and for the type checker alone, too."""
    for node in nodes_of(path):
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
    for path in (ROOT / "policies").rglob("*.py"):
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


def graph_of(paths, root=ROOT):
    """Module -> the modules that it imports; what is imported from a module is that module's affair."""
    names = {name_of(path, root): path for path in paths}
    graph = {}
    for name, path in names.items():
        graph[name] = set()
        for imported, _ in imports_of(path):
            while imported and imported not in names:
                imported = imported.rpartition(".")[0]
            graph[name] |= {imported} - {""}
    return graph


def circles(graph):
    """Modules that import each other, directly or by way of others: the sets of those that reach one another."""
    reached = {name: reachable(graph, name) for name in graph}
    among = {frozenset({name, *(other for other in reached[name] if name in reached[other])}) for name in graph}
    return sorted(sorted(circle) for circle in among if len(circle) > 1 or set(circle) <= graph[min(circle)])


def reachable(graph, name):
    """What a module imports, and what that imports, and so on."""
    seen, ahead = set(), [name]
    while ahead:
        new = graph[ahead.pop()] - seen
        seen |= new
        ahead += new
    return seen


def test_no_modules_import_each_other():
    assert circles(graph_of(MODULES)) == []


def test_a_circle_would_be_seen(tmp_path):
    root = tmp_path / "jaxvec"
    files = {
        "__init__": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jaxvec.a import x\n",
        "a": "def f():\n    from jaxvec import b\n",
        "b": "import jaxvec.c\n",
        "c": "from jaxvec.sub.d import x\n",
        "sub/__init__": "",
        "sub/d": "from jaxvec.a import f\nimport jax, os.path\n",
        "e": "from jaxvec.sub import d\nfrom jaxvec import version_of_nothing\n",
    }
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    circle = ["jaxvec.a", "jaxvec.b", "jaxvec.c", "jaxvec.sub.d"]
    assert circles(graph_of(sorted(root.rglob("*.py")), root)) == [circle]
    (root / "c.py").write_text("import jaxvec\n")  # the front door leads to a
    assert circles(graph_of(sorted(root.rglob("*.py")), root)) == [["jaxvec", "jaxvec.a", "jaxvec.b", "jaxvec.c"]]
    (root / "c.py").write_text("")
    assert circles(graph_of(sorted(root.rglob("*.py")), root)) == []
    (root / "e.py").write_text("import jaxvec.e\n")
    assert circles(graph_of(sorted(root.rglob("*.py")), root)) == [["jaxvec.e"]]


def too_long(path, module=LONGEST_MODULE, function=LONGEST_FUNCTION):
    """What of a file has too many lines, docstrings included: the file itself, and its functions."""
    lines = len(path.read_text().splitlines())
    parts = [(path.name, lines)] if lines > module else []
    functions = [node for node in nodes_of(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = [(node.name, node.end_lineno - node.lineno + 1) for node in functions]
    return parts + [(name, length) for name, length in lengths if length > function]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_and_no_function_is_too_long(path):
    assert too_long(path) == []


def test_what_is_too_long_would_be_seen(tmp_path):
    file = tmp_path / "long.py"
    file.write_text(
        "def f():\n    x = 1\n    def g():\n        return x\n    return g\n\nclass C:\n    async def h(self):\n        1\n"
    )
    assert too_long(file, module=8, function=4) == [("long.py", 9), ("f", 5)]
    assert too_long(file, module=9, function=1) == [("f", 5), ("g", 2), ("h", 2)]
    assert too_long(file, module=9, function=5) == []


def named_lambdas(path):
    """Lambdas that are given a name: a function says what it is for."""
    for node in nodes_of(path):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda):
            yield node.lineno


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_lambda_has_a_name(path):
    assert list(named_lambdas(path)) == []


def test_a_named_lambda_would_be_seen(tmp_path):
    file = tmp_path / "named.py"
    lines = [
        "f = lambda x: x",
        "g: object = lambda: 1",
        "class C:",
        "    h = property(lambda self: 1)",
        "    i = lambda: 2",
    ]
    file.write_text("\n".join(lines))
    assert sorted(named_lambdas(file)) == [1, 2, 5]


def silenced(paths):
    """Where the type checker is told to look away."""
    lines = ((path, number, line) for path in paths for number, line in enumerate(path.read_text().splitlines(), 1))
    return [f"{path}:{number}" for path, number, line in lines if re.search(r"#\s*type:\s*ignore", line)]


def test_the_type_checker_is_hardly_ever_silenced():
    assert len(silenced(MODULES)) <= MOST_SILENCED, silenced(MODULES)


def test_silence_would_be_seen(tmp_path):
    file = tmp_path / "silent.py"
    file.write_text('x = f()  # type: ignore[arg-type]\ny = g()  #type:ignore\nz = "type: ignore"\n')
    assert silenced([file]) == [f"{file}:1", f"{file}:2"]


def undocumented(path):
    """What of a file has no docstring: the module, and what is public in it."""
    tree = ast.parse(path.read_text())
    module = [] if ast.get_docstring(tree) else [path.name]
    return module + [name for name, node in public(tree) if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_public_has_a_docstring(path):
    assert undocumented(path) == []


def test_a_missing_docstring_would_be_seen(tmp_path):
    file = tmp_path / "mute.py"
    file.write_text(
        'class A:\n    """It."""\n    def f(self): 1\n    def _g(self): 1\n\ndef h():\n    def inner(): 1\n'
    )
    assert undocumented(file) == ["mute.py", "A.f", "h"]


def public(tree, prefix=""):
    """Public functions, classes and their methods; what is defined inside a function is its own affair."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{node.name}.")


SECTION = re.compile(r"( *)(Args|Attributes|Throughout|Returns|Raises):$")


def named(docstring, *titles):
    """What sections of these titles name: x and y of the line "x, y: places [m].", and of no line that goes on from another."""
    names, inside = set(), None  # the indent of the section that is read, where it counts
    for line in (docstring or "").splitlines():
        indent, header = len(line) - len(line.lstrip()), SECTION.match(line)
        if header:
            inside = indent if header[2] in titles else None
        elif line.strip() and inside is not None and indent <= inside:
            inside = None
        elif inside is not None and indent == inside + 4 and ":" in line:
            names |= {name.strip() for name in line.split(":")[0].split(",")}
    return names


def classes_of(trees):
    """Every class of several files by its name; classes of one name are not told apart."""
    classes = {}
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        classes.setdefault(node.name, []).append(node)
    return classes


def bases_of(node):
    """Names of the classes that a class is derived from, without their modules."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [base.attr if isinstance(base, ast.Attribute) else base.id for base in bases]


def inherited(node, classes):
    """Names of the methods that a class has of those above it, where they say what their arguments are."""
    seen, ahead = [node], [node]
    while ahead:
        above = [base for name in bases_of(ahead.pop()) for base in classes.get(name, []) if base not in seen]
        seen += above
        ahead += above
    return {part.name for base in seen[1:] for part in base.body if isinstance(part, ast.FunctionDef)}


def arguments(function):
    """Names of what a function takes, but for the object that it is of."""
    of = function.args
    every = [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


def fields(node):
    """Of a dataclass, a NamedTuple or a struct what it is made of, but for what says itself what it is."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if not {"NamedTuple", "PyTreeNode"} & {*bases_of(node)} and not any("dataclass" in name for name in decorators):
        return []
    declared = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    with_words = [
        part
        for part in declared
        if isinstance(part.value, ast.Call) and ast.unparse(part.value.func) in FIELDS_WITH_WORDS
    ]
    class_variables = [part for part in declared if "ClassVar" in ast.unparse(part.annotation)]
    return [part.target.id for part in declared if part not in [*with_words, *class_variables]]


def raised(function):
    """Names of errors that a function raises itself, but for those that it catches, and `NotImplementedError`, of a hook."""
    errors, ahead = set(), list(function.body)
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.Raise) and node.exc:
            errors.add(ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc))
        caught = node.body if isinstance(node, ast.Try) and node.handlers else []
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            ahead += [child for child in ast.iter_child_nodes(node) if child not in caught]
    return errors - {"NotImplementedError"}


def unsaid(tree, classes):
    """What of a file's public things has no words: arguments of functions, fields of classes, errors."""
    of_all = named(ast.get_docstring(tree), "Throughout")
    of_bases = {}  # methods of public classes: whether a class above has them
    for name, node in public(tree):
        words = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            of_bases |= {f"{node.name}.{method}": True for method in inherited(node, classes)}
            made_by = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
            wanted = fields(node) + [argument for init in made_by for argument in arguments(init)]
            known, errors = named(words, "Args", "Attributes"), set()
            known |= {name for init in made_by for name in named(ast.get_docstring(init), "Args")}
        elif name in of_bases:
            continue
        else:
            wanted, known, errors = arguments(node), named(words, "Args"), raised(node)
        yield from (f"{name}: {argument}" for argument in wanted if argument not in known | of_all)
        yield from (f"{name}: {error}" for error in sorted(errors - named(words, "Raises")))


TREES = {path: ast.parse(path.read_text()) for path in MODULES}
CLASSES = classes_of(TREES.values())


@pytest.mark.parametrize("path", [x for x in MODULES if folder_of(name_of(x)) in ARGUMENTS_DOCUMENTED], ids=name_of)
def test_docstrings_say_what_each_argument_is(path):
    assert list(unsaid(TREES[path], CLASSES)) == []


def test_an_argument_without_words_would_be_seen():
    tree = ast.parse(
        '''"""Of places.

Throughout:
    t, params: what all take.
"""
class Base:
    """It.

    Args:
        side_m: of it.
    """
    def __init__(self, side_m, shape, unit):
        """
        Args:
            shape: of it.
        """
    def hook(self, x): """It."""
class Point(Base, NamedTuple):
    """It.

    Attributes:
        x, y: places:
            speed: of no field.
    Returns:
        z: of no field either.
    """
    x: float
    y: float
    z: float
    speed: float = number(1.0, "m/s", "how fast")
    kind: ClassVar[str] = "point"
    def hook(self, x): """What the base says."""
    @property
    def norm(self): """Length."""
    def far(self, from_m, *others, t): """Distance."""
def _inner(x): """Nobody asks."""
def move(point, t, *, by_m, **numbers):
    """Away.

    Args:
        point: what moves.
        numbers: whatever.

    And so on:
        by_m: how far.
    Raises:
        TypeError: never, here.
    """
    def f(z): raise IndexError
    try:
        raise KeyError
    except KeyError:
        raise NotImplementedError
    raise errors.Bad(f"by {by_m}")
'''
    )
    assert list(unsaid(tree, classes_of([tree]))) == [
        *("Base: unit", "Base.hook: x", "Point: z", "Point.far: from_m", "Point.far: others"),
        *("move: by_m", "move: errors.Bad"),
    ]
