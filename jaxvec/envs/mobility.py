"""How vehicles move: models that an environment swaps by name.

A model is a frozen object derived from `Mobility`. It places the vehicles at reset and moves them by one slot, from numbers that
it finds among the environment's sizes and parameters; an environment takes every model that finds all of them (`usable`). To
add one: write its class, add a line to `MODELS`, or register it from outside as a "mobility" (see `jaxvec.register`).

Coordinates are the environment's: `isac_iov` has x along its road from 0 and y from the centre line; `dt_edge` has x along the
road and y across it, both from the mast; `v2x_offload` has x and y on its map from a corner, `urllc_vec` from the centre.
`twin_migration` takes no model: its vehicles drive the trips of a `jaxvec.traces.Region`, recorded or made up. A recording of a
whole town lies in any of these planes: `jaxvec.make(..., world=...)` moves it there.

Throughout:
    sizes: an environment's sizes and switches.
    params: its numbers, of one world or of a batch.
    draws: as `reset_draws` or `step_draws` give them, by name.
    motion: of this slot.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.core.registry import Registry
from jaxvec.envs.motion import Course, Draws, Mobility, Motion, Shapes
from jaxvec.envs.recorded import RecordedTraffic
from jaxvec.physics import fading, mobility, tasks
from jaxvec.traces import Replay, Trace, load, moved, replay_of, shipped

__all__ = [
    "MODELS",
    "Course",
    "Mobility",
    "Motion",
    "blank_recording",
    "usable",
    "who_is_there",
    "with_recording",
]


@dataclass(frozen=True)
class ConstantSpeedRoad(Mobility):
    """Four lanes, two each way, constant speeds; who leaves the road re-enters at its other end (Zhan et al., (2); E8)."""

    numbers = ("n_vehicles", "road_length_m", "lane_width_m", "speed_min_mps", "speed_max_mps", "slot_s")
    constant_speed = True

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Place, lane and speed of each vehicle."""
        return dict.fromkeys(("x_m", "lane", "speed_mps"), (sizes.n_vehicles,))

    def reset_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """Uniform over the road, its lanes and the range of speeds."""
        return {
            "x_m": u["x_m"] * params.road_length_m,
            "lane": jnp.floor(u["lane"] * 4).astype(jnp.int32),
            "speed_mps": tasks.uniform(u["speed_mps"], params.speed_min_mps, params.speed_max_mps),
        }

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Lanes 0 and 1 lie south and lead east (+x), 2 and 3 north and west."""
        lane = draws["lane"]
        y_m = (lane.astype(draws["speed_mps"].dtype) - 1.5) * params.lane_width_m
        velocity = jnp.where(lane < 2, draws["speed_mps"], -draws["speed_mps"])
        return Motion(draws["x_m"], y_m, velocity, jnp.ones(lane.shape, bool), None)

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """(2): x + v tau, around the ends."""
        return motion._replace(
            x_m=mobility.drive_m(motion.x_m, motion.velocity_mps, params.slot_s, params.road_length_m)
        )


@dataclass(frozen=True)
class PassingRoad(Mobility):
    """Lanes past a mast, all one way at constant speeds; who reaches an end begins at the other (model of `dt_edge`)."""

    numbers = (
        *("n_vehicles", "n_lanes", "road_half_length_m", "lane_offset_m", "lane_width_m"),
        *("speed_min_mps", "speed_max_mps", "slot_s"),
    )
    constant_speed = True

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Place and speed of each vehicle."""
        return dict.fromkeys(("x_m", "speed_mps"), (sizes.n_vehicles,))

    def reset_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """Uniform over the road and the range of speeds."""
        return {
            "x_m": tasks.uniform(u["x_m"], -params.road_half_length_m, params.road_half_length_m),
            "speed_mps": tasks.uniform(u["speed_mps"], params.speed_min_mps, params.speed_max_mps),
        }

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Vehicles take the lanes in turn."""
        x_m = draws["x_m"]
        lane = lift(jnp.arange(sizes.n_vehicles, dtype=jnp.int32) % sizes.n_lanes, x_m.ndim - 1)
        y_m = params.lane_offset_m + params.lane_width_m * jnp.broadcast_to(lane, x_m.shape).astype(x_m.dtype)
        return Motion(x_m, y_m, draws["speed_mps"], jnp.ones(x_m.shape, bool), None)

    def speed_mps(self, velocity_mps: Array, track: Any) -> Array:
        """The velocity: nobody drives the other way."""
        return velocity_mps

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """x + v tau, around the ends.

        As `physics.mobility.drive_m`, but without a shift of the origin, whose rounding adds up to millimetres in an episode.
        """
        half_m = params.road_half_length_m
        moved_m = motion.x_m + motion.velocity_mps * params.slot_s
        return motion._replace(x_m=moved_m - 2 * half_m * jnp.floor((moved_m + half_m) / (2 * half_m)))


@dataclass(frozen=True)
class RandomHeading(Mobility):
    """On a square, all at one speed, with headings that change at random (model of `v2x_offload`).

    With `boundary` "reflect" the borders are walls; with "open" vehicles drift out of the square. The memory is the heading
    `(vehicle,)` [rad], 0 along x.
    """

    numbers = ("n_vehicles", "boundary", "area_m", "speed_mps", "heading_sigma_rad", "slot_s")
    constant_speed = True

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Place and heading of each vehicle."""
        return {"u_pos": (sizes.n_vehicles, 2), "u_heading": (sizes.n_vehicles,)}

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Uniform over the square and all directions."""
        place_m = draws["u_pos"] * params.area_m
        return self._motion(place_m, draws["u_heading"] * (2 * math.pi))

    def step_shapes(self, sizes: Any, params: Any) -> Shapes:
        """A change of each vehicle's heading."""
        return {"n_heading": (sizes.n_vehicles,)}

    def step_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """`n_heading` (vehicle,) standard normal."""
        return {"n_heading": fading.standard_normal(u["n_heading"])}

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """A turn by a normal angle, and straight on; at a wall as a ball."""
        heading_rad = motion.track + params.heading_sigma_rad * draws["n_heading"]
        place_m = jnp.stack([motion.x_m, motion.y_m], 1)
        place_m = mobility.step_m(place_m, heading_rad, params.speed_mps * params.slot_s)
        if sizes.boundary == "reflect":
            return self._motion(*mobility.reflect(place_m, heading_rad, params.area_m))
        return self._motion(place_m, jnp.mod(heading_rad, 2 * math.pi))

    def course(self, motion: Motion, sizes: Any, params: Any) -> Course:
        """Along the heading."""
        speed_mps = jnp.broadcast_to(params.speed_mps, motion.x_m.shape)
        return Course(speed_mps, jnp.cos(motion.track), jnp.sin(motion.track), jnp.zeros_like(motion.track))

    def _motion(self, place_m: Array, heading_rad: Array) -> Motion:
        return Motion(place_m[:, 0], place_m[:, 1], None, jnp.ones(heading_rad.shape, bool), heading_rad)


