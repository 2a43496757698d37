"""`twin_migration`: vehicle twins that move between roadside units, UAVs and a satellite (the DM-MAPPO paper on 6G-enabled IoV).

Vehicles drive through a region of roadside units (RSUs), patrolling UAVs and one satellite, all of them edge servers. Each has
a twin, which lives on one server at a time. In every slot of 30 s each vehicle, all at once, decides where: it sends its sensor
data there and receives as much, and the server works through all that it holds; another server than before costs a migration.
Servers also work for ordinary traffic, counted by recorded or made-up sensors, of which agents see a forecast; what is not done
waits in a cache, what a full cache cannot take is dropped. A slot fails if the server is out of reach or overloaded. A
mask leaves what is there, in reach, and would not overflow by this twin alone; two twins may still meet. Reward is
minus latency, load of the own server and failures, weighted, each vehicle's own. Vehicles may start late and arrive early,
UAVs may come and go. The episode terminates when everybody has arrived, else the horizon truncates it.

"(n)" is equation n of the paper. Where the paper is silent or contradicts itself:

- (1) swaps latitude and longitude and lacks half angles: the haversine formula, or `haversine="paper"`;
- powers are mW and the noise pW: with its watts, a slot's data would take a year;
- a vehicle sends 2 MB a second, 60 MB a slot: only then the printed latencies are of its links, and only then caches overflow;
- carrier, antenna gain, powers of servers, rates of migration and satellite are chosen; rates are logarithms to base 2;
- the satellite has 25 Mbit/s each way, no limit to its cache, a queue and a processor of its own, and is always in reach;
- a twin that arrives adds its data to its new server's load, as the text has it and (8a) has not;
- (9) rewards overload, as the satellite's faster processor takes over for nothing: here the full cache is worked off first and
  the rest pays the satellite's link, or `overload_rule="paper"`;
- caches work off what their processor can in a slot; UAVs serve half the traffic of the nearest RSU, and take their cache along;
- background has a factor of its own, so that a sweep of the twins' data does not scale it as well;
- where the mask would leave nothing: what is in reach, or what there is;
- the first placement of a twin is free, a migration is paid in the slot in which the twin arrives;
- the own server is part of the observation, which (19) lacks: else the cost of a migration could not be known;
- means and deviations of the Z-scores are constants (`calibrate`): compared settings share them;
- a failed slot's data are a slot late: as printed, a failure costs less than 9 s of latency, and reach does not matter.

Extensions by configuration: Rayleigh fading, the standard path-loss models, other regions (see `jaxvec.traces`).
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, Options, first_timestep
from jaxvec.core.layout import lift
from jaxvec.core.params import check_sizes
from jaxvec.core.rollout import Slot, rollout
from jaxvec.core.spaces import ActionSpace, Box, Discrete
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs.twin_migration.info import INFO, measure
from jaxvec.envs.twin_migration.params import Params as TwinMigrationParams
from jaxvec.envs.twin_migration.params import Scene, Sizes, State
from jaxvec.envs.twin_migration.slot import (
    begin,
    decode,
    drain,
    fill,
    known_load,
    loop_m,
    servers_there,
    settle,
    transmit,
    trip_slots,
    warmed_up,
)
from jaxvec.physics import fading
from jaxvec.traces import Region, check_region, load_region, synthetic_region

GROUP = "vehicle"
LATE_VEHICLES, LATE_UAVS, EARLY_UAVS = 2, 5, 6  # of the dynamic schedules (VII-C5)
MARGIN_SLOTS = 5  # from the beginning and the end, for whoever comes and goes


@dataclass(frozen=True)
class TwinMigration(Sizes, Environment):
    """Vehicles that choose where their twins live; see the module. Terminates when all have arrived, truncates at `horizon`.

    Observation of a vehicle, 3M - 1 entries (284), M = N + U + 1 servers: distance to each RSU and UAV in units of
    `obs_distance_m`, known load of each server in units of the cache, both at most 2, and 2 of one that is absent; and where its
    twin is (M,), zeros at first, which `obs_prev_server=False` leaves out, as (19). Zeros for a vehicle that is not on its way.
    `Observation.world` (3M + 2MV + 1) has known loads, queues, who is there (M each), all distances and twins, which vehicles
    are on their way, and the time.

    Actions: `server`, one of M. Whatever is chosen is done: beyond reach it fails, and a server that is absent serves nobody.
    A vehicle that has arrived is not `active` any more: its return ends there, and what it does has no effect.
    """

    id: ClassVar[str] = "twin_migration"
    params_cls: ClassVar[type] = TwinMigrationParams
    discount: ClassVar[float] = 0.95
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "city": {},
        "rural": {"region": "rural"},
        "no_uav": {"use_uav": 0.0},
        "no_satellite": {"use_satellite": 0.0},
        "no_mask": {"use_mask": False},
        "no_prediction": {"workload_info": "none"},
        "dynamic": {"n_vehicles": 7, "n_uav": 11, "vehicle_schedule": "dynamic", "uav_schedule": "dynamic"},
        "literal": {
            "haversine": "paper",
            "overload_rule": "paper",
            "migration_adds_load": False,
            "obs_prev_server": False,
            "failure_delay_s": 0.0,
        },
    }

    def __post_init__(self) -> None:
        check_sizes(self)
        least = LATE_UAVS + EARLY_UAVS
        if self.uav_schedule == "dynamic" and self.n_uav < least:
            raise ValueError(f"{self.id}: n_uav must be at least {least} for a dynamic uav_schedule, not {self.n_uav}")

    @property
    def n_servers(self) -> int:
        """RSUs, UAVs, and the satellite."""
        return self.n_rsu + self.n_uav + 1

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Where to be."""
        return {GROUP: {"server": Discrete(self.n_servers)}}

    @property
    def observation_space(self) -> dict[str, Box]:
        """Distances, loads, and where the twin is; in [0, 2]."""
        return {GROUP: Box(0.0, 2.0, ((2 + self.obs_prev_server) * self.n_servers - 1,))}

    @property
    def options(self) -> dict[str, Options]:
        """Of each server: distance, load, and whether the twin is there; if it is anywhere matters too. Three kinds."""
        m = self.n_servers
        server = np.arange(m)
        columns = [np.where(server < m - 1, server, -1), m - 1 + server, 2 * m - 1 + server]
        properties = 2 + self.obs_prev_server
        kinds = np.repeat([0, 1, 2], [self.n_rsu, self.n_uav, 1])
        totals = (2,) if self.obs_prev_server else ()
        return {GROUP: Options(np.stack(columns[:properties], 1), (4.0, 2.0, 1.0)[:properties], totals, kinds)}

    @property
    def world_size(self) -> int:
        """Three numbers of each server, two of each pair, and the time."""
        return 3 * self.n_servers + 2 * self.n_servers * self.n_vehicles + 1

    def default_params(self, **numbers: Any) -> TwinMigrationParams:
        """The paper's numbers. `region` may be a `Region`, a file of one, or the name of a made-up one, `city` by default.

        A name is an area, `city` or `rural`, and perhaps the days in which episodes begin: `city:test`; `train` if not said.

        Raises:
            ValueError: the region is not sound, has other RSUs or UAVs than the environment, or fewer slots or bins than its
                episodes need.
        """
        params = TwinMigrationParams(**numbers)
        region = "city" if params.region is None else params.region
        if isinstance(region, str) and not Path(region).is_file():
            area, _, split = region.partition(":")
            region = synthetic_region(
                0, area, split=split or "train", n_rsu=self.n_rsu, n_uav=self.n_uav, horizon=self.horizon
            )
        elif not isinstance(region, Region):
            region = load_region(region)
        check_region(region, n_vehicles=self.n_vehicles)
        found = {"n_rsu": len(region.rsu_present), "n_uav": len(region.uav_wp_xy_m)}
        for name, size in found.items():
            if size != getattr(self, name):
                raise ValueError(f"{self.id}: the region has {name} = {size}, the environment {getattr(self, name)}")
        if region.traj_dlat_deg.shape[1] < self.horizon:
            slots = region.traj_dlat_deg.shape[1]
            raise ValueError(
                f"{self.id}: the region's trips have {slots} slots, the environment's horizon is {self.horizon}"
            )
        n_bins, needed = region.flow.shape[1], int(region.start_bins[-1]) + 1 + -(-self.horizon // self.slots_per_bin)
        if n_bins < needed:
            raise ValueError(
                f"{self.id}: the region has {n_bins} bins of counts; its last start, {self.horizon} slots and slots_per_bin = "
                f"{self.slots_per_bin} need {needed}"
            )
        return params.replace(region=region)

    # Chance

    def draw_reset(self, key: Array, params: TwinMigrationParams) -> dict[str, Array]:
        """`start_bin` (); `veh_traj` (V,), different trips; `uav_phase_m` (U,).

        With dynamic schedules also `veh_start` (V,); `uav_on`, `uav_off` (U,).

        Each is drawn from a stream of its own, so that other sizes leave the rest as it is.
        """
        v, region = self.n_vehicles, params.region
        shapes: dict[str, tuple[int, ...]] = {"start_bin": (), "veh_traj": (v,), "uav_phase_m": (self.n_uav,)}
        shapes |= {"veh_start": (min(LATE_VEHICLES, v),)} if self.vehicle_schedule == "dynamic" else {}
        shapes |= {"uav_on": (LATE_UAVS,), "uav_off": (EARLY_UAVS,)} if self.uav_schedule == "dynamic" else {}
        u = {name: rng.uniforms(rng.stream(key, name), {name: shape})[name] for name, shape in shapes.items()}
        starts = jnp.asarray(region.start_bins)
        half = self.horizon // 2
        between = lambda u, low, high: low + Discrete(high - low + 1).from_uniform(u)  # noqa: E731
        middle = lambda u: between(u, min(MARGIN_SLOTS, half), half)  # noqa: E731
        end = lambda u: between(u, half, max(self.horizon - MARGIN_SLOTS, half))  # noqa: E731

        def others(n: int, slot: int) -> Array:
            return jnp.full((n, *key.shape), slot, jnp.int32)

        windows = {}
        if self.vehicle_schedule == "dynamic":
            windows["veh_start"] = jnp.concatenate([others(v - len(u["veh_start"]), 0), middle(u["veh_start"])])
        if self.uav_schedule == "dynamic":
            windows["uav_on"] = jnp.concatenate([others(self.n_uav - LATE_UAVS, 0), middle(u["uav_on"])])
            stay = others(self.n_uav - EARLY_UAVS, self.horizon + 1)
            windows["uav_off"] = jnp.concatenate([end(u["uav_off"]), stay])
        return windows | {
            "start_bin": starts[Discrete(len(starts)).from_uniform(u["start_bin"])],
            "veh_traj": rng.distinct(u["veh_traj"], len(region.traj_len)),
            "uav_phase_m": u["uav_phase_m"] * lift(loop_m(params), key.ndim),
        }

    def draw_step(self, key: Array, params: TwinMigrationParams) -> dict[str, Array]:
        """`bg_normal` (N,) normal; with Rayleigh fading `fade_vm` (V, M - 1), `fade_mig` (V,) ~ Exp(1)."""
        v = self.n_vehicles
        fades = {"fade_vm": (v, self.n_servers - 1), "fade_mig": (v,)} if self.fading == "rayleigh" else {}
        u = rng.uniforms(key, {"bg_normal": (self.n_rsu,), **fades})
        return {"bg_normal": fading.standard_normal(u["bg_normal"])} | {n: fading.rayleigh_power(u[n]) for n in fades}

    # Transition

    def reset_from(self, draws: dict[str, Array], params: TwinMigrationParams) -> tuple[State, Timestep]:
        """No twin has a place yet; caches hold what so many slots of background leave behind."""
        batch, dtype = draws["start_bin"].shape, draws["uav_phase_m"].dtype
        filled = lambda n, x, dtype: jnp.full((n, *batch), x, dtype)  # noqa: E731
        v, u, whole = self.n_vehicles, self.n_uav, jnp.int32
        always = {"veh_start": filled(v, 0, whole), "uav_on": filled(u, 0, whole)}
        state = State(
            t=jnp.zeros(batch, jnp.int32),
            **always | {"uav_off": filled(u, self.horizon + 1, whole)} | draws,  # type: ignore[arg-type]
            prev=filled(v, -1, whole),
            queue=filled(self.n_servers, 0, dtype),
            fails=filled(v, 0, whole),
            active_slots=filled(v, 0, whole),
            migrations=filled(v, 0, whole),
            scene=None,  # type: ignore[arg-type]
        )
        state = begin(self, state.replace(queue=warmed_up(self, state, params)), params)
        return state, first_timestep(self, observe(self, state, params), batch)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: TwinMigrationParams
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        decision = decode(self, action[GROUP]["server"], state)
        loads = fill(self, decision, state, draws["bg_normal"], params)
        links = transmit(self, decision, state, draws, params)
        outcome = settle(self, decision, loads, links, state, params)

        t = state.t + 1
        after = state.replace(
            t=t,
            prev=jnp.where(decision.served, decision.server, state.prev),
            fails=state.fails + (outcome.out_of_range | outcome.overload),
            active_slots=state.active_slots + state.scene.veh_active,
            migrations=state.migrations + decision.migrate,
        )
        caches = drain(self, loads, servers_there(self, after, params), params)
        after = begin(self, after.replace(queue=caches.queue), params)
        agent_done = t >= state.veh_start + trip_slots(state, params)
        terminated = jnp.all(agent_done, 0)
        info = measure(self, state, after, decision, loads, links, outcome, caches, params)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: outcome.reward},
            terminated=terminated,
            truncated=(t >= self.horizon) & ~terminated,
            info=info | {"agent_done": agent_done},
        )
        return after, ts


