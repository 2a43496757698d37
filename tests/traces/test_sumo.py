"""Reading floating-car data: hand-made files, each fault by name, and bytes at random."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jaxvec.traces import RecordError, Report, check, read_fcd, records, sumo
from jaxvec.traces.earth import plane, to_degrees

TWO_CARS = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<fcd-export version="1.0">
    <timestep time="10.00">
        <vehicle id="a" x="0.00" y="-1.50" angle="90.00" type="car" speed="10.00" pos="0.00" lane="e_0" slope="0.00"/>
        <person id="p" x="1" y="1" angle="0" speed="1"/>
    </timestep>
    <timestep time="11.00">
        <vehicle id="b" x="100.00" y="1.50" angle="270.00" type="bus" speed="20.00" pos="0.00" lane="w_0"/>
        <vehicle id="a" x="10.00" y="-1.50" angle="60.00" type="car" speed="12.00" pos="10.00" lane="e_0"/>
    </timestep>
    <timestep time="12.00">
        <vehicle id="a" x="22.00" y="-1.00" angle="0.00" type="car" speed="8.00" pos="22.00" lane="e_1"/>
        <vehicle id="b" x="80.00" y="1.50" angle="180.00" type="bus" speed="5.00" pos="20.00" lane="w_0"/>
    </timestep>
    <timestep time="13.00">
        <vehicle id="b" x="75.00" y="1.50" angle="270.00" type="bus" speed="5.00" pos="25.00" lane="w_0"/>
    </timestep>
    <timestep time="14.00">
        <vehicle id="b" x="70.00" y="1.50" angle="270.00" type="bus" speed="5.00" pos="30.00" lane="w_0"/>
    </timestep>
</fcd-export>
"""


def fcd(*steps):
    """FCD text of (time, {vehicle: (x, y, angle, speed)}), one element a line; the first timestep is on line 2."""
    lines = ["<fcd-export>"]
    for time, vehicles in steps:
        lines.append(f'<timestep time="{time}">')
        for name, (x, y, angle, speed) in vehicles.items():
            lines.append(f'<vehicle id="{name}" x="{x}" y="{y}" angle="{angle}" speed="{speed}"/>')
        lines.append("</timestep>")
    return "\n".join([*lines, "</fcd-export>"])


def east(times, speed=10.0, begin=0.0):
    """A car that drives east at constant speed, seen at the times given."""
    return [(time, {"a": (speed * (time - begin), 0, 90, speed)}) for time in times]


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        path = tmp_path / "fcd.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_fcd(path, **options)

    return read