@dataclass(frozen=True)
class RandomWaypoint(Mobility):
    """From waypoint to waypoint in a box as flat as streets are, all at one speed (URLLC-VEC paper, (8) to (10)).

    A waypoint that is reached is replaced by another one anywhere in the box. The memory is the waypoints `(vehicle, 3)` [m].
    """

    numbers = ("n_vehicles", "veh_xy_m", "veh_z_min_m", "veh_z_max_m", "veh_speed_mps", "phi_max_rad", "slot_s")

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Place and waypoint of each vehicle."""
        return dict.fromkeys(("veh_pos", "veh_wp"), (sizes.n_vehicles, 3))

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Anywhere in the box, on the way to anywhere in it."""
        box_m = self._box_m(draws["veh_pos"].ndim - 2, params)
        return self._at(*(mobility.in_box_m(box_m, draws[name]) for name in ("veh_pos", "veh_wp")))

    def step_shapes(self, sizes: Any, params: Any) -> Shapes:
        """The next waypoint of each vehicle."""
        return {"veh_wp": (sizes.n_vehicles, 3)}

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """(8) to (10)."""
        box_m, speed_mps = self._box_m(motion.x_m.ndim - 1, params), self.course(motion, sizes, params).speed_mps
        place_m, there = mobility.waypoint_step(
            self._place_m(motion), motion.track, speed_mps, params.slot_s, params.phi_max_rad
        )
        waypoint_m = jnp.where(there[:, None], mobility.in_box_m(box_m, draws["veh_wp"]), motion.track)
        return self._at(jnp.clip(place_m, *box_m), waypoint_m)

    def course(self, motion: Motion, sizes: Any, params: Any) -> Course:
        """Towards the waypoint."""
        speed_mps = jnp.broadcast_to(params.veh_speed_mps, motion.x_m.shape)
        return Course(speed_mps, *mobility.bearing(self._place_m(motion), motion.track, params.phi_max_rad))

    def _box_m(self, rank: int, params: Any) -> tuple[Array, Array]:
        return mobility.box_m(params.veh_xy_m, params.veh_z_min_m, params.veh_z_max_m, rank)

    def _place_m(self, motion: Motion) -> Array:
        return jnp.stack([motion.x_m, motion.y_m, motion.z_m], 1)

    def _at(self, place_m: Array, waypoint_m: Array) -> Motion:
        x_m, y_m, z_m = (place_m[:, i] for i in range(3))
        return Motion(x_m, y_m, None, jnp.ones(x_m.shape, bool), waypoint_m, z_m)


