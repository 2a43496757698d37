"""Made-up regions: the statistics of counts and trips, the roads, and that parts do not disturb each other."""

import numpy as np
import pytest

from jaxvec.traces import check_region, synthetic_region
from jaxvec.traces.earth import EARTH_RADIUS_M, to_metres
from jaxvec.traces.synthetic import AREAS, SITES_AT, TAXIS_AT, _drive, flow, sites_m, taxis

DAY = 288
TEST_DAYS = slice(21 * DAY, 28 * DAY)


@pytest.fixture(scope="module", params=[0, 1])
def city(request):
    return synthetic_region(request.param, "city")


@pytest.fixture(scope="module")
def rural():
    return synthetic_region(0, "rural")


def metres(dlat_deg, dlon_deg):
    """Offsets from the anchor [m], east and north."""
    return to_metres(SITES_AT[0] + np.float64(dlat_deg), SITES_AT[1] + np.float64(dlon_deg), SITES_AT)


def driving(region):
    """Metres per slot of each trip, metres from each trip's slots to each RSU, and which slots are real."""
    x_m, y_m = metres(region.traj_dlat_deg, region.traj_dlon_deg)
    real = np.arange(x_m.shape[1]) < region.traj_len[:, None]
    step_m = np.hypot(np.diff(x_m), np.diff(y_m))[real[:, 1:]]
    sites = metres(region.rsu_dlat_deg[region.rsu_present], region.rsu_dlon_deg[region.rsu_present])
    return step_m, np.hypot(x_m[real][:, None] - sites[0], y_m[real][:, None] - sites[1])


def correlation(flow, lag):
    return np.mean([np.corrcoef(x[:-lag], x[lag:])[0, 1] for x in flow])


def test_counts_have_the_rhythms_of_motorways(city):
    flow = city.flow
    hour = np.arange(flow.shape[1]) % DAY // 12
    assert flow.shape == (84, 28 * DAY)
    np.testing.assert_array_equal(flow, np.round(flow))
    assert flow.mean() == pytest.approx(290, rel=0.1)
    assert flow.std(1).mean() == pytest.approx(160, rel=0.1)
    assert 90 < flow.mean(1).std() < 140
    assert flow[:, (hour >= 6) & (hour < 22)].mean() == pytest.approx(380, rel=0.1)
    # after 5 minutes, an hour, a day and a week
    assert [correlation(flow, lag) for lag in (1, 12, DAY, 7 * DAY)] == pytest.approx(
        [0.98, 0.90, 0.87, 0.95], abs=0.02
    )


def test_forecasts_err_as_on_recorded_counts(city):
    true = city.flow[:, TEST_DAYS]

    def error(forecast):
        return np.abs(forecast - true).sum() / true.sum()

    assert error(city.flow[:, 21 * DAY - 1 : -1]) == pytest.approx(0.073, rel=0.1)  # the last bin again
    assert error(city.flow_pred[:, TEST_DAYS]) == pytest.approx(0.068, rel=0.1)
    assert error(city.flow_pred[:, TEST_DAYS]) < 0.96 * error(city.flow[:, 21 * DAY - 1 : -1])


def test_days_have_a_clock_and_a_level_of_their_own_and_weekends_sleep_in():
    counts = flow(0, 300).counts.mean(0).reshape(28, DAY)  # what is each station's own, is mostly gone
    weekend = np.arange(28) % 7 >= 5
    assert counts[weekend, 84:96].max() < 0.6 * counts[~weekend, 84:96].min()  # 7:00 to 8:00
    rise = [np.argmax(day[36:120] > 0.6 * day[84:240].max()) for day in counts[~weekend]]  # bins of 5 minutes
    assert 1 < np.std(rise) < 3  # 10 minutes
    day_time = counts[~weekend, 120:168]
    assert 0.02 < np.std(np.log(counts[~weekend].mean(1))) < 0.045  # 3 %, and 1 % of what is regional
    # from bin to bin 0.94 % of it is regional; each station's own 5.4 % and the dice are 0.3 % each after 300 of them
    assert 0.009 < np.std(np.diff(np.log(day_time))) < 0.013


