"""Command lines by the thousand: made of right ones and of what goes wrong with them, and run as far as nothing is computed."""

import contextlib
import importlib
import inspect
import io
import json
import random
import re
import warnings
from typing import Any, NamedTuple

from jaxvec import bench, bench_arguments, cli, settings, viz
from jaxvec.core import evaluation, hosts
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.league import play
from jaxvec.options import option_of
from jaxvec.papers import report
from jaxvec.training import driver
from jaxvec.training.run_writer import RunWriter


class Reached(BaseException):
    """A command was accepted, and is about to train, compile or draw."""


class Outcome(NamedTuple):
    """What became of a command line.

    Attributes:
        status: of the process; None: it was accepted.
        about: what it was about to do, and with what.
        err: what it said on stderr.
    """

    status: int | None
    about: str
    err: str


def stop_before_work(monkeypatch) -> None:
    """Have every command end where it would begin to compute."""

    def reached(name, also=lambda *args: ""):
        def here(*args, **kwargs):
            raise Reached(re.sub(r"0x[0-9a-f]+", "", f"{name} {args!r} {kwargs!r} {also(*args)}"))

        return here

    begin, usable, devices = RunWriter.begin, driver.usable_by_all, []

    def begun(self, *args):
        begin(self, *args)
        config = json.loads((self.path / "config.json").read_text())
        raise Reached(f"train {self.path} {config} {self._planned} {devices[-1]}")

    check = bench_arguments.check
    monkeypatch.setattr(RunWriter, "begin", begun)
    of_all = lambda n, wanted, *most: devices.append(wanted) or usable(n, wanted, *most)  # noqa: E731
    monkeypatch.setattr(driver, "usable_by_all", of_all)
    check_address = hosts.check_address
    monkeypatch.setattr(hosts, "start", lambda *whom: (check_address(*whom, {}), reached("join")(*whom)))
    monkeypatch.setattr(evaluation, "evaluate", reached("evaluate"))
    monkeypatch.setattr(bench, "all_cores", lambda: None)
    monkeypatch.setattr(bench_arguments, "check", lambda *args: (check(*args), reached("bench")(*args)))
    for name in ("rules", "compete", "bound"):
        monkeypatch.setattr(play, name, reached("league"))
    monkeypatch.setattr(play, "draw", lambda *args: None)
    monkeypatch.setattr(viz, "record", reached("render"))
    world = importlib.import_module("jaxvec.traces.build_world")  # the package has a function of that name
    for name in ("read_fcd", "read_table"):
        monkeypatch.setattr(world, name, reached("world"))
    monkeypatch.setattr(report.Runner, "_make", reached("reproduce", lambda runner, *args: vars(runner)))
    monkeypatch.setattr(report, "verdict_of", reached("judge"))


INNER = re.compile(
    r"Traceback|has no attribute|not subscriptable|unexpected keyword|required positional|unhashable|not iterable|"
    r"unsupported operand|NoneType|unpack|invalid literal|out of range$|real number|not callable|concatenate|too large to convert"
)  # words of Python, which tell a user nothing


def run(args: list[str]) -> Outcome:
    """Run a command line; AssertionError unless it ends as it may."""
    out, err = io.StringIO(), io.StringIO()
    status, about = None, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cli.main(list(args))
        except Reached as here:
            about = str(here)
        except SystemExit as stop:
            status = int(stop.code or 0)
    said = err.getvalue()
    if status:
        assert status in (1, 2), (status, said)
        lines = said.splitlines()
        reports = ("is damaged", "are ignored")  # and yet it went on, to another error
        assert all(any(words in line for words in reports) for line in lines[:-1]), said
        assert lines[-1].startswith("jaxvec: error: "), said
        assert len(lines[-1]) > len("jaxvec: error: ") + 8, said
        assert not INNER.search(said), said
    return Outcome(status, about, said)


