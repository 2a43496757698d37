"""What a number of an environment accepts, as its field declares it (`jaxvec.core.params.number`): in words, and checked.

Throughout:
    field: of an environment's numbers.
    value: what the number is given, a scalar or an array; not one that is being traced.
"""

import dataclasses
from typing import Any

import numpy as np

MOST = 2**31 - 1  # of whole numbers, which become an int32
LARGEST = float(np.finfo(np.float32).max)  # what is more would be infinite where worlds compute


def accepted(field: dataclasses.Field[Any]) -> str:
    """What is accepted, in words and in the number's unit: "0 to 1", "greater than 0, at most speed_max_mps".

    Returns:
        Words that follow on "must be".
    """
    data = field.metadata
    if data.get("flag"):
        return "0 or 1"
    if "count_of" in data:
        return f"whole, 1 to {data['count_of']}"
    (least, most), above = data.get("limits", (None, None)), data.get("greater_than")
    parts = []
    if least is not None and most is not None and above is None:
        parts.append(f"{least:g} to {most:g}")
    else:
        parts += [f"at least {least:g}"] if least is not None else []
        parts += [f"greater than {above:g}"] if above is not None else []
        parts += [f"at most {most:g}"] if most is not None else []
    parts += [f"at most {data['up_to']}"] if data.get("up_to") else []
    parts += [f"below {data['below']}"] if data.get("below") else []
    words = ", ".join(parts) or "finite"
    return f"whole, {words}" if data.get("whole") else words


def fault(field: dataclasses.Field[Any], value: Any) -> str | None:
    """What is wrong with a value in itself; other numbers are not looked at.

    Returns:
        Name, value, unit and what is accepted; or None of a value that is accepted.
    """
    data, unit = field.metadata, unit_of(field)
    must = f"(must be {accepted(field)}{unit})"
    try:
        numbers = np.asarray(value)
        if numbers.dtype.kind not in ("biufV" if data.get("flag") else "iufV"):  # V: bfloat16
            raise TypeError
        numbers = numbers.astype(float)
    except (TypeError, ValueError):
        return f"{field.name} = {value!r} (must be a number, {accepted(field)}{unit})"
    bad = ~(np.abs(numbers) <= LARGEST)
    (least, most), above = data.get("limits", (None, None)), data.get("greater_than")
    if data.get("flag"):
        bad |= (numbers != 0) & (numbers != 1)
    if data.get("whole"):
        bad |= numbers != np.round(numbers)
    # limits as float32 has them, too: an array of them is the same limit
    if least is not None:
        bad |= numbers < min(least, float(np.float32(least)))
    if most is not None:
        bad |= numbers > max(most, float(np.float32(most)))
    if above is not None:
        bad |= numbers <= above
    return f"{said(field, numbers, bad)} {must}" if np.any(bad) else None


def said(field: dataclasses.Field[Any], numbers: np.ndarray, bad: np.ndarray) -> str:
    """The first bad entry of a number, as "name[index] = value unit".

    Args:
        numbers: the number's value.
        bad: bool, of its shape or one that broadcasts with it: which entries are bad, one at least.
    Returns:
        Words.
    """
    numbers, bad = np.broadcast_arrays(numbers, bad)
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{field.name}{index} = {numbers[at]:g}{unit_of(field)}"


def unit_of(field: dataclasses.Field[Any]) -> str:
    """A space and the unit of a number, or nothing of one that has none.

    Returns:
        Words that follow on a value.
    """
    unit = field.metadata.get("unit", "-")
    return f" {unit}" if unit not in ("", "-") else ""
