"""`v2x_offload`: offloading to edge servers through a twin that vehicles consult one after the other (Li et al., DT-MADDPG).

Vehicles move in a square with a few edge servers. In every slot each has one task and decides where it is computed: by its
own CPU, or by a server; then also its transmit power, its share of that server's CPU, and its share of an uplink band. A
server out of radio reach is used through the nearest one and a wire. The vehicles decide one after another, and after each
the twin shows the next what is still free, so a share is a share of what the predecessors left. Afterwards all tasks run at
once; the pools refill with the next slot. Reward is 1 minus the cost, latency and energy weighted, mean over vehicles.
Nothing but motion carries over from slot to slot. The horizon truncates.

"(n)" is equation n of the paper, "C1".. its constraints. Where the paper is silent or contradicts itself:

- the reward is 1 - cost, with costs in units of a 312 kbit task computed locally: its figures only make sense so ((23)
  alone is negative);
- noise is -113 dBm whatever the band (per hertz, as the text has it, no upload would ever end);
- path loss and fading are those of the paper's reference [25]; no link beyond the radius, where an offloaded task times out;
- latency counts up to a deadline of 100 ms: what is left for the last vehicle may be nothing;
- the energy coefficient of servers is 1e-29 J s^2/cycle^3 (with the vehicles' 1e-27, servers would cost more than they save);
- vehicles turn at random and are reflected by the borders; without borders (`boundary="open"`) they drift out of reach, as
  in Fig. 7;
- bandwidth is taken at the access server, CPU at the target; shares of the residue are literal, at least 1 %;
- the turn's number is part of the observation: without it a share of the residue has no meaning to a shared policy.

Extensions by configuration: a twin that is wrong or stale, tasks that are split over processors (`partition`), busy
servers, random order of turns, unequal servers, own instead of team reward, slower own clocks, thermal noise.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment, first_timestep
from jaxvec.core.spaces import ActionSpace, Box, Discrete
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.envs.v2x_offload.params import Params as V2xOffloadParams
from jaxvec.envs.v2x_offload.params import Sizes, State
from jaxvec.envs.v2x_offload.slot import (
    Decision,
    Geometry,
    Grants,
    Links,
    Outcome,
    Pools,
    advance,
    asked,
    by_turn,
    by_vehicle,
    decode,
    grant,
    locate,
    open_pools,
    settle,
    slot_variables,
    sync,
    take_turns,
    transmit,
)
from jaxvec.physics import fading

GROUP = "vehicle"

INFO = {
    "reward_mean": ("-", "mean over vehicles of 1 - cost"),
    "reward_min": ("-", "the same of the worst"),
    "cost_mean": ("-", "cost (23), in units of a 312 kbit task computed locally"),
    "latency_mean_s": ("s", "latency, at most the deadline"),
    "latency_max_s": ("s", "largest latency"),
    "latency_up_mean_s": ("s", "upload, at most the deadline"),
    "latency_wire_mean_s": ("s", "wire"),
    "latency_cpu_mean_s": ("s", "computing, at most the deadline"),
    "energy_mean_j": ("J", "energy per vehicle, its own and the servers'"),
    "energy_radio_mean_j": ("J", "of it: transmission"),
    "energy_cpu_local_mean_j": ("J", "of it: own CPUs"),
    "energy_cpu_es_mean_j": ("J", "of it: servers"),
    "timeout_rate": ("-", "tasks later than the deadline"),
    "frac_local": ("-", "part of the tasks computed locally"),
    "frac_near": ("-", "part computed at the server that the upload goes to"),
    "frac_remote": ("-", "part computed behind the wire"),
    "beyond_radius_rate": ("-", "offloaders that use a link longer than the radius"),
    "short_grant_rate": ("-", "offloaders that got less than they asked for"),
    "cpu_util": ("-", "granted part of the servers' free CPU"),
    "bw_util": ("-", "granted part of the servers' bandwidth"),
    "jain_latency": ("-", "Jain's index of the latencies, 1 = equal"),
    "turn_latency_s": ("s", "(M,) latency"),
    "turn_energy_j": ("J", "(M,) energy"),
    "turn_cost": ("-", "(M,) cost"),
    "turn_cpu_hz": ("Hz", "(M, N) granted CPU"),
    "turn_bw_hz": ("Hz", "(M, N) granted bandwidth"),
    "turn_rate_bps": ("bit/s", "(M, N) rate (5)"),
    "turn_split": ("-", "(M, 1 + N) part of the task, first the own CPU"),
    "turn_timeout": ("bool", "(M,) later than the deadline"),
}


@dataclass(frozen=True)
class V2xOffload(Sizes, Environment):
    """Vehicles that draw on edge servers in turns; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle in its turn, 2 + 4N entries (20): task size, then per server distance, log10 of the fading
    power, and the twin's free CPU and bandwidth as its predecessors left them; at last its turn. Between slots
    (`Timestep.obs`) the twin is that of the opening. `Observation.world` (M(1 + 2N) + 2N, and M turns if shuffled) has all
    tasks, distances, fading and the opening twin, but no residues: they follow from the actions.

    Actions: `target` 0 (own CPU) to N; `power`, `cpu`, `bandwidth` in [-1, 1], shares of the largest power and of what is left.
    With `partition`, `split` (1 + N,) in [-1, 1], logits of the parts, takes the place of `target`.
    """

    id: ClassVar[str] = "v2x_offload"
    params_cls: ClassVar[type] = V2xOffloadParams
    team_reward = property(lambda self: self.shared_reward)  # type: ignore[assignment]
    takes_turns: ClassVar[bool] = True
    discount: ClassVar[float] = 0.0  # nothing that is decided outlasts its slot (the paper has 0.7)
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "base": {},
        "contended": {"n_vehicles": 40, "es_cpu_hz": 15e9},
        "fig7": {"boundary": "open"},
        "partition": {"partition": True},
    }

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Where to compute, and three shares."""
        n = 1 + self.n_servers
        where = {"split": Box(-1.0, 1.0, (n,))} if self.partition else {"target": Discrete(n)}
        return {GROUP: {**where, **dict.fromkeys(("power", "cpu", "bandwidth"), Box(-1.0, 1.0))}}

    @property
    def observation_space(self) -> dict[str, Box]:
        """2 + 4N entries per vehicle, of order 1."""
        return {GROUP: Box(-np.inf, np.inf, (2 + 4 * self.n_servers,))}

    @property
    def world_size(self) -> int:
        """Tasks, distances, fading and the opening twin; and the turns, where they are not always the same."""
        m, n = self.n_vehicles, self.n_servers
        return m * (1 + 2 * n) + 2 * n + m * self.shuffle_order

    # Chance

    def _draw(self, key: Array, more: dict[str, tuple[int, ...]]) -> dict[str, Array]:
        m, n = self.n_vehicles, self.n_servers
        order = {"u_order": (m,)} if self.shuffle_order else {}
        u = rng.uniforms(key, {"u_task": (m,), "e_fade": (m, n), "n_bg": (n,), "u_twin": (2, n), **order, **more})
        return u | {
            "e_fade": fading.rayleigh_power(u["e_fade"]),
            "n_bg": fading.standard_normal(u["n_bg"]),
            "u_twin": 2 * u["u_twin"] - 1,
        }

    def draw_reset(self, key: Array, params: V2xOffloadParams) -> dict[str, Array]:
        """`u_pos` (M, 2), `u_heading`, `u_task` (M,) ~ U(0, 1); `e_fade` (M, N) ~ Exp(1); `n_bg` (N,) normal; `u_twin` (2,
        N) ~ U(-1, 1);
        `u_order` (M,) ~ U(0, 1) if the order is shuffled."""
        return self._draw(key, {"u_pos": (self.n_vehicles, 2), "u_heading": (self.n_vehicles,)})

    def draw_step(self, key: Array, params: V2xOffloadParams) -> dict[str, Array]:
        """As `draw_reset`, with `n_heading` (M,) normal for `u_pos` and `u_heading`."""
        draws = self._draw(key, {"n_heading": (self.n_vehicles,)})
        return draws | {"n_heading": fading.standard_normal(draws["n_heading"])}

    # Transition

    def reset_from(self, draws: dict[str, Array], params: V2xOffloadParams) -> tuple[State, Timestep]:
        """Places and headings uniform."""
        batch = draws["u_task"].shape[1:]
        state = State(
            t=jnp.zeros(batch, jnp.int32),
            pos_m=draws["u_pos"] * params.area_m,
            heading_rad=draws["u_heading"] * (2 * np.pi),
            **slot_variables(self, draws, params),  # type: ignore[arg-type]
        )
        return state, first_timestep(self, observe(self, state, params), batch)

    def act(self, ask: ActFn, key: Array, state: State, ts: Timestep, params: V2xOffloadParams) -> tuple[Any, ActTrace]:
        """ActFn the vehicles one by one, each with the twin as its predecessors left it."""
        place, order = locate(self, state, params), state.order

        def turn(pools: Pools, now: Any) -> tuple[Pools, Any]:
            k, who, row, where = now
            pools = sync(pools, k, state, params)
            row = show(row[None], pools, params)
            obs = ts.obs.replace(agents={GROUP: row}, ids={GROUP: who[None]})
            action, extras = ask(rng.fold_in(key, k), obs)
            here = jax.tree.map(lambda x: x[None], where)
            pools, _ = grant(pools, asked(decode(self, action[GROUP], params), here)[0])
            return pools, (row, action, extras)

        rows, places = by_turn(self, (ts.obs.agents[GROUP], place), order)
        who = order if self.shuffle_order else jnp.arange(self.n_vehicles)
        turns = (jnp.arange(self.n_vehicles), who, rows, places)
        _, found = jax.lax.scan(turn, open_pools(state, params), turns)
        rows, action, extras = by_vehicle(self, jax.tree.map(lambda x: x[:, 0], found), order)
        return action, ActTrace(ts.obs.replace(agents={GROUP: rows}), extras)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: V2xOffloadParams
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order; the turns are played again with the given actions."""
        place = locate(self, state, params)
        decision = decode(self, action[GROUP], params)
        grants = take_turns(self, state, decision, place, params)
        links = transmit(self, state, decision, place, grants, params)
        outcome = settle(state, decision, place, grants, links, params)
        own = params.reward_offset - outcome.cost  # (23)
        reward = jnp.broadcast_to(jnp.mean(own, 0), own.shape)  # (24)
        if not self.shared_reward:
            reward = params.team_weight * reward + (1 - params.team_weight) * own
        after = advance(self, state, draws, params)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: reward},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(state, decision, place, grants, links, outcome, own, params),
        )
        return after, ts


def observe(env: V2xOffload, state: State, params: V2xOffloadParams) -> Observation:
    """(20): what the vehicles see at the opening of the slot, each with its own turn; and the world without residues."""
    dist = jnp.minimum(locate(env, state, params).dist_m / params.obs_dist_m, 3)
    fade = jnp.clip(jnp.log10(jnp.maximum(state.fade, 1e-12)), -3, 1)
    task = state.task_bits[:, None] / params.obs_task_bits
    turn = jnp.argsort(state.order, 0)[:, None] / max(env.n_vehicles - 1, 1)
    twin = jnp.zeros_like(dist)
    rows = jnp.concatenate([task, dist, fade, twin, twin, turn.astype(dist.dtype)], 1)
    rows = show(rows, open_pools(state, params), params)
    n = env.n_servers
    parts = [
        task,
        dist,
        fade,
        rows[0, 1 + 2 * n : 1 + 4 * n],
        *([turn.astype(dist.dtype)] if env.shuffle_order else []),
    ]
    batch = state.t.shape
    world = jnp.concatenate([part.reshape(-1, *batch) for part in parts])
    return Observation(agents={GROUP: rows}, world=world)


def show(rows: Array, pools: Pools, params: V2xOffloadParams) -> Array:
    """Observations `(n, 2 + 4N)` with the twin's pools as they are now."""
    scale = jnp.stack([jnp.broadcast_to(x, pools.twin.shape[2:]) for x in (params.obs_cpu_hz, params.obs_bandwidth_hz)])
    twin = (pools.twin / scale[:, None]).reshape(-1, *pools.twin.shape[2:])
    n = len(twin) // 2
    seen = jnp.broadcast_to(twin, (len(rows), *twin.shape)).astype(rows.dtype)
    return jnp.concatenate([rows[:, : 1 + 2 * n], seen, rows[:, 1 + 4 * n :]], 1)


