"""From the words of a command line to a command that runs, and from what it raises to one line and a status."""

import contextlib
import functools
import importlib
import io
import re
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import tyro

from jaxvec.core import cache

Command = Callable[..., None]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="NAME=VALUE ...")]
Register = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE ...")]
Json = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def import_modules(names: tuple[str, ...]) -> None:
    """Import modules of the user's, which are looked for in the current folder too.

    Args:
        names: as Python or as the file system has them.
    Raises:
        ValueError: one is not found.
    """
    if names and "" not in sys.path:
        sys.path.insert(0, "")
    for name in names:
        name = name.removesuffix(".py").replace("/", ".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and not f"{name}.".startswith(f"{error.name}."):
                raise
            raise ValueError(f"--register {name}: there is no such module here or in the environment") from None


def run(commands: Mapping[str, Command], description: str, args: list[str]) -> None:
    """Run a command; bad input ends with status 2 and one line, a failed training with status 1, a signal with 128 and more.

    Args:
        commands: by name; their signatures and docstrings say what they take.
        description: of them all, for `--help`.
        args: the words behind `jaxvec`.
    """
    command = _parse(commands, description, _gather(args))
    cache.enable()
    try:
        command()
    except (ValueError, TypeError, OSError) as error:
        _fail(str(error), 2)
    except RuntimeError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt as stopped:  # a training says what of it is kept
        words = str(stopped) or "interrupted; the same `jaxvec reproduce` or `jaxvec league` goes on from what is kept"
        _fail(words, 128 + getattr(stopped, "signum", signal.SIGINT))


def _gather(args: list[str]) -> list[str]:
    """`--set a=1 --set b=2` as `--set a=1 b=2`, last; and each `--register` with one module, likewise."""
    others, gathered, option = [], dict[str, list[str]](), ""
    for arg in args:
        name, equals, value = arg.partition("=")
        if name in ("--set", "--register"):
            option = name
            gathered.setdefault(name, []).extend([value] if equals else [])
        elif option == "--set" and not arg.startswith("-") and equals:
            gathered[option].append(arg)
        elif option == "--register" and not arg.startswith("-"):
            gathered[option].append(arg)
            option = ""
        else:
            option = ""
            others.append(arg)
    return others + [word for name, values in gathered.items() for word in (name, *values)]


def _later(command: Command) -> Callable[..., Callable[[], None]]:
    """The command with its arguments, to be run once parsing is over."""

    @functools.wraps(command)
    def parsed(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(command, *args, **kwargs)

    return parsed


def _parse(commands: Mapping[str, Command], description: str, args: list[str]) -> Callable[[], None]:
    """The command that the arguments ask for; a complaint about them is cut to one line."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            later = {name: _later(command) for name, command in commands.items()}
            return tyro.extras.subcommand_cli_from_dict(later, prog="jaxvec", description=description, args=args)
    except SystemExit as stop:
        if stop.code:
            words = re.sub(r"[^\x20-\x7e]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", complaint.getvalue()))
            _fail(re.sub(r"-{5,}", "", words).strip() or "bad usage; see --help", 2)
        raise


def _fail(message: str, code: int) -> None:
    print(f"jaxvec: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