MODELS: Registry[Mobility] = Registry(
    "mobility model",
    {
        "road": ConstantSpeedRoad(),
        "passing": PassingRoad(),
        "heading": RandomHeading(),
        "waypoint": RandomWaypoint(),
        "trace": RecordedTraffic(),
    },
)


def usable(sizes: type, params: type, *, absent: bool = False) -> tuple[str, ...]:
    """Names of the models that find all their numbers in an environment's sizes and parameters.

    Args:
        sizes, params: its classes.
        absent: whether it knows vehicles that are not on the map.
    Returns:
        The names, those of the package first.
    """

    def fits(model: Mobility) -> bool:
        known = all(hasattr(params, name) or hasattr(sizes, name) for name in model.numbers)
        return known and (absent or not model.absent)

    return tuple(name for name, model in MODELS.items() if fits(model))


def who_is_there(sizes: Any, motion: Motion, params: Any) -> Array | None:
    """Which vehicles are on the map, of those that the numbers let be there.

    Returns:
        bool `(vehicle,)`; None under a model whose vehicles never leave, so that as many are there as the numbers say.
    """
    return of_present(params.present, motion.present) if MODELS[sizes.mobility].absent else None


def blank_recording(sizes: Any, params: Any) -> Any:
    """The numbers with a recording of which only the structure is right: those of a run are read into it.

    Returns:
        The numbers; unchanged if the mobility model replays no recording.
    """
    if "trace" not in MODELS[sizes.mobility].numbers:
        return params
    nothing = np.zeros(0, np.float32)
    return params.replace(trace=Replay(*[nothing] * len(dataclasses.fields(Replay))))


def with_recording(sizes: Any, params: Any, at_m: tuple[float, float] = (0.0, 0.0)) -> Any:
    """The numbers with a recording that is ready to be replayed.

    Args:
        params: with `trace` a `Trace` in the environment's coordinates, a file of one, a `Replay`, or None: the recording that is
            shipped.
        at_m: where the western end of the shipped recording's centre line lies, x and y [m].
    Returns:
        The numbers; unchanged if the mobility model replays no recording.
    Raises:
        RecordError: the file cannot be used, or never has `n_vehicles` on the map at once for an episode.
    """
    if "trace" not in MODELS[sizes.mobility].numbers or isinstance(params.trace, Replay):
        return params
    trace = moved(shipped(), *at_m) if params.trace is None else params.trace
    trace = trace if isinstance(trace, Trace) else load(trace)
    horizon_s = float(sizes.horizon * np.max(params.slot_s))
    return params.replace(
        trace=replay_of(trace, sizes.n_vehicles, horizon_s, takeover=getattr(sizes, "takeover", True))
    )
