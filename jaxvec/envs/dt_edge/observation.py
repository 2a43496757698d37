"""What vehicles of `dt_edge` see, (25) and the queues: declared once, written by `observe`, read back by `see`.

Throughout:
    sizes: sizes and switches.
    params: the numbers.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.observation import Block, Layout
from jaxvec.core.presence import how_many, of_present, of_slot, show_present
from jaxvec.core.types import Observation
from jaxvec.envs import mobility
from jaxvec.envs.dt_edge.params import Params, Sizes, State
from jaxvec.envs.dt_edge.slot import gain_db

GROUP = "vehicle"


def _half_range(low: Any, high: Any, least: Any) -> Any:
    return jnp.maximum(0.5 * (high - low), least)


def _task_half_range_bits(params: Params) -> Any:
    """half the range of sizes"""
    return _half_range(params.task_bits_min, params.task_bits_max, 1e-6 * params.task_bits_max)


def _speed_half_range_mps(params: Params) -> Any:
    """half the range of speeds"""
    return _half_range(params.speed_min_mps, params.speed_max_mps, 1e-5)  # they may all be parked


def _speed_mean_mps(params: Params) -> Any:
    """mean speed"""
    return 0.5 * (params.speed_min_mps + params.speed_max_mps)


def layout(sizes: Sizes) -> dict[str, Layout]:
    """The blocks of a vehicle's row, 2K + 3 entries.

    Returns:
        By group.
    """

    def slot_bits(params: Params) -> Any:
        """tasks of a slot"""
        return how_many(params.present, sizes.n_vehicles) * params.task_bits_mean

    k = sizes.n_types
    blocks = (
        Block("task_bits", k, "bit", "own tasks, per type", _task_half_range_bits, "task_bits_mean"),
        Block("x_m", None, "m", "place along the road, from the mast", "road_half_length_m"),
        Block("speed_mps", None, "m/s", "speed", _speed_half_range_mps, _speed_mean_mps),
        Block("gain_db", None, "dB", "channel gain", 20.0, -105.0, clip=(-3.0, 3.0)),
        Block("queue_bits", k, "bit", "queues of the server, per type", slot_bits, curve="log1p"),
    )
    return {GROUP: Layout(blocks)}


def observe(sizes: Sizes, state: State, params: Params) -> Observation:
    """What is seen, (25) and the queues.

    Args:
        state: at the start of the slot.
        params: with `present` as many as may be there.
    Returns:
        Rows `(N, 2K + 3)`, 0 of absent vehicles; `Observation.world` `(N(K + 3) + K,)` has all vehicles' entries, then the queues
        once.
    """
    params = of_slot(params, state.present)
    values = {
        "task_bits": state.task_bits,
        "x_m": state.x_m,
        "speed_mps": mobility.MODELS[sizes.mobility].speed_mps(state.velocity_mps, state.track),
        "gain_db": gain_db(sizes, state, params),
        "queue_bits": state.queue_bits,
    }
    rows = layout(sizes)[GROUP].write(values, params, state.x_m.shape)
    of_vehicles, queues = of_present(params.present, rows[:, : -sizes.n_types]), rows[0, -sizes.n_types :]
    world = jnp.concatenate([of_vehicles.reshape(-1, *of_vehicles.shape[2:]), queues])
    return show_present(params.present, Observation(agents={GROUP: rows}, world=world), GROUP)


class Seen(NamedTuple):
    """What is seen, in SI units.

    Attributes:
        task_bits: `(N, K)`, size of each task; 0 of an absent vehicle [bit].
        gain_db: `(N,)`, channel gain [dB].
        queue_bits: `(K,)`, backlog of the server [bit].
    """

    task_bits: Array
    gain_db: Array
    queue_bits: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation of all vehicles; gains are cut at the ends of their entries' range.

    Args:
        obs: as `observe` gives it.
    """
    rows, blocks = obs.agents[GROUP], layout(sizes)[GROUP]
    params = of_slot(params, obs.active.get(GROUP))
    sees = (
        rows[:1] if GROUP not in obs.active else jnp.max(rows, 0, keepdims=True)
    )  # whoever is there, all see the same
    queues = blocks.read(sees, "queue_bits", params)
    task_bits = of_present(params.present, blocks.read(rows, "task_bits", params))
    return Seen(task_bits, blocks.read(rows, "gain_db", params), queues[0])
