"""`urllc_vec`: an edge network of vehicles, UAVs and base stations with short packets and a delayed twin (quantum-DRL paper).

Vehicles cut a task a slot into subtasks and send each to a UAV or a base station (BS), a "node". Nodes work at them, shared by
priority, as far as they are willing to, and send the rest on, a few times at most; what is not done stays as a backlog. All
agents decide at once: a vehicle its targets, powers, split and priorities, a node its power, speed, budget and where to
forward. A twin in the cloud hears of everything some slots late. Rewards are each agent's own (64) to (68), with incentives
and penalties (90) to (92); constraints C1 to C20 are reported as rates. The horizon truncates.

"(n)" is equation n of the paper. Where the paper is silent or contradicts itself:

- data are in bits: in bytes, its Table III would need 79 bit/s/Hz;
- powers are 30 dBm, 10 dBW and 0 dBW, noise is -90 dBm, and path loss is a loss: only this has Table III's 120 dB;
- panels of 25 and 14 dB, because that operating point exists only 110 m from a server, and the map is 3 km wide;
- line of sight to UAVs depends on their height (TR 36.777); `los_air="paper"` has the terrestrial formula;
- a link is usable if its estimated rate at full power is 10 Mbit/s; who has none gets the best;
- the deviation of processors is real, correlated over slots and bounded; energy per cycle grows with the square of the speed,
  because otherwise the fastest would always be best;
- processors are shared by priority; `cpu_share="none"` is the literal (5), where everybody has all of it;
- priorities in rewards have equal coefficients, so that an agent cannot choose what it is judged by;
- QoS needs energy in joules and latency in seconds for its bound of 60; 200 counts as 100;
- the energy budget of a vehicle is per second, 10 mJ a slot; rewards are in units of targets and budgets;
- the twin is three slots late: without a delay there is nothing to forecast.

Extensions by configuration: another twin, channel knowledge, mobility, processors and energies, Table III's path losses.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.layout import lift
from jaxvec.core.params import preset
from jaxvec.core.spaces import ActionSpace, Box, Discrete, Space
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs.urllc_vec.info import INFO, measure
from jaxvec.envs.urllc_vec.links import node_power_max_w
from jaxvec.envs.urllc_vec.params import Params as UrllcVecParams
from jaxvec.envs.urllc_vec.params import Sizes, State
from jaxvec.envs.urllc_vec.slot import (
    advance,
    available_hz,
    begin,
    decode,
    features,
    inside,
    normal,
    prepare,
    process,
    remaining,
    route,
    score_nodes,
    score_vehicles,
    sent,
    uav_box,
    uav_speed_mps,
    upload,
    vehicle_box,
)
from jaxvec.physics import mobility

PLACE_SCALE_M = (1500.0, 1500.0, 75.0)
SPEED_SCALE_MPS = 50.0
SNR_SCALE_DB = 30.0
CYCLES_SCALE = 330.0 * 1.2  # cycles per bit


@dataclass(frozen=True)
class UrllcVec(Sizes, Environment):
    """Vehicles, UAVs and base stations; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle, 8 + 5N + 3J + V entries (98): place, speed and heading, SNR to each node at full power, path losses,
    subtasks (complexity, urgency, weight), task size, and the twin. Of a UAV or BS, 10 + 2V + 4N (82): place, speed and
    heading, SNR from each vehicle and to each node, its speed and backlog, all tasks' sizes, the twin. The twin is the last
    measurement that has arrived ("hold"; "lstm" the same, with the last H in `Observation.aux["history"]` (H, F), for a
    learner that forecasts), or zeros ("none"). `Observation.world` (F + VN) has the measurement without delay and all SNRs.

    Actions: of a vehicle `target` (J,), `power` (J,), `split` (J,) and `priority` (3,); of a node `forward`, `power`,
    `frequency`, `admit`; numbers in [0, 1]. Masks are the usable links; a node that reaches nobody may forward to itself,
    and keeps all.
    """

    id: ClassVar[str] = "urllc_vec"
    params_cls: ClassVar[type] = UrllcVecParams
    whole_world: ClassVar[bool] = False
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "base": preset("eight vehicles on the map of Table II"),
        "sparse": preset("hardly any vehicles", n_vehicles=2),
        "dense": preset("many vehicles", n_vehicles=20),
        "paper_1mb": preset(
            "few vehicles with the largest tasks of the paper, 1 Mbit in ten subtasks",
            n_vehicles=2,
            n_subtasks=10,
            task_min_bits=1e6,
            task_max_bits=1e6,
        ),
        "literal_gains": preset(
            "antennas without gain, as the paper has none", antenna_gain_bs_db=0.0, antenna_gain_uav_db=0.0
        ),
    }

    @property
    def n_nodes(self) -> int:
        """BSs and UAVs."""
        return self.n_bs + self.n_uavs

    @property
    def n_features(self) -> int:
        """F, what a twin is told of a slot."""
        return 3 * self.n_nodes + self.n_vehicles

    @property
    def forecasts(self) -> bool:  # type: ignore[override]
        """A learner may forecast what the twin does not know yet."""
        return self.twin_mode == "lstm"

    @property
    def feature_blocks(self) -> dict[str, slice]:
        """Of what a twin is told: speeds, backlogs and loads of the nodes, sizes of the tasks."""
        n = self.n_nodes
        nodes = {name: slice(i * n, (i + 1) * n) for i, name in enumerate(("cpu", "backlog", "load"))}
        return nodes | {"task": slice(3 * n, self.n_features)}

    @property
    def joint_size(self) -> int:
        """All rows, with one twin."""
        rows = sum(n * self.observation_space[group].shape[0] for group, n in self.n_agents.items())
        return rows - (sum(self.n_agents.values()) - 1) * self.n_features

    @property
    def n_agents(self) -> dict[str, int]:
        """Three groups."""
        return {"vehicle": self.n_vehicles, "uav": self.n_uavs, "bs": self.n_bs}

    @property
    def action_space(self) -> ActionSpace:
        """Where, how strong, how much, how fast."""
        one, each = Box(0.0, 1.0), Box(0.0, 1.0, (self.n_subtasks,))
        targets = Discrete(self.n_nodes, (self.n_subtasks,))
        vehicle: dict[str, Space] = {"target": targets, "power": each, "split": each, "priority": Box(0.0, 1.0, (3,))}
        node: dict[str, Space] = {"forward": Discrete(self.n_nodes), "power": one, "frequency": one, "admit": one}
        return {"vehicle": vehicle, "uav": node, "bs": node}

    @property
    def observation_space(self) -> dict[str, Box]:
        """Of order 1, but for a long backlog."""
        v, n = self.n_vehicles, self.n_nodes
        node = Box(-np.inf, np.inf, (10 + 2 * v + 4 * n,))
        return {"vehicle": Box(-np.inf, np.inf, (8 + 5 * n + 3 * self.n_subtasks + v,)), "uav": node, "bs": node}

    @property
    def world_size(self) -> int:
        """The measurement without delay, and all SNRs."""
        return self.n_features + self.n_vehicles * self.n_nodes

    def joint(self, obs: Observation) -> Array:
        """What all see, row by row, with the twin once, at the end."""
        f, batch = self.n_features, obs.world.shape[1:]
        rows = [x[:, :-f].reshape(-1, *batch) for x in obs.agents.values()]
        return jnp.concatenate([*rows, obs.agents["bs"][0, -f:]])

    # Chance

    def _slot_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the slot that begins."""
        v, u, b, j, paths = self.n_vehicles, self.n_uavs, self.n_bs, self.n_subtasks, self.n_nlos_paths
        couples, between = u * (u - 1) // 2, {"vb": (v, b), "vu": (v, u), "ub": (u, b)}
        return {
            "vu_los": (v, u),
            "vu_nlos": (v, u, paths),
            "uu_los": (couples,),
            "uu_nlos": (couples, paths),
            "ub_los": (u, b),
            "ub_nlos": (u, b, self.n_antennas, paths),
            **{f"los_new_{name}": shape for name, shape in between.items()},
            **{f"los_flip_{name}": shape for name, shape in between.items()},
            **({"n_vb": (v, b, 2)} if self.v2b_rayleigh else {}),
            "n_cpu": (self.n_nodes,),
            "n_task": (v,),
            **dict.fromkeys(("c", "chi", "w_c", "w_d"), (v, j)),
        }

    def draw_reset(self, key: Array, params: UrllcVecParams) -> dict[str, Array]:
        """Uniform numbers, and normal ones where a name begins with `n_`: of the first slot's fading, line of sight and tasks,
        with UAV pairs in the order of `numpy.triu_indices`; `bs_z` (B,); `uav_pos`, `uav_wp` (U, 3), `uav_speed` (U,);
        `veh_pos`, `veh_wp` (V, 3); `alpha_vu`, `alpha_ub`, `alpha_uu`, per link."""
        v, u, b = self.n_vehicles, self.n_uavs, self.n_bs
        shapes = {
            "bs_z": (b,),
            "uav_pos": (u, 3),
            "uav_wp": (u, 3),
            "uav_speed": (u,),
            "veh_pos": (v, 3),
            "veh_wp": (v, 3),
        }
        shapes |= {"alpha_vu": (v, u), "alpha_ub": (u, b), "alpha_uu": (u * (u - 1) // 2,)}
        return normal(rng.uniforms(key, self._slot_shapes() | shapes))

    def draw_step(self, key: Array, params: UrllcVecParams) -> dict[str, Array]:
        """The same of the next slot, and of this one: `eps_vb_r`, `eps_vb_ph` (V, B, M), `eps_vu_r`, `eps_vu_ph` (V, U), errors
        of the channel estimates; `twin_cpu` (N,); `uav_wp` (U, 3), `uav_speed` (U,), `veh_wp` (V, 3)."""
        v, u = self.n_vehicles, self.n_uavs
        errors = {"eps_vb": (v, self.n_bs, self.n_antennas), "eps_vu": (v, u)}
        shapes = {f"{name}_{part}": shape for name, shape in errors.items() for part in ("r", "ph")}
        shapes |= {"twin_cpu": (self.n_nodes,), "uav_wp": (u, 3), "uav_speed": (u,), "veh_wp": (v, 3)}
        return normal(rng.uniforms(key, self._slot_shapes() | shapes))

    # Transition

    def reset_from(self, draws: dict[str, Array], params: UrllcVecParams) -> tuple[State, Timestep]:
        """BSs on a grid, everybody else anywhere, no backlog, a twin that has heard nothing."""
        batch = draws["n_task"].shape[1:]
        rank, nodes = len(batch), jnp.zeros((self.n_nodes, *batch))
        flying, driving = uav_box(params, rank), vehicle_box(params, rank)
        xy_m = jnp.broadcast_to(lift(mobility.grid_xy(self.n_bs, 1.0), rank), (self.n_bs, 2, *batch)) * params.bs_xy_m
        z_m = params.bs_z_min_m + (params.bs_z_max_m - params.bs_z_min_m) * draws["bs_z"]
        spread = params.pathloss_exponent_max - params.pathloss_exponent_min
        memory = self.twin_history_len + self.twin_delay_slots - 1
        state = State(
            t=jnp.zeros(batch, jnp.int32),
            pos_bs=jnp.concatenate([xy_m, z_m[:, None]], 1),
            pos_u=inside(flying, draws["uav_pos"]),
            wp_u=inside(flying, draws["uav_wp"]),
            pos_v=inside(driving, draws["veh_pos"]),
            wp_v=inside(driving, draws["veh_wp"]),
            spd_u=uav_speed_mps(draws["uav_speed"], params),
            **{n: params.pathloss_exponent_min + spread * draws[n] for n in ("alpha_vu", "alpha_ub", "alpha_uu")},
            **{f"los_{name}": draws[f"los_new_{name}"] for name in ("vb", "vu", "ub")},
            cpu_z=draws["n_cpu"],
            task_z=draws["n_task"],
            backlog=nodes,
            prev_share=jnp.zeros((self.n_vehicles, self.n_nodes, *batch)),
            measured=jnp.zeros((memory, self.n_features, *batch)),
            links=None,  # type: ignore[arg-type]
            tasks=None,  # type: ignore[arg-type]
        )
        state = begin(self, state, draws, params)
        return state, first_timestep(self, observe(self, state, params), batch)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: UrllcVecParams
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        decision = decode(self, action, state, params)
        work = prepare(decision, state, params)
        up = upload(self, decision, work, state, draws, params)
        way = route(self, decision, work, up, state, params)
        outcome = process(self, decision, work, up, way, state, params)

        vehicles = score_vehicles(self, outcome, params)
        nodes = score_nodes(self, decision, way, outcome, state, params)
        own = {"vehicle": vehicles.own, "uav": nodes.own[self.n_bs :], "bs": nodes.own[: self.n_bs]}
        team = reduce(add, (jnp.mean(x, 0) for x in own.values()))  # (63)
        reward = {group: (1 - params.reward_mix) * x + params.reward_mix * team for group, x in own.items()}

        backlog = remaining(self, decision, outcome, state, params)
        speed_hz, what = available_hz(state, params), (backlog, outcome.load, state.tasks.size_bits)
        error_hz = params.twin_cpu_error_hz * (2 * draws["twin_cpu"] - 1)
        told = features(speed_hz + error_hz, *what, params)
        true = features(speed_hz, *what, params)
        share = sent(self, decision)
        after = advance(
            self,
            state,
            draws,
            params,
            backlog=backlog,
            prev_share=share,
            measured=jnp.concatenate([state.measured[1:], told[None]]),
        )
        ts = Timestep(
            obs=observe(self, after, params),
            reward=reward,
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(self, state, decision, work, up, way, outcome, share, params)
            | {f"reward_{group}": jnp.mean(x, 0) for group, x in own.items()}
            | {"team_reward": team, "features": true}
            | {"incentive_vehicle": jnp.mean(vehicles.incentive, 0), "penalty_vehicle": jnp.mean(vehicles.penalty, 0)},
        )
        return after, ts


def motion(place_m: Array, waypoint_m: Array, speed_mps: Array, params: UrllcVecParams) -> Array:
    """Speed, heading and climb (n, 4)."""
    cos_heading, sin_heading, climb_rad = mobility.bearing(place_m, waypoint_m, params.phi_max_rad)
    return jnp.stack([speed_mps / SPEED_SCALE_MPS, cos_heading, sin_heading, climb_rad / params.phi_max_rad], 1)


def snr_seen(gain: Array, power_w: Array | float, params: UrllcVecParams) -> Array:
    """SNR in units of 30 dB, between -1 and 2."""
    snr = jnp.maximum(power_w * gain / params.noise_w, 1e-30)
    return jnp.clip(10 * jnp.log10(snr) / SNR_SCALE_DB, -1, 2)


def twin_seen(env: UrllcVec, state: State) -> Array:
    """(F,): the last measurement that has arrived."""
    latest = state.measured[env.twin_history_len - 1]
    return jnp.zeros_like(latest) if env.twin_mode == "none" else latest


def observe(env: UrllcVec, state: State, params: UrllcVecParams) -> Observation:
    """What everybody sees at the start of a slot, and the masks of usable links."""
    rank, n_bs, batch = state.t.ndim, env.n_bs, state.t.shape
    place = lift(np.array(PLACE_SCALE_M), rank)
    twin, asked = twin_seen(env, state), state.tasks
    tell = lambda n: jnp.broadcast_to(twin, (n, *twin.shape))  # noqa: E731
    snr = snr_seen(state.links.gain, params.p_max_vehicle_w, params)
    speed = jnp.broadcast_to(params.veh_speed_mps, asked.size_bits.shape)
    weight = asked.cycles_weight * asked.size_weight
    size = asked.size_bits[:, None] / params.task_max_bits
    vehicle = [state.pos_v / place, motion(state.pos_v, state.wp_v, speed, params), snr, state.links.loss_db / 100 - 1]
    vehicle += [asked.cycles / CYCLES_SCALE, asked.urgency, weight, size, tell(env.n_vehicles)]

    own = jnp.stack([available_hz(state, params) / params.f_max_hz, state.backlog / params.slot_cycles], 1)
    all_sizes = jnp.broadcast_to(jnp.mean(size, 0, keepdims=True), own[:, :1].shape)
    power_w = node_power_max_w(env, params, rank)[:, None]
    moves = motion(state.pos_u, state.wp_u, state.spd_u, params)
    node = [jnp.concatenate([state.pos_bs, state.pos_u]) / place]
    node += [jnp.concatenate([jnp.zeros((n_bs, 4, *batch)), moves]), jnp.swapaxes(snr, 0, 1)]
    node += [snr_seen(state.links.relay, power_w, params), own, all_sizes, tell(env.n_nodes)]
    nodes = jnp.concatenate(node, 1)

    target = jnp.broadcast_to(
        state.links.reach[:, None], (env.n_vehicles, env.n_subtasks, *state.links.reach.shape[1:])
    )
    alone = ~jnp.any(state.links.relays, 1, keepdims=True)
    forward = state.links.relays | (alone & lift(np.eye(env.n_nodes, dtype=bool), rank))
    return Observation(
        agents={"vehicle": jnp.concatenate(vehicle, 1), "uav": nodes[n_bs:], "bs": nodes[:n_bs]},
        world=jnp.concatenate([state.measured[-1], snr.reshape(-1, *batch)]),
        mask={"vehicle": {"target": target}, "uav": {"forward": forward[n_bs:]}, "bs": {"forward": forward[:n_bs]}},
        aux={"history": state.measured[: env.twin_history_len]} if env.twin_mode == "lstm" else {},
    )
