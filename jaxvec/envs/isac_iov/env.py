"""`isac_iov`: digital-twin-assisted offloading in an ISAC-enabled Internet of vehicles (Zhan et al., Ly-DTMAPPO).

Vehicles on a four-lane road split one task a slot between their own CPU and the roadside units (RSUs) that cover them. A part is
sent to an RSU as raw data, or as a short instruction from which the RSU rebuilds the input with its own sensors, whichever is
quicker. Work that does not fit into a slot waits in queues; a virtual queue integrates the energy above a budget. All vehicles
share one reward, minus the Lyapunov drift plus penalty. The problem is an infinite-horizon average: the horizon truncates.

"(n)" is equation n of the paper, "C1".. its constraints. Where the paper is silent or contradicts itself:

- one band for all vehicles (`bandwidth_mode="per_vehicle"` is the literal C4); an RSU's processor is shared in parts
  (`rsu_cpu_mode="common"` is the literal (10), (13), (17));
- the instruction is used iff its upload phase is strictly shorter (22 has the inequality reversed);
- energies enter the objective in kJ and queues in units of one slot's work, everything divided by the number of vehicles;
- the drift is the literal bound (44), or with `drift_form="exact"` the true difference, which oscillation cannot exploit;
- parts below `split_cut` are dropped: the slowest of all nodes sets the latency, however little it was given;
- Little's law (18) divides by the larger of windowed arrivals and departures;
- without the twin (`dt_enabled=False`) the RSU backlogs and their aggregates are 0 in the observation.

With recorded traffic vehicles may be absent: such a vehicle has no task, covers no RSU and is left out of every mean and sum.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs import mobility
from jaxvec.envs.isac_iov.params import Params as IsacIovParams
from jaxvec.envs.isac_iov.params import Sizes, State
from jaxvec.envs.isac_iov.slot import (
    Decision,
    Links,
    Outcome,
    Queues,
    advance,
    decode,
    locate,
    n_present,
    queue,
    score,
    settle,
    transmit,
)
from jaxvec.physics import fading, tasks
from jaxvec.traces import Trace, eligible_starts_s, load, shipped

GROUP = "vehicle"

INFO = {
    "reward": ("-", "minus the drift plus penalty per vehicle, the team's reward"),
    "r_cost": ("-", "its part from the cost, -V mean cost"),
    "r_drift_loc": ("-", "its part from the vehicles' queues"),
    "r_drift_rsu": ("-", "its part from the RSUs' queues"),
    "r_drift_energy": ("-", "its part from the energy queue"),
    "cost_mean": ("-", "system average cost (24): seconds and kJ, weighted"),
    "latency_mean_s": ("s", "mean latency of a task (21)"),
    "latency_max_s": ("s", "largest latency"),
    "energy_mean_j": ("J", "energy per vehicle (23)"),
    "energy_total_j": ("J", "energy of all vehicles"),
    "energy_local_j": ("J", "of it: the vehicle's CPU"),
    "energy_rsu_j": ("J", "of it: the RSUs, computing and aligning"),
    "energy_tx_j": ("J", "of it: transmission"),
    "q_loc_mean_cycles": ("cycle", "vehicles' backlog after the slot (16)"),
    "q_rsu_mean_cycles": ("cycle", "RSUs' backlog after the slot (17)"),
    "v_energy_j": ("J", "energy queue after the slot (27)"),
    "violation_rate": ("-", "share of tasks later than the deadline (C8)"),
    "instr_fraction": ("-", "share of active links that send the instruction (12)"),
    "local_share_mean": ("-", "part computed locally"),
    "active_links_mean": ("-", "RSUs used per vehicle"),
    "rsu_cpu_use": ("-", "processor speed in use, of what the twin leaves"),
    "upload_mean_s": ("s", "upload phase of an active link (12)"),
    "rsu_compute_mean_s": ("s", "computing at the RSU per active link (13)"),
    "wait_loc_mean_s": ("s", "waiting at the own CPU (18); 0 where unused"),
    "wait_rsu_mean_s": ("s", "waiting at an RSU (18); 0 where unused"),
    "present": ("bool", "(I,) on the road in this slot"),
    "ell_loc": ("-", "(I,) local part"),
    "ell_rsu": ("-", "(I, K) part per RSU"),
    "active": ("bool", "(I, K) link in use"),
    "share": ("-", "(I, K) share of the band"),
    "freq_hz": ("Hz", "(I, K) part of the RSU's processor"),
    "f_rsu_hz": ("Hz", "(K,) speed of the RSU's processor"),
    "rate_bps": ("bit/s", "(I, K) rate (1)"),
    "eta": ("bool", "(I, K) instruction mode"),
    "d_data_s": ("s", "(I, K) upload of the raw data (7)"),
    "d_up_s": ("s", "(I, K) upload phase (12)"),
    "d_comp_s": ("s", "(I, K) computing (13)"),
    "wait_loc_s": ("s", "(I,) waiting at the own CPU"),
    "wait_rsu_s": ("s", "(K,) waiting at the RSU"),
    "latency_s": ("s", "(I,) latency"),
    "energy_j": ("J", "(I,) energy"),
}


@dataclass(frozen=True)
class IsacIov(Sizes, Environment):
    """Vehicles that split tasks among themselves and roadside units; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle, 14 + 4K entries: task and instruction size, intensities, own CPU, position, velocity, deadline, own
    queue, energy queue, then per RSU its offset, coverage, capacity and (the twin's) backlog, and the backlogs' sum/K, mean, max.

    Actions, all in [-1, 1]: `split` (1 + K,) logits of the local and the RSU parts, `bandwidth` (K,) and `rsu_cpu` (K,) requests.
    """

    id: ClassVar[str] = "isac_iov"
    params_cls: ClassVar[type] = IsacIovParams
    team_reward: ClassVar[bool] = True
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "background": {"rsu_bg_prob": 0.2},
        "no_twin": {"dt_enabled": False},
        "traffic": {"mobility": "trace"},
        "literal": {
            "bandwidth_mode": "per_vehicle",
            "rsu_cpu_mode": "common",
            "instr_bits_min": 0.0,
            "instr_bits_max": 0.0,
        },
    }

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """Three boxes; `decode` maps them onto shares of the task, the band and the processors."""
        k = self.n_rsus
        boxes = {"split": Box(-1.0, 1.0, (1 + k,)), "bandwidth": Box(-1.0, 1.0, (k,)), "rsu_cpu": Box(-1.0, 1.0, (k,))}
        return {GROUP: boxes}

    @property
    def observation_space(self) -> dict[str, Box]:
        """14 + 4K entries per vehicle, of order 1."""
        return {GROUP: Box(-np.inf, np.inf, (14 + 4 * self.n_rsus,))}

    @property
    def world_size(self) -> int:
        """All vehicles' observations, one after the other."""
        return self.n_vehicles * (14 + 4 * self.n_rsus)

    def default_params(self, **numbers: Any) -> IsacIovParams:
        """The paper's numbers. With recorded traffic, `trace` may be a `Trace` or a file of one; the shipped one by default.

        Raises:
            RecordError: the file cannot be used, or never has `n_vehicles` on the road at once for an episode.
        """
        params = IsacIovParams(**numbers)
        if self.mobility != "trace":
            return params
        trace = shipped() if params.trace is None else params.trace
        trace = trace if isinstance(trace, Trace) else load(trace)
        starts = eligible_starts_s(trace, self.n_vehicles, float(self.horizon * np.max(params.slot_s)))
        return params.replace(trace=trace, trace_starts_s=starts)

    # Chance

    def draw_reset(self, key: Array, params: IsacIovParams) -> dict[str, Array]:
        """Everything that is drawn once an episode, scaled.

        `veh_cpu_hz`, `work_cpb`, `align_cpb`, `task_bits`, `instr_bits`, `q_loc_cycles` (I,); `q_rsu_cycles`, `twin_err` (K,);
        and what the mobility model takes (`x_m`, `lane`, `speed_mps` (I,) on the paper's road).
        """
        i, k, model = self.n_vehicles, self.n_rsus, mobility.MODELS[self.mobility]
        own = dict.fromkeys(("veh_cpu_hz", "work_cpb", "align_cpb", "task_bits", "instr_bits", "q_loc_cycles"), (i,))
        shapes = own | {"q_rsu_cycles": (k,), "twin_err": (k,)} | model.reset_shapes(self, params)
        u = rng.uniforms(key, shapes)
        p = params
        return model.reset_draws(u, self, params) | {
            "veh_cpu_hz": tasks.uniform(u["veh_cpu_hz"], p.veh_cpu_min_hz, p.veh_cpu_max_hz),
            "work_cpb": tasks.uniform(u["work_cpb"], p.work_cpb_min, p.work_cpb_max),
            "align_cpb": tasks.uniform(u["align_cpb"], p.align_cpb_min, p.align_cpb_max),
            "task_bits": tasks.uniform(u["task_bits"], p.task_bits_min, p.task_bits_max),
            "instr_bits": tasks.uniform(u["instr_bits"], p.instr_bits_min, p.instr_bits_max),
            "q_loc_cycles": u["q_loc_cycles"] * p.q_loc_init_max_cycles,
            "q_rsu_cycles": u["q_rsu_cycles"] * p.q_rsu_init_max_cycles,
            "twin_err": tasks.uniform(u["twin_err"], -1.0, 1.0),
        }

    def draw_step(self, key: Array, params: IsacIovParams) -> dict[str, Array]:
        """What is drawn in every slot, scaled.

        `h_power` (I, K) ~ Exp(1); `bg_u`, `bg_size` (K,) ~ U(0, 1); `next_task_bits`, `next_instr_bits` (I,);
        `next_twin_err` (K,).
        `h_power` = h_re^2 + h_im^2 carries all that the model uses of the complex Rayleigh coefficient.
        """
        i, k, p = self.n_vehicles, self.n_rsus, params
        shapes = {"h": (i, k), "bg_u": (k,), "bg_size": (k,), "task": (i,), "instr": (i,), "twin": (k,)}
        u = rng.uniforms(key, shapes)
        return {
            "h_power": fading.rayleigh_power(u["h"]),
            "bg_u": u["bg_u"],
            "bg_size": u["bg_size"],
            "next_task_bits": tasks.uniform(u["task"], p.task_bits_min, p.task_bits_max),
            "next_instr_bits": tasks.uniform(u["instr"], p.instr_bits_min, p.instr_bits_max),
            "next_twin_err": tasks.uniform(u["twin"], -1.0, 1.0),
        }

    # Transition

    def reset_from(self, draws: dict[str, Array], params: IsacIovParams) -> tuple[State, Timestep]:
        """The first state: empty histories and energy queue."""
        motion = mobility.MODELS[self.mobility].start(draws, self, params)
        batch, dtype = draws["veh_cpu_hz"].shape[1:], draws["veh_cpu_hz"].dtype
        fixed = {name: draws[name] for name in ("veh_cpu_hz", "work_cpb", "align_cpb", "q_loc_cycles", "q_rsu_cycles")}
        state = State(
            t=jnp.zeros(batch, jnp.int32),
            **motion._asdict(),  # type: ignore[arg-type]
            **fixed,  # type: ignore[arg-type]
            task_bits=jnp.where(motion.present, draws["task_bits"], 0),
            instr_bits=jnp.where(motion.present, draws["instr_bits"], 0),
            v_energy_j=jnp.zeros(batch, dtype),
            hist_loc=jnp.zeros((self.queue_window - 1, 3, self.n_vehicles, *batch), dtype),
            hist_rsu=jnp.zeros((self.queue_window - 1, 3, self.n_rsus, *batch), dtype),
            twin_err=draws["twin_err"],
        )
        return state, first_timestep(self, observe(self, state, params), batch)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: IsacIovParams
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        place = locate(self, state, params)
        decision = decode(self, action[GROUP], place, state, params)
        links = transmit(self, state, decision, place, draws["h_power"], params)
        work = queue(state, decision, links, draws, params)
        outcome = settle(state, decision, links, work, params)
        reward, parts = score(self, state, decision, work, outcome, params)
        after = advance(self, state, work, outcome, draws, params)
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: jnp.broadcast_to(reward, state.x_m.shape)},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=parts | measure(state, decision, links, work, outcome, params),
        )
        return after, ts


