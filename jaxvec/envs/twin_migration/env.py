"""`twin_migration`: vehicle twins that move between roadside units, UAVs and a satellite (the DM-MAPPO paper on 6G-enabled IoV).

Vehicles drive through a region of roadside units (RSUs), patrolling UAVs and one satellite, all of them edge servers. Each has
a twin, which lives on one server at a time. In every slot of 30 s each vehicle, all at once, decides where: it sends its sensor
data there and receives as much, and the server works through all that it holds; another server than before costs a migration.
Servers also work for ordinary traffic, counted by recorded or made-up sensors, of which agents see a forecast; what is not done
waits in a cache, what a full cache cannot take is dropped. A slot fails if the server is out of reach or overloaded. A
mask leaves what is there, in reach, and would not overflow by this twin alone; two twins may still meet. Reward is
minus latency, load of the own server and failures, weighted, each vehicle's own. Vehicles may start late and arrive early,
UAVs may come and go. The episode terminates when everybody has arrived, else the horizon truncates it.

There is no `mobility` switch: vehicles drive the trips of a `jaxvec.traces.Region`, recorded or made up, and another region is
how they move otherwise.

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

Extensions by configuration: Rayleigh fading, the standard path-loss models, other regions (see `jaxvec.traces`); vehicles
that decide in turns (`turns`): in the order of their numbers, each sees the known loads with the twins that were placed before
it in this slot, and its mask leaves what would not overflow on top of them. The slot that follows is the same. With
`obs_vehicle_id` a vehicle sees its own number: vehicles that decide at once with one policy, and see the same servers, would
else all go to the same one. With `obs_twins` it sees what the other twins bring where they are: (19) has loads before twins
arrive, so that who decides at once cannot tell which servers are taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment, Options, first_timestep
from jaxvec.core.layout import lift
from jaxvec.core.observation import Layout
from jaxvec.core.params import preset
from jaxvec.core.spaces import ActionSpace, Box, Discrete
from jaxvec.core.turns import ask_in_turns
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.envs.channel import blank_channel, sites_m, with_channel
from jaxvec.envs.twin_migration.gain import east_north_m
from jaxvec.envs.twin_migration.info import INFO, measure
from jaxvec.envs.twin_migration.observation import GROUP, MOST, alone, layout, observe, options, show
from jaxvec.envs.twin_migration.params import Params, Sizes, State
from jaxvec.envs.twin_migration.scene import arrived, loop_m, rsu_places
from jaxvec.envs.twin_migration.slot import advance, brought, decode, drain, fill, settle, start, transmit
from jaxvec.envs.world import busiest, read_worlds
from jaxvec.physics import fading
from jaxvec.traces import Places, RecordError, Region, check_region, load_region, region_of_world, synthetic_region

LATE_VEHICLES, LATE_UAVS, EARLY_UAVS = 2, 5, 6  # of the dynamic schedules (VII-C5)
MARGIN_SLOTS = 5  # from the beginning and the end, for whoever comes and goes


@dataclass(frozen=True)
class TwinMigration(Sizes, Environment):
    """Vehicles that choose where their twins live; see the module. Terminates when all have arrived, truncates at `horizon`.

    Observation of a vehicle, 3M - 1 entries in [0, 2] (284), M = N + U + 1 servers, and `Observation.world` (3M + 2MV + 1): see
    `jaxvec.envs.twin_migration.observation`.

    Actions: `server`, one of M. Whatever is chosen is done: beyond reach it fails, and a server that is absent serves nobody.
    A vehicle that has arrived is not `active` any more: its return ends there, and what it does has no effect.
    """

    id: ClassVar[str] = "twin_migration"
    params_cls: ClassVar[type] = Params
    discount: ClassVar[float] = 0.95
    takes_turns = property(lambda self: self.turns)  # type: ignore[assignment]
    replay_slots = 5  # a migration is paid once and lasts
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "city": preset("a made-up city, 10 km wide"),
        "rural": preset("a made-up rural area, 30 km wide", region="rural"),
        "no_uav": preset("UAVs serve nobody (Fig. 8)", use_uav=0.0),
        "no_satellite": preset("the satellite serves nobody (Fig. 8)", use_satellite=0.0),
        "no_mask": preset("servers out of reach, or too full, may be chosen", use_mask=False),
        "no_prediction": preset("vehicles are not told of ordinary traffic", workload_info="none"),
        "turns": preset("vehicles decide one after the other and see the twins placed before (extension)", turns=True),
        "dynamic": preset(
            "two of the vehicles start later, UAVs come and go (VII-C5)",
            n_vehicles=7,
            n_uav=11,
            vehicle_schedule="dynamic",
            uav_schedule="dynamic",
        ),
        "literal": preset(
            "(1), (8a), (9), (13) and (19) as printed",
            haversine="paper",
            overload_rule="paper",
            migration_adds_load=False,
            obs_prev_server=False,
            failure_delay_s=0.0,
        ),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        least = LATE_UAVS + EARLY_UAVS
        if self.uav_schedule == "dynamic" and self.n_uav < least:
            raise ValueError(f"{self.id}: n_uav must be at least {least} for a dynamic uav_schedule, not {self.n_uav}")

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Where to be."""
        return {GROUP: {"server": Discrete(self.n_servers)}}

    @property
    def observation_layout(self) -> dict[str, Layout]:
        """Distances, loads, and where the twin is."""
        return layout(self)

    @property
    def observation_space(self) -> dict[str, Box]:
        """Entries lie in [0, 2]."""
        return {GROUP: Box(0.0, MOST, (self.observation_layout[GROUP].size,))}

    @property
    def options(self) -> dict[str, dict[str, Options]]:
        """Of each server: distance, load, with `obs_twins` what others bring, and whether the twin is there; if it is anywhere
        matters too. Three kinds."""
        return options(self)

    @classmethod
    def settings_of_world(cls, world: Any, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """RSUs at the places, trips and counts of the recording, see `jaxvec.traces.region_of_world`; horizons of up to 60 slots.

        Raises:
            RecordError: the world cannot be used, or has too few places or trips; or there are several.
        """
        worlds = read_worlds(world)
        if len(worlds) > 1:
            raise RecordError(f"{cls.id} takes one world, not {len(worlds)}: all worlds of a batch share a region")
        n_vehicles, n_uav = (int(chosen.get(name, getattr(cls, name))) for name in ("n_vehicles", "n_uav"))
        places = busiest(worlds[0], chosen.get("n_rsu"))
        region = region_of_world(worlds[0], places, horizon=chosen.get("horizon"), n_vehicles=n_vehicles, n_uav=n_uav)
        return {"n_rsu": len(places), "horizon": region.traj_dlat_deg.shape[1], "region": region}

    def blank_params(self) -> Params:
        """Numbers of the right structure, with an empty region."""
        nothing = np.zeros(0, np.float32)
        region = Region(**dict.fromkeys((field.name for field in fields(Region)), nothing))
        return blank_channel(Params(region=region), self.pathloss)

    def default_params(self, **numbers: Any) -> Params:
        """The paper's numbers. `region` may be a `Region`, a file of one, or the name of a made-up one, `city` by default.

        A name is an area, `city` or `rural`, and perhaps the days in which episodes begin: `city:test`; `train` if not said.

        Raises:
            ValueError: the region is not sound, has other RSUs or UAVs than the environment, or fewer slots or bins than its
                episodes need.
        """
        params = Params(**numbers)
        region = "city" if params.region is None else params.region
        if isinstance(region, str) and not Path(region).is_file():
            area, _, split = region.partition(":")
            n_slots = max(self.horizon, 2)  # in one slot nobody gets anywhere
            region = synthetic_region(
                0, area, split=split or "train", n_rsu=self.n_rsu, n_uav=self.n_uav, horizon=n_slots
            )
        elif not isinstance(region, Region):
            region = load_region(region)
        check_region(region, n_vehicles=self.n_vehicles)
        self._check_fit(region)
        return with_channel(self, params.replace(region=region), self.pathloss, "free_space")

    def places(self, params: Params) -> Places:
        """The RSUs and the trips, east and north of the region's anchor.

        Args:
            params: the numbers.
        """
        region, shape = params.region, np.shape(params.region.traj_dlat_deg)
        trips_deg = jnp.stack([jnp.ravel(region.traj_dlat_deg), jnp.ravel(region.traj_dlon_deg)], 1)
        x_m, y_m = (np.reshape(x, shape) for x in east_north_m(trips_deg, params))
        rsu_x_m, rsu_y_m = east_north_m(rsu_places(0, params), params)
        return Places(
            site_m=sites_m(rsu_x_m, rsu_y_m, params.rsu_height_m),
            corners_m=np.array([[x_m.min(), y_m.min()], [x_m.max(), y_m.max()]], float),
            height_m=params.vehicle_height_m,
            reach_m=params.rsu_range_m,
        )

    def _check_fit(self, region: Region) -> None:
        """Refuse a region of other RSUs or UAVs, or of fewer slots or bins, than episodes need."""
        for name, n in {"n_rsu": len(region.rsu_present), "n_uav": len(region.uav_wp_xy_m)}.items():
            if n != getattr(self, name):
                raise ValueError(f"{self.id}: the region has {name} = {n}, the environment {getattr(self, name)}")
        n_slots, n_bins = region.traj_dlat_deg.shape[1], region.flow.shape[1]
        if n_slots < self.horizon:
            raise ValueError(
                f"{self.id}: the region's trips have {n_slots} slots, the environment's horizon is {self.horizon}"
            )
        needed = int(region.start_bins[-1]) + 1 + -(-self.horizon // self.slots_per_bin)
        if n_bins < needed:
            raise ValueError(
                f"{self.id}: the region has {n_bins} bins of counts; its last start, {self.horizon} slots and slots_per_bin = "
                f"{self.slots_per_bin} need {needed}"
            )

    # Chance

    def draw_reset(self, key: Array, params: Params) -> dict[str, Array]:
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
        return self._schedules(u, key.shape) | {
            "start_bin": starts[Discrete(len(starts)).from_uniform(u["start_bin"])],
            "veh_traj": rng.distinct(u["veh_traj"], len(region.traj_len)),
            "uav_phase_m": u["uav_phase_m"] * lift(loop_m(params), key.ndim),
        }

    def _schedules(self, u: dict[str, Array], batch: tuple[int, ...]) -> dict[str, Array]:
        """When who comes and goes, of uniform numbers: late ones in the first half, early ones in the second."""
        half = self.horizon // 2

        def come(u: Array) -> Array:
            first = min(MARGIN_SLOTS, half)
            return first + Discrete(half - first + 1).from_uniform(u)

        def go(u: Array) -> Array:
            last = max(self.horizon - MARGIN_SLOTS, half)
            return half + Discrete(last - half + 1).from_uniform(u)

        def others(n: int, slot: int) -> Array:
            return jnp.full((n, *batch), slot, jnp.int32)

        schedules = {}
        if "veh_start" in u:
            punctual = others(self.n_vehicles - len(u["veh_start"]), 0)
            schedules["veh_start"] = jnp.concatenate([punctual, come(u["veh_start"])])
        if "uav_on" in u:
            schedules["uav_on"] = jnp.concatenate([others(self.n_uav - LATE_UAVS, 0), come(u["uav_on"])])
            staying = others(self.n_uav - EARLY_UAVS, self.horizon + 1)
            schedules["uav_off"] = jnp.concatenate([go(u["uav_off"]), staying])
        return schedules

    def draw_step(self, key: Array, params: Params) -> dict[str, Array]:
        """`bg_normal` (N,) normal; with Rayleigh fading `fade_vm` (V, M - 1), `fade_mig` (V,) ~ Exp(1)."""
        v = self.n_vehicles
        fades = {"fade_vm": (v, self.n_servers - 1), "fade_mig": (v,)} if self.fading == "rayleigh" else {}
        u = rng.uniforms(key, {"bg_normal": (self.n_rsu,), **fades})
        return {"bg_normal": fading.standard_normal(u["bg_normal"])} | {n: fading.rayleigh_power(u[n]) for n in fades}

    # Transition

    def reset_from(self, draws: dict[str, Array], params: Params) -> tuple[State, Timestep]:
        """No twin has a place yet; caches hold what so many slots of background leave behind."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def act(self, act_fn: ActFn, key: Array, state: State, ts: Timestep, params: Params) -> tuple[Any, ActTrace]:
        """Ask all vehicles at once, or with `turns` one by one, each with the twins that its predecessors placed."""
        if not self.turns:
            return super().act(act_fn, key, state, ts, params)

        def show_placed(placed: Array, k: Array, who: Array) -> tuple[Array, Observation]:
            row = ts.obs.agents[GROUP][who][None]
            seen = show(self, row, placed, alone(state, who), params)
            return placed, ts.obs.replace(ids={GROUP: who[None]}, **seen)

        def place(placed: Array, who: Array, action: Any) -> Array:
            return placed + brought(self, decode(self, action[GROUP]["server"], alone(state, who)), params)

        order, nothing = jnp.arange(self.n_vehicles), jnp.zeros_like(state.queue)
        action, seen, extras = ask_in_turns(act_fn, key, nothing, order, show_placed, place)
        return action, ActTrace(ts.obs.replace(**seen), extras)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: Params
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        decision = decode(self, action[GROUP]["server"], state)
        loads = fill(self, decision, state, draws["bg_normal"], params)
        links = transmit(self, decision, state, draws, params)
        outcome = settle(self, decision, loads, links, state, params)
        caches = drain(self, loads, state, params)
        after = advance(self, decision, outcome, caches, state, params)
        terminated = jnp.all(arrived(after, params), 0)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: outcome.reward},
            terminated=terminated,
            truncated=(after.t >= self.horizon) & ~terminated,
            info=measure(self, state, after, decision, loads, links, outcome, caches, params),
        )
        return after, ts