def test_two_cars_by_hand(read):
    trace = read(TWO_CARS)
    # a is there at 10, 11, 12 s and padded once; b at 11 to 14 s. Clockwise from north: 90 degrees are east.
    np.testing.assert_array_equal(trace.enter_s, [10, 11])
    np.testing.assert_array_equal(trace.n_samples, [3, 4])
    assert trace.dt_s == 1
    np.testing.assert_array_equal(trace.x_m, [[0, 10, 22, 22], [100, 80, 75, 70]])
    np.testing.assert_array_equal(trace.y_m, [[-1.5, -1.5, -1, -1], [1.5, 1.5, 1.5, 1.5]])
    # a: 10 east; 12 at 60 degrees, sin 60 = sqrt(3)/2, cos 60 = 1/2; 8 north. b: 20 west; 5 south; 5 west.
    root = 6 * math.sqrt(3)
    np.testing.assert_allclose(trace.vx_mps, [[10, root, 0, 0], [-20, 0, -5, -5]], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(trace.vy_mps, [[0, 6, 8, 8], [0, -5, 0, 0]], rtol=1e-6, atol=1e-5)
    assert {name: getattr(trace, name).dtype.name for name in ("x_m", "vy_mps", "enter_s", "n_samples", "dt_s")} == {
        "x_m": "float32", "vy_mps": "float32", "enter_s": "float32", "n_samples": "int32", "dt_s": "float32"
    }  # fmt: skip


def test_origin_moves_place_and_time(read):
    trace = read(TWO_CARS, origin_m=(20, -1.5), origin_s=10)
    np.testing.assert_array_equal(trace.enter_s, [0, 1])
    np.testing.assert_array_equal(trace.x_m, [[-20, -10, 2, 2], [80, 60, 55, 50]])
    np.testing.assert_array_equal(trace.y_m, [[0, 0, 0.5, 0.5], [3, 3, 3, 3]])


def test_type_and_length_choose_vehicles(read):
    assert read(TWO_CARS, vehicle_type="bus").n_samples.tolist() == [4]
    assert read(TWO_CARS, min_samples=4).n_samples.tolist() == [4]
    assert read(TWO_CARS, min_samples=3).n_samples.tolist() == [3, 4]
    with pytest.raises(
        RecordError, match=r"fcd\.xml, line 22: no vehicle is usable: of 0 vehicles of type 'tram' in 5 "
    ):
        read(TWO_CARS, vehicle_type="tram")
    with pytest.raises(RecordError, match=r"of 2 vehicles in 5 timesteps, none has 5 samples 1 s apart"):
        read(TWO_CARS, min_samples=5)


def test_other_types_need_no_place(read):
    text = TWO_CARS.replace('x="100.00" y="1.50" angle="270.00"', "")  # of bus b
    assert read(text, vehicle_type="car").n_samples.tolist() == [3]


def test_a_coarser_grid_takes_every_other_record(read):
    # records every 0.5 s from 0.75 to 3.75, grid of 1 s from the first timestep, 0.25: samples at 1.25, 2.25, 3.25
    trace = read(fcd((0.25, {}), *east([0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75])))
    np.testing.assert_array_equal(trace.enter_s, [1.25])
    np.testing.assert_array_equal(trace.x_m, [[12.5, 22.5, 32.5]])


def test_a_finer_grid_lies_on_straight_lines(read):
    # (0, 4) at 8 m/s north, (2, 0) at 6 m/s east 1 s later; halfway (1, 2), 3 m/s east and 4 m/s north
    trace = read(fcd((5, {"a": (0, 4, 0, 8)}), (6, {"a": (2, 0, 90, 6)})), dt_s=0.5)
    np.testing.assert_array_equal(trace.enter_s, [5])
    np.testing.assert_array_equal(trace.x_m, [[0, 1, 2]])
    np.testing.assert_array_equal(trace.y_m, [[4, 2, 0]])
    np.testing.assert_allclose(trace.vx_mps, [[0, 3, 6]], atol=1e-6)
    np.testing.assert_allclose(trace.vy_mps, [[8, 4, 0]], atol=1e-6)


def test_a_grid_that_does_not_divide_the_step(read):
    # at 10 m/s from t = 0, samples every 0.4 s up to 3: 0, 0.4, ..., 2.8
    trace = read(fcd(*east([0, 1, 2, 3])), dt_s=0.4)
    np.testing.assert_allclose(trace.x_m, [np.arange(8) * 4.0], atol=1e-5)


def test_decimal_steps_stay_on_the_grid(read):
    # 0.1 has no binary form, 0.3 / 0.1 falls short of 3: each car still has a sample for each of its three records,
    # car k in steps k to k + 2
    steps = [
        (f"{0.7 + k / 10:.2f}", {f"v{n}": (k, 0, 90, 10) for n in range(k - 2, k + 1) if 0 <= n < 48})
        for k in range(50)
    ]
    trace = read(fcd(*steps), dt_s=0.1)
    assert trace.n_samples.tolist() == [3] * 48
    np.testing.assert_allclose(trace.x_m, np.arange(48)[:, None] + np.arange(3), atol=1e-5)
    np.testing.assert_allclose(trace.enter_s, 0.7 + np.arange(48) / 10, atol=1e-6)


def test_a_short_gap_is_bridged_and_a_long_one_splits(read):
    # records 0, 1, then 4 (3 s later, two missing: bridged), then 8 and 9 (4 s later: a new row)
    trace = read(fcd(*east([0, 1, 4, 8, 9])))
    np.testing.assert_array_equal(trace.enter_s, [0, 8])
    np.testing.assert_array_equal(trace.n_samples, [5, 2])
    np.testing.assert_array_equal(trace.x_m, [[0, 10, 20, 30, 40], [80, 90, 90, 90, 90]])
    # the gap counts in samples: 4 s are two of 2 s, on the grid 0, 2, 4, ...
    trace = read(fcd(*east([0, 1, 4, 8, 9])), dt_s=2)
    np.testing.assert_array_equal(trace.x_m, [[0, 20, 40, 60, 80]])


def test_rows_are_ordered_by_entry_and_then_as_met(read):
    place = (0, 0, 90, 1)
    text = fcd(
        (0, {"late": place, "z": (1, 0, 90, 1)}),
        (6, {"m": (2, 0, 90, 1)}),
        (7, {"m": (2, 0, 90, 1), "late": (3, 0, 90, 1), "b": (4, 0, 90, 1), "z": (5, 0, 90, 1)}),
        (8, {"late": (3, 0, 90, 1), "z": (5, 0, 90, 1), "b": (4, 0, 90, 1)}),
    )
    trace = read(text)
    np.testing.assert_array_equal(trace.enter_s, [6, 7, 7, 7])
    np.testing.assert_array_equal(trace.x_m[:, 0], [2, 3, 5, 4])  # late and z were met at 0, b at 7


def test_gzip_is_known_by_its_bytes(tmp_path):
    plain, zipped = tmp_path / "plain.xml", tmp_path / "zipped.xml.gz"
    plain.write_text(TWO_CARS)
    zipped.write_bytes(gzip.compress(TWO_CARS.encode()))
    for name in ("x_m", "vx_mps", "enter_s"):
        np.testing.assert_array_equal(getattr(read_fcd(plain), name), getattr(read_fcd(zipped), name))
    (tmp_path / "no_suffix").write_bytes(zipped.read_bytes())
    read_fcd(tmp_path / "no_suffix")


def car(**changes):
    attributes = {"id": "a", "x": "0", "y": "0", "angle": "90", "speed": "1"} | changes
    return "<vehicle " + " ".join(f'{key}="{value}"' for key, value in attributes.items() if value is not None) + "/>"


def one_step(*vehicles, time='time="0"'):
    return "\n".join(["<fcd-export>", f"<timestep {time}>", *vehicles, "</timestep>", "</fcd-export>"])


FAULTS = {
    "empty": ("", 1, "the file is empty"),
    "not XML": ("hello\nworld", 1, "not whole XML: syntax error"),
    "blank": (" \n \n", 3, "not whole XML: no element found"),
    "truncated in a tag": (TWO_CARS[: TWO_CARS.index(' type="bus" speed="5.00"')], 14, "not whole XML: unclosed token"),
    "truncated after a tag": (TWO_CARS[: TWO_CARS.index("</fcd-export>")], 22, "not whole XML: no element found"),
    "mismatched": ("<fcd-export>\n<timestep time='0'>\n</fcd-export>", 3, "not whole XML: mismatched tag"),
    "two roots": ("<fcd-export/>\n<fcd-export/>", 2, "not whole XML: junk after document element"),
    "not UTF-8": (b'<fcd-export>\n<timestep time="\xff"/>\n</fcd-export>', 2, "not whole XML: not well-formed"),
    "another root": ("\n<routes>\n</routes>", 2, "the root element is <routes>, not <fcd-export>"),
    "DTD": ('<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "b">]>\n<fcd-export/>', 2, "a document type declaration"),
    "no timesteps": ("<fcd-export>\n</fcd-export>", 2, "no vehicle is usable: of 0 vehicles in 0 timesteps"),
    "one record": (one_step(car()), 5, "no vehicle is usable: of 1 vehicles in 1 timesteps, none has 2 samples"),
    "rare records": (
        fcd(*east([0, 4, 8])),
        11,
        "no vehicle is usable: of 1 vehicles in 3 timesteps, none has 2 samples 1 s apart, without a gap of more than 3 s",
    ),
    "no time": (one_step(time=""), 2, "a timestep has no attribute 'time'"),
    "no time of day": (
        one_step(time='time="00:61:01"'),
        2,
        "a timestep has time='00:61:01', which is not a time: seconds, [D:]HH",
    ),
    "a month": (
        one_step(time='time="2024-13-01 00:00:00"'),
        2,
        "a timestep has time='2024-13-01 00:00:00', which is not a time",
    ),
    "a long time": (
        one_step(time=f'time="{"1" * 99}"'),
        2,
        f"a timestep has time='{'1' * 60}...', which is not a time",
    ),
    "time nan": (one_step(time='time="nan"'), 2, "a timestep has time='nan', which is not finite"),
    "times out of order": (fcd(*east([0, 2, 1])), 8, "timestep time='1' comes after a later one; times must increase"),
    "time repeated": (fcd(*east([0, 2, 2])), 8, "timestep time='2' is repeated; times must increase"),
    "time since 1970": (
        one_step(time='time="1.7e9"'),
        2,
        "time='1.7e9' is too large for float32 at dt_s = 1 s; set origin_s",
    ),
    "time too large": (
        one_step(time='time="1e8"'),
        2,
        "time='1e8' is too large for float32 at dt_s = 1 s; set origin_s",
    ),
    "timestep too deep": ("<fcd-export>\n<a>\n<timestep time='0'/></a></fcd-export>", 3, "a timestep inside another"),
    "vehicle outside": (f"<fcd-export>\n{car()}</fcd-export>", 2, "a vehicle outside a timestep"),
    "vehicle too deep": (one_step(f"<a>\n{car()}</a>"), 4, "a vehicle outside a timestep"),
    "vehicle elsewhere": (f"<fcd-export><a>\n{car()}</a></fcd-export>", 2, "a vehicle outside a timestep"),
    "twice": (one_step(car(), car(id="b"), car()), 5, "vehicle 'a' occurs twice in one timestep"),
    "no id": (one_step(car(), car(id=None)), 4, "a vehicle has no attribute 'id'"),
    "no x": (one_step(car(), car(id="b", x=None)), 4, "vehicle 'b' has no attribute 'x'"),
    "no y": (one_step(car(y=None)), 3, "vehicle 'a' has no attribute 'y'"),
    "no speed": (one_step(car(speed=None)), 3, "vehicle 'a' has no attribute 'speed'"),
    "word": (one_step(car(x="far")), 3, "vehicle 'a' has x='far', which is not a number"),
    "blank number": (one_step(car(y="")), 3, "vehicle 'a' has y='', which is not a number"),
    "underscore": (one_step(car(x="1_0")), 3, "vehicle 'a' has x='1_0', which is not a number"),
    "long number": (one_step(car(x="1" * 99)), 3, f"vehicle 'a' has x='{'1' * 60}...', which is not a number"),
    "nan": (one_step(car(speed="nan")), 3, "vehicle 'a' has speed='nan', which is not finite"),
    "inf": (one_step(car(angle="-inf")), 3, "vehicle 'a' has angle='-inf', which is not finite"),
    "beyond float": (one_step(car(x="1e400")), 3, "vehicle 'a' has x='1e400', which is not finite"),
    "beyond float32": (one_step(car(x="1e39")), 3, "vehicle 'a' has x='1e39', which is larger than 1e+09"),
    "no position": (
        one_step(car(x="-1073741824.0")),
        3,
        "vehicle 'a' has x='-1073741824.0', which is larger than 1e+09",
    ),
    "too fast": (one_step(car(speed="-200")), 3, "vehicle 'a' has speed='-200', which is larger than 150"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_file_and_line(read, name):
    text, line, fault = FAULTS[name]
    with pytest.raises(RecordError) as caught:
        read(text, strict=True)
    where, _, what = str(caught.value).partition(": ")
    assert where.endswith(f"fcd.xml, line {line}")
    assert what.startswith(fault)


def test_a_missing_type_matters_only_when_asked_for(read):
    text = fcd(*east([0, 1]))
    assert read(text).n_samples.tolist() == [2]
    with pytest.raises(RecordError, match=r"fcd\.xml, line 3: vehicle 'a' has no attribute 'type'"):
        read(text, vehicle_type="car", strict=True)
    with pytest.raises(
        RecordError, match=r"kept \(1 file\), fields: 2; the first, in line 3: vehicle 'a' has no attribute 'type'"
    ):
        read(text, vehicle_type="car")


BAD_CARS = {
    "fields": [car(id=None), car(id="b", x=None), car(id="c", speed=None)],
    "parse": [car(id="d", x="far"), car(id="e", y=""), car(id="f", angle="1_0"), car(id="g", speed="9" * 99)],
    "bounds": [
        car(id="h", x="nan"),
        car(id="i", angle="inf"),
        car(id="j", y="-1073741824.0"),
        car(id="k", speed="1e3"),
    ],
    "duplicate": [car(), car(x="5")],
    "type": [car(id="l", type="bus")],
}


def test_records_left_out_are_counted_as_in_the_other_readers(read):
    good = [f'<timestep time="{t}">{car(type="car")}</timestep>' for t in (1, 2)]
    bad = [
        vehicle.replace("/>", ' type="car"/>') if "type" not in vehicle else vehicle
        for x in BAD_CARS.values()
        for vehicle in x
    ]
    first = f'<timestep time="0">{car(type="car")}{"".join(bad)}</timestep>'
    text = "\n".join(["<fcd-export>", first, *good, "</fcd-export>"])
    trace = read(text, vehicle_type="car", report=(report := Report(files=1, rows=5, kept=4)))
    assert trace.n_samples.tolist() == [3]
    assert report.reasons == {reason: len(vehicles) for reason, vehicles in BAD_CARS.items()}
    assert (report.files, report.rows, report.kept, report.cuts) == (2, 5 + 3 + len(bad), 4 + 3, {})
    with pytest.warns(
        UserWarning, match=r"fcd\.xml: 3 of 17 rows kept \(1 file\), bounds: 4, duplicate: 2, fields: 3, parse: 4"
    ):
        read(text, vehicle_type="car")
    for reason in ("fields", "parse", "bounds", "duplicate"):
        for vehicle in BAD_CARS[reason]:
            with pytest.raises(RecordError, match=r"fcd\.xml, line [34]: (a )?vehicle"):
                read(one_step(car(), vehicle), strict=True)


def test_more_records_than_memory_takes_are_refused_while_they_are_read(read, monkeypatch):
    monkeypatch.setattr(sumo, "MAX_RECORDS", 3)
    assert read(fcd(*east([0, 1, 2]))).n_samples.tolist() == [3]
    with pytest.raises(RecordError, match=r"fcd\.xml, line 12: more than 3 records; take a shorter recording"):
        read(fcd(*east([0, 1, 2, 3, 4])))


def test_a_position_that_is_none_is_bridged(read):
    text = fcd(*east([0, 1, 2, 3])).replace('x="10.0"', 'x="-1073741824.0"')
    with pytest.warns(UserWarning, match=r"3 of 4 rows kept \(1 file\), bounds: 1; a `report` takes this"):
        np.testing.assert_array_equal(read(text).x_m, [[0, 10, 20, 30]])


def drive(*places, dt_s=1, speed=10):
    return fcd(*((dt_s * k, {"a": (x, 0, 90, speed)}) for k, x in enumerate(places)))


@pytest.mark.parametrize(
    ("places", "rows", "cuts", "dropped"),
    [
        ([0, 10, 5010, 5020], [[0, 10], [5010, 5020]], 1, 0),
        ([0, 10, 5010, 30, 40], [[0, 10, 20, 30, 40]], 0, 1),  # one is an outlier
        ([5000, 10, 20, 30], [[10, 20, 30]], 0, 1),
        ([0, 10, 20, 5000], [[0, 10, 20]], 0, 1),
        ([0, 10, 20, 5000, 5010, 50, 60], [[0, 10, 20], [5000, 5010], [50, 60]], 2, 0),
        ([0, 10, 80, 90], [[0, 10], [80, 90]], 1, 0),  # 70 m in a second, at 10 m/s
        ([0, 10, 38, 48], [[0, 10, 38, 48]], 0, 0),  # 28 m: it was faster between, and changed lanes
        ([0, 10, 48, 58], [[0, 10, 34, 58]], 0, 1),
    ],
)
def test_what_is_impossible_cuts_a_row_or_is_left_out(read, places, rows, cuts, dropped):
    trace = read(drive(*places), report=(report := Report()))
    assert [row[:n].tolist() for row, n in zip(trace.x_m, trace.n_samples, strict=True)] == rows
    assert (report.cuts.get("jump", 0), report.reasons.get("speed", 0)) == (cuts, dropped)
    assert report.kept == len(places) - dropped


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([0, 10, 20, 35, 60, 200, 5000, 5010, 9000]), min_size=2, max_size=12))
def test_no_row_drives_faster_than_its_speeds_allow(read, places):
    # 10 m/s told, 10 m/s^2 and 10 m: at most 30 m in 1 s, 70 m in 2, 130 m in 3
    report = Report()
    try:
        trace = read(drive(*places), report=report)
    except RecordError:
        return  # no two of the places are near, or speeds and places disagree throughout
    real = np.arange(1, trace.x_m.shape[1]) < trace.n_samples[:, None]
    assert np.abs(np.diff(trace.x_m))[real].max() <= 130 / 3 + 1e-3
    assert report.kept + report.reasons.get("speed", 0) == report.rows == len(places)
    assert np.sum(trace.n_samples) >= 2 * (report.cuts.get("jump", 0) + 1 - report.left_out.get("short tracks", 0))


def test_rare_records_may_be_far_apart(read):
    # from one red light to the next, 400 m in 30 s, standing at both
    report = Report()
    assert read(drive(0, 400, 800, dt_s=30, speed=0), dt_s=30, report=report).n_samples.tolist() == [3]
    assert report.cuts == report.reasons == {}
    trace = read(drive(0, 400, 80_000, 80_400, dt_s=30, speed=0), dt_s=30, report=report)
    assert (trace.n_samples.tolist(), report.cuts) == ([2, 2], {"jump": 1})


def in_degrees(lon, lat, step, speed=10, n=5):
    return fcd(*((k, {"a": (round(lon + k * step, 6), lat, 90, speed)}) for k in range(n)))


def test_degrees_are_projected_about_the_middle(read):
    # 10 m/s east at latitude 47.5085: 10 m are 10 / (6371393 cos 47.5085 deg) rad = 0.000133 degrees
    trace = read(in_degrees(9.427966, 47.5085, 1.33121e-4), report=(report := Report()))
    np.testing.assert_allclose(trace.x_m, [[-20, -10, 0, 10, 20]], atol=0.5)  # six decimals, an anchor of five
    np.testing.assert_allclose(np.diff(trace.x_m), 10, atol=0.1)
    np.testing.assert_allclose(trace.y_m, 0, atol=0.01)
    np.testing.assert_allclose(report.anchor_deg, [47.5085, 9.42823], atol=1e-5)
    assert report.projection == "equirectangular about latitude 47.5085, longitude 9.42823"
    for text in (in_degrees(-122.4, -37.7, 1.135e-4), in_degrees(9.4, 80.0, 5.18e-4)):
        np.testing.assert_allclose(np.diff(read(text).x_m), 10, atol=0.2)


def test_degrees_are_projected_as_a_net_says(read):
    # a net's plane, of which (9.4, 47.5) is the origin; and of that the point (2000, 900)
    text, net = in_degrees(9.427966, 47.5085, 1.33121e-4), plane((47.5, 9.4))
    trace = read(text, projection=net, origin_m=(2000, 900), report=(report := Report()))
    np.testing.assert_allclose(
        trace.x_m[0, 0], 6371393 * np.cos(np.radians(47.5)) * np.radians(0.027966) - 2000, atol=1e-3
    )
    np.testing.assert_allclose(trace.y_m, 6371393 * np.radians(0.0085) - 900, atol=1e-3)
    np.testing.assert_allclose(report.anchor_deg, to_degrees(2000, 900, (47.5, 9.4)))


def test_metres_that_could_be_degrees_stay_metres(read):
    assert np.ptp(read(in_degrees(9.4, 47.5, 10.0)).x_m) == 40
    assert read(in_degrees(9.4, 47.5, 1e-6, speed=0)).n_samples.tolist() == [5]  # parked: nothing speaks against metres
    with pytest.raises(RecordError, match="speeds and positions disagree"):  # rounded to two decimals, nothing moves
        read(in_degrees(9.43, 47.51, 0, n=20))


def test_an_origin_is_found_near_positions_that_are_far(read):
    text = fcd(*((k, {"a": (391_390 + 10 * k, 5_817_849, 90, 10)}) for k in range(3)))
    trace = read(text, origin_m=None, report=(report := Report()))
    assert report.origin_m == [391_000, 5_818_000]
    np.testing.assert_array_equal(trace.x_m, [[390, 400, 410]])
    np.testing.assert_array_equal(trace.y_m, [[-151, -151, -151]])
    assert read(TWO_CARS, origin_m=None).x_m[0, 1] == 10  # near enough: as it is


@pytest.mark.parametrize(("places", "speed"), [(10, 36), (10_000, 10), (10, 0), (0.01, 10)])
def test_other_units_are_refused(read, places, speed):
    # km/h; mm; no speed at all; km
    with pytest.raises(
        RecordError, match=r"speeds and positions disagree: in half of 19 steps .* are positions in metres"
    ):
        read(fcd(*((k, {"a": (500 + places * k, 0, 90, speed)}) for k in range(20))))


TIMES = {
    "seconds": ("0.00", "1.00", "2.00"),
    "of day": ("00:00:00.00", "00:00:01.00", "00:00:02.00"),
    "of day 1": ("23:59:59", "1:00:00:00", "1:00:00:01"),
    "above a day": ("24:00:00", "24:00:01", "24:00:02"),
    "ISO": ("2023-11-14T22:13:20", "2023-11-14T22:13:21.0", "2023-11-14T22:13:22"),
    "with a blank": ("2023-11-14 22:13:20", "2023-11-14 22:13:21", "2023-11-14 22:13:22"),
    "with zones": ("2023-11-14T22:13:20Z", "2023-11-14T23:13:21+01:00", "2023-11-14T17:13:22-0500"),
    "since 1970": ("1700000000.00", "1700000001.00", "1700000002"),
    "before": ("-1", "-00:00:00", "00:00:01"),
}


@pytest.mark.parametrize("how", TIMES)
def test_times_are_read_as_seconds_of_day_and_dates(read, how):
    times = TIMES[how]
    text = fcd(*((time, {"a": (10 * k, 0, 90, 10)}) for k, time in enumerate(times)))
    trace = read(text, origin_s=times[0])
    np.testing.assert_array_equal(trace.enter_s, [0])
    np.testing.assert_array_equal(trace.x_m, [[0, 10, 20]])
    np.testing.assert_array_equal(read(text, origin_s=None).enter_s, [0])
    if how in ("ISO", "with zones", "since 1970"):
        np.testing.assert_array_equal(read(text, origin_s=1.7e9).enter_s, [0])
        with pytest.raises(RecordError, match="is too large for float32 at dt_s = 1 s; set origin_s"):
            read(text)


def test_times_that_no_float_resolves_are_refused(read):
    text = fcd(*((f"{time}", {"a": (0, 0, 90, 0)}) for time in (10**16, 10**16 + 2)))
    with pytest.raises(
        RecordError, match=r"time='10000000000000000' is too large for steps of 1 s, whatever the origin"
    ):
        read(text, origin_s=1e16)


def headless(*places, speed=5, told=()):
    """A car without angles, but where they are told."""
    steps = [
        f'<timestep time="{t}"><vehicle id="a" x="{x}" y="{y}" speed="{speed}"'
        + (f' angle="{told[t]}"' if t in told else "")
        + "/>"
        "</timestep>"
        for t, (x, y) in enumerate(places)
    ]
    return "<fcd-export>" + "".join(steps) + "</fcd-export>"


def test_headings_that_are_missing_follow_from_positions(read):
    trace = read(headless((0, 0), (3, 4), (6, 8), (6, 8), (6, 8), (6, 13)))
    # to the next; from the one before to the one after; standing: as before; north at the end
    np.testing.assert_allclose(trace.vx_mps, [[3, 3, 3, 3, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(trace.vy_mps, [[4, 4, 4, 4, 5, 5]], atol=1e-6)
    trace = read(headless((0, 0), (0, 0), (0, 0), (4, -3)))  # first it stands: it heads where it will go
    np.testing.assert_allclose([trace.vx_mps[0], trace.vy_mps[0]], [[4] * 4, [-3] * 4], atol=1e-6)
    trace = read(headless((0, 0), (0, 0), speed=0.5))  # never moves
    np.testing.assert_array_equal([trace.vx_mps, trace.vy_mps], 0)
    trace = read(headless((0, 0), (5, 0), (10, 0), told={1: 0}))  # what is told is kept
    np.testing.assert_allclose(trace.vx_mps, [[5, 0, 5]], atol=1e-6)
    trace = read(headless((0, 0), (0, 0), (0, 0), told={1: 180}))
    np.testing.assert_allclose(trace.vy_mps, [[-5, -5, -5]], atol=1e-6)


def test_positions_that_float32_does_not_resolve_are_warned_of(read):
    text = fcd(*((k, {"a": (500_000 + 10 * k, 5_200_000, 90, 10)}) for k in range(3)))
    with pytest.warns(
        UserWarning, match=r"positions of up to 5\.2e\+06 m are kept to 0\.5 m; set origin_m near the road"
    ):
        read(text)
    assert read(text, origin_m=(500_000, 5_200_000)).x_m.tolist() == [[0, 10, 20]]


def test_damaged_gzip_is_named(read):
    text = fcd(*east(range(300)))
    whole = gzip.compress(text.encode())
    assert read(whole).n_samples.tolist() == [300]
    with pytest.raises(RecordError, match=r"fcd\.xml, line \d+: the gzip data end too early; is the file truncated\?"):
        read(whole[:-9])
    with pytest.raises(RecordError, match=r"fcd\.xml, line \d+: the gzip data are damaged"):
        read(whole[: len(whole) // 2] + b"\xff" * 50 + whole[len(whole) // 2 + 50 :])
    with pytest.raises(RecordError, match=r"fcd\.xml, line 1: the gzip data end too early"):
        read(whole[:5])


def test_a_line_deep_in_a_long_file(read):
    # 1 + 3 * 5000 lines before the fault, in many chunks
    text = fcd(*east(range(5000)), (5000, {"a": ("oops", 0, 90, 1)}))
    with pytest.raises(RecordError, match="line 15003: vehicle 'a' has x='oops'"):
        read(text, strict=True)
    with pytest.raises(RecordError, match="line 15003: vehicle 'a' has x='oops'"):
        read(gzip.compress(text.encode()), strict=True)


def test_endless_tags_and_entities_are_refused(read):
    with pytest.raises(RecordError, match="line 1: a tag or comment of more than 1048576 bytes"):
        read('<fcd-export a="' + "x" * 3_000_000 + '"/>')
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))
    with pytest.raises(RecordError, match="line 1: a document type declaration"):
        read(f'<!DOCTYPE x [<!ENTITY e0 "ha">{bomb}]><fcd-export>&e19;</fcd-export>')
    with pytest.raises(RecordError, match="line 1: more than 100 elements within one another"):
        read("<fcd-export>" + "<a>" * 1000)
    text = fcd(*east([0, 1]))
    assert read(text.replace("</fcd-export>", " " * 3_000_000 + "</fcd-export>")).n_samples.tolist() == [2]


def test_padding_has_a_limit(read, monkeypatch):
    monkeypatch.setattr(records, "MAX_CELLS", 7)  # the two cars need 2 * 4 = 8
    with pytest.raises(RecordError, match=r"fcd\.xml, line 22: 2 rows of up to 4 samples are more than 7 cells"):
        read(TWO_CARS)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"dt_s": 0}, "dt_s is 0 s, not positive"),
        ({"dt_s": math.nan}, "dt_s is nan s"),
        ({"dt_s": 1e-60}, "dt_s is 1e-60 s"),
        ({"origin_m": (0, math.inf)}, "not two finite numbers"),
        ({"origin_s": math.inf}, "origin_s inf is not finite"),
        ({"origin_s": "noon"}, r"origin_s 'noon' is not a time: seconds, \[D:\]HH:MM:SS or YYYY-MM-DD HH:MM:SS"),
        ({"max_speed_mps": 0}, "max_speed_mps is 0, not positive"),
        ({"max_speed_mps": math.nan}, "max_speed_mps is nan, not positive"),
        ({"min_samples": 0}, "min_samples is 0"),
    ],
)
def test_arguments_out_of_range(read, options, fault):
    with pytest.raises(RecordError, match=fault):
        read(TWO_CARS, **options)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_fcd(tmp_path / "none.xml")


