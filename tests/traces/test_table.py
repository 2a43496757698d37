"""Tables of trajectories: each data set's form by hand, what is left out by its reason, and the tables that SUMO writes."""

import gzip
import sys

import numpy as np
import pytest

from jaxvec.traces import Columns, RecordError, Report, read_table
from jaxvec.traces.columns import columns_of
from jaxvec.traces.earth import to_metres

CARS = Columns(id="car", time="t", x="east", y="north", speed="v", angle="heading")
PLAIN = """car,t,east,north,v,heading,lane
b,2,0,50,5,0,1
a,0,0,0,10,90,1
a,2,20,0,10,90,1
a,1,10,0,10,90,1
b,3,0,55,5,0,1
"""


@pytest.fixture
def read(tmp_path):
    def read(text, columns, **options):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, columns, **options)

    return read


def test_rows_in_any_order(read):
    trace = read(PLAIN, CARS, report=(report := Report()))
    np.testing.assert_array_equal(trace.enter_s, [0, 2])
    np.testing.assert_array_equal(trace.x_m, [[0, 10, 20], [0, 0, 0]])
    np.testing.assert_array_equal(trace.y_m, [[0, 0, 0], [50, 55, 55]])
    np.testing.assert_allclose(trace.vx_mps, [[10, 10, 10], [0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(trace.vy_mps, [[0, 0, 0], [5, 5, 5]], atol=1e-6)
    assert (report.rows, report.kept, report.reasons, report.anchor_deg) == (5, 5, {}, None)
    np.testing.assert_array_equal(read(gzip.compress(PLAIN.encode()), CARS).x_m, trace.x_m)
    np.testing.assert_array_equal(read(PLAIN.replace(",", "\t"), columns_of(
        ["id=car", "time=t", "x=east", "y=north", "speed=v", "angle=heading", "delimiter=tab"])).x_m, trace.x_m)  # fmt: skip


def test_velocity_without_speeds_is_that_of_positions(read):
    # x = t^2 at 0, 1, 2, 3 s: from neighbours 1, (4 - 0) / 2, (9 - 1) / 2, 5
    text = "car,t,east,north\n" + "".join(f"a,{t},{t * t},7\n" for t in range(4))
    trace = read(text, Columns(id="car", time="t", x="east", y="north"))
    np.testing.assert_allclose(trace.vx_mps, [[1, 2, 4, 5]])
    np.testing.assert_array_equal(trace.vy_mps, 0)


def test_what_cannot_be_used_is_counted(read):
    bad = (
        PLAIN
        + "a,x,0,0,1,1,1\na,5,0\n,5,0,0,1,1,1\na,5,inf,0,1,1,1\na,5,0,0,999,1,1\na,2,99,9,1,1,1\nc,9,0,0,1,1,2\n\n"
    )
    trace = read(bad, CARS, report=(report := Report()))
    np.testing.assert_array_equal(trace.x_m, read(PLAIN, CARS).x_m)
    assert report.reasons == {"parse": 1, "fields": 1, "blank": 2, "bounds": 2, "duplicate": 1}
    assert (report.rows, report.kept, report.left_out) == (13, 6, {"short tracks": 1})
    with pytest.warns(UserWarning, match=r"table\.csv: 6 of 13 rows kept .*parse: 1"):
        read(bad, CARS)
    with pytest.raises(RecordError, match=r"table\.csv:7: parse"):
        read(bad, CARS, strict=True)
    with pytest.raises(RecordError, match=r"table\.csv: vehicle 'a' has two rows of time 2 s: duplicate"):
        read(PLAIN + "a,2,99,9,1,1,1\n", CARS, strict=True)


def test_times_values_and_an_area_are_chosen(read):
    assert read(PLAIN, CARS, begin=1, end="2", report=Report()).x_m.tolist() == [[10, 20]]
    assert read(PLAIN, CARS, area=(-1, 40, 1, 60)).y_m.tolist() == [[50, 55]]
    lanes = PLAIN.replace("5,0,1", "5,0,2")
    trace = read(
        lanes, columns_of(["id=car", "time=t", "x=east", "y=north", "only=lane:2"]), report=(report := Report())
    )
    assert (trace.n_samples.tolist(), report.reasons) == ([2], {"other": 3})
    assert read(PLAIN, CARS, origin_s=1).enter_s.tolist() == [-1, 1]


def test_a_jump_cuts_and_an_outlier_is_left_out(read):
    def rows(*places):
        return "car,t,east,north\n" + "".join(f"a,{t},{x},0\n" for t, x in enumerate(places))

    columns = Columns(id="car", time="t", x="east", y="north")
    trace = read(rows(0, 10, 5010, 5020), columns, max_speed_mps=50, report=(report := Report()))
    np.testing.assert_array_equal(trace.x_m, [[0, 10], [5010, 5020]])
    assert report.cuts == {"jump": 1}
    trace = read(rows(0, 10, 5000, 30, 40), columns, max_speed_mps=50, report=(report := Report()))
    np.testing.assert_array_equal(trace.x_m, [[0, 10, 20, 30, 40]])
    assert report.reasons == {"speed": 1}


def test_a_row_of_the_trace_ends_at_a_gap(read):
    text = "car,t,east,north\n" + "".join(f"a,{t},{t},0\n" for t in (0, 10, 60, 70))
    columns = Columns(id="car", time="t", x="east", y="north")
    assert read(text, columns, dt_s=10).n_samples.tolist() == [2, 2]
    assert read(text, columns, dt_s=10, max_gap_s=50).n_samples.tolist() == [8]


NGSIM = """Vehicle_ID,Frame_ID,Global_Time,Local_X,Local_Y,Global_X,Global_Y,v_Vel,Location
515,2330,1118848075000,30,44,6451137.6,1873344.9,32.8084,us-101
515,2331,1118848076000,30,77,6451170.4084,1873344.9,32.8084,us-101
515,2332,1118848077000,30,110,6451203.2168,1873344.9,32.8084,us-101
515,2330,1118848075000,30,44,1.0,2.0,32.8084,i-80
"""
PORTO = """"TRIP_ID","CALL_TYPE","TIMESTAMP","MISSING_DATA","POLYLINE"
"1372636858620000589","C",1372636858,"False","[[-8.618643,41.141412],[-8.618499,41.141376],[-8.620326,41.14251]]"
"1372637303620000596","B",1372637303,"False","[]"
"1372636951620000320","C",1372636951,"False","[[-8.61,41.14],[-8.61,41.1405],[-8.61"
"""
HIGHD = """frame,id,x,y,width,height,xVelocity
1,1,100.0,20.0,4,2,30
26,1,130.0,20.5,4,2,30
51,1,160.0,21.0,4,2,30
"""
TDRIVE = """1,2008-02-02 15:36:08,116.51172,39.92123
1,2008-02-02 15:36:38,116.51322,39.92123
1,2008-02-02 15:37:08,116.51472,39.92123
"""


def test_ngsim_is_in_feet_and_milliseconds(read):
    trace = read(NGSIM, columns_of(["ngsim", "only=Location:us-101"]), report=(report := Report()))
    assert report.origin_m == [1_966_000, 571_000]  # 6,451,170 and 1,873,344.9 feet, to a kilometre
    np.testing.assert_allclose(trace.x_m, [6451137.6 * 0.3048 - 1_966_000 + np.array([0, 10, 20])], atol=0.01)
    np.testing.assert_allclose(trace.vx_mps, 10, rtol=1e-5)
    assert (trace.enter_s.tolist(), report.reasons) == ([0], {"other": 1})


def test_porto_has_a_trip_a_row(read):
    trace = read(PORTO, "porto", dt_s=15.0, report=(report := Report()))
    assert report.reasons == {"blank": 1, "parse": 1}
    x_m, y_m = to_metres([41.141412, 41.141376, 41.14251], [-8.618643, -8.618499, -8.620326], tuple(report.anchor_deg))
    np.testing.assert_allclose(trace.x_m, [x_m], atol=1e-3)
    np.testing.assert_allclose(trace.y_m, [y_m], atol=1e-3)
    assert read(PORTO, "porto", dt_s=15.0, area=(-8.62, 41, -8.6, 42), report=Report()).n_samples.tolist() == [2]


def test_highd_counts_frames_and_grows_downwards(read):
    trace = read(HIGHD, "highd")
    np.testing.assert_array_equal(trace.x_m, [[100, 130, 160]])
    np.testing.assert_array_equal(trace.y_m, [[-20, -20.5, -21]])
    np.testing.assert_array_equal(trace.vx_mps, [[30, 30, 30]])


def test_tdrive_has_no_names(read, tmp_path):
    trace = read(TDRIVE, "tdrive", dt_s=30.0, report=(report := Report()))
    # 0.0015 degrees of longitude at 39.92 degrees: 6371393 * cos(39.92123 deg) * 0.0015 deg = 127.92 m
    np.testing.assert_allclose(trace.x_m, [[-127.92, 0, 127.92]], atol=0.01)
    assert report.anchor_deg == [39.92123, 116.51322]
    (tmp_path / "taxis").mkdir()
    for n in (1, 2):
        (tmp_path / "taxis" / f"{n}.txt").write_text(TDRIVE.replace("1,2008", f"{n},2008"))
    assert read_table(tmp_path / "taxis", "tdrive", dt_s=30.0).n_samples.tolist() == [3, 3]


def test_a_table_is_read_once(read, tmp_path):
    first = read(PLAIN, CARS, cache=tmp_path / "kept", report=(before := Report()))
    (kept,) = (tmp_path / "kept").iterdir()
    written = kept.stat().st_mtime_ns
    again = read_table(tmp_path / "table.csv", CARS, cache=tmp_path / "kept", report=(after := Report()))
    assert (before, kept.stat().st_mtime_ns) == (after, written)
    np.testing.assert_array_equal(first.x_m, again.x_m)
    read_table(tmp_path / "table.csv", CARS, cache=tmp_path / "kept", dt_s=2.0, min_samples=1)
    assert len(list((tmp_path / "kept").iterdir())) == 2


FAULTS = [
    (["ngsin"], r"unknown data set 'ngsin'"),
    (["id=a"], "columns do not say time"),
    (
        ["id=a", "time=t"],
        "columns must name one of x and y; longitude and latitude; polyline and interval_s, not none of them",
    ),
    (["id=a", "time=t", "x=x"], "not x and y"),
    (["id=a", "time=t", "x=x", "y=y", "longitude=l", "latitude=m"], "not x and y and longitude and latitude"),
    (["porto", "interval_s=0"], r"interval_s is 0\.0, not positive"),
    (["porto", "interval_s=a"], "interval_s: could not convert"),
    (["ngsim", "tim=t"], r"unknown column 'tim'.*time"),
    (["ngsim", "x"], "columns are NAME=VALUE, not 'x'"),
    (["ngsim", "only=us-101"], "only takes COLUMN:VALUE, not 'us-101'"),
    (["highd", "flip_y=1"], "flip_y is true or false, not '1'"),
    (["tdrive", "id=taxi"], "columns are all named, or all numbered"),
    (["ngsim", "delimiter=ab"], "the delimiter is 'ab', not one character"),
]


@pytest.mark.parametrize(("words", "fault"), FAULTS)
def test_columns_that_make_no_sense(words, fault):
    with pytest.raises(ValueError, match=fault):
        columns_of(words)


def test_faults_of_files(read, tmp_path):
    with pytest.raises(RecordError, match=r"table\.csv:1: no column v; there are car, t, east, north"):
        read("car,t,east,north\n", CARS)
    with pytest.raises(RecordError, match=r"table\.csv: no vehicle is usable: of 0 vehicles"):
        read("car,t,east,north,v,heading\n", CARS)
    near = "".join(f"{car},{t},{9.4 + t * 1e-3},{47.5 + car * 1e-3}\n" for car in (0, 1) for t in range(3))
    fault = r"all positions lie within 0\.002 m of x and 0\.001 m of y; if they are degrees"
    with pytest.raises(RecordError, match=fault):
        read("car,t,east,north\n" + near, Columns(id="car", time="t", x="east", y="north"))
    with pytest.raises(RecordError, match=r"begin 'noon' is not a time"):
        read(PLAIN, CARS, begin="noon")
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        read_table(tmp_path / "nowhere.csv", CARS)


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(RecordError, match=r"a\.parquet is Parquet, which needs pyarrow: pip install 'jaxvec\[geo\]'"):
        read_table(tmp_path / "a.parquet", CARS)
