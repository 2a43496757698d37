"""Times as text: seconds, a time of day, or a date and time."""

import re
from datetime import UTC, datetime

LONGEST = 60  # characters of a number or a time
ACCEPTED = "seconds, [D:]HH:MM:SS or YYYY-MM-DD HH:MM:SS"

_OF_DAY = re.compile(r"(-?)(?:(\d{1,6}):)?(\d{1,6}):(\d{2}):(\d{2}(?:\.\d+)?)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def number(text: str) -> float:
    """A finite or infinite number by itself.

    Args:
        text: what should be one.
    Raises:
        ValueError: it is none, is longer than `LONGEST`, or is 1_000, which Python takes.
    """
    if len(text) > LONGEST or "_" in text:
        raise ValueError(f"{text[:LONGEST]!r} is not a number")
    return float(text)


def seconds(text: str) -> float:
    """The time that a text says [s].

    Seconds as they are; of `HH:MM:SS`, also with days before and decimals behind, since midnight of day 0; of a date and time
    since 1970, in UTC where it names no zone.

    Args:
        text: a time in one of these forms.
    Raises:
        ValueError: it is none of them.
    """
    try:
        return _seconds(text.strip() if len(text) <= LONGEST else "")
    except ValueError:
        raise ValueError(f"{text[:LONGEST]!r} is not a time: {ACCEPTED}") from None


def _seconds(text: str) -> float:
    if of_day := _OF_DAY.fullmatch(text):
        sign, days, hours, minutes, rest_s = of_day.groups()
        if int(minutes) < 60 and float(rest_s) < 60 and (days is None or int(hours) < 24):
            time_s = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(rest_s)
            return -time_s if sign else time_s
    elif _DATE.fullmatch(text):
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return number(text)
