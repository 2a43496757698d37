"""How slots of `v2x_offload` begin, the first and each after another: places, tasks, channels, loads, and the order of turns.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot before.
    draws: as `draw_reset` or `draw_step` of `V2xOffload` gives them.
    params: the numbers.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present, of_slot
from jaxvec.envs import mobility
from jaxvec.envs.v2x_offload.params import Params, Sizes, State
from jaxvec.physics import tasks


def start(sizes: Sizes, draws: dict[str, Array], params: Params) -> State:
    """The first slot."""
    motion = mobility.MODELS[sizes.mobility].start(draws, sizes, params)
    t, present = jnp.zeros(draws["u_task"].shape[1:], jnp.int32), mobility.who_is_there(sizes, motion, params)
    return State(t=t, present=present, **moved(motion), **slot_variables(sizes, draws, of_slot(params, present)))


def advance(sizes: Sizes, state: State, draws: dict[str, Array], params: Params) -> State:
    """The vehicles move, and the next slot's tasks, channels and loads arrive."""
    present = jnp.ones(state.task_bits.shape, bool) if state.present is None else state.present
    motion = mobility.Motion(state.pos_m[:, 0], state.pos_m[:, 1], state.velocity_mps, present, state.track)
    motion = mobility.MODELS[sizes.mobility].advance(motion, draws, sizes, params)
    present = mobility.who_is_there(sizes, motion, params)
    t, here = state.t + 1, of_slot(params, present)
    return State(t=t, present=present, **moved(motion), **slot_variables(sizes, draws, here))


def moved(motion: mobility.Motion) -> dict[str, Any]:
    """What belongs to the vehicles' movement, by name of the state.

    Args:
        motion: of the vehicles.
    """
    return {
        "pos_m": jnp.stack([motion.x_m, motion.y_m], 1),
        "velocity_mps": motion.velocity_mps,
        "track": motion.track,
    }


def slot_variables(sizes: Sizes, draws: dict[str, Array], params: Params) -> dict[str, Array]:
    """What belongs to one slot, by name of the state: tasks, fading, background load, errors of the twin, order of turns."""
    load = jnp.clip(params.bg_load_mean + params.bg_load_std * draws["n_bg"], 0, params.bg_load_max)
    shape = draws["u_task"].shape
    bounds = (params.twin_cpu_err, params.twin_bw_err)
    bound = jnp.stack([jnp.broadcast_to(x, draws["u_twin"].shape[1:]) for x in bounds])
    if sizes.shuffle_order:
        order = jnp.argsort(of_present(params.present, draws["u_order"], 2.0), 0)
    else:
        order = lift(jnp.arange(shape[0]), len(shape) - 1)
    task_bits = params.task_bits * (1 + params.task_spread * tasks.uniform(draws["u_task"], -1.0, 1.0))
    return {
        "task_bits": of_present(params.present, task_bits),
        "fade": draws["e_fade"],
        "bg_load": load,
        "twin_bias": bound * draws["u_twin"],
        "order": jnp.broadcast_to(order, shape).astype(jnp.int32),
    }