def test_taxis_turn_and_wait_as_often_as_they_should():
    kind = AREAS["city"]
    time_s, place_m = _drive(np.random.default_rng(0), kind, 200, 10_000)
    wait_s, drive_s = np.diff(time_s, axis=0)[::2], np.diff(time_s, axis=0)[1::2]
    assert np.mean(wait_s > 0) == pytest.approx(0.4, abs=0.01)
    assert wait_s[wait_s > 0].mean() == pytest.approx(20, rel=0.05)
    speed_mps = 1000 / drive_s
    assert np.exp(np.log(speed_mps).mean()) == pytest.approx(10, rel=0.05)
    assert np.log(speed_mps).std(0).mean() == pytest.approx(0.2, rel=0.05)  # along the way
    assert np.log(speed_mps).mean(0).std() == pytest.approx(0.2, rel=0.15)  # among taxis
    corner_m = place_m[::2]
    way = np.diff(corner_m, axis=0) / 1000
    along, across = np.sum(way[1:] * way[:-1], -1), way[:-1, :, 0] * way[1:, :, 1] - way[:-1, :, 1] * way[1:, :, 0]
    inner = np.abs(corner_m[1:-1]).max(-1) < 5000  # where every turn stays inside
    assert np.mean(along[inner] == 1) == pytest.approx(0.6, abs=0.01)
    assert np.mean(across[inner] == 1) == pytest.approx(0.2, abs=0.01)  # left
    assert np.mean(across[inner] == -1) == pytest.approx(0.2, abs=0.01)
    # nobody ever turns back: even in a corner, left or right stays inside
    assert not np.any(along == -1)


def test_a_week_earlier_is_a_worse_forecast():
    # days differ in their clocks and levels, the same for all stations: so over seeds, which differ by 5 %
    errors = []
    for seed in range(12):
        counts = flow(seed, 20).counts
        true, week_ago = counts[:, TEST_DAYS], counts[:, 14 * DAY : 21 * DAY]
        errors.append(np.abs(week_ago - true).sum() / true.sum())
    assert np.mean(errors) == pytest.approx(0.103, rel=0.1)


def test_city_trips_and_patrols(city):
    step_m, away_m = driving(city)
    assert step_m.mean() == pytest.approx(270, rel=0.1)
    assert np.sum(away_m <= 1200, 1).mean() == pytest.approx(3.3, rel=0.1)
    assert 0.005 < np.mean(np.all(away_m > 1200, 1)) < 0.03  # 1.4 %
    assert np.median(away_m.min(1)) == pytest.approx(350, rel=0.1)
    assert city.traj_len.mean() == pytest.approx(50, abs=2)
    assert np.mean(city.traj_len == 60) == pytest.approx(0.41, abs=0.04)
    assert len(city.traj_len) == pytest.approx(900, abs=40)
    assert np.all(np.abs(loops_m(city) - 6000) < 2500)


def loops_m(region):
    corners = region.uav_wp_xy_m
    return np.hypot(*(np.roll(corners, -1, 1) - corners).transpose(2, 0, 1)).sum(1)


def test_rural_trips_and_patrols(rural):
    step_m, away_m = driving(rural)
    assert rural.rsu_present.sum() == 68
    assert not rural.flow[68:].any()
    assert not rural.flow_pred[68:].any()
    assert step_m.mean() == pytest.approx(590, rel=0.1)
    assert np.sum(away_m <= 1200, 1).mean() == pytest.approx(0.48, rel=0.1)
    assert np.mean(np.all(away_m > 1200, 1)) == pytest.approx(0.64, abs=0.03)
    assert np.all((loops_m(rural) > 6000) & (loops_m(rural) < 24000))


@pytest.mark.parametrize("area", AREAS)
def test_everybody_is_on_the_roads(area):
    kind, samples, xy_m = AREAS[area], taxis(3, area, 20, 2), sites_m(3, area, 68)

    def off_road(x):
        return np.abs(x - kind.road_m * np.round(x / kind.road_m))

    x_m, y_m = to_metres(samples.lat_deg, samples.lon_deg, TAXIS_AT)
    assert np.all(np.minimum(off_road(x_m), off_road(y_m)) < 1e-3)
    assert np.max(np.abs([x_m, y_m])) < kind.width_m / 2 + 1e-3
    assert np.all(np.minimum(*off_road(xy_m).T) <= 50)
    assert np.abs(xy_m).max() <= kind.width_m / 2 + 50
    assert (np.maximum(*off_road(xy_m).T).max() <= 50) == (area == "city")  # there, at junctions
    assert len(np.unique(np.round(xy_m / 1000), axis=0)) == 68 or area == "rural"  # each junction once


def test_taxis_are_sampled_while_they_drive_and_are_silent_between_trips():
    samples = taxis(3, "city", 20, 2)
    new = np.diff(samples.vehicle) != 0
    gap_s = np.diff(samples.time_s)
    assert set(samples.vehicle) == set(range(1, 21))
    assert np.all(samples.time_s == np.floor(samples.time_s))
    assert np.sum((gap_s != 30) & ~new) == 20  # one pause each
    pauses_s = gap_s[(gap_s != 30) & ~new]
    assert pauses_s.min() >= 899
    assert pauses_s.max() <= 3631  # and what is left of a slot
    # a trip starts where the one before ended: within one slot's drive
    x_m, y_m = to_metres(samples.lat_deg, samples.lon_deg, TAXIS_AT)
    jump_m = np.hypot(np.diff(x_m), np.diff(y_m))
    assert jump_m[(gap_s != 30) & ~new].max() < 30 * 25