FUZZ = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def trace_or_error(read, data, **options):
    try:
        trace = read(data, report=Report(), **options)
    except RecordError as error:
        message = str(error)
    else:
        message = "fcd.xml"
        check(trace)
    assert "fcd.xml" in message


@FUZZ
@given(st.binary(max_size=200))
@example(b"\x1f\x8b")
@example(b'<?xml version="1.0" encoding="hex"?><fcd-export/>')
@example(b"\xff\xfe<\x00f\x00")
def test_any_bytes_give_a_trace_or_a_trace_error(read, data):
    trace_or_error(read, data)


@st.composite
def mutations(draw, whole):
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        piece = st.one_of(
            st.binary(max_size=6), st.sampled_from([b"<", b'"', b"/>", b"&a;", b"-", b"9", b"nan", b"e30"])
        )
        data[start:end] = draw(piece)
    return bytes(data)


@FUZZ
@given(mutations(TWO_CARS.encode()))
def test_damaged_text_gives_a_trace_or_a_trace_error(read, data):
    trace_or_error(read, data)


@FUZZ
@given(mutations(gzip.compress(TWO_CARS.encode(), mtime=0)))
def test_damaged_gzip_gives_a_trace_or_a_trace_error(read, data):
    trace_or_error(read, data)


NUMBERS = st.one_of(
    st.floats(),
    st.integers(-3, 12),
    st.sampled_from(["", "1e9", "-1e9", "1e-320", "0x1", "\uff11"]),
)


