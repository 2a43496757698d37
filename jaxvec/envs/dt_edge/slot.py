"""The slot of `dt_edge`, phase by phase, each a pure function: decision, channel, latency, energy, queues, score, movement.

Shapes are one world's, with `N` vehicles of `K` task types each, a stream per vehicle and type; batch axes come last. Equation
numbers are those of the paper; what was decided where it is silent stands in `jaxvec.envs.dt_edge.env`.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    params: the numbers.
    rank: batch axes.
    d: what is done.
    late: what each task takes.
    energy: what the slot takes.
    q: the server's queues.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.presence import how_many, mean_of_present, of_present, of_slot
from jaxvec.envs import mobility
from jaxvec.envs.dt_edge.params import Params, Sizes, State
from jaxvec.physics import fading, geometry, lyapunov, pathloss, queues, rate, tasks, units


class Decision(NamedTuple):
    """What is done, and what was asked for.

    Attributes:
        omega: `(N, K)`, part of each task that is offloaded [-].
        alpha: `(N, K)`, share of the server for it; 0 of an absent vehicle [-].
        request: `()`, sum of the shares asked for [-].
        budget: `()`, the most that they may sum to, (17d) [-].
    """

    omega: Array
    alpha: Array
    request: Array
    budget: Array


class Latency(NamedTuple):
    """What each task takes.

    Attributes:
        local_s: `(N, K)`, of the part that stays, (7) [s].
        tx_s: `(N, K)`, upload of the part that goes, (9) [s].
        comp_s: `(N, K)`, computing it at the server, (9) [s].
        raw_s: `(N, K)`, all together, (10) [s].
        total_s: `(N, K)`, the same, at most the cap [s].
        wait_s: `(K,)`, until the backlog before it is done; 0 without `queue_wait` [s].
        service_bits: `(K,)`, what the server can do in the slot, (6) [bit].
    """

    local_s: Array
    tx_s: Array
    comp_s: Array
    raw_s: Array
    total_s: Array
    wait_s: Array
    service_bits: Array


class Energy(NamedTuple):
    """What a slot takes.

    Attributes:
        local_j: `(N,)`, of each vehicle's CPU, (14) [J].
        edge_j: `()`, of the server, (15) [J].
    """

    local_j: Array
    edge_j: Array


class Queues(NamedTuple):
    """The server's queues, `(K,)` each, (5) and (6).

    Attributes:
        arrivals_bits: what is offloaded [bit].
        served_bits: what is done of the backlog and of what arrives [bit].
        after_bits: backlog after the slot [bit].
    """

    arrivals_bits: Array
    served_bits: Array
    after_bits: Array


class Score(NamedTuple):
    """What a slot was worth.

    Attributes:
        reward_n: `(N,)`, each vehicle's own [-].
        team: `()`, their mean [-].
        qos: `(N,)`, quality of service (12) [-].
        used: `()`, part of the server's frequency in use, bias included [-].
        drift_exact: `()`, change of half the squared queues, mean over types [-].
        drift_bound: `()`, its bound (24a) [-].
    """

    reward_n: Array
    team: Array
    qos: Array
    used: Array
    drift_exact: Array
    drift_bound: Array


def n_streams(sizes: Sizes, params: Params) -> Any:
    """Streams of the vehicles that are there.

    Returns:
        `()`, or one per world of a sweep [-].
    """
    return how_many(params.present, sizes.n_vehicles) * sizes.n_types


def share_floor(sizes: Sizes, params: Params) -> Any:
    """The share that every stream gets at least: `alpha_min`, less where more than 30 streams have to fit.

    Returns:
        `()`, or one per world of a sweep [-].
    """
    return jnp.minimum(params.alpha_min, 0.15 / n_streams(sizes, params))


def over_types(x: Any, rank: int) -> Array:
    """Mean of a number that may differ between types.

    Args:
        x: `()` or `(K,)`.
    Returns:
        `()`, in the same unit.
    """
    x = jnp.asarray(x)
    return jnp.mean(x, 0) if x.ndim == 1 + rank else x


def cycles_ref(params: Params, rank: int) -> Array:
    """Work of a mean task.

    Returns:
        `()` [cycle].
    """
    return params.task_bits_mean * over_types(params.cycles_per_bit, rank)


def energy_ref_j(sizes: Sizes, params: Params, rank: int) -> Array:
    """What all tasks of a slot take when they are computed locally: N K kappa f^2 times the work of a mean task, as in (14).

    Returns:
        `()` [J].
    """
    per_cycle_j = params.kappa_vehicle * params.vehicle_cpu_hz * params.vehicle_cpu_hz
    return n_streams(sizes, params) * per_cycle_j * cycles_ref(params, rank)


def shadow_correlation(speed_mps: Array, params: Params) -> Array:
    """Correlation of shadowing with itself a slot later: exp(-way / decorrelation distance), 3GPP TR 36.885 A.1.4.

    Args:
        speed_mps: `(N,)` [m/s].
    Returns:
        `(N,)` [-].
    """
    return jnp.exp(-speed_mps * params.slot_s / params.shadow_decorr_m)


def decode(sizes: Sizes, action: dict[str, Array], params: Params) -> tuple[Array, Array]:
    """What is asked for; shares are log-spaced, so that the middle asks for about a fair one. The absent ask for the least.

    Args:
        action: "offload" and "share", `(N, K)` each, cut to 0 to 1.
    Returns:
        Ratios of offloading and requested shares `(N, K)` [-].
    """
    asked = of_present(params.present, action)
    omega, u = (jnp.clip(asked[name], 0.0, 1.0) for name in ("offload", "share"))
    floor = share_floor(sizes, params)
    return omega, floor * jnp.exp(u * jnp.log(params.alpha_max / floor))


def fit(sizes: Sizes, omega: Array, asked: Array, state: State, params: Params) -> Decision:
    """(17c), (17d): what exceeds the server's budget is taken off all shares above the floor, in proportion.

    Args:
        omega: `(N, K)`, ratios of offloading [-].
        asked: `(N, K)`, shares [-].
    """
    floor, n = share_floor(sizes, params), n_streams(sizes, params)
    least = n * floor
    bias_hz = of_present(params.present, state.cpu_bias_hz)
    budget = jnp.maximum(1.0 - jnp.sum(bias_hz, (0, 1)) / params.server_cpu_hz, least)
    share = of_present(params.present, jnp.clip(asked, floor, params.alpha_max))
    request = jnp.sum(share, (0, 1))
    over = request > budget
    shrink = jnp.where(over, (budget - least) / jnp.where(over, request - least, 1.0), 1.0)
    alpha = of_present(params.present, jnp.where(over, floor + (share - floor) * shrink, share))
    omega = of_present(params.present, jnp.clip(omega, 0.0, 1.0))
    return Decision(omega, alpha, request, budget)


def distance_m(state: State, params: Params) -> tuple[Array, Array]:
    """How far the vehicles are from the mast.

    Returns:
        `(N,)` on the ground, and `(N,)` between the antennas [m].
    """
    up_m = params.bs_height_m - params.vehicle_height_m
    return geometry.norm_m(state.x_m, state.y_m), geometry.norm_m(state.x_m, state.y_m, up_m)


def gain_db(sizes: Sizes, state: State, params: Params) -> Array:
    """Channel gain, (3): path loss, shadowing, Rayleigh fading.

    Returns:
        `(N,)` [dB].
    """
    link = pathloss.Link(
        *distance_m(state, params), params.vehicle_height_m, params.bs_height_m, jnp.int32(0), state.x_m, state.y_m
    )
    power = state.fading_re * state.fading_re + state.fading_im * state.fading_im
    fade_db = units.linear_to_db(jnp.maximum(power, 1e-12))
    return fade_db - pathloss.MODELS[sizes.pathloss](link, params) - state.shadow_db


def rate_bps(sizes: Sizes, gain_db: Array, params: Params) -> Array:
    """Rate of the uplink, (2); the band is shared by all vehicles unless `bandwidth_shared` is off.

    Args:
        gain_db: `(N,)` [dB].
    Returns:
        `(N,)` [bit/s].
    """
    n = how_many(params.present, sizes.n_vehicles)
    band_hz = params.bandwidth_hz / n if sizes.bandwidth_shared else params.bandwidth_hz
    snr = params.tx_power_w / params.noise_w * units.db_to_linear(gain_db)
    return jnp.maximum(rate.shannon_bps(band_hz, snr), params.rate_min_bps)


def delay(sizes: Sizes, d: Decision, rate_bps: Array, state: State, params: Params) -> Latency:
    """(7) to (10): local part, upload, computing at the true speed, and, with `queue_wait`, the backlog before it.

    Args:
        rate_bps: `(N,)` [bit/s].
    """
    cycles, remote = state.task_bits * params.cycles_per_bit, d.omega * state.task_bits
    local_s = (1.0 - d.omega) * cycles / params.vehicle_cpu_hz
    tx_s = remote / rate_bps[:, None]
    true_hz = jnp.maximum(d.alpha * params.server_cpu_hz + state.cpu_bias_hz, params.cpu_eff_min_hz)
    comp_s = d.omega * cycles / true_hz
    service_bits = params.slot_s * params.server_cpu_hz * jnp.sum(d.alpha, 0) / params.cycles_per_bit
    wait_s = jnp.zeros_like(state.queue_bits)
    if sizes.queue_wait:
        wait_s = state.queue_bits * params.slot_s / at_least_some(service_bits, params)
    edge_s = tx_s + comp_s + d.omega * wait_s
    raw_s = local_s + edge_s if sizes.latency_combine == "sum" else jnp.maximum(local_s, edge_s)
    return Latency(local_s, tx_s, comp_s, raw_s, jnp.minimum(raw_s, params.latency_cap_s), wait_s, service_bits)


def at_least_some(service_bits: Array, params: Params) -> Array:
    """What the server can do, to divide by: where nobody is there it does nothing, and any number will do.

    Args:
        service_bits: `(K,)` [bit].
    Returns:
        `(K,)` [bit].
    """
    return service_bits if params.present is None else jnp.where(service_bits > 0, service_bits, 1.0)


def spend(d: Decision, late: Latency, params: Params) -> Energy:
    """Energy of the vehicles, (14), and of the server, (15) times the slot."""
    power_w = params.kappa_vehicle * params.vehicle_cpu_hz * params.vehicle_cpu_hz * params.vehicle_cpu_hz
    in_use = jnp.sum(d.alpha, (0, 1))
    return Energy(
        local_j=power_w * jnp.sum(late.local_s, 1),
        edge_j=params.slot_s * params.edge_full_power_w * in_use * in_use * in_use,
    )


def enqueue(d: Decision, late: Latency, state: State) -> Queues:
    """(5), (6): what is offloaded joins the server's queues, and is served."""
    arrivals_bits = jnp.sum(d.omega * state.task_bits, 0)
    after_bits, served_bits = queues.update(state.queue_bits, arrivals_bits, late.service_bits)
    return Queues(arrivals_bits, served_bits, after_bits)


