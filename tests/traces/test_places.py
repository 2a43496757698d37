"""Places by rules, against what can be worked out by hand, and by lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvec.traces import RecordError, Trace
from jaxvec.traces.earth import plane
from jaxvec.traces.places import coverage, grid, kmeans, read_places, traffic

SQUARE = np.array([[0, 0], [100, 100]])


def parked(*places, seconds=1):
    """A trace of vehicles that stand still, for so many samples of 1 s."""
    x_m, y_m = (np.repeat(np.array(axis, np.float32)[:, None], seconds, 1) for axis in zip(*places, strict=True))
    n = len(places)
    still = np.zeros_like(x_m)
    return Trace(
        x_m, y_m, still, still, np.zeros(n, np.float32), np.full(n, seconds, np.int32), np.array(1, np.float32)
    )


def test_traffic_is_counted_in_cells_of_the_area():
    trace = parked((5, 5), (6, 6), (95, 15), (500, 5), seconds=3)
    trace = trace.replace(n_samples=np.array([3, 1, 3, 3], np.int32))  # what is padded does not count
    xy_m, seconds = traffic(trace, SQUARE, 10.0)
    np.testing.assert_array_equal(xy_m, [[5, 5], [95, 15]])
    np.testing.assert_array_equal(seconds, [4, 3])


def test_a_grid_by_hand():
    np.testing.assert_allclose(grid(SQUARE, 4), [[25, 25], [75, 25], [25, 75], [75, 75]])
    np.testing.assert_allclose(grid(np.array([[-10, 0], [50, 10]]), 3), [[0, 5], [20, 5], [40, 5]])
    np.testing.assert_allclose(grid(SQUARE, 1), [[50, 50]])


@given(st.integers(1, 60), st.floats(1, 1e4), st.floats(1, 1e4))
def test_a_grid_has_as_many_places_as_asked_for_inside(n, width_m, height_m):
    places = grid(np.array([[0, 0], [width_m, height_m]]), n)
    assert places.shape == (n, 2)
    assert len(np.unique(places, axis=0)) == n
    assert np.all((places > 0) & (places < (width_m, height_m)))


def test_kmeans_finds_the_means_of_heaps():
    rng = np.random.default_rng(0)
    middles = np.array([[0, 0], [1000, 0], [0, 1000]])
    xy_m = np.concatenate([middle + rng.normal(0, 20, (200, 2)) for middle in middles])
    seconds = rng.uniform(1, 9, 600)
    expected = [np.average(xy_m[k * 200 : k * 200 + 200], 0, seconds[k * 200 : k * 200 + 200]) for k in (0, 2, 1)]
    np.testing.assert_allclose(
        kmeans(xy_m, seconds, 3, seed=4)[[0, 1, 2]], sorted(expected, key=lambda p: (p[0], p[1])), atol=1e-2
    )
    np.testing.assert_array_equal(kmeans(xy_m, seconds, 3, seed=4), kmeans(xy_m, seconds, 3, seed=4))
    with pytest.raises(RecordError, match="4 places asked for, but there was traffic in 3 cells only"):
        kmeans(middles, np.ones(3), 4)


def test_coverage_takes_what_is_not_yet_reached():
    # heaps of 10, 9, 2 s at x = 0, 50 and 500; a reach of 60 takes the first two from either, then the third, then one again
    xy_m, seconds = np.array([[0, 0], [50, 0], [500, 0]]), np.array([10.0, 9.0, 2.0])
    places = coverage(xy_m, seconds, 3, 60.0)
    assert places[:, 0].tolist() == [0, 500, 50]
    assert coverage(xy_m, seconds, 1, 10.0)[0, 0] == 0
    assert coverage(xy_m, seconds, 2, 60.0, np.array([[490, 0], [65, 0], [30, 30]]))[:, 0].tolist() == [30, 490]
    with pytest.raises(RecordError, match="4 places asked for, but there are 3 where one may be"):
        coverage(xy_m, seconds, 4, 60.0)
    with pytest.raises(RecordError, match="no place that may be chosen has traffic within 5 m"):
        coverage(xy_m, seconds, 1, 5.0, np.array([[-90, 0]]))


def test_coverage_is_at_most_a_third_or_so_worse_than_the_best():
    # greedy reaches at least 1 - 1/e of what the best two of all pairs reach (Nemhauser, Wolsey and Fisher 1978)
    rng = np.random.default_rng(1)
    xy_m, seconds = rng.uniform(0, 1000, (40, 2)), rng.uniform(0, 9, 40)

    def reached(places):
        return seconds[np.min(np.linalg.norm(xy_m[:, None] - places, axis=2), 1) <= 200].sum()

    best = max(reached(xy_m[[i, j]]) for i in range(40) for j in range(i))
    assert best >= reached(coverage(xy_m, seconds, 2, 200.0)) >= (1 - np.exp(-1)) * best


def test_a_list_of_places(tmp_path):
    path = tmp_path / "masts.csv"
    path.write_text("name,Y,X\na,1,2\n\nb,3.5,-4\n")
    np.testing.assert_array_equal(read_places(path), [[2, 1], [-4, 3.5]])
    path.write_text('"longitude";"latitude"\n9.4;47.5\n9.41;47.5\n')
    np.testing.assert_allclose(read_places(path, plane((47.5, 9.4))), [[0, 0], [751.26, 0]], atol=0.01)
    with pytest.raises(RecordError, match=r"masts\.csv: places are in degrees, but it is not known where"):
        read_places(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the first line names no x and y, or longitude and latitude: empty"),
        ("1,2\n3,4", "the first line names no x and y, or longitude and latitude: 1, 2"),
        ("x,y\n", "there is no place in it"),
        ("x,y\n1,2\n3,\n", r"masts\.csv:3: no place: 3,"),
        ("x,y\n1,inf\n", r"masts\.csv:2: no place: 1,inf"),
        ("x,y\n1\n", r"masts\.csv:2: no place: 1"),
    ],
)
def test_lists_that_are_none(tmp_path, text, fault):
    (tmp_path / "masts.csv").write_text(text)
    with pytest.raises(RecordError, match=fault):
        read_places(tmp_path / "masts.csv")
