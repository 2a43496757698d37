"""What vehicles of `v2x_offload` see in their turns, (20), and the world: declared once, written by `observe` and `show`, read by
`see`.

Throughout:
    sizes: sizes and switches.
    params: the numbers.
    pools: what the servers have.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.environment import Options
from jaxvec.core.layout import lift
from jaxvec.core.observation import Block, Encoded, Layout
from jaxvec.core.presence import how_many, of_present, of_slot, show_present
from jaxvec.core.types import Observation
from jaxvec.envs.v2x_offload.params import Params, Sizes, State
from jaxvec.envs.v2x_offload.slot import Pools, locate, open_pools, path_gain

GROUP = "vehicle"


def layout(sizes: Sizes) -> dict[str, Layout]:
    """Of a vehicle's row in its turn, 2 + 4N entries, and 2N more with `obs_later`; and of the world, M(1 + 2N) + 2N, and M
    more if the order is shuffled.

    The world has the twin as it opens the slot, and no residues: they follow from the actions.
    """
    m, n = sizes.n_vehicles, sizes.n_servers
    tasks = (
        Block("task_bits", None, "bit", "size of the task", "obs_task_bits"),
        Block("dist_m", n, "m", "distance to each server", "obs_dist_m", clip=(0.0, 3.0)),
        Block("fade", n, "-", "power gain of the fading, per server", curve="log10", clip=(-3.0, 1.0)),
    )
    pools = (
        Block(
            "free_hz", (2, n), "Hz", "free CPU, then free bandwidth, of each server as the twin shows it", pool_scales
        ),
    )

    def last_turn(params: Params) -> Any:
        """the last turn, at least 1"""
        return float(max(m - 1, 1)) if params.present is None else jnp.maximum(how_many(params.present, m) - 1, 1)

    turn = Block("turn", None, "-", "turn in which the vehicle decides, from 0", last_turn)
    share = max(m - 1, 1) / n  # of all others, who may be expected at a server

    def many_bits(params: Params) -> Any:
        """obs_task_bits, by as many vehicles as may be expected at a server"""
        return share * params.obs_task_bits

    later = (
        Block("later_users", n, "-", "vehicles yet to decide that hear each server best", share),
        Block("later_bits", n, "bit", "sum of their tasks", many_bits),
    )
    of_all = tuple(replace(block, width=(m, *block.axes)) for block in (*tasks, turn))
    world = (*of_all[:-1], *pools, *(of_all[-1:] if sizes.shuffle_order else ()))
    row = (*tasks, *pools, turn, *(later if sizes.obs_later else ()))
    return {GROUP: Layout(row), "world": Layout(world)}


def options(sizes: Sizes) -> dict[str, dict[str, Options]]:
    """What is seen of each target: distance, fading, what is free of a server and who may come later, nothing of the own CPU; and
    of all the task and the turn. None with `partition`, where nothing is chosen."""
    if sizes.partition:
        return {}
    row, n = layout(sizes)[GROUP], sizes.n_servers
    names = [block.name for block in row.blocks if block.name not in ("task_bits", "turn")]
    of_servers = np.concatenate([row.columns(name).reshape(-1, n) for name in names]).T
    target = Options(
        columns=np.concatenate([np.full_like(of_servers[:1], -1), of_servers]),
        scale=(1.0,) * of_servers.shape[1],
        kinds=np.minimum(np.arange(1 + n), 1),
        totals=(2, 3),
        context=tuple(int(row.columns(name).item()) for name in ("task_bits", "turn")),
    )
    return {GROUP: {"target": target}}


def pool_scales(params: Params) -> Array:
    """obs_cpu_hz, obs_bandwidth_hz"""
    return jnp.stack(jnp.broadcast_arrays(params.obs_cpu_hz, params.obs_bandwidth_hz))


def observe(sizes: Sizes, state: State, params: Params) -> Observation:
    """(20): what the vehicles see at the opening of the slot, each with its own turn; and the world. The absent have zeros.

    Where vehicles come and go, turns are counted as if whoever is absent had been asked first: so they say how many come after.

    Args:
        state: at the start of the slot.
        params: with `present` as many as may be there.
    """
    layouts, here, turn = layout(sizes), of_slot(params, state.present), jnp.argsort(state.order, 0)
    if state.present is not None:
        turn = turn if sizes.shuffle_order else jnp.cumsum(state.present, 0) - 1
        turn = turn + how_many(params.present, sizes.n_vehicles) - jnp.sum(state.present, 0)
    place = locate(sizes, state, here)
    quantities = {"task_bits": state.task_bits, "dist_m": place.dist_m, "fade": state.fade, "turn": turn}
    if sizes.obs_later:
        quantities |= who_comes_later(state, turn, state.fade * path_gain(sizes, place, here), here.present)
    of_vehicles = of_present(here.present, layouts[GROUP].encode(quantities, params))
    entries = of_vehicles | twin_entries(open_pools(state, params), params)
    rows = layouts[GROUP].write(entries, params, state.task_bits.shape)
    of_world = {block.name: entries[block.name] for block in layouts["world"].blocks}
    world = layouts["world"].write_world(of_world, params, state.t.shape)
    return show_present(here.present, Observation(agents={GROUP: rows}, world=world), GROUP)


def who_comes_later(state: State, turn: Array, gain: Array, present: Any) -> dict[str, Array]:
    """Of those whose turn comes after each vehicle's: how many hear each server best, and the sum of their tasks.

    Args:
        state: at the start of the slot.
        turn: `(M,)`.
        gain: `(M, N)`, of their links to the servers [-].
        present: who is there.
    Returns:
        `later_users` `(M, N)` [-], `later_bits` `(M, N)` [bit].
    """
    best = jnp.argmax(gain, 1)[:, None] == lift(jnp.arange(gain.shape[1]), turn.ndim - 1)
    here = of_present(present, best.astype(gain.dtype))
    after = (turn[None] > turn[:, None])[:, :, None]
    return {
        "later_users": jnp.sum(after * here, 1),
        "later_bits": jnp.sum(after * here * state.task_bits[:, None], 1),
    }


def show(sizes: Sizes, rows: Array, pools: Pools, params: Params) -> Array:
    """What vehicles see with the twin as it is now.

    Args:
        rows: `(n, d)`, of an earlier twin.
    Returns:
        `(n, d)`.
    """
    return layout(sizes)[GROUP].overwrite(rows, twin_entries(pools, params), params)


def twin_entries(pools: Pools, params: Params) -> dict[str, Encoded]:
    """The entries of the pools that the twin shows.

    Returns:
        By name of the block, `(2, N)`.
    """
    scales = [jnp.broadcast_to(x, pools.twin.shape[2:]) for x in pool_scales(params)]
    return {"free_hz": Encoded(pools.twin / jnp.stack(scales)[:, None])}


class Seen(NamedTuple):
    """What is seen, in SI units, by n vehicles, one or more.

    Attributes:
        task_bits: `(n,)`, size of the task [bit].
        dist_m: `(n, N)`, distance to each server [m].
        fade: `(n, N)`, power gain of fading [-].
        free_hz: `(n, N)`, the twin's free CPU [Hz].
        free_band_hz: `(n, N)`, the twin's free bandwidth [Hz].
        to_come: `(n,)`, vehicles after this one.
    """

    task_bits: Array
    dist_m: Array
    fade: Array
    free_hz: Array
    free_band_hz: Array
    to_come: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation; distances and fading are cut at the ends of their entries' range.

    Args:
        obs: as `observe` gives it, or of one vehicle in its turn.
    """
    rows, blocks = obs.agents[GROUP], layout(sizes)[GROUP]
    free = blocks.entries(rows, "free_hz")  # (n, 2, N)

    def read(name: str) -> Array:
        return blocks.read(rows, name, params)

    return Seen(
        task_bits=read("task_bits"),
        dist_m=read("dist_m"),
        fade=read("fade"),
        free_hz=free[:, 0] * params.obs_cpu_hz,
        free_band_hz=free[:, 1] * params.obs_bandwidth_hz,
        to_come=how_many(params.present, sizes.n_vehicles) - 1 - jnp.round(read("turn")),
    )
