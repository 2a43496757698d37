"""Claims: of one unit one process at a time; what a killed one leaves is another's; nothing is made twice."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxvec.core import locks
from jaxvec.core.claims import ALONE, Claims, Part, Unit, work

WORKER = """
import sys, time
from functools import partial
from pathlib import Path
from jaxvec.core.claims import Claims, Part, Unit, work

here, part, slow = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
claims = Claims(here / "claims", required=True)

def make(name):
    with (here / "begun").open("a") as log:
        log.write(f"{part} {name}\\n")
    time.sleep(600 if name in slow else 0.02)
    (here / name).write_text(name)

units = [Unit(n, partial(claims.of, n), (here / n).exists, partial(make, n)) for n in "abcdefghijkl"]
print(work(units, Part.parse(part), print))
"""


def worker(here, part, *slow):
    """A process that makes twelve units, of which it hangs in those that are slow."""
    words = [sys.executable, "-c", WORKER, str(here), part, *slow]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(holds, what):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def begun(here):
    return (here / "begun").read_text().split("\n")[:-1] if (here / "begun").exists() else []


def test_live_workers_make_nothing_twice_and_take_up_what_a_killed_one_leaves(tmp_path):
    with worker(tmp_path, "1/2", "c") as first:
        until(lambda: "1/2 c" in begun(tmp_path), "it comes to its second unit")
        with worker(tmp_path, "2/2") as second:
            assert second.communicate(timeout=60)[0] == "['c']\n", "a part does not wait for what others are at"
        assert begun(tmp_path)[:2] == ["1/2 a", "1/2 c"]
        assert begun(tmp_path)[2:] == [f"2/2 {name}" for name in "bdfhjlegik"], "its own first, and then it helps"
        first.send_signal(signal.SIGKILL)
        first.wait()
    with worker(tmp_path, "2/2") as again:
        assert again.communicate(timeout=60)[0] == "[]\n"
    assert begun(tmp_path)[12:] == ["2/2 c"]
    assert all((tmp_path / name).read_text() == name for name in "abcdefghijkl")
    assert not (tmp_path / "claims").exists(), "no locks are left behind"


def units_of(here, made, names="abc", fails=()):
    locks = Claims(here / "claims")

    def unit(name):
        def make():
            if name in fails:
                raise RuntimeError(f"{name} is bad")
            made.append(name)

        return Unit(name, lambda: locks.of(name), lambda: name in made, make)

    return [unit(name) for name in names]


def test_one_who_is_no_part_waits_for_others(tmp_path):
    made, said, free = [], [], threading.Event()
    other = Claims(tmp_path / "claims")

    def hold():
        with other.of("b") as mine:
            assert mine
            held.set()
            free.wait(60)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    assert work(units_of(tmp_path, made), Part(1, 1)) == ["b"]

    def say(text):
        said.append(text)
        free.set()

    assert work(units_of(tmp_path, made), say=say) == []
    thread.join()
    assert made == ["a", "c", "b"]
    assert said == ["waits for another process, which is at b"]


def test_what_others_finish_meanwhile_is_not_left_to_them(tmp_path):
    made = []
    *units, last = units_of(tmp_path, made)
    held = Claims(tmp_path / "claims").of("c")

    @contextmanager
    def claim():  # the other finishes it just after it was seen to have it
        with last.claim() as mine:
            yield mine
        made.append("c")

    with held:
        assert work([*units, last._replace(claim=claim)], Part(1, 1)) == []
    assert made == ["a", "b", "c"]


def test_a_unit_that_fails_keeps_nobody_from_the_rest(tmp_path):
    made, said = [], []
    with pytest.raises(RuntimeError, match="b is bad"):
        work(units_of(tmp_path, made, fails="b"), say=said.append)
    assert made == ["a", "c"]
    assert said == ["b has failed, and is left out: b is bad"]
    assert not (tmp_path / "claims").exists()


def test_without_locks_parts_are_refused_and_others_warned(tmp_path, monkeypatch):
    def none(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with (
        pytest.raises(ValueError, match=r"cannot be locked .*No locks available"),
        Claims(tmp_path / "c", True).of("x"),
    ):
        pass
    assert not (tmp_path / "c").exists()
    both = Claims(tmp_path / "c")
    with pytest.warns(UserWarning, match="let no other work there"), both.of("x") as mine:
        assert mine
    with both.of("y") as mine:  # warned of once
        assert mine


def test_where_there_are_no_locks_at_all_one_works_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with Claims(tmp_path / "c").of("x") as mine:
        assert mine
    assert not (tmp_path / "c").exists()
    with pytest.raises(ValueError, match="this system has no file locks"), Claims(tmp_path / "c", True).of("x"):
        pass


@given(st.integers(1, 9), st.integers(0, 30))
def test_every_part_tries_everything_and_its_own_first(workers, n):
    orders = [Part(number, workers).order(range(n)) for number in range(1, workers + 1)]
    assert all(sorted(order) == list(range(n)) for order in orders)
    own = [order[: len(range(number, n, workers))] for number, order in enumerate(orders)]
    assert sorted(x for of_one in own for x in of_one) == list(range(n)), "nobody begins with another's"
    assert ALONE.order(range(n)) == list(range(n))


def test_a_part_is_k_of_n():
    assert [Part.parse(text) for text in ("1/1", "2/8", "8/8")] == [(1, 1), (2, 8), (8, 8)]


@given(st.text(alphabet="0123/- ٣x", max_size=6).filter(lambda text: not re.fullmatch("[0-9]+/[0-9]+", text)))
@example("0/2")
@example("3/2")
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ValueError, match=f"^--part takes K/N.*not {re.escape(repr(text))}$"):
        Part.parse(text)


def test_names_that_read_alike_are_claimed_apart(tmp_path):
    locks = Claims(tmp_path)
    with locks.of("apg from a") as one, locks.of("apg, from a") as other, locks.of("apg from a") as again:
        assert (one, other, again) == (True, True, False)
