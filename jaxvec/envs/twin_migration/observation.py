"""What vehicles of `twin_migration` see and may do, (19), (23): declared once, written by `observe` and, for a vehicle in its
turn, by `show`; read back by `see`.

An entry of 2 is "as far as can be seen" and "as much as can be seen"; an absent server is both. A vehicle that is not on its way
sees zeros; the world shows where it waits, and its twin.

Throughout:
    sizes: sizes and switches.
    params: the numbers.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.environment import Options
from jaxvec.core.layout import lift
from jaxvec.core.observation import Block, Encoded, Layout
from jaxvec.core.types import Observation
from jaxvec.envs.twin_migration.params import Params, Scene, Sizes, State
from jaxvec.envs.twin_migration.scene import arrivals, fits, known_load

GROUP = "vehicle"
MOST = 2.0  # the highest entry
OPTION_SCALE = {
    "dist_m": 4.0,
    "known_load_bits": 2.0,
    "staying_bits": 2.0,
    "twin": 1.0,
}  # what a scorer of servers multiplies entries by


def layout(sizes: Sizes) -> dict[str, Layout]:
    """Of a vehicle's row, 3M - 1 entries, M less without `obs_prev_server`, M more with `obs_twins`, V more with
    `obs_vehicle_id`; and of the world, 3M + (2M - 1) V + V + 1."""
    v, m, cut = sizes.n_vehicles, sizes.n_servers, (0.0, MOST)
    dist = "m", "distance to each RSU and UAV; of an absent one, the largest", "obs_distance_m"
    twin = "-", "1 of the server where the own twin is, else 0; at first it is nowhere"
    load = (
        "bit",
        "load that each server is known to have, before twins arrive or with those placed before; of an absent one, the largest",
        "cache_bits",
    )
    vehicle = [Block("dist_m", m - 1, *dist, clip=cut), Block("known_load_bits", m, *load, clip=cut)]
    if sizes.obs_twins:
        staying = "what other twins bring to each server where these are, in turns those of whoever comes later"
        vehicle.append(Block("staying_bits", m, "bit", staying, "cache_bits", clip=cut))
    if sizes.obs_prev_server:
        vehicle.append(Block("twin", m, *twin))
    if sizes.obs_vehicle_id:
        vehicle.append(Block("vehicle_id", v, "-", "1 of the vehicle's own number, in the order of turns, else 0"))
    world = (
        Block("known_load_bits", m, *load, clip=cut),
        Block("queue_bits", m, "bit", "what each server holds", "cache_bits", clip=cut),
        Block("server_active", m, "-", "1 of a server that is there"),
        Block("dist_m", (v, m - 1), *dist, clip=cut),
        Block("twin", (v, m), *twin),
        Block("vehicle_active", v, "-", "1 of a vehicle on its way"),
        Block("t", None, "slot", "slots since the beginning", float(sizes.horizon)),
    )
    return {GROUP: Layout(tuple(vehicle)), "world": Layout(world)}


def options(sizes: Sizes) -> dict[str, dict[str, Options]]:
    """What is seen of each server: distance (none of the satellite), load, with `obs_twins` what others bring, whether the twin
    is there; if it is anywhere, too."""
    row, m = layout(sizes)[GROUP], sizes.n_servers
    names = [block.name for block in row.blocks if block.name in OPTION_SCALE]
    columns = [row.columns(name) for name in names]
    of_server = Options(
        columns=np.stack([np.pad(of_each, (0, m - len(of_each)), constant_values=-1) for of_each in columns], 1),
        scale=tuple(OPTION_SCALE[name] for name in names),
        totals=tuple(i for i, name in enumerate(names) if name == "twin"),
        kinds=np.repeat([0, 1, 2], [sizes.n_rsu, sizes.n_uav, 1]),
        context=tuple(row.columns("vehicle_id")) if sizes.obs_vehicle_id else (),
    )
    return {GROUP: {"server": of_server}}


def observe(sizes: Sizes, state: State, params: Params) -> Observation:
    """(19), (23), at the start of a slot. `Observation.aux` has the UAVs' places `uav_deg` (U, 2) [degree].

    Args:
        state: with the slot's `scene`.
    """
    scene, blocks = state.scene, layout(sizes)
    row, active, there = blocks[GROUP], scene.veh_active[:, None], scene.server_active
    dist = jnp.where(there[:-1], row.block("dist_m").encode(scene.dist, params), MOST)
    load = told_load(sizes, state, jnp.zeros_like(state.queue), params)
    twin = (lift(jnp.arange(sizes.n_servers), state.t.ndim) == state.prev[:, None]).astype(dist.dtype)
    seen: dict[str, Any] = {"dist_m": Encoded(dist), "known_load_bits": Encoded(load)}
    if sizes.obs_twins:
        seen["staying_bits"] = staying_bits(sizes, state, params)
    if sizes.obs_prev_server:
        seen["twin"] = twin
    if sizes.obs_vehicle_id:
        number = lift(jnp.eye(sizes.n_vehicles, dtype=dist.dtype), state.t.ndim)
        seen["vehicle_id"] = jnp.broadcast_to(number, (*number.shape[:2], *state.t.shape))
    world = {
        "dist_m": Encoded(dist),
        "known_load_bits": Encoded(load),
        "queue_bits": state.queue,
        "server_active": there,
        "twin": twin,
        "vehicle_active": scene.veh_active,
        "t": state.t.astype(dist.dtype),
    }
    return Observation(
        agents={GROUP: jnp.where(active, row.write(seen, params, scene.veh_active.shape), 0)},
        world=blocks["world"].write_world(world, params, state.t.shape),
        mask={GROUP: {"server": ~active | allowed(sizes, scene)}},
        active={GROUP: scene.veh_active},
        aux={"uav_deg": scene.uav_deg},
    )


def told_load(sizes: Sizes, state: State, placed: Array, params: Params) -> Array:
    """What vehicles are told of loads; who is told nothing of ordinary traffic still sees the twins placed in this slot.

    Args:
        state: at the start of the slot.
        placed: `(M,)`, what twins have brought to each server in this slot [bit].
    Returns:
        Entries `(M,)`.
    """
    block, there = layout(sizes)[GROUP].block("known_load_bits"), state.scene.server_active
    if sizes.workload_info == "none":
        return block.encode(placed, params)
    known = known_load(sizes, state, state.scene.near, there, params)
    return jnp.where(there, block.encode(known + placed, params), MOST)


def staying_bits(sizes: Sizes, state: State, params: Params) -> Array:
    """What the other twins bring to each server if they stay where they are; in turns, those of whoever comes later.

    Args:
        state: at the start of a slot.
    Returns:
        `(V, M)` [bit].
    """
    scene, servers = state.scene, lift(jnp.arange(sizes.n_servers), state.t.ndim)
    here = (servers == state.prev[:, None]) & scene.veh_active[:, None] & scene.server_active
    count = here.astype(scene.dist.dtype)
    of_others = (jnp.cumsum(count[::-1], 0)[::-1] if sizes.turns else jnp.sum(count, 0)) - count
    return of_others * arrivals(sizes, params)[0]


def alone(state: State, who: Array) -> State:
    """The state with one vehicle in place of all: what `show` and the phases of a slot read of it, with a first axis of 1.

    Args:
        state: at the start of a slot.
        who: () number of the vehicle, the same in all worlds.
    """
    scene = state.scene
    mine = {name: getattr(scene, name)[who][None] for name in ("veh_active", "dist", "in_range", "feasible")}
    return state.replace(prev=state.prev[who][None], scene=scene.replace(**mine))


def show(sizes: Sizes, row: Array, placed: Array, state: State, params: Params) -> dict[str, dict[str, Any]]:
    """What a vehicle sees in its turn: "agents", "mask" and "active" of its observation.

    The mask leaves servers that it would not overflow on top of the twins that were placed before, see `allowed`.

    Args:
        row: `(1, d)`, as it was at the opening of the slot.
        placed: `(M,)`, what the vehicles before it have brought to each server [bit].
        state: of this vehicle, see `alone`.
    """
    scene, active = state.scene, state.scene.veh_active
    load = known_load(sizes, state, scene.near, scene.server_active, params) + placed
    scene = scene.replace(feasible=scene.in_range & fits(sizes, load, state.prev, params))
    told = {"known_load_bits": Encoded(told_load(sizes, state, placed, params))}
    row = layout(sizes)[GROUP].overwrite(row, told, params)
    return {
        "agents": {GROUP: jnp.where(active[:, None], row, 0)},
        "mask": {GROUP: {"server": ~active[:, None] | allowed(sizes, scene)}},
        "active": {GROUP: active},
    }


def allowed(sizes: Sizes, scene: Scene) -> Array:
    """(23): what is feasible; where nothing is, what is in reach; where nothing is, what is there.

    Args:
        scene: of the slot.
    Returns:
        bool `(V, M)`.
    """
    there = jnp.broadcast_to(scene.server_active, scene.feasible.shape)
    if not sizes.use_mask:
        return there
    reach = jnp.where(jnp.any(scene.in_range, 1, keepdims=True), scene.in_range, there)
    return jnp.where(jnp.any(scene.feasible, 1, keepdims=True), scene.feasible, reach)


class Seen(NamedTuple):
    """Observations in SI units, of n vehicles, all or one in its turn, and M servers.

    Attributes:
        dist: `(n, M - 1)`, at most 2 `obs_distance_m` [m].
        known_load: `(n, M)`, at most 2 caches; on top of what they hold, where nobody is told of loads [bit].
        staying: `(n, M)`, what other twins bring where they are, as far as that is seen [bit].
        allowed: bool `(n, M)`, by the mask.
        prev: int32 `(n,)`, server of the twin, -1: none yet.
        active: bool `(n,)`, on its way.
        uav_deg: `(U, 2)`, latitude and longitude from the anchor, which no row has [degree].
    """

    dist: Array
    known_load: Array
    staying: Array
    allowed: Array
    prev: Array
    active: Array
    uav_deg: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation; what rows lack is read of the world.

    Args:
        obs: as `observe` gives it, or of one vehicle in its turn.
    """
    blocks, rows = layout(sizes), obs.agents[GROUP]
    row, world = blocks[GROUP], blocks["world"]
    known_load = row.read(rows, "known_load_bits", params)
    if sizes.workload_info == "none":
        known_load = known_load + world.read_world(obs.world, "queue_bits", params)
    if sizes.obs_prev_server:
        twin = row.entries(rows, "twin")
    else:
        twin = world.read_world(obs.world, "twin", params)
        twin = twin[obs.ids[GROUP]] if GROUP in obs.ids else twin
    return Seen(
        dist=row.read(rows, "dist_m", params),
        known_load=known_load,
        staying=row.read(rows, "staying_bits", params) if sizes.obs_twins else jnp.zeros_like(known_load),
        allowed=obs.mask[GROUP]["server"],
        prev=jnp.where(jnp.any(twin > 0, 1), jnp.argmax(twin, 1), -1),
        active=obs.active[GROUP],
        uav_deg=obs.aux["uav_deg"],
    )
