"""Batch axes: last in environments, first in networks."""

import numpy as np
import pytest

from jaxvec.core.layout import batch_first, batch_last, lift


def test_lift_appends_axes_of_length_one():
    assert lift(3.0, 2).shape == (1, 1)
    assert lift(np.zeros((2, 3)), 1).shape == (2, 3, 1)
    assert lift([1.0, 2.0], 0).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_batches_go_to_the_front_and_back(rank):
    batch = (4, 5)[:rank]
    tree = {"links": np.arange(6 * int(np.prod(batch))).reshape(2, 3, *batch), "time": np.zeros(batch)}
    first = batch_first(tree, rank)
    assert (first["links"].shape, first["time"].shape) == ((*batch, 2, 3), batch)
    for index in np.ndindex(batch):
        np.testing.assert_array_equal(first["links"][index], tree["links"][(slice(None), slice(None), *index)])
    back = batch_last(first, rank)
    for name, x in tree.items():
        np.testing.assert_array_equal(back[name], x)
