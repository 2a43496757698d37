"""The slot of `dt_edge`, phase by phase, each a pure function: decision, channel, latency, energy, queues, score, movement.

Shapes are one world's, with `N` vehicles of `K` task types each, a stream per vehicle and type; batch axes come last. Equation
numbers are those of the paper; what was decided where it is silent stands in `jaxvec.envs.dt_edge`. `env` has the sizes and
switches.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.environment import number
from jaxvec.core.layout import lift
from jaxvec.physics import fading, geometry, lyapunov, pathloss, queues, rate, tasks, units


@struct.dataclass
class Params:
    """The numbers of `dt_edge` (Table I of the paper; "chosen" where it gives none)."""

    slot_s: float = number(0.1, "s", "length of a slot (chosen: the deadline)", positive=True)
    bandwidth_hz: float = number(20e6, "Hz", "uplink band w (Table I)", positive=True)
    tx_power_w: float = number(0.2, "W", "transmit power p (Table I)", positive=True)
    noise_w: float = number(1e-14, "W", "noise power: -110 dBm (Table I)", positive=True)
    carrier_hz: float = number(2e9, "Hz", "carrier f_c (Table I)", positive=True)
    light_speed_mps: float = number(3e8, "m/s", "speed of light (Table I)", positive=True)
    pathloss_const_db: float = number(128.1, "dB", "path loss at 1 km, below (3)")
    pathloss_slope_db: float = number(37.6, "dB", "path loss per decade of distance, below (3)")
    shadow_std_db: float = number(8.0, "dB", "deviation of shadowing (chosen: 3GPP's for links to base stations)")
    shadow_decorr_m: float = number(50.0, "m", "way over which shadowing is forgotten (chosen: 3GPP)", positive=True)
    road_half_length_m: float = number(500.0, "m", "from the mast to either end of the road (chosen)", positive=True)
    lane_offset_m: float = number(8.0, "m", "from the mast to the first lane (chosen)")
    lane_width_m: float = number(3.75, "m", "width of a lane (chosen)")
    bs_height_m: float = number(10.0, "m", "antenna of the base station (chosen)")
    vehicle_height_m: float = number(1.5, "m", "antenna of a vehicle (chosen: 3GPP)")
    speed_min_mps: float = number(10.0, "m/s", "lowest speed (Table I)")
    speed_max_mps: float = number(15.0, "m/s", "highest speed (Table I)")
    task_bits_min: float = number(0.8e6, "bit", "smallest task (Table I times 100)", positive=True)
    task_bits_max: float = number(1.2e6, "bit", "largest task (Table I times 100)", positive=True)
    cycles_per_bit: float = number(
        312.5, "cycle/bit", "work c_k (Table I divided by 100)", axes=("type",), positive=True
    )
    t_max_s: float = number(0.1, "s", "deadline T_k (chosen)", axes=("type",), positive=True)
    latency_cap_s: float = number(0.5, "s", "a task is given up after that (chosen: 5 deadlines)", positive=True)
    vehicle_cpu_hz: float = number(5e9, "Hz", "CPU of a vehicle f_v (Table I)", positive=True)
    server_cpu_hz: float = number(400e9, "Hz", "CPU of the server f_E (Table I)", positive=True)
    server_cores: float = number(10.0, "-", "its cores N_E (Table I)", positive=True)
    kappa_vehicle: float = number(1e-28, "W s^3", "energy coefficient of vehicles (Table I)")
    kappa_server: float = number(1.5625e-32, "W s^3", "energy coefficient of a core (Table I times N_E^3)")
    cpu_bias_mean_hz: float = number(0.5e9, "Hz", "by what the twin underrates a stream's CPU, mean (Figs. 3 to 6)")
    cpu_bias_halfwidth_hz: float = number(0.0, "Hz", "and how far from the mean it may be (extension)")
    cpu_eff_min_hz: float = number(1e8, "Hz", "least speed of a stream, a guard for (8) (chosen)", positive=True)
    rate_min_bps: float = number(1e3, "bit/s", "least rate, a guard (chosen)", positive=True)
    alpha_min: float = number(0.005, "-", "least share of the server (the smallest printed one)", positive=True)
    alpha_max: float = number(0.25, "-", "largest share that may be asked for (chosen)", positive=True)
    energy_weight: float = number(0.25, "-", "of energy, in units of all tasks computed locally (chosen)")
    beta: float = number(1.0, "-", "weight of the drift (Table I)")
    eta_capacity: float = number(1.0, "-", "weight of an idle server in the printed reward (27) (chosen)")

    @property
    def task_bits_mean(self) -> Any:
        """Mean size [bit]."""
        return 0.5 * (self.task_bits_min + self.task_bits_max)

    @property
    def edge_full_power_w(self) -> Any:
        """Of the whole server, (15): N_E cores of f_E / N_E each."""
        core_hz = self.server_cpu_hz / self.server_cores
        return self.server_cores * (self.kappa_server * core_hz * core_hz * core_hz)


@struct.dataclass
class State:
    """A world at the start of a slot; its tasks and channel are those that the slot's decisions are about."""

    t: Array  # () int32
    x_m: Array  # (N,) along the road, the mast at 0
    lane: Array  # (N,) int32
    speed_mps: Array  # (N,)
    shadow_db: Array  # (N,)
    fading_re: Array  # (N,)
    fading_im: Array  # (N,)
    fading_corr: Array  # (N,) J0, see `fading.jakes_correlation`
    shadow_corr: Array  # (N,)
    task_bits: Array  # (N, K)
    queue_bits: Array  # (K,)
    cpu_bias_hz: Array  # (N, K)


