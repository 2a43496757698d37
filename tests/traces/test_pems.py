"""Counts and stations from PeMS files: every kind of bad row by hand, gaps by hand, the choice of sites, any bytes."""

import gzip
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.traces import RecordError, choose_sites, pems, read_counts, read_stations, station_days, synthetic
from jaxvec.traces.gaps import fill
from jaxvec.traces.pems import Counts, Stations
from jaxvec.traces.writers import METADATA, write_pems


def row(when="01/02/2024 00:00:00", station="400001", lane_type="ML", observed="100", flow="50"):
    return f"{when},{station},4,101,N,{lane_type},.5,10,{observed},{flow},.01,60,10,25,.01,60,1"


DAY = [row(f"01/02/2024 {k // 12:02d}:{5 * (k % 12):02d}:00", flow=str(k)) for k in range(288)]


def day_of(when, stations=("400001",)):
    """A day's rows of some stations, `MM/DD/YYYY`."""
    return [row(f"{when} {k // 12:02d}:{5 * (k % 12):02d}:00", s, flow=str(k)) for k in range(288) for s in stations]


def test_every_bad_row_is_counted_under_its_reason(tmp_path):
    bad = {
        "header": ["Timestamp,Station,District"],
        "blank": ["", "  "],
        "fields": ["01/02/2024 00:00:00,400001,4"],
        "parse": [
            row("13/02/2024 00:00:00"),
            row(station="4e5"),
            row(flow="many"),
            row(observed="x"),
            row(flow="nan"),
            row(station="9" * 19),
            row(station="-1"),
            row(station="1_0"),
            row(observed="1e999"),
            row(flow="1_0"),
            row("01/02/2024 24:00:00"),
            row("01/02/2024T00:00:00"),
            row("1/2/2024 00:00:00"),
        ],
        "grid": [row("01/02/2024 00:02:00"), row("01/02/2024 00:00:30")],
        "station": [row(station="9")],
        "type": [row(lane_type="OR")],
        "duplicate": [row(flow="3")],
    }
    missing = {"missing": (3, ""), "range": (5, "2001"), "unobserved": (7, "8")}
    rows = list(DAY)
    for reason, (k, flow) in missing.items():
        rows[k] = row(f"01/02/2024 00:{5 * k:02d}:00", flow=flow, observed="20" if reason == "unobserved" else "100")
    rows += [line for lines in bad.values() for line in lines]
    (tmp_path / "day.txt").write_text("\n".join(rows))
    counts, report = read_counts(tmp_path, [400001], min_observed_pct=50)
    assert report.reasons == {reason: len(lines) for reason, lines in bad.items()} | dict.fromkeys(missing, 1)
    assert (report.rows, report.kept) == (len(rows), 288)
    assert counts.begin == datetime(2024, 1, 2)
    assert counts.counts.shape == (1, 288)
    np.testing.assert_array_equal(counts.counts[0], np.arange(288))  # each gap bridged by a line
    assert counts.missing[0] == pytest.approx(3 / 288)
    for reason in ("fields", "parse", "grid"):
        (tmp_path / "day.txt").write_text("\n".join([DAY[0], bad[reason][0]]))
        with pytest.raises(RecordError, match=rf"day\.txt:2: {reason}"):
            read_counts(tmp_path, strict=True)


def test_the_first_row_of_a_bin_counts_though_it_be_empty(tmp_path):
    rows = [*DAY[12:], row("01/03/2024 00:00:00", flow=""), row("01/03/2024 00:00:00", flow="7")]
    rows.append(row("01/03/2024 00:05:00", flow="2"))
    (tmp_path / "days.txt").write_text("\n".join(rows))
    counts, report = read_counts(tmp_path)
    assert report.reasons == {"duplicate": 1, "missing": 1}
    assert counts.begin == datetime(2024, 1, 2, 1)
    np.testing.assert_array_equal(counts.counts[0], [*range(12, 288), 144.5, 2])  # between 287 and 2
    with pytest.raises(RecordError, match="278 bins from 2024-01-02 01:00:00 on have no whole day"):
        counts.whole_days()


def test_days_that_no_station_has_are_nobodys_fault(tmp_path):
    # two weeks of weekdays, of two stations, and one that misses Tuesdays and Wednesdays, two days of ten
    dates = [datetime(2012, 5, 1) + timedelta(days=d) for d in range(14)]
    weekdays = [day for day in dates if day.weekday() < 5]
    rows = [line for day in weekdays for line in day_of(f"{day:%m/%d/%Y}", ("400001", "400002"))]
    rows += [line for day in weekdays if day.weekday() not in (1, 2) for line in day_of(f"{day:%m/%d/%Y}", ("400003",))]
    (tmp_path / "days.txt").write_text("\n".join(rows))
    counts, report = read_counts(tmp_path)
    assert report.absent == ["2012-05-05", "2012-05-06", "2012-05-12", "2012-05-13"]
    assert "4 days without a row: 2012-05-05, 2012-05-06, 2012-05-12, 2012-05-13" in str(report)
    assert (counts.begin, counts.station.tolist()) == (datetime(2012, 5, 1), [400001, 400002])
    assert report.left_out == {"stations incomplete": 1}  # four days of ten
    assert counts.missing.tolist() == [0, 0]
    np.testing.assert_array_equal(counts.counts, np.tile(np.arange(288.0), (2, 14)))  # a weekend as any other day
    cached = [read_counts(tmp_path / "days.txt", cache=tmp_path / "cache")[1] for _ in range(2)]
    assert cached[0] == cached[1] == report


