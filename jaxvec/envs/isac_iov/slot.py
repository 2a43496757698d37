"""The slot of `isac_iov`, phase by phase, each a pure function: geometry, decision, links, queues, outcome, reward, movement.

Shapes are one world's, with `I` vehicles and `K` RSUs; batch axes come last. Equation numbers are those of Zhan et al.; what was
decided where the paper is silent stands in `jaxvec.envs.isac_iov.env`.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot.
    params: the numbers.
    place: where the vehicles are.
    d: what is done.
    links: what the links take.
    work: what came and went at the queues.
    outcome: what each task took.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.envs import mobility
from jaxvec.envs.isac_iov.params import Params, Sizes, State
from jaxvec.envs.places import places_of
from jaxvec.physics import computing, geometry, lyapunov, pathloss, queues, rate, table, units


class Geometry(NamedTuple):
    """Where the vehicles are from the RSUs, (2), frozen during the slot; `(I, K)` each.

    Attributes:
        dx_m: along the road, from the vehicle to the RSU, signed [m].
        dist_m: in space [m].
        ground_m: on the ground [m].
        covered: bool, the RSU reaches the vehicle, which is on the road.
    """

    dx_m: Array
    dist_m: Array
    ground_m: Array
    covered: Array


class Decision(NamedTuple):
    """A feasible action, C4 to C6.

    Attributes:
        ell_loc: `(I,)`, part of the task that is computed locally; 0 of an absent vehicle [-].
        ell_rsu: `(I, K)`, part for each RSU [-].
        active: bool `(I, K)`, links in use.
        share: `(I, K)`, of the band [-].
        freq_hz: `(I, K)`, part of the RSU's processor [Hz].
        f_rsu_hz: `(K,)`, speed of the RSU's processor; where nobody uses it, all that the twin leaves [Hz].
    """

    ell_loc: Array
    ell_rsu: Array
    active: Array
    share: Array
    freq_hz: Array
    f_rsu_hz: Array


class Links(NamedTuple):
    """What each link from a vehicle to an RSU takes, (7) to (14), (17); `(I, K)` each, 0 where not active.

    Attributes:
        rate_bps: rate (1) [bit/s].
        eta: bool, the instruction is sent in the place of the data (12).
        d_data_s: upload of the data (7) [s].
        d_up_s: upload phase of the mode chosen (12) [s].
        d_comp_s: computing at the RSU (13) [s].
        e_tx_j: transmission (8) [J].
        e_rsu_j: computing and aligning at the RSU (11), (14) [J].
        load_cycles: work for the RSU (17) [cycle].
    """

    rate_bps: Array
    eta: Array
    d_data_s: Array
    d_up_s: Array
    d_comp_s: Array
    e_tx_j: Array
    e_rsu_j: Array
    load_cycles: Array


class Queues(NamedTuple):
    """Work that came and went, (16) to (18), and the waiting that it causes.

    Attributes:
        lam_loc: `(I,)`, arrivals at the vehicles [cycle].
        lam_rsu: `(K,)`, arrivals at the RSUs, background work included [cycle].
        q_loc: `(I,)`, backlog of the vehicles after the slot [cycle].
        q_rsu: `(K,)`, of the RSUs [cycle].
        wait_loc_s: `(I,)`, waiting at the own CPU [s].
        wait_rsu_s: `(K,)`, waiting at an RSU [s].
        hist_loc, hist_rsu: the window without its oldest slot, as `State` has it [cycle].
    """

    lam_loc: Array
    lam_rsu: Array
    q_loc: Array
    q_rsu: Array
    wait_loc_s: Array
    wait_rsu_s: Array
    hist_loc: Array
    hist_rsu: Array


class Outcome(NamedTuple):
    """What each task took, (19) to (25), (27).

    Attributes:
        latency_s: `(I,)`, of the slower of the local part and the RSUs' (21) [s].
        e_loc_j: `(I,)`, of the own CPU (6) [J].
        energy_j: `(I,)`, of everything (23) [J].
        cost: `(I,)`, latency and energy, weighted (24) [-].
        excess_j: `()`, energy of all vehicles above their budget [J].
        v_energy_j: `()`, energy queue after the slot (27) [J].
        violation_rate: `()`, share of tasks later than the deadline, C8 [-].
    """

    latency_s: Array
    e_loc_j: Array
    energy_j: Array
    cost: Array
    excess_j: Array
    v_energy_j: Array
    violation_rate: Array


def rsu_x_m(sizes: Sizes, params: Params, rank: int) -> Array:
    """`(K,)`: where along the road the RSUs stand, in a row on the north side, centred [m].

    Args:
        rank: batch axes.
    """
    k = sizes.n_rsus
    return params.road_length_m / 2 + lift(jnp.arange(k) - (k - 1) / 2, rank) * params.rsu_spacing_m


def locate(sizes: Sizes, state: State, params: Params) -> Geometry:
    """(2): distances to the RSUs, which stand in a row on the north side, centred, or anywhere."""
    if params.rsu_pos_m is None:
        along_m = rsu_x_m(sizes, params, state.t.ndim)
        dy_m = (state.y_m - params.rsu_lateral_m)[:, None]
    else:
        places_m = places_of(params.rsu_pos_m, state.t.ndim)
        along_m, dy_m = places_m[:, 0], geometry.offsets(state.y_m, places_m[:, 1])
    dx_m = geometry.offsets(state.x_m, along_m)
    ground_m = geometry.norm_m(dx_m, dy_m)
    covered = geometry.within(ground_m, params.rsu_range_m) & state.present[:, None]
    return Geometry(dx_m, geometry.norm_m(ground_m, params.rsu_height_m), ground_m, covered)


def decode(sizes: Sizes, action: dict[str, Array], place: Geometry, state: State, params: Params) -> Decision:
    """Any numbers to a feasible decision: clip, then C5 (split), C4 (band), C6 (processors); nothing of an absent vehicle.

    Args:
        action: "split" `(I, 1 + K)`, "bandwidth" and "rsu_cpu" `(I, K)`, cut to -1 to 1.
    """
    asked = of_present(params.present, action)
    split, ask_band, ask_cpu = (jnp.clip(asked[name], -1, 1) for name in ("split", "bandwidth", "rsu_cpu"))
    ell_loc, ell_rsu = _split(split, place.covered, params)
    ell_loc = jnp.where(state.present, ell_loc, 0)
    active = ell_rsu > 0

    def request(ask: Array) -> Array:
        return active * (params.share_floor + (1 - params.share_floor) * (ask + 1) / 2)

    share = computing.fit_to_budget(request(ask_band), 1)
    if sizes.bandwidth_mode == "system":
        share = computing.fit_to_budget(share, (0, 1))

    wanted = request(ask_cpu)
    free_hz = jnp.broadcast_to(params.rsu_free_hz, wanted.shape[1:])
    if sizes.rsu_cpu_mode == "shared":
        freq_hz = free_hz * computing.fit_to_budget(wanted, 0)
        f_rsu_hz = jnp.sum(freq_hz, 0)
    else:
        f_rsu_hz = free_hz * jnp.sum(wanted, 0) / jnp.maximum(jnp.sum(active, 0), 1)
        freq_hz = active * f_rsu_hz
    return Decision(ell_loc, ell_rsu, active, share, freq_hz, jnp.where(jnp.any(active, 0), f_rsu_hz, free_hz))


def _split(split: Array, covered: Array, params: Params) -> tuple[Array, Array]:
    """C5: a softmax over the local part and the covering RSUs; parts below the cut are dropped, the rest renormalised."""
    allowed = jnp.concatenate([jnp.ones_like(covered[:, :1]), covered], 1)
    score = jnp.where(allowed, params.split_logit_scale * split, -jnp.inf)
    part = jnp.where(allowed, jnp.exp(score - jnp.max(score, 1, keepdims=True)), 0)
    part = part / jnp.sum(part, 1, keepdims=True)
    cut = jnp.minimum(params.split_cut, jnp.max(part, 1, keepdims=True))  # the largest part is never dropped
    part = jnp.where(part >= cut, part, 0)
    part = part / jnp.sum(part, 1, keepdims=True)
    return part[:, 0], part[:, 1:]


def transmit(sizes: Sizes, state: State, d: Decision, place: Geometry, h_power: Array, params: Params) -> Links:
    """(1), (7) to (14), (17): each link's upload by the quicker of its two modes, and the RSU's work on it.

    Args:
        h_power: `(I, K)`, power of Rayleigh fading [-].
    """
    link = pathloss.Link(place.ground_m, place.dist_m, params.vehicle_height_m, params.rsu_height_m)
    link = table.placed(link, state.x_m, state.y_m)
    gain = units.db_to_linear(-pathloss.MODELS[sizes.pathloss](link, params))
    snr = rate.snr(params.tx_power_w, h_power, gain, params.noise_w)
    rate_bps = params.sensing_gain * rate.shannon_bps(d.share * params.bandwidth_hz, snr)  # (1)

    bits = d.ell_rsu * state.task_bits[:, None]
    align_cycles, work_cycles = bits * state.align_cpb[:, None], bits * state.work_cpb[:, None]
    d_data_s = computing.time_s(bits, rate_bps)  # (7)
    d_instr_tx_s = computing.time_s(d.ell_rsu * state.instr_bits[:, None], rate_bps)  # (9)
    d_instr_s = d_instr_tx_s + computing.time_s(align_cycles, d.freq_hz)  # (10)
    eta = d.active & (d_instr_s < d_data_s)  # (12)
    aligned_cycles = eta * align_cycles
    return Links(
        rate_bps=rate_bps,
        eta=eta,
        d_data_s=d_data_s,
        d_up_s=jnp.where(eta, d_instr_s, d_data_s),  # (12)
        d_comp_s=computing.time_s(work_cycles, d.freq_hz),  # (13)
        e_tx_j=params.tx_power_w * jnp.where(eta, d_instr_tx_s, d_data_s),  # (8)
        e_rsu_j=computing.energy_j(params.kappa_rsu, d.freq_hz, aligned_cycles + work_cycles),  # (11), (14)
        load_cycles=aligned_cycles + work_cycles,  # (17)
    )


def queue(state: State, d: Decision, links: Links, draws: dict[str, Array], params: Params) -> Queues:
    """(16), (17) with background work, and Little's law (18) over the window.

    Args:
        draws: of the slot, of which "bg_u" and "bg_size" `(K,)` say whether and how much background work there is [-].
    """
    bg_cycles = (draws["bg_u"] < params.rsu_bg_prob) * draws["bg_size"] * params.rsu_bg_max_cycles
    lam_loc = d.ell_loc * state.task_bits * state.work_cpb  # (5)
    lam_rsu = jnp.sum(links.load_cycles, 0) + bg_cycles
    q_loc, dep_loc = queues.update(state.q_loc_cycles, lam_loc, state.veh_cpu_hz * params.slot_s)
    q_rsu, dep_rsu = queues.update(state.q_rsu_cycles, lam_rsu, d.f_rsu_hz * params.slot_s)
    wait_loc_s, hist_loc = _wait(state.hist_loc, state.q_loc_cycles, lam_loc, dep_loc, params)
    wait_rsu_s, hist_rsu = _wait(state.hist_rsu, state.q_rsu_cycles, lam_rsu, dep_rsu, params)
    return Queues(lam_loc, lam_rsu, q_loc, q_rsu, wait_loc_s, wait_rsu_s, hist_loc, hist_rsu)


def _wait(hist: Array, backlog: Array, lam: Array, dep: Array, params: Params) -> tuple[Array, Array]:
    window = jnp.concatenate([hist, jnp.stack([backlog, lam, dep])[None]])
    sums = jnp.sum(window, 0)
    return queues.little_wait_s(sums[0], sums[1], sums[2], params.slot_s), window[1:]


def settle(state: State, d: Decision, links: Links, work: Queues, params: Params) -> Outcome:
    """(5), (6), (15), (19) to (24), (27): latency, energy and cost of each task, and the energy queue."""
    t_loc_s = computing.time_s(work.lam_loc, state.veh_cpu_hz) + work.wait_loc_s
    t_rsu_s = d.active * (links.d_up_s + links.d_comp_s + work.wait_rsu_s)  # (15)
    latency_s = jnp.maximum((d.ell_loc > 0) * t_loc_s, jnp.max(t_rsu_s, 1))  # (19), (21)
    e_loc_j = computing.energy_j(params.kappa_veh, state.veh_cpu_hz, work.lam_loc)  # (6)
    energy_j = e_loc_j + jnp.sum(links.e_tx_j + links.e_rsu_j, 1)  # (20), (23)
    cost = params.cost_weight * latency_s + (1 - params.cost_weight) * energy_j / params.energy_ref_j  # (24)
    n = n_present(state)
    excess_j = jnp.sum(energy_j, 0) - params.energy_budget_j * n
    v_energy_j = lyapunov.virtual_queue(state.v_energy_j, excess_j)  # (27)
    late = jnp.sum(latency_s > params.t_max_s, 0) / n  # C8
    return Outcome(latency_s, e_loc_j, energy_j, cost, excess_j, v_energy_j, late)


def score(
    sizes: Sizes, state: State, d: Decision, work: Queues, outcome: Outcome, params: Params
) -> tuple[Array, dict[str, Array]]:
    """(44), or the drift of (36) itself: the reward per vehicle on the road.

    Returns:
        The reward `()` [-]; and it and its parts, by name of `info`.
    """
    p, n = params, n_present(state)
    loc, rsu, en = 1 / p.q_loc_ref_cycles, 1 / p.q_rsu_ref_cycles, 1 / p.energy_ref_j
    qa, qb, ev = state.q_loc_cycles * loc, state.q_rsu_cycles * rsu, state.v_energy_j * en
    if sizes.drift_form == "bound":
        d_loc = lyapunov.drift_bound(qa, work.lam_loc * loc, state.veh_cpu_hz * p.slot_s * loc)
        d_rsu = lyapunov.drift_bound(qb, work.lam_rsu * rsu, d.f_rsu_hz * p.slot_s * rsu)
        d_energy = ev * (outcome.excess_j * en)
    else:
        d_loc = lyapunov.drift_exact(qa, work.q_loc * loc)
        d_rsu = lyapunov.drift_exact(qb, work.q_rsu * rsu)
        d_energy = lyapunov.drift_exact(ev, outcome.v_energy_j * en)
    parts = {
        "r_cost": -p.lyapunov_v * jnp.sum(outcome.cost, 0) / n,
        "r_drift_loc": -jnp.sum(state.present * d_loc, 0) / n,
        "r_drift_rsu": -jnp.sum(d_rsu, 0) / n,
        "r_drift_energy": -d_energy,
    }
    reward = sum(parts.values()) - p.violation_penalty * outcome.violation_rate
    return reward, parts | {"reward": reward}


def start(sizes: Sizes, draws: dict[str, Array], params: Params) -> State:
    """The first slot: empty histories and energy queue.

    Args:
        draws: of the reset, see `IsacIov.draw_reset`.
    """
    motion = _only_present(mobility.MODELS[sizes.mobility].start(draws, sizes, params), params)
    batch, dtype = draws["veh_cpu_hz"].shape[1:], draws["veh_cpu_hz"].dtype
    return State(
        t=jnp.zeros(batch, jnp.int32),
        **motion.on_ground(),
        veh_cpu_hz=draws["veh_cpu_hz"],
        work_cpb=draws["work_cpb"],
        align_cpb=draws["align_cpb"],
        task_bits=jnp.where(motion.present, draws["task_bits"], 0),
        instr_bits=jnp.where(motion.present, draws["instr_bits"], 0),
        q_loc_cycles=draws["q_loc_cycles"],
        q_rsu_cycles=draws["q_rsu_cycles"],
        v_energy_j=jnp.zeros(batch, dtype),
        hist_loc=jnp.zeros((sizes.queue_window - 1, 3, sizes.n_vehicles, *batch), dtype),
        hist_rsu=jnp.zeros((sizes.queue_window - 1, 3, sizes.n_rsus, *batch), dtype),
        twin_err=draws["twin_err"],
    )


def advance(
    sizes: Sizes, state: State, work: Queues, outcome: Outcome, draws: dict[str, Array], params: Params
) -> State:
    """The vehicles move and new tasks arrive.

    Args:
        draws: of the slot, see `IsacIov.draw_step`.
    """
    motion = mobility.Motion(state.x_m, state.y_m, state.velocity_mps, state.present, state.track)
    motion = _only_present(mobility.MODELS[sizes.mobility].advance(motion, draws, sizes, params), params)
    return state.replace(
        t=state.t + 1,
        **motion.on_ground(),
        task_bits=jnp.where(motion.present, draws["next_task_bits"], 0),
        instr_bits=jnp.where(motion.present, draws["next_instr_bits"], 0),
        q_loc_cycles=work.q_loc,
        q_rsu_cycles=work.q_rsu,
        v_energy_j=outcome.v_energy_j,
        hist_loc=work.hist_loc,
        hist_rsu=work.hist_rsu,
        twin_err=draws["next_twin_err"],
    )


def _only_present(motion: mobility.Motion, params: Params) -> mobility.Motion:
    return motion._replace(present=of_present(params.present, motion.present))


def n_present(state: State) -> Array:
    """How many vehicles are on the road, at least 1.

    Returns:
        `()`, as a float [-].
    """
    return jnp.maximum(jnp.sum(state.present, 0), 1).astype(state.v_energy_j.dtype)