class Decision(NamedTuple):
    """What is done: ratios of offloading and shares of the server, and what was asked for."""

    omega: Array  # (N, K)
    alpha: Array  # (N, K)
    request: Array  # () sum of the shares asked for
    budget: Array  # () the most that they may sum to, (17d)


class Latency(NamedTuple):
    """(N, K) but for `service_bits` and `wait_s`, (K,)."""

    local_s: Array
    tx_s: Array
    comp_s: Array
    raw_s: Array
    total_s: Array  # at most the cap
    wait_s: Array
    service_bits: Array


class Energy(NamedTuple):
    """Of a slot."""

    local_j: Array  # (N,)
    edge_j: Array  # ()


class Queues(NamedTuple):
    """(K,) each."""

    arrivals_bits: Array
    served_bits: Array
    after_bits: Array


class Score(NamedTuple):
    """What a slot was worth."""

    own: Array  # (N,) each vehicle's
    team: Array  # ()
    qos: Array  # (N,)
    used: Array  # () part of the server's frequency in use
    drift_exact: Array  # ()
    drift_bound: Array  # ()


def share_floor(env: Any, params: Params) -> Any:
    """The share that every stream gets at least: `alpha_min`, less where more than 30 streams have to fit."""
    return jnp.minimum(params.alpha_min, 0.15 / (env.n_vehicles * env.n_types))


def over_types(x: Any, rank: int) -> Array:
    """Mean of a number that may differ between types; `rank` batch axes."""
    x = jnp.asarray(x)
    return jnp.mean(x, 0) if x.ndim == 1 + rank else x


def cycles_ref(params: Params, rank: int) -> Array:
    """Work of a mean task [cycle]."""
    return params.task_bits_mean * over_types(params.cycles_per_bit, rank)


def energy_ref_j(env: Any, params: Params, rank: int) -> Array:
    """All tasks of a slot computed locally [J]."""
    per_cycle_j = params.kappa_vehicle * params.vehicle_cpu_hz * params.vehicle_cpu_hz
    return env.n_vehicles * env.n_types * per_cycle_j * cycles_ref(params, rank)


def shadow_correlation(speed_mps: Array, params: Params) -> Array:
    """Of shadowing with itself a slot later: exp(-way / decorrelation distance), 3GPP TR 36.885 A.1.4."""
    return jnp.exp(-speed_mps * params.slot_s / params.shadow_decorr_m)


def decode(env: Any, action: dict[str, Array], params: Params) -> tuple[Array, Array]:
    """Ratios of offloading and requested shares (N, K); shares are log-spaced, so that the middle asks for about a fair one."""
    omega, u = (jnp.clip(action[name], 0.0, 1.0) for name in ("offload", "share"))
    floor = share_floor(env, params)
    return omega, floor * jnp.exp(u * jnp.log(params.alpha_max / floor))


