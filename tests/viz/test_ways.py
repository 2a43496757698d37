"""Streets by where recorded vehicles drove."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxvec.envs.world import joined
from jaxvec.traces import Trace, replay_of
from jaxvec.viz.ways import clipped, ways_of


def driven(*tracks):
    """Numbers of an environment that replays vehicles along these places, one a second."""
    n_samples = np.array([len(track) for track in tracks], np.int32)
    places = np.stack(
        [np.pad(np.array(t, np.float32), ((0, n_samples.max() - len(t)), (0, 0)), "edge") for t in tracks]
    )
    still = np.zeros(places.shape[:2], np.float32)
    enter_s = np.zeros(len(tracks), np.float32)
    trace = Trace(places[..., 0], places[..., 1], still, still, enter_s, n_samples, np.array(1, np.float32))
    return SimpleNamespace(trace=replay_of(trace, 1, 1.0))


def test_a_track_is_as_straight_as_it_was():
    east = [(10.0 * k, 1.0 * (k % 2)) for k in range(21)]  # a metre to and fro
    north = [(200.0, 10.0 * k) for k in range(1, 11)]
    (first, second) = ways_of(driven(east + north))
    np.testing.assert_allclose(first, (0, 0, 200, 0), atol=1)
    np.testing.assert_allclose(second[2:], (200, 100), atol=1)
    assert second[1] < 45  # joins the first


def test_what_was_driven_twice_is_drawn_once():
    lane = [(10.0 * k, 0.0) for k in range(21)]
    back = [(x, 4.0) for x, _ in reversed(lane)]
    assert len(ways_of(driven(lane, back, lane))) == 1
    longer = [(10.0 * k, 0.0) for k in range(41)]
    first, second = ways_of(driven(lane, longer))
    assert first[2] == 200
    assert (150 < second[0] < 210, second[2]) == (True, 400)  # goes on where the first ends


@pytest.mark.parametrize("takeover", [True, False])
def test_of_several_worlds_only_the_streets_of_those_asked_for(takeover):
    """Of each world the one vehicle that is there at the start, and in its place later the other, if it takes it."""
    still, samples = np.zeros((2, 4), np.float32), np.array([4, 4], np.int32)
    x_m = np.float32(40.0) * np.arange(8, dtype=np.float32).reshape(2, 4)
    each = [Trace(x_m, still + y_m, still, still, np.float32([0, 5]), samples, np.float32(1)) for y_m in (0, 1000)]
    whole, starts = joined([replay_of(trace, 1, 1.0, takeover=takeover) for trace in each])
    at_first = starts[whole.starts_s[starts[:, 0]] < 3]
    for world in (0, 1):
        ways = np.array(ways_of(SimpleNamespace(trace=whole, trace_starts=at_first[:, world])))
        assert np.all(ways[:, [1, 3]] == 1000 * world)
        assert ways[:, 2].max() == (280 if takeover else 120)
    assert {y for _, y, _, _ in ways_of(SimpleNamespace(trace=whole, trace_starts=starts))} == {0, 1000}


def test_made_up_traffic_has_no_streets():
    assert ways_of(SimpleNamespace()) == ways_of(SimpleNamespace(trace=None)) == ()


@pytest.mark.parametrize(
    ("way", "inside"),
    [
        ((1, 1, 2, 2), (1, 1, 2, 2)),
        ((-5, 5, 15, 5), (0, 5, 10, 5)),
        ((5, -10, 5, 20), (5, 0, 5, 10)),
        ((-5, -5, 15, 15), (0, 0, 10, 10)),
        ((-5, 0, 0, 11), None),
        ((11, 0, 11, 10), None),
    ],
)
def test_of_a_piece_what_is_in_the_box(way, inside):
    found = clipped(way, (0, 0), (10, 10))
    assert (found is None) == (inside is None)
    if inside is not None:
        np.testing.assert_allclose(found, inside)
