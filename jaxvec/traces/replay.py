"""A recording made ready to be replayed inside a compiled step: what a slot needs of a vehicle lies side by side in memory.

Reading memory here and there is what replaying costs. So a slot reads one row of `vehicles` and one of `samples` for each
vehicle, and a reset one row of `there`, in place of a lot for everyone who was ever recorded.
"""

import heapq

import numpy as np
from flax import struct
from jaxtyping import Float32, Int32

from jaxvec.core.npz import RecordError
from jaxvec.traces.trace import SLACK, Trace, eligible_starts_s

NEVER_S = float(np.finfo(np.float32).max)
MOST_SAMPLES = 2**24  # beyond, float32 knows no odd numbers


class Replay(struct.PyTreeNode):
    """A recording and the times at which an episode may begin, a pytree of host arrays.

    Attributes:
        samples: (sample, 8) float32, of all vehicles, one after the other: x and y [m], velocity along x and y [m/s]; then what
            they change until the vehicle's next sample, 0 at its last.
        vehicles: (vehicle, 7) float32: when it enters [s], its first row of `samples`, its last sample, counted from 0; who
            takes its place when it has left, and the first three of that one, with `NEVER_S` where nobody does.
        dt_s: () float32, time from one sample to the next [s].
        starts_s: (start,) float32, times at which an episode may begin [s].
        there: (start, most) int32, who is there then; the first `n_there` are.
        n_there: (start,) int32.
    """

    samples: Float32[np.ndarray, "sample 8"]
    vehicles: Float32[np.ndarray, "vehicle 7"]
    dt_s: Float32[np.ndarray, ""]
    starts_s: Float32[np.ndarray, "start"]
    there: Int32[np.ndarray, "start most"]
    n_there: Int32[np.ndarray, "start"]


def successors(trace: Trace) -> np.ndarray:
    """Who takes the place of each row when it has left: rows in chains, of which each is on the map one row at a time.

    A row that enters takes the place that has been empty for longest; if there is none, it begins a chain. So there are as many
    chains as rows are ever present at once, and each row follows at most one other.

    Args:
        trace: the record.
    Returns:
        (vehicle,) int32, the row that follows, which enters after this one has left; -1 where none does.
    """
    enter_s, leave_s = _visits_s(trace)
    following, slack_s = np.full(len(enter_s), -1, np.int32), 2 * SLACK * float(trace.dt_s)
    empty: list[tuple[float, int]] = []  # since when, and whose place
    for row, now_s in enumerate(enter_s):
        if empty and empty[0][0] + slack_s < now_s:
            following[heapq.heappop(empty)[1]] = row
        heapq.heappush(empty, (float(leave_s[row]), row))
    return following


def replay_of(trace: Trace, n_vehicles: int, horizon_s: float, *, takeover: bool = True) -> Replay:
    """A recording, ready.

    Args:
        trace: the record.
        n_vehicles: vehicles to be present at the start of an episode, at least 1.
        horizon_s: length of an episode [s]; it ends within the recording.
        takeover: whether vehicles that enter take the places of those that have left, see `successors`.
    Raises:
        RecordError: there is no time at which an episode may begin, see `eligible_starts_s`, or there are too many samples.
    """
    n_samples = np.asarray(trace.n_samples)
    if n_samples.sum() >= MOST_SAMPLES:
        raise RecordError(f"the recording has {n_samples.sum()} samples, more than {MOST_SAMPLES}; take a longer dt_s")
    real = np.arange(trace.x_m.shape[1]) < n_samples[:, None]
    values = np.stack([trace.x_m, trace.y_m, trace.vx_mps, trace.vy_mps], -1)
    change = np.diff(values, axis=1, append=values[:, -1:])
    first = np.cumsum(n_samples) - n_samples
    own = np.stack([np.asarray(trace.enter_s), first, n_samples - 1], 1)
    nobody = np.array([NEVER_S, 0, 0])
    after = successors(trace) if takeover else np.full(len(own), -1)
    following = np.where(after[:, None] >= 0, own[after], nobody)
    starts_s = eligible_starts_s(trace, n_vehicles, horizon_s)
    there, n_there = _there(trace, starts_s)
    return Replay(
        samples=np.concatenate([values, change], -1)[real],
        vehicles=np.concatenate([own, np.maximum(after, 0)[:, None], following], 1).astype(np.float32),
        dt_s=np.asarray(trace.dt_s, np.float32),
        starts_s=starts_s,
        there=there,
        n_there=n_there,
    )


def _visits_s(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """When each row enters and leaves, float64 [s]."""
    enter_s = np.asarray(trace.enter_s, np.float64)
    return enter_s, enter_s + (np.asarray(trace.n_samples) - 1) * float(trace.dt_s)


def _there(trace: Trace, starts_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who is there at each time, `(start, most)`, and how many are, `(start,)`."""
    (enter_s, leave_s), slack_s = _visits_s(trace), SLACK * float(trace.dt_s)
    rows = [np.flatnonzero((enter_s - slack_s <= s) & (s <= leave_s + slack_s)) for s in starts_s.astype(np.float64)]
    n_there = np.array([len(x) for x in rows], np.int32)
    there = np.zeros((len(rows), n_there.max()), np.int32)
    for line, x in zip(there, rows, strict=True):
        line[: len(x)] = x
    return there, n_there