def observe(env: IsacIov, state: State, params: IsacIovParams) -> Observation:
    """What each vehicle sees of its task, itself, the RSUs, and through the twin of their backlogs; 14 + 4K entries of order 1.

    The scales are constants that do not follow swept parameters. Rows of absent vehicles are 0.
    """
    n = n_present(state)
    place = locate(env, state, params)
    own = [
        state.task_bits / 3e6,
        state.instr_bits / 3e4,
        state.work_cpb / 2000,
        state.align_cpb / 500,
        state.veh_cpu_hz / 3e9,
        state.x_m / params.road_length_m,
        state.y_m / (2 * params.lane_width_m),
        state.velocity_mps / 16,
        params.t_max_s / 1.0,
        state.q_loc_cycles / params.q_loc_ref_cycles,
        state.v_energy_j / (params.energy_ref_j * n),
    ]
    qv = state.q_rsu_cycles * (1 + params.twin_queue_err * state.twin_err) / params.q_rsu_ref_cycles
    mean = jnp.mean(qv, 0, keepdims=True)
    twin = jnp.concatenate([qv, mean, mean, jnp.max(qv, 0, keepdims=True)]) * env.dt_enabled  # (40), G_rsu
    free = jnp.broadcast_to(params.rsu_free_hz / 20e9, qv.shape)
    everyone = lambda x: jnp.broadcast_to(x, (env.n_vehicles, *x.shape))  # noqa: E731
    entries = jnp.concatenate(
        [
            jnp.stack([jnp.broadcast_to(jnp.asarray(x), state.x_m.shape) for x in own], 1),
            place.dx_m / params.road_length_m,
            place.covered.astype(qv.dtype),
            everyone(free),
            everyone(twin),
        ],
        1,
    )
    active = {}
    if env.mobility != "road":  # where nobody is ever absent
        entries, active = jnp.where(state.present[:, None], entries, 0), {GROUP: state.present}
    return Observation(agents={GROUP: entries}, world=entries.reshape((-1, *entries.shape[2:])), active=active)


