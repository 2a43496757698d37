"""Files of cases: what is written is read, and nothing else."""

import numpy as np
import pytest
from policies.in_context.made_up import arrays

from jaxvec.core.npz import write_npz
from jaxvec.policies.in_context.cases import CaseSet
from jaxvec.policies.in_context.store import CasesError, Library, read, read_weights, write, write_weights

ABOUT = {"env": "toy", "source": "made up"}


def test_round_trip(tmp_path):
    x = arrays(0, 5)
    write(tmp_path / "cases.npz", Library(CaseSet(**x), ABOUT | {"worlds": 64}))
    library = read(tmp_path / "cases.npz")
    assert library.about == ABOUT | {"worlds": 64}
    for name, array in x.items():
        np.testing.assert_array_equal(getattr(library.cases, name), array)
    assert [path.name for path in tmp_path.iterdir()] == ["cases.npz"]


def spoilt(**changes):
    x = arrays(0, 5)
    for name, change in changes.items():
        x[name] = change(x[name])
    return x


def at(*index, value):
    def change(x):
        x = x.copy()
        x[index] = value
        return x

    return change


BAD = {
    "no number": (spoilt(rows=at(1, 2, 0, value=np.nan)), r"rows\[1, 2, 0\] is nan"),
    "another type": (spoilt(reward=lambda x: x.astype(np.float64)), "reward is float64, not float32"),
    "fewer rows": (spoilt(advantage=lambda x: x[:, 1:]), r"advantage has shape \(8, 2\), not \(8, 3\)"),
    "fewer cases": (spoilt(shared=lambda x: x[1:]), r"shared has shape \(7, 1\)"),
    "no cases": (spoilt(rows=lambda x: x[0]), "of no cases"),
    "a tag": (spoilt(tag=at(0, value=2)), "tags must be 0 or 1"),
    "stamps": (spoilt(stamp=at(1, value=0)), "stamps of cases must differ"),
    "a negative stamp": (spoilt(stamp=at(1, value=-1)), "at least 0"),
    "an action": (spoilt(action=at(0, 0, 0, value=1.5)), r"go from .* to 1\.5"),
}


@pytest.mark.parametrize("what", BAD)
def test_damaged_files_are_refused(what, tmp_path):
    x, message = BAD[what]
    write_npz(tmp_path / "bad.npz", 1, ABOUT, x)
    with pytest.raises(CasesError, match=message) as refusal:
        read(tmp_path / "bad.npz")
    assert "bad.npz" in str(refusal.value)


def test_files_of_something_else_are_refused(tmp_path):
    file = tmp_path / "cases.npz"
    file.write_bytes(b"cases")
    with pytest.raises(CasesError, match="not an npz file"):
        read(file)
    for header, version, message in (({"env": "toy"}, 1, "no text 'source'"), (ABOUT, 2, "format is 2")):
        write_npz(file, version, header, arrays(0, 5))
        with pytest.raises(CasesError, match=message):
            read(file)
    x = arrays(0, 5)
    del x["advantage"]
    write_npz(file, 1, ABOUT, x)
    with pytest.raises(CasesError, match="no entry 'advantage'; is this a set of cases"):
        read(file)


def test_what_could_not_be_read_is_not_written(tmp_path):
    file = tmp_path / "cases.npz"
    write(file, Library(CaseSet(**arrays(0, 5)), ABOUT))
    before = file.read_bytes()
    with pytest.raises(CasesError, match="go from"):
        write(file, Library(CaseSet(**spoilt(action=at(0, 0, 0, value=1.5))), ABOUT))
    with pytest.raises(CasesError, match="no text 'env'"):
        write(file, Library(CaseSet(**arrays(0, 5)), {"source": "made up"}))
    assert file.read_bytes() == before


def test_weights(tmp_path):
    file, weights = tmp_path / "weights.npz", {"params": {"a": {"w": np.ones((2, 3), np.float32)}, "b": np.float32(2)}}
    write_weights(file, weights, {"k": 5})
    weights, about = read_weights(file)
    assert about == {"k": 5}
    assert set(weights) == {"params"}
    np.testing.assert_array_equal(weights["params"]["a"]["w"], np.ones((2, 3)))
    assert weights["params"]["b"] == 2
    write_weights(file, {"a": np.float32([1, np.inf])}, {})
    with pytest.raises(CasesError, match=r"a\[1\] is inf"):
        read_weights(file)
    write(file, Library(CaseSet(**arrays(0, 5)), ABOUT))
    with pytest.raises(CasesError, match="does not name weights"):
        read_weights(file)