@FUZZ
@given(
    st.lists(
        st.tuples(NUMBERS, st.dictionaries(st.sampled_from("abc"), st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))),
        max_size=6,
    ),
    st.sampled_from([1e-12, 0.3, 1.0, 1e12]),
)
def test_odd_numbers_give_a_trace_or_a_trace_error(read, steps, dt_s):
    trace_or_error(read, fcd(*steps), dt_s=dt_s, min_samples=1)


@FUZZ
@given(
    st.lists(st.floats(0, 100, width=32), min_size=2, max_size=12, unique=True).map(sorted),
    st.sampled_from([0.25, 1.0, 3.0]),
)
def test_steady_motion_survives_any_resampling(read, times, dt_s):
    # a car at 2 m/s along x = 2 t must be found there at every sample, whatever the records and the gaps
    text = fcd(*((repr(time), {"a": (repr(2 * time), 1, 90, 2)}) for time in times))
    try:
        trace = read(text, dt_s=dt_s, min_samples=1)
    except RecordError:
        return  # no record pair embraces a grid point
    real = np.arange(trace.x_m.shape[1]) < trace.n_samples[:, None]
    time_s = trace.enter_s[:, None] + np.arange(trace.x_m.shape[1]) * trace.dt_s
    np.testing.assert_allclose(trace.x_m[real], 2 * time_s[real], atol=1e-4)
    assert np.all(trace.y_m == 1)


