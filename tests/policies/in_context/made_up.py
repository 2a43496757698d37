"""Sets of cases from numbers drawn at random."""

import numpy as np

from jaxvec.policies.in_context.cases import CaseSet, Metric, Nearest

ROWS, FEATURES, SHARED, NUMBERS, CAPACITY = 3, 3, 1, 2, 8
METRIC = Metric(rows=(0.5, 0.0, 2.0), shared=(1.5,), sort_by=2)


def arrays(seed, n_valid, n_rows=ROWS, capacity=CAPACITY):
    """The arrays of a set, float32; what is not valid is rubbish, which must not matter."""
    rng = np.random.default_rng(seed)

    def uniform(*shape):
        return rng.uniform(0, 1, shape).astype(np.float32)

    return {
        "rows": uniform(capacity, n_rows, FEATURES),
        "shared": uniform(capacity, SHARED),
        "action": uniform(capacity, n_rows, NUMBERS),
        "reward": uniform(capacity, n_rows),
        "advantage": uniform(capacity, n_rows),
        "tag": np.zeros(capacity, np.int32),
        "stamp": np.arange(capacity, dtype=np.int32),
        "valid": np.arange(capacity) < n_valid,
    }


def cases(seed, n_valid, **sizes):
    """A set."""
    return CaseSet(**arrays(seed, n_valid, **sizes))


def retrieved(seed, n_valid, k=CAPACITY, **sizes):
    """Cases as if retrieved."""
    x = arrays(seed, n_valid, capacity=k, **sizes)
    apart = np.where(x["valid"], np.arange(k), np.inf).astype(np.float32)
    return Nearest(x["rows"], x["shared"], x["action"], x["advantage"], apart, x["valid"])
