"""The links of a slot in `urllc_vec`: what is in sight, losses, fading, gains, and who can reach whom.

Shapes are one world's, with `V` vehicles, `U` UAVs, `B` base stations (BSs), `N = B + U` nodes (BSs first) and `M` antennas of
a BS; batch axes come last. Equation numbers are those of the paper.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.envs.urllc_vec.params import Links, Params, State
from jaxvec.physics import fading, geometry, pathloss, rate, units


class _PowerLaw(NamedTuple):
    """Numbers of `pathloss.power_law` with an exponent per link."""

    wavelength_m: Any
    pathloss_exponent: Array


def pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of n: the lower and the higher of each."""
    return np.triu_indices(n, 1)


def rate_bps(gain: Array, power_w: Array | float, params: Params) -> Array:
    """Rate of short packets (23), (31), (33), (35), (37)."""
    snr = power_w * gain / params.noise_w
    return rate.finite_blocklength_bps(params.bandwidth_hz, snr, params.blocklength_symbols, params.decode_error_prob)


def node_power_max_w(env: Any, params: Params, batch: int) -> Array:
    """Largest transmit power of each node, `(N, *ones)`."""
    bs, uav = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (params.p_max_bs_w, params.p_max_uav_w)))
    stacked = jnp.stack([bs] * env.n_bs + [uav] * env.n_uavs)
    return stacked if bs.ndim else stacked.reshape(-1, *(1,) * batch)


def distances_m(a: Array, b: Array, params: Params) -> tuple[Array, Array]:
    """Between all of `a` (n, 3) and all of `b` (m, 3), each (n, m): on the ground, and in space, not below the minimum."""
    x, y, z = (a[:, None, i] - b[None, :, i] for i in range(3))
    return geometry.norm_m(x, y), jnp.maximum(geometry.norm_m(x, y, z), params.min_distance_m)


def ground_loss_db(env: Any, state: State, params: Params) -> Array:
    """Vehicle to BS (V, B), (15) to (20)."""
    ground_m, distance_m = distances_m(state.pos_v, state.pos_bs, params)
    link = pathloss.Link(ground_m, distance_m, params.bs_antenna_height_m, params.ut_antenna_height_m)
    if env.pathloss_v2b == "okumura_hata":
        hata = {"mhz": pathloss.okumura_hata, "ghz": pathloss.okumura_hata_ghz}
        return hata[env.okumura_fc_unit](link, params)
    chance = pathloss.los_probability(ground_m, params.los_v2b_d1_m, params.los_v2b_p1_m)
    return jnp.where(state.los_vb < chance, pathloss.uma_los_fixed(link, params), pathloss.uma_nlos_fixed(link, params))


def air_loss_db(
    env: Any, ground_m: Array, distance_m: Array, height_m: Array, latent: Array | None, alpha: Array, params: Params
) -> Array:
    """A UAV's link to somebody below it, or, without a latent, to another UAV, always in sight, (26) to (29)."""
    link = pathloss.Link(ground_m, distance_m, height_m, height_m)
    if env.pathloss_air == "free_space":
        return pathloss.power_law(link, _PowerLaw(params.wavelength_m, alpha))
    in_sight_db = pathloss.uma_av_los(link, params)
    if latent is None:
        return in_sight_db
    printed = (params.los_air_d1_m, params.los_air_p1_m)
    d1_m, p1_m = pathloss.uma_av_los_d1_p1(height_m) if env.los_air == "tr36777" else printed
    chance = pathloss.los_probability(ground_m, d1_m, p1_m)
    return jnp.where(latent < chance, in_sight_db, pathloss.uma_av_nlos(link, params))