SUMO_CSV = """timestep_time;vehicle_id;vehicle_x;vehicle_y;vehicle_angle;vehicle_type;vehicle_speed;vehicle_lane
9.00;;;;;;;
10.00;a;0.00;-1.50;90.00;car;10.00;e_0
11.00;b;100.00;1.50;270.00;bus;20.00;w_0
11.00;a;10.00;-1.50;60.00;car;12.00;e_0
12.00;a;22.00;-1.00;0.00;car;8.00;e_1
12.00;b;80.00;1.50;180.00;bus;5.00;w_0
13.00;b;75.00;1.50;270.00;bus;5.00;w_0
14.00;b;70.00;1.50;270.00;bus;5.00;w_0
"""


def test_sumo_writes_the_same_as_xml_and_as_tables(tmp_path):
    (tmp_path / "fcd.xml").write_text(TWO_CARS)
    expected = read_fcd(tmp_path / "fcd.xml")
    forms = {
        "tag": SUMO_CSV,
        "plain": SUMO_CSV.replace("timestep_", "").replace("vehicle_", ""),
        "full": SUMO_CSV.replace(";vehicle_", ";timestep_vehicle_"),
        "comma": SUMO_CSV.replace(";", ","),
    }
    for name, text in forms.items():
        (tmp_path / f"{name}.csv").write_text(text)
        trace = read_fcd(tmp_path / f"{name}.csv")
        for field in ("x_m", "y_m", "vx_mps", "vy_mps", "enter_s", "n_samples"):
            np.testing.assert_array_equal(getattr(trace, field), getattr(expected, field), err_msg=name)
    assert read_fcd(tmp_path / "tag.csv", vehicle_type="bus").n_samples.tolist() == [4]
    assert read_fcd(tmp_path / "tag.csv", origin_s=None).enter_s.tolist() == [
        1,
        2,
    ]  # the grid begins where the file does