def observe(env: TwinMigration, state: State, params: TwinMigrationParams) -> Observation:
    """(19), (23): what vehicles see, and where they may go; 3M - 1 entries in [0, 2]."""
    scene, rank = state.scene, state.t.ndim
    active, known = scene.veh_active[:, None], known_load(env, state, scene.near, scene.server_active, params)
    cut = lambda x: jnp.clip(x, 0, 2)  # noqa: E731
    dist = jnp.where(scene.server_active[:-1], cut(scene.dist / params.obs_distance_m), 2)
    load = jnp.where(scene.server_active, cut(known / params.cache_bits), 2)
    if env.workload_info == "none":
        load = jnp.zeros_like(load)
    twin = (lift(jnp.arange(env.n_servers), rank) == state.prev[:, None]).astype(dist.dtype)
    entries = [dist, jnp.broadcast_to(load, twin.shape), *([twin] if env.obs_prev_server else [])]
    flat = lambda x: x.reshape(-1, *state.t.shape)  # noqa: E731
    world = [
        load,
        cut(state.queue / params.cache_bits),
        scene.server_active,
        flat(jnp.where(active, dist, 0)),
        flat(twin),
    ]
    world += [scene.veh_active, state.t[None].astype(dist.dtype) / env.horizon]
    return Observation(
        agents={GROUP: jnp.where(active, jnp.concatenate(entries, 1), 0)},
        world=jnp.concatenate([x.astype(dist.dtype) for x in world]),
        mask={GROUP: {"server": ~active | allowed(env, scene)}},
        active={GROUP: scene.veh_active},
        aux={"uav_deg": scene.uav_deg},
    )