def test_a_row_of_a_wrong_date_is_left_out(tmp_path):
    rows = [*day_of("01/02/2024"), *day_of("01/03/2024"), row("01/20/2024 12:00:00"), row("01/02/2124 12:00:00")]
    rows.insert(0, row("01/02/0001 12:00:00", "5"))
    (tmp_path / "days.txt").write_text("\n".join(rows))
    counts, report = read_counts(tmp_path)
    assert (report.reasons, report.kept, report.absent) == ({"stray": 3}, 576, [])
    assert (counts.station.tolist(), counts.counts.shape) == ([400001], (1, 576))


def test_many_days_are_refused_before_memory_is_spent(tmp_path, monkeypatch):
    monkeypatch.setattr(station_days, "MAX_CELLS", 3 * 288)
    few = [row("01/01/2024 00:00:00", "1"), *(row(f"01/02/2024 00:{k:02d}:00", "2") for k in (0, 5))]
    for rows, match in [
        (few, r"days\.txt: 2 stations on 2 days"),
        ([row(f"01/0{d}/2024 00:00:00", "1") for d in range(1, 5)], r"days\.txt: 1 stations on 4 days each"),
    ]:
        (tmp_path / "days.txt").write_text("\n".join(rows))
        with pytest.raises(RecordError, match=f"{match} are more than 864 bins; read fewer stations or files"):
            read_counts(tmp_path / "days.txt")


def test_gaps_by_hand():
    flat = np.array([8.0] * 20)  # no other week or day: a line between 8 and 22, or the median of all that are known
    for n, filled in [(6, [10, 12, 14, 16, 18, 20]), (7, [8.0] * 7)]:
        x = np.concatenate([flat, [np.nan] * n, [22.0] * 3])
        np.testing.assert_allclose(fill(x)[20 : 20 + n], filled)
    days = np.concatenate([np.full(288, 5.0), np.full(288, 50.0), np.arange(288.0)])
    days[300:310] = np.nan  # the same bins of the first and the third day: median of 5 and 12, 13, ...
    np.testing.assert_allclose(fill(days)[300:310], (5 + np.arange(12, 22)) / 2)
    week = np.tile(np.arange(288.0), 14)  # every day the same
    x = week.copy()
    x[300:306] = np.nan  # six: a line from bin 299 to 306 of the second day, 11 to 18
    x[600:607] = np.nan  # seven: the same bin of the other week
    x[-2:] = np.nan  # at an end, though short
    np.testing.assert_allclose(fill(x), week)
    week[:288] += 5  # the first day is special: its week's median is that of the other week
    x = week.copy()
    x[:10] = np.nan
    np.testing.assert_allclose(fill(x)[:10], np.arange(10.0))
    short = np.array([np.nan] * 8 + [4.0, 6.0, 8.0])  # no other week or day: median of all
    np.testing.assert_allclose(fill(short), [6.0] * 8 + [4.0, 6.0, 8.0])


def test_what_cannot_be_used_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_counts(tmp_path / "nowhere")
    file = tmp_path / "day.txt"
    file.write_text("\n".join(row(lane_type="OR") for _ in range(3)))
    with pytest.raises(RecordError, match=r"no row is usable: .*type: 3"):
        read_counts(file)
    file.write_text("\n".join(DAY[:100] + DAY[200:]))  # a third missing
    with pytest.raises(RecordError, match="misses more than 20%"):
        read_counts(file)
    file.write_text("\n".join([*DAY, *day_of("03/02/2024")]))
    with pytest.raises(
        RecordError, match=r"no row between 2024-01-02 and 2024-03-02, more than 31 days; is a date wrong\?"
    ):
        read_counts(file)
    file.write_bytes(gzip.compress("\n".join(DAY).encode())[:-9])
    with pytest.raises(RecordError, match=r"day\.txt:\d+: the gzip data end too early"):
        read_counts(file)


def meta(*rows, header=METADATA):
    return "\n".join("\t".join(fields) for fields in (header, *rows))


def place(station="1", lat="37.3", lon="-121.9", kind="ML", lanes="4"):
    fields = {"ID": station, "Latitude": lat, "Longitude": lon, "Type": kind, "Lanes": lanes, "Fwy": "101", "Dir": "N"}
    return [fields.get(name, "0") for name in METADATA]