def test_parquet_is_read_as_csv_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = None
    for path in (tmp_path / "fcd.csv", tmp_path / "fcd.parquet"):
        if path.suffix == ".csv":
            path.write_text(SUMO_CSV)
        else:
            lines = [line.split(";") for line in SUMO_CSV.splitlines()]
            columns = {name: [row[n] or None for row in lines[1:]] for n, name in enumerate(lines[0])}
            numbers = {"timestep_time", "vehicle_x", "vehicle_y", "vehicle_speed", "vehicle_angle"}
            typed = {
                name: [None if x is None else float(x) for x in values] if name in numbers else values
                for name, values in columns.items()
            }
            parquet.write_table(pyarrow.table(typed), path)
        trace = read_fcd(path, report=(report := Report()))
        assert (report.rows, report.kept, report.reasons) == (8, 7, {"blank": 1})
        expected = expected or trace
        np.testing.assert_array_equal(trace.x_m, expected.x_m)
        np.testing.assert_array_equal(trace.vx_mps, expected.vx_mps)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(RecordError, match=r"fcd\.parquet: not whole Parquet"):
        read_fcd(path)


def test_times_and_an_area_are_chosen(read):
    trace = read(TWO_CARS, begin=11, end=13, report=(report := Report()))
    assert (trace.enter_s.tolist(), trace.n_samples.tolist(), report.reasons) == ([11, 11], [3, 2], {"other": 2})
    assert read(TWO_CARS, begin="00:00:11", origin_s=None).enter_s.tolist() == [0, 0]
    assert read(TWO_CARS, area=(70, 0, 90, 2)).x_m.tolist() == [[80, 75, 70]]
    assert read(TWO_CARS, area=(70, 0, 90, 2), strict=True).n_samples.tolist() == [3]
    for options, fault in (
        ({"begin": 3, "end": 2}, "begin 3 is not before end 2"),
        ({"area": (1, 0, 0, 1)}, "area .* is not"),
    ):
        with pytest.raises(RecordError, match=fault):
            read(TWO_CARS, **options)
