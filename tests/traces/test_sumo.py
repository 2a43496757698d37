"""Reading floating-car data: hand-made files, each fault by name, and bytes at random."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jaxvec.traces import RecordError, check, read_fcd, sumo

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
    "time of day": (one_step(time='time="00:00:01"'), 2, "a timestep has time='00:00:01', which is not a number"),
    "times out of order": (fcd(*east([0, 2, 1])), 8, "timestep time='1' comes after a later one; times must increase"),
    "time repeated": (fcd(*east([0, 2, 2])), 8, "timestep time='2' is repeated; times must increase"),
    "time since 1970": (one_step(time='time="1.7e9"'), 2, "a timestep has time='1.7e9', which is larger than 1e+09"),
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
    "no angle": (one_step(car(angle=None)), 3, "vehicle 'a' has no attribute 'angle'"),
    "no speed": (one_step(car(speed=None)), 3, "vehicle 'a' has no attribute 'speed'"),
    "word": (one_step(car(x="far")), 3, "vehicle 'a' has x='far', which is not a number"),
    "blank number": (one_step(car(y="")), 3, "vehicle 'a' has y='', which is not a number"),
    "underscore": (one_step(car(x="1_0")), 3, "vehicle 'a' has x='1_0', which is not a number"),
    "long number": (one_step(car(x="1" * 99)), 3, f"vehicle 'a' has x='{'1' * 60}...', which is not a number"),
    "nan": (one_step(car(speed="nan")), 3, "vehicle 'a' has speed='nan', which is not finite"),
    "inf": (one_step(car(angle="-inf")), 3, "vehicle 'a' has angle='-inf', which is not finite"),
    "beyond float": (one_step(car(x="1e400")), 3, "vehicle 'a' has x='1e400', which is not finite"),
    "beyond float32": (one_step(car(x="1e39")), 3, "vehicle 'a' has x='1e39', which is larger than 1e+09"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_file_and_line(read, name):
    text, line, fault = FAULTS[name]
    with pytest.raises(RecordError) as caught:
        read(text)
    where, _, what = str(caught.value).partition(": ")
    assert where.endswith(f"fcd.xml, line {line}")
    assert what.startswith(fault)


def test_a_missing_type_matters_only_when_asked_for(read):
    text = fcd(*east([0, 1]))
    assert read(text).n_samples.tolist() == [2]
    with pytest.raises(RecordError, match=r"fcd\.xml, line 3: vehicle 'a' has no attribute 'type'"):
        read(text, vehicle_type="car")


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
        read(text)
    with pytest.raises(RecordError, match="line 15003: vehicle 'a' has x='oops'"):
        read(gzip.compress(text.encode()))


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
    monkeypatch.setattr(sumo, "MAX_CELLS", 7)  # the two cars need 2 * 4 = 8
    with pytest.raises(RecordError, match=r"fcd\.xml, line 22: 2 rows of up to 4 samples are more than 7 cells"):
        read(TWO_CARS)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"dt_s": 0}, "dt_s is 0 s, not positive"),
        ({"dt_s": math.nan}, "dt_s is nan s"),
        ({"dt_s": 1e-60}, "dt_s is 1e-60 s"),
        ({"origin_m": (0, math.inf)}, "not a finite number"),
        ({"origin_s": 1e10}, "not a finite number up to 1e"),
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
        trace = read(data, **options)
    except RecordError as error:
        message = str(error)
    else:
        message = "fcd.xml, line 0"
        check(trace)
    assert "fcd.xml, line " in message


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
