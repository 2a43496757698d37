"""Which cases of a parametrised test are quick.

The contract of environments (`envs/test_contract.py`) is tried on every system in every run. Any other test that goes over
systems, learners or settings has one or two cheap cases in the quick suite, preferably with turns or hybrid actions; the rest
is slow.
"""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def representatives(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """All cases for `pytest.mark.parametrize`, slow but for those in `quick`; a tuple is a case of several arguments."""
    cases = list(cases)
    assert all(case in cases for case in quick), f"not among the cases: {[case for case in quick if case not in cases]}"
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    marks = [() if case in quick else pytest.mark.slow for case in cases]
    return [pytest.param(*value, marks=mark) for value, mark in zip(values, marks, strict=True)]
