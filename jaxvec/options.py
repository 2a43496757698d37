"""What options of a command line accept, declared beside their types; and complaints about them that say it.

`episodes: Count = 256` in a command's signature is checked before the command runs, as are options that are there twice.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from jaxvec.core.limits import MOST

SEVERAL = ("--set", "--register")  # may be there more than once


class Range(NamedTuple):
    """What a number of an option may be.

    Attributes:
        least: accepted, unless it is `above`.
        most: accepted.
        above: whether `least` itself is refused.
    """

    least: float
    most: float = MOST
    above: bool = False

    def holds(self, x: float) -> bool:
        """Whether a number is accepted; NaN is not.

        Args:
            x: the number.
        """
        return self.least <= x <= self.most and not (self.above and x == self.least)

    def __str__(self) -> str:
        return f"{'above' if self.above else 'at least'} {self.least} and at most {self.most}"


Count = Annotated[int, Range(1)]
CountFromZero = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32 - 1)]  # keys are made of 32 bits: of a larger seed the upper ones would be dropped
Entities = Annotated[int, Range(1, 10**4)]
EntitiesFromZero = Annotated[int, Range(0, 10**4)]
Slots = Annotated[int, Range(1, 10**12)]
Minutes = Annotated[float, Range(0, 10**6, above=True)]
Seconds = Annotated[float, Range(0, 10**6, above=True)]
Metres = Annotated[float, Range(0, 10**6, above=True)]


def check_ranges(command: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Refuse numbers that a command does not accept.

    Args:
        command: whose annotations say what it accepts.
        arguments: by name.
    Raises:
        ValueError: names the option, its value and what is accepted.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    for name, value in arguments.items():
        for x in value if isinstance(value, tuple) else (value,):
            for accepted in ranges_of(hints[name]):
                if x is not None and not accepted.holds(x):
                    raise ValueError(f"{option_of(name)} must be {accepted}, not {x}")


def ranges_of(hint: Any) -> Iterator[Range]:
    """The ranges of an annotation: its own, and those of its parts.

    Args:
        hint: the annotation.
    """
    yield from (x for x in getattr(hint, "__metadata__", ()) if isinstance(x, Range))
    for part in typing.get_args(hint):
        yield from ranges_of(part)


def option_of(name: str) -> str:
    """An argument as it is written on a command line.

    Args:
        name: in Python.
    """
    return f"--{name.replace('_', '-')}"


def check_given_once(args: Sequence[str]) -> None:
    """Refuse options that are there twice: of the two, one would be ignored.

    Args:
        args: the words of a command line.
    Raises:
        ValueError: names the first.
    """
    seen = set[str]()
    for arg in args:
        name = arg.partition("=")[0].replace("_", "-")
        if not name.startswith("--") or name in ("--", *SEVERAL):
            continue
        name = name.replace("--no-", "--", 1)
        if name in seen:
            raise ValueError(f"{name} is given twice; give it once, with all its values")
        seen.add(name)


def refuse_beside(reason: str, **options: Any) -> None:
    """Refuse options that would be ignored.

    Args:
        reason: what they are given beside, and what may be.
        options: by name; None, False or () of those that are not given.
    Raises:
        ValueError: the reason, and those that are given.
    """
    given = [name for name, x in options.items() if x is not None and x is not False and x != ()]
    if given:
        words = ["an environment" if name == "env" else option_of(name) for name in given]
        raise ValueError(f"{reason}, but not {', '.join(words)}")


def arguments_of(command: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name.

    Args:
        command: what is called.
        args: by position.
        kwargs: by name.
    """
    return dict(inspect.signature(command).bind(*args, **kwargs).arguments)


def complaint(text: str, args: Sequence[str]) -> str:
    """What the parser says of a command line, in one line.

    Args:
        text: as it says it, in a frame.
        args: the words of the command line.
    Returns:
        Which option takes what kind of number, where that is what is wrong; else its own words.
    """
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m|[\u2500-\u257f]|-{5,}", " ", text).split())
    if bad := re.search(r"Error parsing (--[a-z-]+): .* Argument helptext: \1 (\S+)", words):
        option, kind = bad.groups()
        number = "a number" if "FLOAT" in kind else "a whole number" if "INT" in kind else kind
        return f"{option} takes {number}, not {' '.join(_values(option, args))!r}"
    titles = "Value error|Unrecognized options|Required options|Missing argument|Parsing error"
    return re.sub(rf"^(?:{titles}) (?=[A-Z])", "", words) or "bad usage; see --help"


def _values(option: str, args: Sequence[str]) -> list[str]:
    """The words that a command line has for an option."""
    values, inside = list[str](), False
    for arg in args:
        name, equals, value = arg.partition("=")
        if name.startswith("--"):
            inside = name.replace("_", "-") == option
            values += [value] if inside and equals else []
        elif inside:
            values.append(arg)
    return values