def test_stations_by_the_names_of_columns(tmp_path, monkeypatch):
    file = tmp_path / "meta.txt"
    bad = {
        "fields": ["3"],
        "parse": place("x"),
        "coordinates": place("4", lat=""),
        "bounds": place("5", "0", "0"),
        "type": place("6", kind="OR"),
        "duplicate": place("1"),
    }
    file.write_text(meta(place("1"), *bad.values(), place("2", "37.4")))
    stations, report = read_stations(file)
    assert report.reasons == {"header": 1, **dict.fromkeys(bad, 1)}
    np.testing.assert_array_equal(stations.station, [1, 2])
    np.testing.assert_array_equal(stations.lat_deg, [37.3, 37.4])
    assert list(stations.road) == ["101 N"] * 2
    order = list(reversed(METADATA))
    swapped = [name.upper() for name in order]
    file.write_text(meta([place("8")[METADATA.index(name)] for name in order], header=swapped))
    assert read_stations(file)[0].station.tolist() == [8]
    file.write_text(meta(place("1"), header=[name for name in METADATA if name != "Lanes"]))
    with pytest.raises(RecordError, match="no column 'Lanes'"):
        read_stations(file)
    monkeypatch.setattr(pems, "MAX_STATIONS", 2)
    file.write_text(meta(*(place(str(n)) for n in (1, 2, 2, 3))))
    with pytest.raises(RecordError, match=r"meta\.txt:5: more than 2 stations"):
        read_stations(file)


def test_sites_are_the_most_complete_ones_in_a_growing_square():
    # 9 stations 3 km apart on a line through the median: a square of 10 km holds 3, of 11 km too; of 12.1 km 5
    ids = np.arange(9)
    lat = 37.0 + (ids - 4) * 3000 / 6_371_393 * 180 / np.pi
    stations = Stations(ids, lat, np.full(9, -121.9), np.full(9, 3, np.int32), np.array(["101 N"] * 9))
    missing = np.array([0, 0, 0, 0.1, 0, 0.1, 0, 0, 0], np.float32)
    counts = Counts(
        ids, np.arange(9, dtype=np.float32)[:, None] * np.ones(288, np.float32), missing, datetime(2024, 1, 1)
    )
    three = choose_sites(stations, counts, 3)
    assert (three.station.tolist(), three.half_width_m) == ([3, 4, 5], 5000.0)
    four = choose_sites(stations, counts, 4)
    assert four.station.tolist() == [2, 3, 4, 6]  # of five, the most complete; of equals the smaller id
    assert four.half_width_m == pytest.approx(5000 * 1.1**2)
    np.testing.assert_array_equal(four.counts[:, 0], [2, 3, 4, 6])
    many = choose_sites(stations, counts, 84)
    assert (len(many.station), many.half_width_m) == (9, 20e3)  # and no wider
    with pytest.raises(RecordError, match="no station with counts"):
        choose_sites(stations, counts._replace(station=ids + 100), 3)


def test_what_is_written_is_read_back(tmp_path):
    made = synthetic.flow(1, 3, 2)
    lat, lon = np.array([37.3, 37.31, 37.32]), np.array([-121.9, -121.91, -121.92])
    bad = write_pems(made.counts, np.array([2, 3, 4]), lat, lon, tmp_path, bad_rows=True, zipped=True)
    counts, report = read_counts(tmp_path / "5min")
    assert report.reasons == bad
    assert set(bad.values()) == {2}
    np.testing.assert_array_equal(counts.counts, made.counts)
    stations, _ = read_stations(tmp_path / "meta.txt")
    np.testing.assert_array_equal(stations.station, counts.station)
    np.testing.assert_allclose(stations.lat_deg, lat)
    cached = [read_counts(tmp_path / "5min", cache=tmp_path / "cache")[0] for _ in range(2)]
    np.testing.assert_array_equal(cached[0].counts, cached[1].counts)
    assert cached[1].begin == counts.begin
    days = counts._replace(counts=counts.counts[:, 12:], begin=datetime(2024, 1, 1, 1)).whole_days()
    assert (days.begin, days.counts.shape) == (datetime(2024, 1, 2), (3, 288))


FIELDS = st.one_of(
    st.sampled_from(
        ["01/02/2024 00:00:00", "400001", "ML", "100", "50", "nan", "1e999", "", "-1", "9" * 30, "Timestamp"]
    ),
    st.text(max_size=8),
)
LIKE_ROWS = st.lists(st.lists(FIELDS, min_size=9, max_size=14).map(",".join), max_size=5).map("\n".join)


@settings(max_examples=100)
@given(data=st.one_of(st.binary(max_size=300), LIKE_ROWS.map(str.encode), st.binary(max_size=60).map(gzip.compress)))
def test_any_bytes_are_arrays_or_a_clear_error(data, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(data)
    for read in (read_counts, read_stations):
        try:
            counts, _ = read(file)
        except RecordError as error:
            assert "any.txt" in str(error)  # noqa: PT017 (either may happen)
        else:
            assert len(counts.station) > 0
