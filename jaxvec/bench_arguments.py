"""What a benchmark is asked to measure, checked before anything is measured."""

from collections.abc import Sequence

from jaxvec import learners
from jaxvec.core.make import ENVIRONMENTS


def check(
    env_ids: Sequence[str], worlds: Sequence[int], learner_names: Sequence[str], repeats: int, every: str
) -> None:
    """Refuse what cannot be measured, or would not be.

    Args:
        env_ids: names of environments.
        worlds: numbers of worlds side by side.
        learner_names: of learners.
        repeats: rounds.
        every: stands for all learners.
    Raises:
        ValueError: an unknown environment or learner, a count below 1, `every` beside others, or nothing at all.
    """
    for env_id in env_ids:
        ENVIRONMENTS[env_id]
    for n in worlds:
        if n < 1:
            raise ValueError(f"worlds must be at least 1, not {n}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    if every in learner_names and len(learner_names) > 1:
        raise ValueError(f"learners: {every} stands for every learner, and so alone, not in {', '.join(learner_names)}")
    for name in () if every in learner_names else learner_names:
        learners.LEARNERS[name]
    if not env_ids or not (worlds or learner_names):
        raise ValueError("there is nothing to measure: name environments, and numbers of worlds or learners")