def allowed(env: TwinMigration, scene: Scene) -> Array:
    """(23): what is feasible; where nothing is, what is in reach; where nothing is, what is there. `(V, M)`"""
    there = jnp.broadcast_to(scene.server_active, scene.feasible.shape)
    if not env.use_mask:
        return there
    some = lambda x: jnp.any(x, 1, keepdims=True)  # noqa: E731
    reach = jnp.where(some(scene.in_range), scene.in_range, there)
    return jnp.where(some(scene.feasible), scene.feasible, reach)


def calibrate(env: TwinMigration, params: TwinMigrationParams, key: Array, episodes: int = 256) -> dict[str, Array]:
    """Means and deviations of latency, load and variance under random choices that the mask allows; give params of train days.

    Over all slots of all vehicles on their way. Pure; jit it with `env` and `episodes` static.

    Returns:
        Six numbers for `params.replace(**...)`: `lat_mean_s`, `lat_std_s`, `load_mean_bits`...
    """
    env = dataclasses.replace(env, use_mask=True)

    def policy(key: Array, obs: Observation) -> Any:
        u = rng.uniforms(key, {"server": (env.n_vehicles,)})["server"]
        return {GROUP: {"server": Discrete(env.n_servers).from_uniform(u, obs.mask[GROUP]["server"])}}

    def select(slot: Slot) -> tuple[Array, dict[str, Array]]:
        info = slot.ts.info
        values = {"lat_{}_s": info["t_sum"], "load_{}_bits": info["own_load"], "var_{}_mb2": info["load_var_mb2"]}
        return info["vehicle_active"], values

    weight, values = rollout(env, policy, key, params, episodes, select=select)
    found: dict[str, Array] = {}
    for name, x in values.items():
        x = jnp.broadcast_to(x if x.ndim == weight.ndim else x[:, None], weight.shape)
        mean = jnp.sum(weight * x) / jnp.sum(weight)
        variance = jnp.sum(weight * (x - mean) ** 2) / jnp.sum(weight)
        found |= {name.format("mean"): mean, name.format("std"): jnp.sqrt(variance)}
    return found
