"""From the words of a command line to a command that runs, and from what it raises to one line and a status."""

import contextlib
import functools
import importlib
import inspect
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import tyro

from jaxvec.core import cache, processes
from jaxvec.core.version import __version__
from jaxvec.options import arguments_of, check_given_once, check_ranges, complaint

Command = Callable[..., None]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="NAME=VALUE ...")]
Register = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE ...")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Json = Flag


def import_modules(names: tuple[str, ...]) -> None:
    """Import modules of the user's, which are looked for in the current folder too.

    Args:
        names: as Python or as the file system has them.
    Raises:
        ValueError: one is not found, is no name of a module, or raises something when it is imported.
    """
    if names and "" not in sys.path:
        sys.path.insert(0, "")
    for name in names:
        module = name.removeprefix("./").removesuffix(".py").replace("/", ".")
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"--register takes a module or its file, as mine or mine.py, not {name!r}")
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and f"{module}.".startswith(f"{error.name}."):
                raise ValueError(f"--register {name}: there is no such module here or in the environment") from None
            raise ValueError(_of_import(name, error)) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a user's module raises, SystemExit too
            raise ValueError(_of_import(name, error)) from None


def _of_import(name: str, error: BaseException) -> str:
    """In words, what a module raises when it is imported, and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    file, line = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (frame.filename, frame.lineno)
    return f"--register {name}: {type(error).__name__}: {error} ({file}, line {line})"


def run(commands: Mapping[str, Command], description: str, args: list[str]) -> None:
    """Run a command; bad input ends with status 2 and one line, a failed training with status 1, a signal with 128 and more.

    Args:
        commands: by name; their signatures and docstrings say what they take.
        description: of them all, for `--help`.
        args: the words behind `jaxvec`; without any, help is shown.
    """
    if args == ["--version"]:
        print(f"jaxvec {__version__}")
        return
    try:
        args = args or ["--help"]
        check_given_once(args)
        command = _parse(commands, description, _gather(args))
        logging.getLogger("jax._src.xla_bridge").addFilter(_without_its_traceback)
        cache.enable()
        command()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has had enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)  # as of SIGPIPE
    except OSError as error:
        _fail(_of_files(error), 2)
    except OverflowError as error:
        _fail(f"a number is too large: {error}", 2)
    except (ValueError, TypeError) as error:
        _fail(str(error), 2)
    except (RuntimeError, MemoryError) as error:
        _fail(str(error) or "there is not enough memory", 1)
    except KeyboardInterrupt as stopped:  # who keeps something says so
        _fail(str(stopped) or "interrupted", 128 + getattr(stopped, "signum", signal.SIGINT))


def _without_its_traceback(record: logging.LogRecord) -> bool:
    """Whether JAX may log this itself; that a plugin finds no accelerator is said in one line instead."""
    if not record.exc_info or not record.getMessage().startswith("Jax plugin configuration error"):
        return True
    why = " ".join(str(record.exc_info[1]).split())
    print(f"jaxvec: JAX can use no accelerator here, and takes the CPU: {why}", file=sys.stderr)
    return False


def _gather(args: list[str]) -> list[str]:
    """`--set a=1 --set b=2` as `--set a=1 b=2`, last; and each `--register` with one module, likewise.

    Raises:
        ValueError: one of them has nothing behind it.
    """
    others, gathered, option, first = [], dict[str, list[str]](), "", False
    for arg in args:
        name, equals, value = arg.partition("=")
        if name in ("--set", "--register"):
            _check_values(option, first)
            option, first = name, not equals
            gathered.setdefault(name, []).extend([value] if equals else [])
        elif option and not arg.startswith("--") and (first or (option == "--set" and equals)):
            if option == "--set" and not equals:
                raise ValueError(f"--set takes name=value, not {arg!r}")
            gathered[option].append(arg)
            first = False
        else:
            _check_values(option, first)
            option = ""
            others.append(arg)
    _check_values(option, first)
    return others + [word for name, values in gathered.items() for word in (name, *values)]


def _check_values(option: str, missing: bool) -> None:
    """Refuse an option with nothing behind it."""
    if option and missing:
        raise ValueError(f"{option} has no value; it takes {'NAME=VALUE' if option == '--set' else 'a module'}")


def _later(command: Command) -> Callable[..., Callable[[], None]]:
    """The command with its arguments, to be checked and run once parsing is over."""

    def checked(*args: Any, **kwargs: Any) -> None:
        check_ranges(command, arguments_of(command, args, kwargs))
        command(*args, **kwargs)

    @functools.wraps(command)
    def parsed(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(checked, *args, **kwargs)

    return parsed


def _parse(commands: Mapping[str, Command], description: str, args: list[str]) -> Callable[[], None]:
    """The command that the arguments ask for.

    Raises:
        ValueError: they ask for none; what is wrong, in one line.
    """
    said = io.StringIO()
    later = {name: _later(command) for name, command in commands.items()}
    try:
        with contextlib.redirect_stderr(said), _unbroken_lines(args):
            return tyro.extras.subcommand_cli_from_dict(later, prog="jaxvec", description=description, args=args)
    except SystemExit as stop:
        if stop.code:
            raise ValueError(complaint(said.getvalue(), args)) from None
        one = commands.get(args[0])
        lines = examples_of(one) if one else [examples_of(command)[0] for command in commands.values()]
        print("\n".join(["examples:", *(f"  {line}" for line in lines)]))
        raise


def examples_of(command: Command) -> list[str]:
    """The lines under "Examples:" of a command's docstring.

    Args:
        command: one of the CLI's.
    """
    _, _, section = (inspect.getdoc(command) or "").partition("Examples:\n")
    return [line.strip() for line in section.partition("\n\n")[0].splitlines()]


@contextlib.contextmanager
def _unbroken_lines(args: list[str]) -> Iterator[None]:
    """A wide terminal, in which no word of a complaint is broken; help keeps the terminal's own width."""
    before = os.environ.get("COLUMNS")
    if {"-h", "--help"}.isdisjoint(args):
        os.environ["COLUMNS"] = str(2**16)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)
        os.environ.update({} if before is None else {"COLUMNS": before})


def _of_files(error: OSError) -> str:
    """In words, what is wrong with a file."""
    if not error.filename or not error.strerror:
        return str(error)
    is_file = isinstance(error, FileExistsError)
    return f"{error.filename2 or error.filename}: {'there is a file, where a folder should be' if is_file else error.strerror}"


def _fail(message: str, code: int) -> None:
    """Say what is wrong in one line, in which all can be seen, and end."""
    line = " ".join(message.split())
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)
    print(f"jaxvec: error: {seen}", file=sys.stderr)
    processes.note_status(code)
    sys.exit(code)
