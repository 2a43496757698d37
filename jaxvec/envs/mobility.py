"""How vehicles move along a straight road: models that an environment swaps by name.

A model is a frozen object with one signature: `draw_shapes` says which uniforms it takes at reset, `draws` scales them,
`start` places the vehicles and `advance` moves them by one slot. To add one: write its class, add a line to `MODELS`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

from jaxvec.core.environment import suggest
from jaxvec.core.layout import lift
from jaxvec.physics import mobility, tasks
from jaxvec.traces.trace import SLACK


class Motion(NamedTuple):
    """Where the vehicles are; shapes `(vehicle,)`, x along the road and y across it, 0 on its centre line.

    `track` is a model's own memory: which recorded vehicle each one is, and the time of the recording [s].
    """

    x_m: Array
    y_m: Array
    velocity_mps: Array
    present: Array
    track: tuple[Array, Array] | None


class Mobility(Protocol):
    """The signature that models share; `params` has the numbers that a model names."""

    def draw_shapes(self, n_vehicles: int, params: Any) -> dict[str, tuple[int, ...]]:
        """The uniforms of a reset."""

    def draws(self, u: dict[str, Array], n_vehicles: int, params: Any) -> dict[str, Array]:
        """Uniforms to the quantities that `start` takes, by name."""

    def start(self, draws: dict[str, Array], params: Any) -> Motion:
        """The first slot."""

    def advance(self, motion: Motion, params: Any) -> Motion:
        """The next slot."""


@dataclass(frozen=True)
class ConstantSpeedRoad:
    """Four lanes, two each way, constant speeds; who leaves the road re-enters at its other end (Zhan et al., (2); E8).

    Numbers: `road_length_m`, `lane_width_m`, `speed_min_mps`, `speed_max_mps`, `slot_s`.
    """

    def draw_shapes(self, n_vehicles: int, params: Any) -> dict[str, tuple[int, ...]]:
        """Place, lane and speed of each vehicle."""
        return {"x_m": (n_vehicles,), "lane": (n_vehicles,), "speed_mps": (n_vehicles,)}

    def draws(self, u: dict[str, Array], n_vehicles: int, params: Any) -> dict[str, Array]:
        """Uniform over the road, its lanes and the range of speeds."""
        return {
            "x_m": u["x_m"] * params.road_length_m,
            "lane": jnp.floor(u["lane"] * 4).astype(jnp.int32),
            "speed_mps": tasks.uniform(u["speed_mps"], params.speed_min_mps, params.speed_max_mps),
        }

    def start(self, draws: dict[str, Array], params: Any) -> Motion:
        """Lanes 0 and 1 lie south and lead east (+x), 2 and 3 north and west."""
        lane = draws["lane"]
        y_m = (lane.astype(draws["speed_mps"].dtype) - 1.5) * params.lane_width_m
        velocity = jnp.where(lane < 2, draws["speed_mps"], -draws["speed_mps"])
        return Motion(draws["x_m"], y_m, velocity, jnp.ones(lane.shape, bool), None)

    def advance(self, motion: Motion, params: Any) -> Motion:
        """(2): x + v tau, around the ends."""
        return motion._replace(
            x_m=mobility.drive_m(motion.x_m, motion.velocity_mps, params.slot_s, params.road_length_m)
        )


@dataclass(frozen=True)
class RecordedTraffic:
    """Vehicles of a recording, replayed: at reset a time is chosen, and vehicles that are on the road at that time.

    Between samples positions are interpolated; a vehicle whose recording has ended is absent from then on.

    Numbers: `trace` (a `jaxvec.traces.Trace`), `trace_starts_s` (the times at which enough vehicles are there), `slot_s`.
    """

    def draw_shapes(self, n_vehicles: int, params: Any) -> dict[str, tuple[int, ...]]:
        """A start time, and a lot for every recorded vehicle."""
        return {"start_s": (), "row": (params.trace.enter_s.shape[0],)}

    def draws(self, u: dict[str, Array], n_vehicles: int, params: Any) -> dict[str, Array]:
        """`start_s` (): one of the eligible times; `row` (vehicle,): distinct recorded vehicles present then, by lot."""
        trace, starts = params.trace, jnp.asarray(params.trace_starts_s, jnp.result_type(float))
        index = jnp.minimum((u["start_s"] * starts.shape[0]).astype(jnp.int32), starts.shape[0] - 1)
        start_s = starts[index]
        _, there = self._samples(start_s, trace, lambda x: lift(x, start_s.ndim))
        lots = jnp.where(there, u["row"], 2.0)
        return {"start_s": start_s, "row": jnp.argsort(lots, axis=0)[:n_vehicles].astype(jnp.int32)}

    def start(self, draws: dict[str, Array], params: Any) -> Motion:
        """The chosen vehicles at the chosen time."""
        return self._at(draws["row"], draws["start_s"], params.trace)

    def advance(self, motion: Motion, params: Any) -> Motion:
        """The same vehicles one slot later."""
        row, clock_s = motion.track  # type: ignore[misc]
        return self._at(row, clock_s + params.slot_s, params.trace)

    def _samples(self, clock_s: Array, trace: Any, pick: Any) -> tuple[Array, Array]:
        """Where in its recording each vehicle is [samples], and whether that is inside it."""
        sample = (clock_s - pick(trace.enter_s)) / trace.dt_s
        return sample, (sample >= -SLACK) & (sample <= pick(trace.n_samples) - 1 + SLACK)

    def _at(self, row: Array, clock_s: Array, trace: Any) -> Motion:
        sample, present = self._samples(clock_s, trace, lambda x: jnp.asarray(x)[row])
        x_m, y_m, velocity = (
            mobility.interpolate_rows(jnp.asarray(table, jnp.result_type(float)), row, sample)
            for table in (trace.x_m, trace.y_m, trace.vx_mps)
        )
        return Motion(x_m, y_m, velocity, present, (row, clock_s))


MODELS: dict[str, Mobility] = {"road": ConstantSpeedRoad(), "trace": RecordedTraffic()}


def get(name: str) -> Mobility:
    """A model by name.

    Raises:
        ValueError: unknown name; the message lists the known ones.
    """
    if name not in MODELS:
        raise ValueError(suggest("mobility model", name, MODELS))
    return MODELS[name]