def test_a_seed_gives_the_same_region_and_another_seed_another():
    synthetic_region.cache_clear()
    small = {"n_rsu": 4, "n_uav": 2, "n_days": 2, "horizon": 20}
    region = synthetic_region(5, **small)
    assert synthetic_region(5, **small) is region
    synthetic_region.cache_clear()
    again, other = synthetic_region(5, **small), synthetic_region(6, **small)
    for name, array in region.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
        same = name in ("lat0_deg", "lon0_deg", "rsu_present", "start_bins")
        assert np.array_equal(array, other.arrays()[name]) == same
    with pytest.raises(ValueError, match="read-only"):
        region.flow[0, 0] = 1


def test_parts_do_not_depend_on_each_other():
    small = {"n_uav": 2, "n_days": 2, "horizon": 20}
    few, many = synthetic_region(5, n_rsu=6, n_present=4, **small), synthetic_region(5, n_rsu=6, **small)
    np.testing.assert_array_equal(few.rsu_dlat_deg[:4], many.rsu_dlat_deg[:4])  # nested sets of sites
    np.testing.assert_array_equal(few.rsu_present, [True] * 4 + [False] * 2)
    np.testing.assert_array_equal(few.flow[:4], many.flow[:4])
    np.testing.assert_array_equal(few.traj_dlat_deg, many.traj_dlat_deg)
    test = synthetic_region(5, n_rsu=6, split="test", **small)
    np.testing.assert_array_equal(test.flow_pred, many.flow_pred)
    assert many.start_bins.max() < DAY <= test.start_bins.min()


def test_near_the_centre_sites_are_denser():
    # weights exp(-r / 4 km): the nine junctions nearest to the centre are taken more often than the 40 at the rim
    taken = np.concatenate([np.round(sites_m(seed, "city", 30) / 1000) for seed in range(200)])
    rings_km = np.abs(taken).max(1)
    assert np.sum(rings_km <= 1) / 9 / 200 > 0.4
    assert np.sum(rings_km == 5) / 40 / 200 < 0.2


def test_small_regions_are_whole():
    for sizes in (
        {"n_rsu": 1, "n_uav": 1},
        {"n_rsu": 2, "n_uav": 3},
        {"n_rsu": 5, "n_uav": 0},
        {"n_rsu": 3, "n_present": 1},
    ):
        region = synthetic_region(0, horizon=6, n_days=2, **sizes)
        assert region.flow.shape == (sizes["n_rsu"], 2 * DAY)
        assert region.traj_dlat_deg.shape[1] == 6
        check_region(region)


@pytest.mark.parametrize(
    ("sizes", "fault"),
    [
        ({"area": "moon"}, r"unknown area 'moon'\. Known: city, rural"),
        ({"n_rsu": 122, "n_present": 122}, "n_rsu is 122, outside 1 to 121"),
        ({"n_rsu": 0}, "n_rsu is 0"),
        ({"n_rsu": 3, "n_present": 4}, "4 RSUs, but the arrays are to have 1 to 3"),
        ({"n_uav": -1}, "n_uav is -1"),
        ({"n_days": 0}, "84 stations and 0 days"),
        ({"n_days": 1}, "two whole days"),
        ({"n_days": 3, "split": "validation"}, "no episode of 60 slots can begin in the validation days of 3 days"),
        (
            {"n_days": 2, "split": "tests"},
            r"unknown split 'tests'\. Did you mean 'test'\? Known: test, train, validation",
        ),
        (
            {"n_days": 2, "predictor": "oracle"},
            r"unknown predictor 'oracle'\. Known: ar6, cnn_gru, .*weekly; or give a function",
        ),
        ({"n_days": 2, "n_vehicles": 1000}, r"\d+ trips are too few for 1000 vehicles"),
        ({"n_days": 2, "horizon": 0}, "horizon 0"),
    ],
)
def test_settings_out_of_range(sizes, fault):
    with pytest.raises(ValueError, match=fault):
        synthetic_region(0, **sizes)


def test_parts_out_of_range():
    with pytest.raises(ValueError, match="0 stations"):
        flow(0, 0)
    with pytest.raises(ValueError, match="1 taxis with 0 trips"):
        taxis(0, "city", 1, 0)


def test_the_radius_is_the_papers():
    assert EARTH_RADIUS_M == 6_371_393
