"""`dt_edge`: tasks of several types through a base station with one server, whose speed its digital twin misjudges.

Vehicles drive past a mast. In every slot each has a task of each type, and for each of these streams the twin decides which
ratio goes to the server and which share of the server's processor it gets; the rest is computed on the vehicle. The server has
a queue per type. A stream that the twin gives a share alpha runs at alpha f_E + bias: a positive bias is a server that is
faster than its twin thinks. The reward is quality of service (latency against a deadline) less energy and less the drift of
the queues. The horizon truncates.

"(n)" is equation n of the paper. Where the paper is silent or contradicts itself:

- Table I makes the radio and the server's energy vanish (10 kbit tasks of 31250 cycles a bit): one constant action is best
  everywhere. `balanced` has tasks a hundred times larger and as many times lighter, every load and computing time as printed;
  `table1` keeps the print;
- vehicles share the band (`bandwidth_shared`); the printed rate (2) gives all of it to each;
- distances in the path loss are kilometres, gains are reciprocals of losses;
- local and remote parts follow one another as printed in (10), or run side by side (`latency_combine="max"`);
- (9) sends the whole task even if nothing is offloaded: here what is offloaded;
- a task is given up after five deadlines: with Rayleigh fading the mean of 1 / rate does not exist;
- the bias is in gigahertz, counts in the budget (17d), and is not observed: it is what the twin does not know;
- shares have a floor (the smallest that is printed) and a cap; requests beyond the budget are shrunk, not punished;
- the server's power (15) is that of N_E cores of f_E / N_E, 10 W in all, and counts for the slot's length;
- quality and joules are added in the paper: here energy is in units of all tasks computed locally, with weight 1/4;
- the drift is the realised one: the bound (24a), which pays for service that is merely offered, can be farmed
  (`drift_mode="bound"`);
- (27), the printed reward of the learners, has neither queue nor energy, and rewards a busy server: `reward_mode="eq27"`;
- observations (25) lack the queues, on which the objective depends: added;
- the paper's tasks never wait for the queue that they enter: they do with `queue_wait`, where the load calls for it (`dense`).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, check_sizes, first_timestep
from jaxvec.core.spaces import ActionSpace, Box
from jaxvec.core.types import Observation, Timestep
from jaxvec.envs.dt_edge_slot import (
    Decision,
    Energy,
    Latency,
    Queues,
    Score,
    State,
    advance,
    decode,
    fit,
    gain_db,
    play,
    start,
)
from jaxvec.envs.dt_edge_slot import (
    Params as DtEdgeParams,
)
from jaxvec.physics import fading, pathloss, tasks

GROUP = "vehicle"

INFO = {
    "team_reward": ("-", "mean over vehicles of their own rewards"),
    "qos_mean": ("-", "quality of service (13), 1 - latency / deadline"),
    "latency_mean_s": ("s", "latency of a task, at most the cap"),
    "latency_max_s": ("s", "largest latency"),
    "tx_latency_mean_s": ("s", "of it: upload"),
    "deadline_violation_rate": ("-", "tasks later than their deadline"),
    "timeout_rate": ("-", "tasks given up"),
    "energy_local_j": ("J", "of all vehicles"),
    "energy_edge_j": ("J", "of the server"),
    "energy_sys_j": ("J", "of both (16)"),
    "resource_ratio": ("-", "sum of the shares"),
    "capacity_used_frac": ("-", "part of the server's frequency in use, bias included"),
    "request_ratio": ("-", "sum of the shares asked for"),
    "oversubscribed": ("bool", "more was asked for than there is"),
    "offload_ratio": ("-", "mean ratio of offloading"),
    "queue_total_bits": ("bit", "queues after the slot"),
    "queue_load": ("-", "arrivals by service, mean over types"),
    "drift_exact": ("-", "change of half the squared queues, mean over types"),
    "drift_bound": ("-", "its bound (24a)"),
    "p1_cost": ("J", "-QoS + energy (17a)"),
    "rate_mean_bps": ("bit/s", "mean rate"),
    "reward_n": ("-", "(N,) own rewards"),
    "qos_n": ("-", "(N,) quality of service (12)"),
    "energy_local_n_j": ("J", "(N,) local energy (14)"),
    "rate_bps": ("bit/s", "(N,) rate (2)"),
    "omega": ("-", "(N, K) ratio of offloading"),
    "alpha": ("-", "(N, K) share of the server after (17d)"),
    "t_local_s": ("s", "(N, K) local computing (7)"),
    "t_tx_s": ("s", "(N, K) upload (9)"),
    "t_comp_s": ("s", "(N, K) computing at the server (9)"),
    "t_s": ("s", "(N, K) latency (10), at most the cap"),
    "wait_s": ("s", "(K,) wait for the queue"),
    "arrivals_bits": ("bit", "(K,) offloaded"),
    "service_bits": ("bit", "(K,) what the slot can serve (6)"),
    "served_bits": ("bit", "(K,) what it served"),
}


@dataclass(frozen=True)
class DtEdge(Environment):
    """Streams of tasks that share a server; see the module. Truncates at `horizon`, never terminates.

    Observation of a vehicle, 2K + 3 entries (9): sizes of its tasks about their mean in units of half their range, place by half
    the road, speed likewise about its mean, channel gain (10 log10 gain + 105) / 20 within [-3, 3], and log(1 + queue) in
    units of a slot's tasks. `Observation.world` (N(K + 3) + K): all vehicles' entries, then the queues once.

    Actions in [0, 1]: `offload` (K,) ratios; `share` (K,) log-spaced from the floor to `alpha_max`.
    """

    id: ClassVar[str] = "dt_edge"
    Params: ClassVar[type] = DtEdgeParams
    team_reward = property(lambda self: self.shared_reward)  # type: ignore[assignment]
    discount: ClassVar[float] = 0.95
    info_fields: ClassVar = INFO
    presets: ClassVar = {
        "balanced": {},
        "table1": {
            **{"task_bits_min": 8e3, "task_bits_max": 12e3, "cycles_per_bit": 31250.0, "kappa_server": 1.5625e-35},
            "bandwidth_shared": False,
        },
        "dense": {"server_cpu_hz": 100e9, "kappa_server": 1e-30, "bandwidth_shared": False, "queue_wait": True},
        "eq27": {"reward_mode": "eq27"},
    }

    n_vehicles: int = 10
    n_types: int = 3
    horizon: int = 100
    n_lanes: int = 3
    bandwidth_shared: bool = True
    latency_combine: str = "sum"
    queue_wait: bool = False
    reward_mode: str = "p2"
    drift_mode: str = "exact"
    shared_reward: bool = True
    pathloss: str = "macro"

    def __post_init__(self) -> None:
        choices = {
            "bandwidth_shared": (True, False),
            "latency_combine": ("sum", "max"),
            "queue_wait": (True, False),
            "reward_mode": ("p2", "eq27"),
            "drift_mode": ("exact", "bound"),
            "shared_reward": (True, False),
            "pathloss": pathloss.usable(type(self).Params),
        }
        check_sizes(self, ("n_vehicles", "n_types", "horizon", "n_lanes"), choices)

    @property
    def n_agents(self) -> dict[str, int]:
        """The vehicles."""
        return {GROUP: self.n_vehicles}

    @property
    def action_space(self) -> ActionSpace:
        """A ratio and a share per type."""
        return {GROUP: dict.fromkeys(("offload", "share"), Box(0.0, 1.0, (self.n_types,)))}

    @property
    def observation_space(self) -> dict[str, Box]:
        """2K + 3 entries per vehicle, of order 1."""
        return {GROUP: Box(-np.inf, np.inf, (2 * self.n_types + 3,))}

    @property
    def world_size(self) -> int:
        """All vehicles' entries, and the queues."""
        return self.n_vehicles * (self.n_types + 3) + self.n_types

    # Chance

    def draw_reset(self, key: Array, params: DtEdgeParams) -> dict[str, Array]:
        """`x_m`, `speed_mps` (N,) uniform; `shadow_db` (N,) normal; `fading_re`, `fading_im` (N,) normal of variance 1/2;
        `task_bits` (N, K) uniform; `u_bias` (N, K) ~ U(-1, 1)."""
        n, k, p = self.n_vehicles, self.n_types, params
        one = dict.fromkeys(("x", "speed", "shadow", "re", "im"), (n,))
        u = rng.uniforms(key, one | {"task": (n, k), "bias": (n, k)})
        z = {name: fading.standard_normal(u[name]) for name in ("shadow", "re", "im")}
        return {
            "x_m": tasks.uniform(u["x"], -p.road_half_length_m, p.road_half_length_m),
            "speed_mps": tasks.uniform(u["speed"], p.speed_min_mps, p.speed_max_mps),
            "shadow_db": p.shadow_std_db * z["shadow"],
            "fading_re": 0.5**0.5 * z["re"],
            "fading_im": 0.5**0.5 * z["im"],
            "task_bits": tasks.uniform(u["task"], p.task_bits_min, p.task_bits_max),
            "u_bias": tasks.uniform(u["bias"], -1.0, 1.0),
        }

    def draw_step(self, key: Array, params: DtEdgeParams) -> dict[str, Array]:
        """`z_shadow` (N,), `z_fading` (N, 2) standard normal; `u_task` (N, K) ~ U(0, 1)."""
        n = self.n_vehicles
        u = rng.uniforms(key, {"z_shadow": (n,), "z_fading": (n, 2), "u_task": (n, self.n_types)})
        return u | {name: fading.standard_normal(u[name]) for name in ("z_shadow", "z_fading")}

    # Transition

    def reset_from(self, draws: dict[str, Array], params: DtEdgeParams) -> tuple[State, Timestep]:
        """Vehicles anywhere on the road, queues empty."""
        state = start(self, draws, params)
        return state, first_timestep(self, observe(self, state, params), state.t.shape)

    def step_from(
        self, state: State, action: dict[str, dict[str, Array]], draws: dict[str, Array], params: DtEdgeParams
    ) -> tuple[State, Timestep]:
        """One slot, in the paper's order."""
        decision = fit(self, *decode(self, action[GROUP], params), state, params)
        rates_bps, late, energy, q, worth = play(self, decision, state, params)
        after = advance(self, q, state, draws, params)
        reward = jnp.broadcast_to(worth.team, worth.own.shape) if self.shared_reward else worth.own
        ts = Timestep(
            obs=observe(self, after, params),
            reward={GROUP: reward},
            terminated=jnp.zeros(after.t.shape, bool),
            truncated=after.t >= self.horizon,
            info=measure(decision, rates_bps, late, energy, q, worth, params),
        )
        return after, ts


