"""Files of arrays: what they declare is held against what they have before memory is spent on it."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvec.core import npz
from jaxvec.core.npz import RecordError, read_npz, write_npz


def entry(array, shape=None, descr=None):
    """The bytes of an array, with another shape or type in the header if given."""
    text = io.BytesIO()
    header = {"descr": descr or np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(text, header | {"shape": array.shape if shape is None else shape})
    return text.getvalue() + array.tobytes()


def write(path, x):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in {"format": np.array(1, np.int32), "header": np.array("{}")}.items():
            file.writestr(f"{name}.npy", entry(array))
        file.writestr("x.npy", x)


def spent_bytes(path, match):
    tracemalloc.start()
    with pytest.raises(RecordError, match=match):
        read_npz(path, ["x"], 1, "a test")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


FOUR = np.arange(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("shape", "descr", "n_bytes"),
    [
        ((10**9, 4), None, "16,000,000,000"),
        ((3,), None, "12"),
        ((5,), None, "20"),
        ((), None, "4"),
        ((10**40,), None, f"{4 * 10**40:,}"),
        ((-1,), None, "-4"),
        ((-2, -2), None, "16"),
        ((1,), "<U500000000", "2,000,000,000"),
    ],
)
def test_a_shape_that_is_not_in_the_file_costs_nothing(tmp_path, shape, descr, n_bytes):
    path = tmp_path / "a.npz"
    write(path, entry(FOUR, shape, descr))
    assert spent_bytes(path, rf"a\.npz: entry 'x' cannot be read: .* take {n_bytes} bytes, but 16 are there") < 1e6


def test_more_than_any_record_has_is_refused_before_it_is_inflated(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    write(path, entry(np.zeros(10_000_000, np.uint8)))
    assert read_npz(path, ["x"], 1, "a test")["x"].nbytes == 10_000_000
    monkeypatch.setattr(npz, "MOST_BYTES", 9_000_000)
    assert spent_bytes(path, r"a\.npz: entries of 10,000,0\d\d bytes, more than 9,000,000; is this a test\?") < 1e6


def test_a_size_that_cannot_be_inflated_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    write(path, entry(FOUR, (10**9,)))
    claimed = 4 * 10**9 + 128
    whole = path.read_bytes()
    size = len(entry(FOUR, (10**9,))).to_bytes(4, "little")
    assert whole.count(size) == 2  # in the entry and in the table of contents
    path.write_bytes(whole.replace(size, claimed.to_bytes(4, "little")))
    assert spent_bytes(path, rf"a\.npz: entry 'x' cannot be read: \d+ bytes cannot hold {claimed:,}") < 1e6


@pytest.mark.parametrize(
    "array", [FOUR, np.array(3.0), np.zeros((0, 3)), np.asfortranarray(np.eye(3)), np.array("ab"), np.array([True])]
)
def test_what_is_written_is_read(tmp_path, array):
    write_npz(tmp_path / "a.npz", 1, {"a": 1}, {"x": array})
    again = read_npz(tmp_path / "a.npz", ["x"], 1, "a test")["x"]
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_damage_is_an_array_or_an_error_that_names_the_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    write(path, entry(FOUR))
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        read_npz(path, ["x"], 1, "a test")
    except RecordError as error:
        assert "damaged.npz: " in str(error)  # noqa: PT017 (either may happen)