def measure(
    state: State,
    d: Decision,
    place: Geometry,
    grants: Grants,
    links: Links,
    o: Outcome,
    own: Array,
    params: V2xOffloadParams,
) -> dict[str, Array]:
    """The metrics and arrays of `info`; rates over offloaders divide by their number, at least 1."""
    mean = lambda x: jnp.mean(x, 0)  # noqa: E731
    away = jnp.any(d.part[:, 1:] > 0, 1)  # a part of 1 may be a rounding less
    over_away = lambda x: jnp.sum(away & x, 0) / jnp.maximum(jnp.sum(away, 0), 1)  # noqa: E731
    near = jnp.sum(place.direct * d.part[:, 1:], 1)
    util = lambda granted, pool: jnp.mean(jnp.sum(granted, 0) / pool, 0)  # noqa: E731
    return {
        "reward_mean": mean(own),
        "reward_min": jnp.min(own, 0),
        "cost_mean": mean(o.cost),
        "latency_mean_s": mean(o.latency_s),
        "latency_max_s": jnp.max(o.latency_s, 0),
        "latency_up_mean_s": mean(o.up_s),
        "latency_wire_mean_s": mean(o.wire_s),
        "latency_cpu_mean_s": mean(o.cpu_s),
        "energy_mean_j": mean(o.energy_j),
        "energy_radio_mean_j": mean(o.e_radio_j),
        "energy_cpu_local_mean_j": mean(o.e_loc_j),
        "energy_cpu_es_mean_j": mean(o.e_es_j),
        "timeout_rate": mean(o.timeout.astype(own.dtype)),
        "frac_local": mean(d.part[:, 0]),
        "frac_near": mean(near),
        "frac_remote": mean(1 - d.part[:, 0] - near),
        "beyond_radius_rate": over_away(jnp.any(links.used & (place.dist_m > params.radius_m), 1)),
        "short_grant_rate": over_away(grants.short),
        "cpu_util": util(grants.cpu_hz, params.es_cpu_hz * (1 - state.bg_load)),
        "bw_util": util(grants.bw_hz, params.es_bandwidth_hz),
        "jain_latency": mean(o.latency_s) ** 2 / mean(o.latency_s**2),
        "turn_latency_s": o.latency_s,
        "turn_energy_j": o.energy_j,
        "turn_cost": o.cost,
        "turn_cpu_hz": grants.cpu_hz,
        "turn_bw_hz": grants.bw_hz,
        "turn_rate_bps": links.rate_bps,
        "turn_split": d.part,
        "turn_timeout": o.timeout,
    }
