"""What a benchmark is asked to measure, checked before anything is measured."""

from collections.abc import Sequence

from jaxvec import learners
from jaxvec.core.make import ENVIRONMENTS


def check(env_ids: Sequence[str], worlds: Sequence[int], train: Sequence[str] | None, repeats: int) -> None:
    """Refuse what cannot be measured, or would not be.

    Args:
        env_ids: names of environments.
        worlds: numbers of worlds side by side.
        train: names of learners; empty: all; None: none.
        repeats: rounds.
    Raises:
        ValueError: an unknown environment or learner, a learner twice, a count below 1, or nothing at all.
    """
    for env_id in env_ids:
        ENVIRONMENTS[env_id]
    for n in worlds:
        if n < 1:
            raise ValueError(f"worlds must be at least 1, not {n}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    for i, name in enumerate(train or ()):
        learners.LEARNERS[name]
        if name in (train or ())[:i]:
            raise ValueError(f"learner {name!r} is named twice")
    if not env_ids or not (worlds or train is not None):
        raise ValueError("there is nothing to measure: give environments, and numbers of worlds or --train")