def measure(
    state: State, d: Decision, links: Links, work: Queues, o: Outcome, params: IsacIovParams
) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over the vehicles on the road, the RSUs, or the active links of the slot."""
    n = n_present(state)
    n_links = jnp.sum(d.active, (0, 1))
    mean = lambda x: jnp.sum(state.present * x, 0) / n  # noqa: E731
    over_links = lambda x: jnp.sum(d.active * x, (0, 1)) / jnp.maximum(n_links, 1)  # noqa: E731
    return {
        "cost_mean": mean(o.cost),
        "latency_mean_s": mean(o.latency_s),
        "latency_max_s": jnp.max(o.latency_s, 0),
        "energy_mean_j": mean(o.energy_j),
        "energy_total_j": jnp.sum(o.energy_j, 0),
        "energy_local_j": mean(o.e_loc_j),
        "energy_rsu_j": mean(jnp.sum(links.e_rsu_j, 1)),
        "energy_tx_j": mean(jnp.sum(links.e_tx_j, 1)),
        "q_loc_mean_cycles": mean(work.q_loc),
        "q_rsu_mean_cycles": jnp.mean(work.q_rsu, 0),
        "v_energy_j": o.v_energy_j,
        "violation_rate": o.violation_rate,
        "instr_fraction": over_links(links.eta),
        "local_share_mean": mean(d.ell_loc),
        "active_links_mean": n_links / n,
        "rsu_cpu_use": jnp.mean(d.f_rsu_hz / params.rsu_free_hz, 0),
        "upload_mean_s": over_links(links.d_up_s),
        "rsu_compute_mean_s": over_links(links.d_comp_s),
        "wait_loc_mean_s": mean((d.ell_loc > 0) * work.wait_loc_s),
        "wait_rsu_mean_s": jnp.mean(jnp.any(d.active, 0) * work.wait_rsu_s, 0),
        "present": state.present,
        **d._asdict(),
        "rate_bps": links.rate_bps,
        "eta": links.eta,
        "d_data_s": links.d_data_s,
        "d_up_s": links.d_up_s,
        "d_comp_s": links.d_comp_s,
        "wait_loc_s": work.wait_loc_s,
        "wait_rsu_s": work.wait_rsu_s,
        "latency_s": o.latency_s,
        "energy_j": o.energy_j,
    }
