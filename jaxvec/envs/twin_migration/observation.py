"""What vehicles of `twin_migration` see and may do, (19), (23): declared once, written by `observe`, read back by `see`.

An entry of 2 is "as far as can be seen" and "as much as can be seen"; an absent server is both. A vehicle that is not on its way
sees zeros.

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
from jaxvec.envs.twin_migration.scene import known_load

GROUP = "vehicle"
MOST = 2.0  # the highest entry
OPTION_SCALE = {"dist_m": 4.0, "known_load_bits": 2.0, "twin": 1.0}  # what a scorer of servers multiplies entries by


def layout(sizes: Sizes) -> dict[str, Layout]:
    """Of a vehicle's row, 3M - 1 entries, or 2M - 1 without `obs_prev_server`; and of the world, 3M + (2M - 1) V + V + 1."""
    v, m, cut = sizes.n_vehicles, sizes.n_servers, (0.0, MOST)
    dist = "m", "distance to each RSU and UAV; of an absent one, the largest", "obs_distance_m"
    load = (
        "bit",
        "load that each server is known to have before twins arrive; of an absent one, the largest",
        "cache_bits",
    )
    twin = "-", "1 of the server where the own twin is, else 0; at first it is nowhere"
    vehicle = [Block("dist_m", m - 1, *dist, clip=cut), Block("known_load_bits", m, *load, clip=cut)]
    world = (
        Block("known_load_bits", m, *load, clip=cut),
        Block("queue_bits", m, "bit", "what each server holds", "cache_bits", clip=cut),
        Block("server_active", m, "-", "1 of a server that is there"),
        Block("dist_m", (v, m - 1), *dist, clip=cut),
        Block("twin", (v, m), *twin),
        Block("vehicle_active", v, "-", "1 of a vehicle on its way"),
        Block("t", None, "slot", "slots since the beginning", float(sizes.horizon)),
    )
    return {
        GROUP: Layout((*vehicle, *([Block("twin", m, *twin)] if sizes.obs_prev_server else []))),
        "world": Layout(world),
    }


def options(sizes: Sizes) -> dict[str, dict[str, Options]]:
    """What is seen of each server: distance (none of the satellite), load, whether the twin is there; if it is anywhere, too."""
    row, m = layout(sizes)[GROUP], sizes.n_servers
    names = [block.name for block in row.blocks]
    columns = [row.columns(name) for name in names]
    of_server = Options(
        columns=np.stack([np.pad(of_each, (0, m - len(of_each)), constant_values=-1) for of_each in columns], 1),
        scale=tuple(OPTION_SCALE[name] for name in names),
        totals=tuple(i for i, name in enumerate(names) if name == "twin"),
        kinds=np.repeat([0, 1, 2], [sizes.n_rsu, sizes.n_uav, 1]),
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
    known_bits = known_load(sizes, state, scene.near, there, params)
    load = jnp.where(there, row.block("known_load_bits").encode(known_bits, params), MOST)
    if sizes.workload_info == "none":
        load = jnp.zeros_like(load)
    twin = (lift(jnp.arange(sizes.n_servers), state.t.ndim) == state.prev[:, None]).astype(dist.dtype)
    seen: dict[str, Any] = {"dist_m": Encoded(dist), "known_load_bits": Encoded(load)}
    if sizes.obs_prev_server:
        seen["twin"] = twin
    world = {
        "dist_m": Encoded(jnp.where(active, dist, 0)),
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
    """Observations in SI units, of V vehicles and M servers.

    Attributes:
        dist: `(V, M - 1)`, at most 2 `obs_distance_m` [m].
        known_load: `(M,)`, at most 2 caches; what they hold, where nobody is told of loads [bit].
        allowed: bool `(V, M)`, by the mask, and there.
        prev: int32 `(V,)`, server of the twin, -1: none yet.
        active: bool `(V,)`, on its way.
        uav_deg: `(U, 2)`, latitude and longitude from the anchor [degree].
    """

    dist: Array
    known_load: Array
    allowed: Array
    prev: Array
    active: Array
    uav_deg: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation of all vehicles.

    Args:
        obs: as `observe` gives it.
    """
    blocks = layout(sizes)
    world = blocks["world"]
    twin = world.read_world(obs.world, "twin", params)
    known = "queue_bits" if sizes.workload_info == "none" else "known_load_bits"
    return Seen(
        dist=blocks[GROUP].read(obs.agents[GROUP], "dist_m", params),
        known_load=world.read_world(obs.world, known, params),
        allowed=obs.mask[GROUP]["server"] & (world.read_world(obs.world, "server_active", params) > 0.5),
        prev=jnp.where(jnp.any(twin > 0, 1), jnp.argmax(twin, 1), -1),
        active=obs.active[GROUP],
        uav_deg=obs.aux["uav_deg"],
    )
