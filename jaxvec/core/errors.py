"""Words of errors."""

import difflib
from typing import Any


def suggest(kind: str, name: str, known: Any) -> str:
    """The words of an error about an unknown name: what was asked, the closest match, what is known.

    Args:
        kind: of thing that the name should be of.
        name: that was asked for.
        known: names.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    between = "; " if any("," in x for x in known) else ", "
    return f"unknown {kind} {name!r}.{hint} Known: {between.join(known)}"
