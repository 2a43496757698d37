"""What a mobility model is: where vehicles are, and the base class of whoever moves them; see `jaxvec.envs.mobility`.

Throughout:
    sizes: an environment's sizes and switches.
    params: its numbers, of one world or of a batch.
    draws: as `reset_draws` or `step_draws` give them, by name.
    motion: of this slot.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

Draws = dict[str, Array]
Shapes = dict[str, tuple[int, ...]]


class Motion(NamedTuple):
    """Where the vehicles are; shapes `(vehicle,)`.

    Attributes:
        x_m, y_m: place [m].
        velocity_mps: along x, signed, on a road; elsewhere the speed [m/s]; None of a model whose vehicles all have the speed of
            a number, see `Mobility.course`.
        present: bool, on the map; environments that know no absent vehicles take models without any.
        track: a model's own memory, any pytree: the heading, say.
        z_m: height [m]; None of a model that knows none: all are on the ground then.
    """

    x_m: Array
    y_m: Array
    velocity_mps: Any
    present: Array
    track: Any
    z_m: Any = None

    def on_ground(self) -> dict[str, Any]:
        """All but the height, by name."""
        return {name: x for name, x in self._asdict().items() if name != "z_m"}


class Course(NamedTuple):
    """How fast and where to vehicles drive; shapes `(vehicle,)`.

    Attributes:
        speed_mps: not negative [m/s].
        cos_heading, sin_heading: of the direction on the ground, 0 along x [-].
        climb_rad: of the way up, negative down [rad].
    """

    speed_mps: Array
    cos_heading: Array
    sin_heading: Array
    climb_rad: Array


class Mobility:
    """Base of all models: two kinds of draws, a start and a step. Shapes are one world's; batch axes come last.

    Attributes:
        numbers: names of the sizes and parameters that the model reads.
        absent: vehicles may come and go.
        constant_speed: speeds never change in an episode, so that what follows from them is computed once.
    """

    numbers: ClassVar[tuple[str, ...]] = ()
    absent: ClassVar[bool] = False
    constant_speed: ClassVar[bool] = False

    def reset_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Which uniform numbers a reset takes.

        Returns:
            Shapes by name.
        """
        raise NotImplementedError

    def reset_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """Uniform numbers to what `start` takes; here themselves.

        Args:
            u: `(*shape, *batch)` by name, uniform on (0, 1); others than the model's may be among them.
        Returns:
            By name.
        """
        return {name: u[name] for name in self.reset_shapes(sizes, params)}

    def start(self, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Where the vehicles are in the first slot."""
        raise NotImplementedError

    def speed_mps(self, velocity_mps: Array, track: Any) -> Array:
        """How fast vehicles are; here the magnitude of their velocity.

        Args:
            velocity_mps: `(vehicle,)`, as in `Motion` [m/s].
            track: the model's memory, as in `Motion`.
        Returns:
            `(vehicle,)`, not negative [m/s].
        """
        return jnp.abs(velocity_mps)

    def step_shapes(self, sizes: Any, params: Any) -> Shapes:
        """Which uniform numbers a slot takes; here none.

        Returns:
            Shapes by name.
        """
        return {}

    def step_draws(self, u: Draws, sizes: Any, params: Any) -> Draws:
        """Uniform numbers to what `advance` takes; here themselves.

        Args:
            u: `(*shape, *batch)` by name, uniform on (0, 1); others than the model's may be among them.
        Returns:
            By name.
        """
        return {name: u[name] for name in self.step_shapes(sizes, params)}

    def advance(self, motion: Motion, draws: Draws, sizes: Any, params: Any) -> Motion:
        """Where the vehicles are one slot later."""
        raise NotImplementedError

    def course(self, motion: Motion, sizes: Any, params: Any) -> Course:
        """How fast and where to the vehicles drive; here along x, as on a road."""
        ahead = jnp.where(motion.velocity_mps < 0, -1.0, 1.0)
        return Course(jnp.abs(motion.velocity_mps), ahead, jnp.zeros_like(ahead), jnp.zeros_like(ahead))