def fit(env: Any, omega: Array, asked: Array, state: State, params: Params) -> Decision:
    """(17c), (17d): what exceeds the server's budget is taken off all shares above the floor, in proportion."""
    floor, n = share_floor(env, params), env.n_vehicles * env.n_types
    total = lambda x: jnp.sum(x, (0, 1))  # noqa: E731
    least = n * floor
    budget = jnp.maximum(1.0 - total(state.cpu_bias_hz) / params.server_cpu_hz, least)
    share = jnp.clip(asked, floor, params.alpha_max)
    request = total(share)
    over = request > budget
    shrink = jnp.where(over, (budget - least) / jnp.where(over, request - least, 1.0), 1.0)
    alpha = jnp.where(over, floor + (share - floor) * shrink, share)
    return Decision(jnp.clip(omega, 0.0, 1.0), alpha, request, budget)


def distance_m(state: State, params: Params) -> tuple[Array, Array]:
    """To the mast (N,): on the ground, and between the antennas."""
    aside_m = params.lane_offset_m + params.lane_width_m * state.lane
    up_m = params.bs_height_m - params.vehicle_height_m
    return geometry.norm_m(state.x_m, aside_m), geometry.norm_m(state.x_m, aside_m, up_m)


def gain_db(env: Any, state: State, params: Params) -> Array:
    """Channel gain (N,), (3): path loss, shadowing, Rayleigh fading."""
    link = pathloss.Link(*distance_m(state, params), params.vehicle_height_m, params.bs_height_m)
    power = state.fading_re * state.fading_re + state.fading_im * state.fading_im
    fade_db = units.linear_to_db(jnp.maximum(power, 1e-12))
    return fade_db - pathloss.get(env.pathloss)(link, params) - state.shadow_db


def rate_bps(env: Any, gain_db: Array, params: Params) -> Array:
    """(N,), (2); the band is shared by all vehicles unless `bandwidth_shared` is off."""
    band_hz = params.bandwidth_hz / env.n_vehicles if env.bandwidth_shared else params.bandwidth_hz
    snr = params.tx_power_w / params.noise_w * units.db_to_linear(gain_db)
    return jnp.maximum(rate.shannon_bps(band_hz, snr), params.rate_min_bps)


def delay(env: Any, d: Decision, rate_bps: Array, state: State, params: Params) -> Latency:
    """(7) to (10): local part, upload, computing at the true speed, and, with `queue_wait`, the backlog before it."""
    cycles, remote = state.task_bits * params.cycles_per_bit, d.omega * state.task_bits
    local_s = (1.0 - d.omega) * cycles / params.vehicle_cpu_hz
    tx_s = remote / rate_bps[:, None]
    true_hz = jnp.maximum(d.alpha * params.server_cpu_hz + state.cpu_bias_hz, params.cpu_eff_min_hz)
    comp_s = d.omega * cycles / true_hz
    service_bits = params.slot_s * params.server_cpu_hz * jnp.sum(d.alpha, 0) / params.cycles_per_bit
    wait_s = state.queue_bits * params.slot_s / service_bits if env.queue_wait else jnp.zeros_like(state.queue_bits)
    edge_s = tx_s + comp_s + d.omega * wait_s
    raw_s = local_s + edge_s if env.latency_combine == "sum" else jnp.maximum(local_s, edge_s)
    return Latency(local_s, tx_s, comp_s, raw_s, jnp.minimum(raw_s, params.latency_cap_s), wait_s, service_bits)


def spend(d: Decision, late: Latency, params: Params) -> Energy:
    """(14), and (15) times the slot."""
    power_w = params.kappa_vehicle * params.vehicle_cpu_hz * params.vehicle_cpu_hz * params.vehicle_cpu_hz
    in_use = jnp.sum(d.alpha, (0, 1))
    return Energy(
        local_j=power_w * jnp.sum(late.local_s, 1),
        edge_j=params.slot_s * params.edge_full_power_w * in_use * in_use * in_use,
    )