def relay_gain(env: Any, state: State, draws: dict[str, Array], params: Params) -> Array:
    """From node to node (N, N), the same both ways, 0 between BSs and on the diagonal."""
    n, first, second = env.n_nodes, *pairs(env.n_uavs)
    g_bs, g_uav = (units.db_to_linear(db) for db in (params.antenna_gain_bs_db, params.antenna_gain_uav_db))
    height_m = state.pos_u[:, 2]

    away = distances_m(state.pos_u, state.pos_bs, params)
    loss_db = air_loss_db(env, *away, height_m[:, None], state.los_ub, state.alpha_ub, params)
    re, im = fading.rician_coeff(draws["ub_los"][:, :, None], draws["ub_nlos"], params.rician_k, axis=3)
    ub = units.db_to_linear(-loss_db) * g_uav * g_bs * jnp.sum(re * re + im * im, 2)

    x, y, z = (state.pos_u[first, i] - state.pos_u[second, i] for i in range(3))
    away = geometry.norm_m(x, y), jnp.maximum(geometry.norm_m(x, y, z), params.min_distance_m)
    loss_db = air_loss_db(env, *away, height_m[first], None, state.alpha_uu, params)
    re, im = fading.rician_coeff(draws["uu_los"], draws["uu_nlos"], params.rician_k, axis=1)
    uu = units.db_to_linear(-loss_db) * g_uav * g_uav * (re * re + im * im)

    # each row from the values of its links, zeros elsewhere
    values = jnp.concatenate([ub.reshape(-1, *ub.shape[2:]), uu, jnp.zeros_like(ub[:1, 0])])
    index = np.full((n, n), len(values) - 1)
    crossing = np.arange(env.n_uavs * env.n_bs).reshape(env.n_uavs, env.n_bs)
    index[env.n_bs :, : env.n_bs], index[: env.n_bs, env.n_bs :] = crossing, crossing.T
    index[env.n_bs + first, env.n_bs + second] = crossing.size + np.arange(len(first))
    index[env.n_bs + second, env.n_bs + first] = crossing.size + np.arange(len(first))
    return values[index]


def links(env: Any, state: State, draws: dict[str, Array], params: Params) -> Links:
    """All links of the slot that begins, from places, latents and fading."""
    b = env.n_bs
    g_bs, g_uav, g_vehicle = (
        units.db_to_linear(db)
        for db in (params.antenna_gain_bs_db, params.antenna_gain_uav_db, params.antenna_gain_vehicle_db)
    )
    loss_vb = ground_loss_db(env, state, params)
    away = distances_m(state.pos_v, state.pos_u, params)
    loss_vu = air_loss_db(env, *away, state.pos_u[None, :, 2], state.los_vu, state.alpha_vu, params)
    beta_vb = units.db_to_linear(-loss_vb) * g_bs * g_vehicle
    if env.v2b_rayleigh:
        beta_vb = beta_vb * 0.5 * jnp.sum(draws["n_vb"] ** 2, 2)
    beta_vu = units.db_to_linear(-loss_vu) * g_uav * g_vehicle
    fade = fading.rician_coeff(draws["vu_los"], draws["vu_nlos"], params.rician_k, axis=2)
    gain_vu = beta_vu * (fade[0] ** 2 + fade[1] ** 2)
    gain = jnp.concatenate([beta_vb * env.n_antennas, gain_vu], 1)  # |a|^2 = M
    relay = relay_gain(env, state, draws, params)

    reach = rate_bps(gain, params.p_max_vehicle_w, params) >= params.rate_min_bps
    uncovered = ~jnp.any(reach, 1)
    best = jnp.arange(gain.shape[1]).reshape((1, -1) + (1,) * (gain.ndim - 2)) == jnp.argmax(gain, 1)[:, None]
    power_w = node_power_max_w(env, params, relay.ndim - 2)[:, None]
    possible = np.ones((env.n_nodes, env.n_nodes), bool)
    possible[:b, :b] = False
    np.fill_diagonal(possible, False)
    relays = rate_bps(relay, power_w, params) >= params.rate_min_bps
    return Links(
        loss_db=jnp.concatenate([loss_vb, loss_vu], 1),
        beta=jnp.concatenate([beta_vb, beta_vu], 1),
        fade=fade,
        gain=gain,
        relay=relay,
        reach=reach | (uncovered[:, None] & best),
        uncovered=uncovered,
        relays=relays & possible.reshape(possible.shape + (1,) * (relay.ndim - 2)),
    )


def realised_gain(env: Any, state: State, draws: dict[str, Array], params: Params) -> Array:
    """(V, N) of the slot, where the estimate by which antennas are combined is off, (11), (12), (14), (30)."""
    b = env.n_bs
    offset = state.pos_v[:, None] - state.pos_bs[None]
    arrival_rad = jnp.arctan2(offset[:, :, 1], offset[:, :, 0])[:, :, None]
    antenna = jnp.arange(env.n_antennas).reshape((-1,) + (1,) * (arrival_rad.ndim - 3))
    estimate = fading.steering_vector(antenna, arrival_rad, params.antenna_spacing_m, params.wavelength_m)
    error = fading.bounded_csi_error(draws["eps_vb_r"], draws["eps_vb_ph"], params.csi_error_var)
    power_vb = fading.combined_power(estimate, error, axis=2)
    error = fading.bounded_csi_error(draws["eps_vu_r"], draws["eps_vu_ph"], params.csi_error_var)
    re, im = (x + e for x, e in zip(state.links.fade, error, strict=True))
    return jnp.concatenate([state.links.beta[:, :b] * power_vb, state.links.beta[:, b:] * (re**2 + im**2)], 1)
