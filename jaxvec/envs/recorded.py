"""Recorded vehicles in any system: the mobility model that replays them.

Throughout:
    sizes: an environment's sizes and switches.
    params: its numbers, of one world or of a batch.
    draws: as `reset_draws` or `step_draws` give them, by name.
    motion: of this slot.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.envs.motion import Course, Draws, Mobility, Motion, Shapes
from jaxvec.physics import geometry
from jaxvec.traces.trace import SLACK


@dataclass(frozen=True)
class RecordedTraffic(Mobility):
    """Vehicles of a recording, replayed: at reset a time is chosen, and vehicles that are on the map at that time.

    Between samples positions are interpolated. A vehicle whose recording has ended is absent from then on; or, as the recording
    has it, another one takes its place when it enters. Of the parameters `trace` is a `jaxvec.traces.Replay`, and `trace_starts`,
    `(choice,)` or `(choice, world)`, says which of its times may be chosen; None: all.

    The velocity is that along x, signed. The memory is the row of the recording, the time in it [s], and the velocity along y
    [m/s], `(vehicle,)`, of the time `()`.
    """

    numbers = ("n_vehicles", "trace", "trace_starts", "slot_s")
    absent = True

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """A start time, and a lot for every vehicle."""
        return {"start_s": (), "row": (sizes.n_vehicles,)}

    def reset_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """`start_s` (): one of the eligible times; `row` (vehicle,): distinct recorded vehicles present then, by lot."""
        trace, choices = params.trace, params.trace_starts
        n = len(trace.starts_s) if choices is None else len(choices)
        index = jnp.minimum((u["start_s"] * n).astype(jnp.int32), n - 1)
        if choices is not None and jnp.ndim(choices) > 1 and choices.shape[-1] > 1:  # each world has its own
            index = jnp.take_along_axis(jnp.asarray(choices), index[None], 0)[0].astype(jnp.int32)
        elif choices is not None:
            index = jnp.asarray(choices).reshape(-1)[index].astype(jnp.int32)
        card = rng.distinct(u["row"], jnp.asarray(trace.n_there)[index])
        there = jnp.asarray(trace.there)[index[None], card]
        return {"start_s": jnp.asarray(trace.starts_s, jnp.result_type(float))[index], "row": there}

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """The chosen vehicles at the chosen time."""
        return self._at(draws["row"], draws["start_s"], params.trace)

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """The same vehicles one slot later, or who takes over from them."""
        row, clock_s, _ = motion.track
        return self._at(row, clock_s + params.slot_s, params.trace)

    def speed_mps(self, velocity_mps: Array, track: Any) -> Array:
        """Along x and y together."""
        return geometry.norm_m(velocity_mps, track[2])

    def course(self, motion: Motion, sizes: Any, params: Any) -> Course:
        """Where the velocity points, along x of who stands."""
        speed_mps = self.speed_mps(motion.velocity_mps, motion.track)
        stands, level = speed_mps == 0, jnp.zeros_like(speed_mps)
        divisor = jnp.where(stands, 1.0, speed_mps)
        cos, sin = motion.velocity_mps / divisor, motion.track[2] / divisor
        return Course(speed_mps, jnp.where(stands, 1.0, cos), jnp.where(stands, 0.0, sin), level)

    def _at(self, row: Array, clock_s: Array, trace: Any) -> Motion:
        """Where vehicles are at a time, from that of whose recording has not begun before it."""
        of_row = _rows(trace.vehicles, row)
        takes_over = clock_s >= of_row[..., 4]
        row = jnp.where(takes_over, of_row[..., 3].astype(jnp.int32), row)
        enter_s, first, last = (jnp.where(takes_over, of_row[..., 4 + i], of_row[..., i]) for i in range(3))
        sample = (clock_s - enter_s) / trace.dt_s
        present = (sample >= -SLACK) & (sample <= last + SLACK)
        inside = jnp.clip(sample, 0, last)
        before = jnp.floor(inside)
        of_sample = _rows(trace.samples, (first + before).astype(jnp.int32))
        x_m, y_m, velocity_mps, across_mps = (
            of_sample[..., i] + (inside - before) * of_sample[..., 4 + i] for i in range(4)
        )
        return Motion(x_m, y_m, velocity_mps, present, (row, clock_s, across_mps))


def _rows(table: Any, row: Array) -> Array:
    """Rows of a table that it is known to have, `(*row, column)`, in the float type of the moment."""
    rows = jnp.asarray(table).at[row].get(mode="promise_in_bounds", wrap_negative_indices=False)
    return rows.astype(jnp.result_type(float))
