"""How slots of `urllc_vec` begin, the first and each after another: places, latents, links and tasks.

Shapes are one world's, as in `jaxvec.envs.urllc_vec.slot`; batch axes come last. Equation numbers are those of the paper.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot before, or as far as it is known of the one that begins.
    draws: as `draw_reset` or `draw_step` of `UrllcVec` gives them.
    params: the numbers.
    rank: batch axes.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import is_there, of_present
from jaxvec.envs import mobility
from jaxvec.envs.places import places_of
from jaxvec.envs.urllc_vec.links import links
from jaxvec.envs.urllc_vec.params import Params, Sizes, State, Tasks
from jaxvec.physics import tasks
from jaxvec.physics.mobility import box_m, grid_xy, in_box_m, waypoint_step


def start(sizes: Sizes, draws: dict[str, Array], params: Params) -> State:
    """The first slot: BSs on a grid, everybody else anywhere, no backlog, a twin that has heard nothing."""
    batch = draws["z_task"].shape[1:]
    rank, nodes = len(batch), jnp.zeros((sizes.n_nodes, *batch))
    xy_m = jnp.broadcast_to(bs_places_m(sizes, params, rank), (sizes.n_bs, 2, *batch))
    z_m = params.bs_z_min_m + (params.bs_z_max_m - params.bs_z_min_m) * draws["bs_z"]
    air_m, memory = uav_box_m(params, rank), sizes.twin_history_len + sizes.twin_delay_slots - 1
    motion = mobility.MODELS[sizes.mobility].start(draws, sizes, params)
    state = State(
        t=jnp.zeros(batch, jnp.int32),
        pos_bs=jnp.concatenate([xy_m, z_m[:, None]], 1),
        pos_u=in_box_m(air_m, draws["uav_pos"]),
        wp_u=in_box_m(air_m, draws["uav_wp"]),
        spd_u=tasks.uniform(draws["uav_speed"], params.uav_speed_min_mps, params.uav_speed_max_mps),
        pos_v=place_m(motion, params),
        velocity_v=motion.velocity_mps,
        track_v=motion.track,
        present=who_is_there(sizes, motion, params),
        alpha_vu=exponent(draws["alpha_vu"], params),
        alpha_ub=exponent(draws["alpha_ub"], params),
        alpha_uu=exponent(draws["alpha_uu"], params),
        los_vb=draws["los_new_vb"],
        los_vu=draws["los_new_vu"],
        los_ub=draws["los_new_ub"],
        cpu_z=draws["z_cpu"],
        task_z=draws["z_task"],
        backlog=nodes,
        prev_share=jnp.zeros((sizes.n_vehicles, sizes.n_nodes, *batch)),
        measured=jnp.zeros((memory, sizes.n_features, *batch)),
    )
    return begin(sizes, state, draws, params)


def who_is_there(sizes: Sizes, motion: mobility.Motion, params: Params) -> Array | None:
    """Which vehicles are there: those on the map, and as many as the numbers say.

    Args:
        motion: of the vehicles.
    Returns:
        bool `(V,)`; None if all are, always.
    """
    recorded = mobility.who_is_there(sizes, motion, params)
    if recorded is not None or params.present is None:
        return recorded
    return jnp.broadcast_to(is_there(params.present, motion.x_m), motion.x_m.shape)


def bs_places_m(sizes: Sizes, params: Params, rank: int) -> Array:
    """Where the BSs stand, by default on a grid over their square.

    Returns:
        `(B, 2)` with the batch's axes [m].
    """
    if params.bs_pos_m is None:
        return lift(grid_xy(sizes.n_bs, 1.0), rank) * params.bs_xy_m
    return places_of(params.bs_pos_m, rank)


def advance(sizes: Sizes, state: State, draws: dict[str, Array], params: Params, **changes: Array) -> State:
    """Movement (8) to (10), latents, and the links and tasks of the next slot.

    Args:
        changes: what else of the state is other than before, by name.
    """
    motion = mobility.MODELS[sizes.mobility].advance(vehicles(state), draws, sizes, params)
    latents = {}
    for name in ("vb", "vu", "ub"):
        changed = draws[f"los_flip_{name}"] < params.los_resample_prob
        latents[f"los_{name}"] = jnp.where(changed, draws[f"los_new_{name}"], getattr(state, f"los_{name}"))
    after = state.replace(
        t=state.t + 1,
        **fly(state, draws, params),
        pos_v=place_m(motion, params),
        velocity_v=motion.velocity_mps,
        track_v=motion.track,
        present=who_is_there(sizes, motion, params),
        cpu_z=tasks.ar1(state.cpu_z, params.cpu_dev_corr, draws["z_cpu"]),
        task_z=tasks.ar1(state.task_z, params.task_corr, draws["z_task"]),
        **latents,
        **changes,
    )
    return begin(sizes, after, draws, params)


def fly(state: State, draws: dict[str, Array], params: Params) -> dict[str, Array]:
    """Places, waypoints and speeds of the UAVs a slot later, by name of the state, (8) to (10); who arrives gets new ones."""
    air_m = uav_box_m(params, state.t.ndim)
    place_m, there = waypoint_step(state.pos_u, state.wp_u, state.spd_u, params.slot_s, params.phi_max_rad)
    speed_mps = tasks.uniform(draws["uav_speed"], params.uav_speed_min_mps, params.uav_speed_max_mps)
    return {
        "pos_u": jnp.clip(place_m, *air_m),
        "wp_u": jnp.where(there[:, None], in_box_m(air_m, draws["uav_wp"]), state.wp_u),
        "spd_u": jnp.where(there, speed_mps, state.spd_u),
    }


def uav_box_m(params: Params, rank: int) -> tuple[Array, Array]:
    """Where UAVs fly.

    Returns:
        Lowest and highest corner, `(1, 3)` with the batch's axes each [m].
    """
    return box_m(params.uav_xy_m, params.uav_z_min_m, params.uav_z_max_m, rank)


def vehicles(state: State) -> mobility.Motion:
    """The vehicles as models of mobility know them."""
    x_m, y_m, z_m = (state.pos_v[:, i] for i in range(3))
    present = jnp.ones(x_m.shape, bool) if state.present is None else state.present
    return mobility.Motion(x_m, y_m, state.velocity_v, present, state.track_v, z_m)


def place_m(motion: mobility.Motion, params: Params) -> Array:
    """The vehicles' places; of a model that knows no heights, on the lowest street.

    Args:
        motion: of the vehicles.
    Returns:
        `(V, 3)` [m].
    """
    z_m = jnp.broadcast_to(params.veh_z_min_m, motion.x_m.shape) if motion.z_m is None else motion.z_m
    return jnp.stack([motion.x_m, motion.y_m, z_m], 1)


def exponent(u: Array, params: Params) -> Array:
    """Exponent of free space of each link, between the lowest and the highest.

    Args:
        u: of any shape, uniform on (0, 1).
    Returns:
        Of the same shape [-].
    """
    return tasks.uniform(u, params.pathloss_exponent_min, params.pathloss_exponent_max)


def begin(sizes: Sizes, state: State, draws: dict[str, Array], params: Params) -> State:
    """The slot begins: links and tasks of the state that it has.

    Returns:
        The state with its `links` and `tasks`.
    """
    ready = links(sizes, state, draws, params)
    return state.replace(links=ready, tasks=of_present(state.present, new_tasks(state.task_z, draws, params)))


def new_tasks(task_z: Array, draws: dict[str, Array], params: Params) -> Tasks:
    """The tasks of the slot that begins.

    Args:
        task_z: `(V,)`, standard normal, what the sizes of tasks follow from [-].
    """
    spread = 1 + params.cycles_spread * (2 * draws["c"] - 1)
    return Tasks(
        size_bits=tasks.uniform(jax.scipy.stats.norm.cdf(task_z), params.task_min_bits, params.task_max_bits),
        cycles=params.cycles_per_unit * spread,
        urgency=tasks.uniform(draws["chi"], params.chi_min, params.chi_max),
        cycles_weight=tasks.uniform(draws["w_c"], params.weight_min, params.weight_max),
        size_weight=tasks.uniform(draws["w_d"], params.weight_min, params.weight_max),
    )