PATHS = (
    "fine",
    "afile",
    "nowhere/x",
    "folder",
    "é",
    "x.npz",
    "x.gif",
    "x.html",
    "x.bmp",
    "afile/x",
    "..",
    ".",
    "run/config.json",
)
JUNK = (
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "-0",
        "0",
        "1.5",
        "1e3",
        "2147483648",
        "9" * 30,
        "9" * 5000,
        "0x10",
    ),
    *(
        "1_000",
        "true",
        "None",
        "é",
        "日本語",
        "\udcff",
        "a\nb",
        "a\0b",
        "-",
        "--",
        "-x",
        "--x",
        "=",
        "==",
        "[",
        "(((" * 200,
    ),
    *("{[]:1}", "{}", "()", "'", '"', "%s", "%(prog)s", "\x1b[31m", "a" * 5000, "*", "../..", "a=b", "1 2", "1,2"),
)
SYSTEMS = ("walkers", "isac_iov", "v2x_offload", "dt_edge", "urllc_vec", "twin_migration")
LEARNERS = ("counting", "counting", "apg", "ippo", "mappo", "sac", "qmarl")
OTHERS = {
    "policy": ("still", "greedy", "random", "waterfill", "counting"),
    "learners": ("ippo", "apg", "all", "apg from greedy", "counting"),
    "figure": ("4", "5", "table3", "fig4", "all"),
    "series": ("bound", "DT-MADDPG", "apg", "no such"),
    "area": ("city", "rural"),
    "split": ("train", "validation", "test"),
    "predictor": ("ar6", "persistence", "weekly"),
    "coordinator": ("node1:1234", "10.0.0.1:1234", "node1", "node1:0"),
    "register": ("own", "own.py", "./own.py", "raises", "no_such", "notes.txt", "quits"),
    "minutes": ("1", "0.1"),
    "place": ("coverage", "kmeans", "grid", "junctions"),
}
"""Values of options, right ones in the first place."""
NEEDED = {"world": {"fcd": "afile", "out": "x.npz"}}
"""Options that a command can hardly do without, by command, with their values."""
NUMBERS = ("1", "2", "4", "0.5", "true")
AT_PATHS = (
    *(
        "run",
        "beside",
        "resume",
        "out",
        "tdrive",
        "fcd",
        "pems",
        "metadata",
        "cache",
        "table",
        "net",
        "places",
        "picture",
    ),
    *("source", "ship"),
)


class Context(NamedTuple):
    """What a command line is about: so much of it fits together."""

    env: str
    learner: str

    def words(self, draw: random.Random, name: str) -> str:
        """A right value of an option, most of the time."""
        env: Any = ENVIRONMENTS[self.env]
        match name:
            case "set":
                return f"{self.setting(draw)}={draw.choice([*NUMBERS, *(JUNK if draw.random() < 0.2 else ())])}"
            case "env":
                return self.env
            case "learner":
                return self.learner
            case "preset":
                return draw.choice([*env.presets])
            case "what":
                return draw.choice(("run", self.env, "folder", "afile"))
            case _ if name in AT_PATHS:
                usual = "run" if name in ("run", "beside", "resume") else "x.npz" if self.env == "isac_iov" else "fine"
                return usual if draw.random() < 0.7 else draw.choice(PATHS)
            case _ if name in OTHERS:
                return draw.choice(OTHERS[name])
        return draw.choice(NUMBERS[:3])

    def setting(self, draw: random.Random) -> str:
        """A name that can be set here."""
        names = settings.known(self.env, self.learner)
        part = draw.choice([part for part in names if names[part]])
        name = draw.choice(list(names[part]))
        return name if draw.random() < 0.9 else f"{part}.{name}"


def command_line(draw: random.Random) -> list[str]:
    """A command line: mostly right, then changed in up to two places."""
    name = draw.choice(list(cli.COMMANDS))
    context = Context(draw.choice(SYSTEMS), draw.choice(LEARNERS))
    words, many = [name], draw.choice((0.05, 0.15, 0.4))
    for option, parameter in inspect.signature(cli.COMMANDS[name]).parameters.items():
        positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        if option in NEEDED.get(name, {}):
            words += [option_of(option), NEEDED[name][option]] if draw.random() < 0.95 else []
        elif draw.random() < (0.95 if positional else many):
            several = draw.randint(1, 3) if parameter.default == () or isinstance(parameter.default, tuple) else 1
            values = [context.words(draw, option) for _ in range(several)] if parameter.default is not False else []
            values = [draw.choice(JUNK) if draw.random() < 0.04 else value for value in values]
            words += values if positional else [option_of(option), *values]
    for _ in range(draw.choice((0, 0, 0, 0, 1, 2))):
        words = changed(draw, words)
    return words


def changed(draw: random.Random, words: list[str]) -> list[str]:
    """The words with one of them left out, twice, elsewhere, replaced, cut or joined to the next."""
    if not words:
        return [draw.choice(JUNK)]
    i, j = draw.randrange(len(words)), draw.randrange(len(words))
    match draw.randrange(8):
        case 0:
            return words[:i] + words[i + 1 :]
        case 1:
            return [*words[:i], words[i], *words[i:]]
        case 2:
            return words + words[min(i, j) : max(i, j) + 1]
        case 3:
            return [*words[:i], draw.choice(JUNK), *words[i + 1 :]]
        case 4:
            return [*words[:i], draw.choice(JUNK), *words[i:]]
        case 5:
            return [*words[:i], words[i][: draw.randrange(len(words[i]) + 1)], *words[i + 1 :]]
        case 6:
            return [*words[:i], "=".join(words[i : i + 2]), *words[i + 2 :]]
        case _:
            return [words[j] if k == i else words[i] if k == j else word for k, word in enumerate(words)]