def score(sizes: Sizes, d: Decision, late: Latency, energy: Energy, q: Queues, state: State, params: Params) -> Score:
    """(11) to (13) and (24), scaled: energy in units of all-local energy, queues of a slot's tasks; or (27)."""
    rank, n = state.t.ndim, how_many(params.present, sizes.n_vehicles)
    qos = jnp.mean(1.0 - late.total_s / params.t_max_s, 1)
    reference = n * params.task_bits_mean
    before, after = state.queue_bits / reference, q.after_bits / reference
    exact = jnp.mean(lyapunov.drift_exact(before, after), 0)
    bound = jnp.mean(lyapunov.drift_bound(before, q.arrivals_bits / reference, late.service_bits / reference), 0)
    used = jnp.sum(d.alpha + of_present(params.present, state.cpu_bias_hz) / params.server_cpu_hz, (0, 1))
    if sizes.reward_mode == "eq27":
        reward_n = qos - params.eta_capacity * (1.0 - used)
    else:
        spent = (n * energy.local_j + energy.edge_j) / energy_ref_j(sizes, params, rank)
        reward_n = qos - params.energy_weight * spent - params.beta * (exact if sizes.drift_mode == "exact" else bound)
    reward_n, qos = of_present(params.present, (reward_n, qos))
    return Score(reward_n, mean_of_present(params.present, reward_n), qos, used, exact, bound)


