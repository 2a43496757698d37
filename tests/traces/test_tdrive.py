"""Taxis from T-Drive files: every kind of bad row by hand, samples to slots by hand, round trips, damage, any bytes."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.core.npz import header_of, read_npz, write_npz
from jaxvec.traces import RecordError, read_tdrive, synthetic
from jaxvec.traces.jumps import plausible
from jaxvec.traces.tdrive import FORMAT, read_samples
from jaxvec.traces.trips import Samples, to_trips
from jaxvec.traces.writers import write_tdrive

ROWS = """\
7,2008-02-02 15:00:00,116.40000,39.90000
7,2008-02-02 15:00:00,116.50000,39.90000

7,2008-02-02 15:01:00,116.40000
7,2008-02-30 15:01:00,116.40000,39.90000
x,2008-02-02 15:01:00,116.40000,39.90000
7,2008-02-02 15:01:00,nan,39.90000
7,2008-02-02 15:01:00,0.00000,0.00000
7,2008-02-02 15:01:00,39.90000,116.40000
7,2008-02-02 15:01:00,116.40000,39.95000
7,2008-02-02 15:02:00,116.40000,39.91000
"""


def test_every_bad_row_is_counted_under_its_reason(tmp_path):
    # 5.56 km in the first minute is 93 m/s: "speed"; 1.11 km in two minutes is not
    (tmp_path / "any name").write_bytes(b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode())
    samples, report = read_samples(tmp_path)
    assert report.reasons == {"blank": 1, "fields": 1, "parse": 3, "bounds": 2, "duplicate": 1, "speed": 1}
    assert (report.files, report.rows, report.kept) == (1, 11, 2)
    np.testing.assert_array_equal(samples.vehicle, [7, 7])
    assert samples.time_s[1] - samples.time_s[0] == 120
    assert samples.time_s[0] == 13911 * 86400 + 15 * 3600  # 2008-02-02 is 13911 days after 1970
    np.testing.assert_array_equal(samples.lat_deg, [39.90, 39.91])
    np.testing.assert_array_equal(samples.lon_deg, [116.4, 116.4])
    assert "duplicate: 1" in str(report)


@pytest.mark.parametrize(
    "field",
    [
        (0, "7.0"), (0, "-1"), (0, "1_0"), (0, "9" * 19), (0, "9" * 4000), (0, "\u0663"), (0, ""),
        (1, "2008-W05-6 15:00:00"), (1, "2008-02-02T15:00:00"), (1, "2008-02-02 15:00"), (1, "2008-02-02 24:00:00"),
        (1, "2008-02-02 15:00:0\u0663"), (2, "inf"), (2, "1e999"), (2, "1_1_6.4"), (3, "nan"), (3, "0x27"), (3, "39,9"[:3]),
    ],
)  # fmt: skip
def test_numbers_and_times_are_what_they_look_like(tmp_path, field):
    good = "7,2008-02-02 15:00:00,116.40000,39.90000"
    fields = good.split(",")
    fields[field[0]] = field[1]
    (tmp_path / "1.txt").write_text(f"{good}\n{','.join(fields)}\n", encoding="utf-8")
    _, report = read_samples(tmp_path)
    assert report.reasons == ({"fields": 1} if field[1] == "39," else {"parse": 1})
    assert report.kept == 1


@pytest.mark.parametrize(("row", "reason"), [(3, "fields"), (4, "parse"), (7, "bounds")])
def test_strict_reading_names_the_row(tmp_path, row, reason):
    lines = ROWS.splitlines()
    file = tmp_path / "1.txt"
    file.write_text("\n".join([lines[0], lines[row]]))
    with pytest.raises(RecordError, match=rf"1\.txt:2: {reason}"):
        read_samples(file, strict=True)
    file.write_text("\n".join(lines[:2]))
    with pytest.raises(RecordError, match=r"1\.txt:2: duplicate"):
        read_samples(file, strict=True)


def test_what_cannot_be_used_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_tdrive(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="no file to read"):
        read_tdrive(tmp_path)
    (tmp_path / "1.txt").write_text("1,2,3\n" * 4)
    with pytest.raises(RecordError, match=r"no row is usable: .*fields: 4"):
        read_tdrive(tmp_path)
    (tmp_path / "2.txt").write_text(ROWS)
    _, report = read_samples(tmp_path)
    assert list(report.refused.items()) == [(str(tmp_path / "1.txt"), "fields")]
    whole = gzip.compress(ROWS.encode())
    (tmp_path / "3.txt.gz").write_bytes(whole[:-12])
    with pytest.raises(RecordError, match=r"3\.txt\.gz:\d+: the gzip data end too early"):
        read_samples(tmp_path)
    with pytest.raises(RecordError, match="bounds"):
        read_samples(tmp_path / "2.txt", bounds=(117, 116, 39, 40))


def test_samples_to_slots_by_hand():
    # a taxi goes 0.02 degrees north in 1200 s, stops for 601 s, and goes back: pieces of 41 slots each; the second taxi
    # has a single sample
    time_s = np.array([0.0, 600, 1200, 1801, 2401, 3001, 0])
    lat = 39.9 + np.array([0, 0.01, 0.02, 0.02, 0.01, 0, 0])
    samples = Samples(np.array([1] * 6 + [2]), time_s, lat, np.full(7, 116.4))
    trips = to_trips(samples, horizon=30)
    assert trips.n_slots.tolist() == [30, 30]
    assert trips.left_out == {"short": 2, "parked": 0}  # the 11 slots left of each piece
    np.testing.assert_allclose(trips.lat_deg[0], 39.9 + 0.02 * np.arange(30) / 40, atol=1e-12)
    np.testing.assert_allclose(trips.lat_deg[1], 39.92 - 0.02 * np.arange(30) / 40, atol=1e-12)
    trips = to_trips(samples, horizon=60)
    assert trips.n_slots.tolist() == [41, 41]
    np.testing.assert_allclose(trips.lat_deg[0, 40:], 39.92, atol=1e-12)  # padded by its last point
    assert to_trips(samples, horizon=41, max_gap_s=700).n_slots.tolist() == [41, 41]  # now one piece of 101
    with pytest.raises(RecordError, match=r"no trip is left: 0 windows are too short, 2 stay"):
        to_trips(samples, horizon=60, min_span_m=5e3)


def test_a_trip_leaves_a_box():
    # 600 s north: 510 m are a trip, 490 m are not; 400 m north and 310 m east are, with a diagonal of 506 m
    def north_east(north_m, east_m):
        degrees = np.array([0, 20]) / 20 / 6_371_393 * 180 / np.pi
        lat, lon = 60 + north_m * degrees, 10 + 2 * east_m * degrees  # half as long, there
        return Samples(np.array([1, 1]), np.array([0.0, 600]), lat, lon)

    for north_m, east_m in [(510, 0), (0, 510), (400, 310)]:
        assert to_trips(north_east(north_m, east_m)).left_out == {"short": 0, "parked": 0}
    for north_m, east_m in [(490, 0), (0, 490), (400, 290)]:
        with pytest.raises(RecordError, match="1 stay in place"):
            to_trips(north_east(north_m, east_m))


@pytest.fixture(scope="module")
def taxis():
    """Some made-up taxis."""
    samples = synthetic.taxis(3, "city")
    few = samples.vehicle <= 4
    return Samples(*(column[few] for column in samples))


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_written_is_read_back(taxis, tmp_path, zipped):
    bad = write_tdrive(taxis, tmp_path, bad_rows=True, zipped=zipped)
    samples, report = read_samples(tmp_path)
    assert bad == dict.fromkeys(("blank", "fields", "parse", "bounds", "duplicate", "speed"), 4)
    assert report.reasons == bad
    np.testing.assert_array_equal(samples.vehicle, taxis.vehicle)
    np.testing.assert_array_equal(samples.time_s, np.floor(taxis.time_s))
    for name in ("lat_deg", "lon_deg"):  # half of 1e-5 degrees is 0.56 m
        off_deg = np.abs(getattr(samples, name) - getattr(taxis, name)).max()
        assert off_deg * np.pi / 180 * 6_371_393 < 0.6


def test_the_cache_is_of_its_files_and_arguments(taxis, tmp_path):
    folder, cache = tmp_path / "taxis", tmp_path / "cache"
    write_tdrive(taxis, folder)
    first, report = read_tdrive(folder, cache=cache)
    (cached,) = cache.iterdir()
    stamp = cached.stat().st_mtime_ns
    again, same = read_tdrive(folder, cache=cache)
    assert cached.stat().st_mtime_ns == stamp
    assert same == report
    np.testing.assert_array_equal(again.lat_deg, first.lat_deg)
    assert (again.centre, again.left_out) == (first.centre, first.left_out)
    read_tdrive(folder, 40, cache=cache)
    assert len(list(cache.iterdir())) == 2
    cached.write_bytes(b"junk")
    with pytest.warns(UserWarning, match="made again"):
        third, _ = read_tdrive(folder, cache=cache)
    np.testing.assert_array_equal(third.lat_deg, first.lat_deg)
    with (folder / "1.txt").open("a") as file:
        file.write("one more\n")
    _, longer = read_tdrive(folder, cache=cache)
    assert (longer.rows, longer.reasons) == (report.rows + 1, {"fields": 1})
    (folder / "1.txt").unlink()
    fewer, _ = read_tdrive(folder, cache=cache)
    assert len(fewer.n_slots) < len(first.n_slots)


def test_a_cache_of_something_else_is_made_again(taxis, tmp_path):
    folder, cache = tmp_path / "taxis", tmp_path / "cache"
    write_tdrive(taxis, folder)
    sixty, _ = read_tdrive(folder, cache=cache)
    (first,) = cache.iterdir()
    read_tdrive(folder, 40, cache=cache)
    (second,) = set(cache.iterdir()) - {first}
    kept = tmp_path / "kept.npz"
    kept.write_bytes(first.read_bytes())
    first.write_bytes(second.read_bytes())  # under a wrong name
    with pytest.warns(UserWarning, match="it is of other files or arguments; it is made again"):
        again, _ = read_tdrive(folder, cache=cache)
    np.testing.assert_array_equal(again.lat_deg, sixty.lat_deg)
    header = header_of(read_npz(second, (), FORMAT, "trips"), second)
    key = header_of(read_npz(kept, (), FORMAT, "trips"), kept)["key"]
    for arrays, more, match in [
        ({"lat_deg": sixty.lat_deg[:, :5]}, {}, "lon_deg has shape"),
        ({"n_slots": sixty.n_slots.astype(float)}, {}, "n_slots is float64, not int32"),
        ({"lat_deg": sixty.lat_deg * np.nan}, {}, "not a finite number"),
        ({}, {"centre": None}, "the header is not that of a cache of tdrive"),
        ({}, {"report": {"lines": 5}}, "the header is not that of a cache of tdrive"),
    ]:
        whole = {name: getattr(sixty, name) for name in ("lat_deg", "lon_deg", "n_slots")} | arrays
        write_npz(first, FORMAT, header | {"key": key} | more, whole)
        with pytest.warns(UserWarning, match=f"{match}.*; it is made again"):
            again, _ = read_tdrive(folder, cache=cache)
        np.testing.assert_array_equal(again.lat_deg, sixty.lat_deg)
    np.savez(first, format=np.int32(FORMAT))
    with pytest.warns(UserWarning, match=r"no entry 'header'; is this a cache of tdrive\?; it is made again"):
        again, _ = read_tdrive(folder, cache=cache)
    np.testing.assert_array_equal(again.n_slots, sixty.n_slots)


def test_rows_of_any_length_take_little_memory(tmp_path):
    good = "7,2008-02-02 15:00:00,116.40000,39.90000"
    file = tmp_path / "1.txt"
    file.write_text("\n".join(["x" * 10_000, good, "1" * 5000 + good, "," * 4096, "," * 4095]))
    _, report = read_samples(file)
    assert report.reasons == {"fields": 4}
    assert (report.rows, report.kept) == (5, 1)


def rows_of(places, taxi=1, begin=0, every_s=60):
    """Rows of a taxi at these longitudes; the first at 10:00."""
    seconds = [begin + every_s * k for k in range(len(places))]
    return [
        f"{taxi},2008-02-02 {10 + s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d},{lon:.5f},39.90000"
        for s, lon in zip(seconds, places, strict=True)
    ]


WAY = [116.3 + 0.0007 * k for k in range(60)]  # 60 m a minute
FAR = 117.5  # 100 km away, half an hour


@pytest.mark.parametrize("outliers", [[0], [59], [30], [0, 1], [58, 59], [0, 30, 59], [1], [10, 11, 12, 40]])
def test_the_longer_run_is_the_truth_not_whatever_came_first(tmp_path, outliers):
    places = [FAR if k in outliers else lon for k, lon in enumerate(WAY)]
    (tmp_path / "1.txt").write_text("\n".join(rows_of(places)))
    samples, report = read_samples(tmp_path)
    assert report.reasons == {"speed": len(outliers)}
    assert (report.kept, report.cuts) == (60 - len(outliers), {})
    assert samples.lon_deg.max() < 116.4


def test_an_outlier_before_all_others_costs_itself_alone(tmp_path):
    taxi = 2**63 - 1  # the largest id
    first = f"{taxi},2008-02-02 09:59:30,117.50000,40.90000"
    (tmp_path / "1.txt").write_text("\n".join([first, *rows_of(WAY, taxi)]))
    _, report = read_samples(tmp_path)
    assert (report.kept, report.reasons) == (60, {"speed": 1})


def test_two_long_runs_are_both_kept_and_cut(tmp_path):
    # ten minutes are a track; of two runs that contradict one another both are, and no straight line joins them
    places = [lon if k < 30 else lon + 1.2 for k, lon in enumerate(WAY)]
    (tmp_path / "1.txt").write_text("\n".join(rows_of(places)))
    samples, report = read_samples(tmp_path)
    assert (report.kept, report.reasons, report.cuts) == (60, {}, {"jump": 1})
    assert "cut at a jump: 1" in str(report)
    trips = to_trips(samples)
    assert (trips.jumps, trips.n_slots.tolist()) == (1, [59, 59])
    assert not np.any((trips.lon_deg > 116.4) & (trips.lon_deg < 117.4))
    _, report = read_tdrive(tmp_path, cache=tmp_path / "cache")
    assert read_tdrive(tmp_path / "1.txt", cache=tmp_path / "cache")[1] == report
    assert to_trips(samples, max_speed_mps=5e3).jumps == 0


def test_of_one_second_the_row_that_fits_is_kept(tmp_path):
    rows = rows_of(WAY)
    wrong = rows[20].replace(f"{WAY[20]:.5f}", f"{FAR:.5f}")
    (tmp_path / "1.txt").write_text("\n".join([*rows[:20], wrong, *rows[20:], rows[40], rows_of([FAR])[0]]))
    samples, report = read_samples(tmp_path)
    assert report.reasons == {"duplicate": 3}
    np.testing.assert_allclose(samples.lon_deg, WAY, atol=1e-5)


def longest(rows):
    """Of one taxi's rows, the number in the longest chain, by trying each as the last."""
    best = []
    for k, (second, lat) in enumerate(rows):
        before = [
            best[j]
            for j in range(k)
            if second > rows[j][0] and abs(lat - rows[j][1]) * np.pi / 180 * 6_371_393 <= 50 * (second - rows[j][0])
        ]
        best.append(1 + max(before, default=0))
    return max(best, default=0)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 59), st.sampled_from([39.9, 39.901, 39.91, 39.92])),
        min_size=1,
        max_size=60,
    )
)
def test_the_longest_possible_way_is_kept(rows, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "rows.txt"
    file.write_text("".join(f"{taxi},2008-02-02 15:00:{s:02d},116.4,{lat}\n" for taxi, s, lat in rows))
    samples, report = read_samples(file)
    kept = list(zip(samples.vehicle.tolist(), (samples.time_s % 60).tolist(), samples.lat_deg.tolist(), strict=True))
    assert set(kept) <= set(rows)
    for taxi in (1, 2):
        own = [row[1:] for row in kept if row[0] == taxi]
        assert longest(own) == len(own) == longest([row[1:] for row in sorted(rows) if row[0] == taxi])
    seconds = len({row[:2] for row in rows})
    assert report.reasons.get("duplicate", 0) == len(rows) - seconds
    assert report.reasons.get("speed", 0) == seconds - report.kept
    assert report.cuts == {}


def test_many_rows_that_contradict_one_another_take_little_time():
    rng = np.random.default_rng(0)
    x_m, time_s = rng.uniform(0, 1e5, 5000), np.arange(5000.0)

    def between(x):
        return lambda a, b: np.abs(x[b] - x[a])

    kept = plausible(5000, between(x_m), lambda a, b: 50 * between(time_s)(a, b), lambda chain: len(chain) >= 2)
    assert kept.sum() > 50


def test_times_far_apart_make_no_slots():
    samples = Samples(np.array([1, 1]), np.array([0.0, 1e12]), np.array([39.9, 39.9]), np.array([116.4, 116.4]))
    with pytest.raises(RecordError, match="0 windows are too short, 0 stay"):
        to_trips(samples)
    with pytest.raises(RecordError, match=r"slots of 30 s would be more than 50000000; is a time wrong"):
        to_trips(samples, max_gap_s=1e13)


FIELDS = st.one_of(
    st.sampled_from(
        ["7", "2008-02-02 15:00:00", "116.4", "39.9", "nan", "inf", "1e999", "", "-1", "9" * 30, "1_0", "\u0663"]
    ),
    st.text(max_size=8),
)
LIKE_ROWS = st.lists(st.lists(FIELDS, max_size=5).map(",".join), max_size=6).map(lambda rows: "\n".join(rows).encode())


@settings(max_examples=100)
@given(data=st.one_of(st.binary(max_size=300), LIKE_ROWS, st.binary(max_size=60).map(gzip.compress)))
def test_any_bytes_are_arrays_or_a_clear_error(data, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(data)
    try:
        samples, report = read_samples(file)
    except RecordError as error:
        assert "any.txt" in str(error)  # noqa: PT017 (either may happen)
    else:
        assert len(samples.vehicle) == report.kept > 0
        assert all(np.isfinite(column).all() for column in samples)