def enqueue(d: Decision, late: Latency, state: State) -> Queues:
    """(5), (6)."""
    arrivals_bits = jnp.sum(d.omega * state.task_bits, 0)
    after_bits, served_bits = queues.update(state.queue_bits, arrivals_bits, late.service_bits)
    return Queues(arrivals_bits, served_bits, after_bits)


def score(env: Any, d: Decision, late: Latency, energy: Energy, q: Queues, state: State, params: Params) -> Score:
    """(11) to (13) and (24), scaled: energy in units of all-local energy, queues of a slot's tasks; or (27)."""
    rank, n = state.t.ndim, env.n_vehicles
    qos = jnp.mean(1.0 - late.total_s / params.t_max_s, 1)
    reference = n * params.task_bits_mean
    before, after = state.queue_bits / reference, q.after_bits / reference
    exact = jnp.mean(lyapunov.drift_exact(before, after), 0)
    bound = jnp.mean(lyapunov.drift_bound(before, q.arrivals_bits / reference, late.service_bits / reference), 0)
    used = jnp.sum(d.alpha + state.cpu_bias_hz / params.server_cpu_hz, (0, 1))
    if env.reward_mode == "eq27":
        own = qos - params.eta_capacity * (1.0 - used)
    else:
        spent = (n * energy.local_j + energy.edge_j) / energy_ref_j(env, params, rank)
        own = qos - params.energy_weight * spent - params.beta * (exact if env.drift_mode == "exact" else bound)
    return Score(own, jnp.mean(own, 0), qos, used, exact, bound)


def play(env: Any, d: Decision, state: State, params: Params) -> tuple[Array, Latency, Energy, Queues, Score]:
    """A slot with a given decision, without the movement after it: rates, latency, energy, queues, score."""
    rates_bps = rate_bps(env, gain_db(env, state, params), params)
    late = delay(env, d, rates_bps, state, params)
    energy = spend(d, late, params)
    q = enqueue(d, late, state)
    return rates_bps, late, energy, q, score(env, d, late, energy, q, state, params)


def advance(env: Any, q: Queues, state: State, draws: dict[str, Array], params: Params) -> State:
    """Movement, shadowing and fading (4), and the next slot's tasks."""
    half_m = params.road_half_length_m
    moved_m = state.x_m + state.speed_mps * params.slot_s
    # as `mobility.drive_m`, but without a shift of the origin, whose rounding adds up to millimetres in an episode
    place_m = moved_m - 2 * half_m * jnp.floor((moved_m + half_m) / (2 * half_m))
    z, root_half = draws["z_fading"], 0.5**0.5
    scatter = lambda x, i: tasks.ar1(x, state.fading_corr, root_half * z[:, i])  # noqa: E731
    return state.replace(  # type: ignore[attr-defined]
        t=state.t + 1,
        x_m=place_m,
        shadow_db=tasks.ar1(state.shadow_db, state.shadow_corr, params.shadow_std_db * draws["z_shadow"]),
        fading_re=scatter(state.fading_re, 0),
        fading_im=scatter(state.fading_im, 1),
        task_bits=tasks.uniform(draws["u_task"], params.task_bits_min, params.task_bits_max),
        queue_bits=q.after_bits,
    )


def start(env: Any, draws: dict[str, Array], params: Params) -> State:
    """The first slot: empty queues."""
    batch, speed = draws["x_m"].shape[1:], draws["speed_mps"]
    lane = jnp.arange(env.n_vehicles, dtype=jnp.int32) % env.n_lanes
    return State(
        t=jnp.zeros(batch, jnp.int32),
        x_m=draws["x_m"],
        lane=jnp.broadcast_to(lift(lane, len(batch)), speed.shape),
        speed_mps=speed,
        shadow_db=draws["shadow_db"],
        fading_re=draws["fading_re"],
        fading_im=draws["fading_im"],
        fading_corr=fading.jakes_correlation(speed, params.slot_s, params.light_speed_mps / params.carrier_hz),
        shadow_corr=shadow_correlation(speed, params),
        task_bits=draws["task_bits"],
        queue_bits=jnp.zeros_like(draws["task_bits"][0]),
        cpu_bias_hz=params.cpu_bias_mean_hz + params.cpu_bias_halfwidth_hz * draws["u_bias"],
    )