def advance(sizes: Sizes, q: Queues, state: State, draws: dict[str, Array], params: Params) -> State:
    """Movement, shadowing and fading (4), and the next slot's tasks.

    Args:
        draws: of the slot, see `DtEdge.draw_step`.
        params: with `present` as many as may be there.
    """
    model = mobility.MODELS[sizes.mobility]
    present = jnp.ones(state.x_m.shape, bool) if state.present is None else state.present
    motion = mobility.Motion(state.x_m, state.y_m, state.velocity_mps, present, state.track)
    motion = model.advance(motion, draws, sizes, params)
    present = mobility.who_is_there(sizes, motion, params)
    changed = {} if model.constant_speed else correlations(sizes, motion, params)
    re, im = (
        tasks.ar1(x, state.fading_corr, 0.5**0.5 * draws["z_fading"][:, i])
        for i, x in enumerate((state.fading_re, state.fading_im))
    )
    return state.replace(
        t=state.t + 1,
        x_m=motion.x_m,
        y_m=motion.y_m,
        velocity_mps=motion.velocity_mps,
        track=motion.track,
        shadow_db=tasks.ar1(state.shadow_db, state.shadow_corr, params.shadow_std_db * draws["z_shadow"]),
        fading_re=re,
        fading_im=im,
        task_bits=of_present(
            of_slot(params, present).present,
            tasks.uniform(draws["u_task"], params.task_bits_min, params.task_bits_max),
        ),
        queue_bits=q.after_bits,
        present=present,
        **changed,
    )