def observe(env: DtEdge, state: State, params: DtEdgeParams) -> Observation:
    """(25), and the queues; scales follow the ranges of sizes and speeds."""
    about = lambda x, low, high: (x - 0.5 * (low + high)) / jnp.maximum(0.5 * (high - low), 1e-6 * high)  # noqa: E731
    size = about(state.task_bits, params.task_bits_min, params.task_bits_max)
    row = jnp.stack(
        [
            state.x_m / params.road_half_length_m,
            about(state.speed_mps, params.speed_min_mps, params.speed_max_mps),
            jnp.clip((gain_db(env, state, params) + 105.0) / 20.0, -3.0, 3.0),
        ],
        1,
    )
    queue = jnp.log1p(state.queue_bits / (env.n_vehicles * params.task_bits_mean))
    own = jnp.concatenate([size, row], 1)
    everyone = jnp.broadcast_to(queue, (env.n_vehicles, *queue.shape))
    world = jnp.concatenate([own.reshape(-1, *own.shape[2:]), queue])
    return Observation(agents={GROUP: jnp.concatenate([own, everyone], 1)}, world=world)


def measure(
    d: Decision, rates_bps: Array, late: Latency, energy: Energy, q: Queues, worth: Score, params: DtEdgeParams
) -> dict[str, Array]:
    """The metrics and arrays of `info`; means are over streams."""
    mean = lambda x: jnp.mean(x, (0, 1), dtype=worth.own.dtype)  # noqa: E731
    local_j = jnp.sum(energy.local_j, 0)
    return {
        "team_reward": worth.team,
        "qos_mean": jnp.mean(worth.qos, 0),
        "latency_mean_s": mean(late.total_s),
        "latency_max_s": jnp.max(late.total_s, (0, 1)),
        "tx_latency_mean_s": mean(late.tx_s),
        "deadline_violation_rate": mean(late.raw_s > params.t_max_s),
        "timeout_rate": mean(late.raw_s > params.latency_cap_s),
        "energy_local_j": local_j,
        "energy_edge_j": energy.edge_j,
        "energy_sys_j": local_j + energy.edge_j,
        "resource_ratio": jnp.sum(d.alpha, (0, 1)),
        "capacity_used_frac": worth.used,
        "request_ratio": d.request,
        "oversubscribed": d.request > d.budget,
        "offload_ratio": mean(d.omega),
        "queue_total_bits": jnp.sum(q.after_bits, 0),
        "queue_load": jnp.mean(q.arrivals_bits / late.service_bits, 0),
        "drift_exact": worth.drift_exact,
        "drift_bound": worth.drift_bound,
        "p1_cost": -jnp.mean(worth.qos, 0) + local_j + energy.edge_j,
        "rate_mean_bps": jnp.mean(rates_bps, 0),
        "reward_n": worth.own,
        "qos_n": worth.qos,
        "energy_local_n_j": energy.local_j,
        "rate_bps": rates_bps,
        "omega": d.omega,
        "alpha": d.alpha,
        "t_local_s": late.local_s,
        "t_tx_s": late.tx_s,
        "t_comp_s": late.comp_s,
        "t_s": late.total_s,
        "wait_s": late.wait_s,
        "arrivals_bits": q.arrivals_bits,
        "service_bits": late.service_bits,
        "served_bits": q.served_bits,
    }