def correlations(sizes: Sizes, motion: mobility.Motion, params: Params) -> dict[str, Array]:
    """Of fading and of shadowing with themselves a slot later: (4), and the way driven.

    Args:
        motion: of the vehicles.
    Returns:
        `(N,)` each, by name of the state [-].
    """
    model, wavelength_m = mobility.MODELS[sizes.mobility], params.light_speed_mps / params.carrier_hz
    speed_mps = model.speed_mps(motion.velocity_mps, motion.track)
    quick = not model.constant_speed  # then in every slot
    return {
        "fading_corr": fading.jakes_correlation(speed_mps, params.slot_s, wavelength_m, quick=quick),
        "shadow_corr": shadow_correlation(speed_mps, params),
    }


def start(sizes: Sizes, draws: dict[str, Array], params: Params) -> State:
    """The first slot: empty queues.

    Args:
        draws: of the reset, see `DtEdge.draw_reset`.
    """
    motion = mobility.MODELS[sizes.mobility].start(draws, sizes, params)
    present = mobility.who_is_there(sizes, motion, params)
    bias_hz = params.cpu_bias_mean_hz + params.cpu_bias_halfwidth_hz * draws["u_bias"]
    return State(
        t=jnp.zeros(motion.x_m.shape[1:], jnp.int32),
        x_m=motion.x_m,
        y_m=motion.y_m,
        velocity_mps=motion.velocity_mps,
        track=motion.track,
        shadow_db=draws["shadow_db"],
        fading_re=draws["fading_re"],
        fading_im=draws["fading_im"],
        **correlations(sizes, motion, params),
        task_bits=of_present(of_slot(params, present).present, draws["task_bits"]),
        queue_bits=jnp.zeros_like(draws["task_bits"][0]),
        cpu_bias_hz=of_present(params.present, bias_hz),
        present=present,
    )
