"""The links of a slot in `urllc_vec`: what is in sight, losses, fading, gains, and who can reach whom.

Shapes are one world's, with `V` vehicles, `U` UAVs, `B` base stations (BSs), `N = B + U` nodes (BSs first) and `M` antennas of
a BS; batch axes come last. Equation numbers are those of the paper.

Throughout:
    sizes: sizes and switches.
    state: of the slot, with its places and latents.
    draws: as `draw_reset` or `draw_step` of `UrllcVec` gives them.
    params: the numbers.
    rank: batch axes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.layout import lift
from jaxvec.core.presence import of_present
from jaxvec.envs.urllc_vec.mixtures import mixed
from jaxvec.envs.urllc_vec.params import Links, Params, Sizes, State, split_nodes, stack_nodes
from jaxvec.physics import fading, geometry, pathloss, rate, table, units

Model = Callable[[pathloss.Link, Any], Array]


class _PowerLaw(NamedTuple):
    """Numbers of `pathloss.power_law` with an exponent per link."""

    wavelength_m: Any
    pathloss_exponent: Array


def pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of so many things.

    Args:
        n: how many.
    Returns:
        int `(n (n - 1) / 2,)` each: the lower and the higher of each pair.
    """
    return np.triu_indices(n, 1)


def rate_bps(gain: Array, power_w: Array | float, params: Params) -> Array:
    """Rate of short packets (23), (31), (33), (35), (37).

    Args:
        gain: of the links, with antennas and fading, of any shape [-].
        power_w: of the senders; broadcasts with the gains [W].
    Returns:
        Of the broadcast shape [bit/s].
    """
    snr = power_w * gain / params.noise_w
    return rate.finite_blocklength_bps(params.bandwidth_hz, snr, params.blocklength_symbols, params.decode_error_prob)


def node_power_max_w(sizes: Sizes, params: Params, rank: int) -> Array:
    """Largest transmit power of each node.

    Returns:
        `(N, *ones)`, or `(N, worlds)` of a sweep [W].
    """
    bs, uav = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (params.p_max_bs_w, params.p_max_uav_w)))
    power_w = stack_nodes({"bs": jnp.stack([bs] * sizes.n_bs), "uav": jnp.stack([uav] * sizes.n_uavs)})
    return power_w if bs.ndim else lift(power_w, rank)


def distances_m(a: Array, b: Array, params: Params) -> tuple[Array, Array]:
    """How far all of some are from all of others, not below the minimum in space.

    Args:
        a: `(n, 3)`, places [m].
        b: `(m, 3)`, places [m].
    Returns:
        `(n, m)` each: on the ground, and in space [m].
    """
    x, y, z = (a[:, None, i] - b[None, :, i] for i in range(3))
    return geometry.norm_m(x, y), jnp.maximum(geometry.norm_m(x, y, z), params.min_distance_m)


def models_of(name: str) -> tuple[Model, Model | None]:
    """The path-loss models behind a name, see `jaxvec.envs.urllc_vec.mixtures.mixed`.

    Args:
        name: of a model, or of a mixture.
    Returns:
        The model in line of sight, and the one where it is blocked; None if a single one serves both.
    """
    in_sight, *blocked = (pathloss.MODELS[model] for model in mixed(name))
    return in_sight, blocked[0] if blocked else None


def ground_loss_db(sizes: Sizes, state: State, params: Params) -> Array:
    """Path loss from vehicle to BS, (15) to (20).

    Returns:
        `(V, B)` [dB].
    """
    ground_m, distance_m = distances_m(state.pos_v, state.pos_bs, params)
    link = pathloss.Link(ground_m, distance_m, params.bs_antenna_height_m, params.ut_antenna_height_m)
    link = table.placed(link, state.pos_v[:, 0], state.pos_v[:, 1])
    in_sight, blocked = models_of(sizes.pathloss_v2b)
    if blocked is None:
        return in_sight(link, params)
    chance = pathloss.los_probability(ground_m, params.los_v2b_d1_m, params.los_v2b_p1_m)
    return jnp.where(state.los_vb < chance, in_sight(link, params), blocked(link, params))


class AirLinks(NamedTuple):
    """Links of UAVs to vehicles, to BSs, or to one another; the fields broadcast together.

    Attributes:
        ground_m: length on the ground [m].
        distance_m: in space [m].
        height_m: of the UAV [m].
        other_m: height of the other end's antenna [m].
        latent: of line of sight, uniform [-]; None: always in sight.
        exponent: of free space [-].
    """

    ground_m: Array
    distance_m: Array
    height_m: Array
    other_m: Any
    latent: Array | None
    exponent: Array


def air_loss_db(sizes: Sizes, air: AirLinks, params: Params) -> Array:
    """Loss of each link, (26) to (29).

    Args:
        air: the links.
    Returns:
        Of the links' shape [dB].
    """
    if sizes.pathloss_air == "free_space":
        link = pathloss.Link(air.ground_m, air.distance_m, air.height_m, air.other_m)
        return pathloss.power_law(link, _PowerLaw(params.wavelength_m, air.exponent))
    # of the paper's models the UAV's height decides, even if the other end is higher
    other_m = air.height_m if sizes.pathloss_air == "uma_av" else air.other_m
    link = pathloss.Link(air.ground_m, air.distance_m, air.height_m, other_m)
    in_sight, blocked = models_of(sizes.pathloss_air)
    if blocked is None or air.latent is None:
        return in_sight(link, params)
    printed = (params.los_air_d1_m, params.los_air_p1_m)
    d1_m, p1_m = pathloss.uma_av_los_d1_p1(air.height_m) if sizes.los_air == "tr36777" else printed
    chance = pathloss.los_probability(air.ground_m, d1_m, p1_m)
    return jnp.where(air.latent < chance, in_sight(link, params), blocked(link, params))


def relay_gain(sizes: Sizes, state: State, draws: dict[str, Array], params: Params) -> Array:
    """Gain from node to node, the same both ways, 0 between BSs and on the diagonal.

    Returns:
        `(N, N)` [-].
    """
    n, first, second = sizes.n_nodes, *pairs(sizes.n_uavs)
    g_bs, g_uav = (units.db_to_linear(db) for db in (params.antenna_gain_bs_db, params.antenna_gain_uav_db))
    height_m = state.pos_u[:, 2]

    away = distances_m(state.pos_u, state.pos_bs, params)
    air = AirLinks(*away, height_m[:, None], params.bs_antenna_height_m, state.los_ub, state.alpha_ub)
    re, im = fading.rician_coeff(draws["ub_los"][:, :, None], draws["ub_nlos"], params.rician_k, axis=3)
    ub = units.db_to_linear(-air_loss_db(sizes, air, params)) * g_uav * g_bs * jnp.sum(re * re + im * im, 2)

    x, y, z = (state.pos_u[first, i] - state.pos_u[second, i] for i in range(3))
    away = geometry.norm_m(x, y), jnp.maximum(geometry.norm_m(x, y, z), params.min_distance_m)
    air = AirLinks(*away, height_m[first], height_m[second], None, state.alpha_uu)
    re, im = fading.rician_coeff(draws["uu_los"], draws["uu_nlos"], params.rician_k, axis=1)
    uu = units.db_to_linear(-air_loss_db(sizes, air, params)) * g_uav * g_uav * (re * re + im * im)

    # each row from the values of its links, zeros elsewhere
    values = jnp.concatenate([ub.reshape(-1, *ub.shape[2:]), uu, jnp.zeros_like(ub[:1, 0])])
    index = np.full((n, n), len(values) - 1)
    crossing, node = np.arange(ub.shape[0] * ub.shape[1]).reshape(ub.shape[:2]), split_nodes(sizes, np.arange(n))
    index[np.ix_(node["uav"], node["bs"])], index[np.ix_(node["bs"], node["uav"])] = crossing, crossing.T
    one, other, couple = node["uav"][first], node["uav"][second], crossing.size + np.arange(len(first))
    index[one, other], index[other, one] = couple, couple
    return values[index]


def possible_relays(sizes: Sizes) -> np.ndarray:
    """Who may send to whom: everybody but BSs to BSs, and nobody to itself.

    Returns:
        bool `(N, N)`.
    """
    bs = split_nodes(sizes, np.arange(sizes.n_nodes))["bs"]
    possible = ~np.eye(sizes.n_nodes, dtype=bool)
    possible[np.ix_(bs, bs)] = False
    return possible


def links(sizes: Sizes, state: State, draws: dict[str, Array], params: Params) -> Links:
    """All links of the slot that begins, from places, latents and fading."""
    rank = state.t.ndim
    g_bs, g_uav, g_vehicle = (
        units.db_to_linear(db)
        for db in (params.antenna_gain_bs_db, params.antenna_gain_uav_db, params.antenna_gain_vehicle_db)
    )
    loss_vb = ground_loss_db(sizes, state, params)
    away = distances_m(state.pos_v, state.pos_u, params)
    air = AirLinks(*away, state.pos_u[None, :, 2], params.ut_antenna_height_m, state.los_vu, state.alpha_vu)
    loss_vu = air_loss_db(sizes, air, params)
    beta_vb = units.db_to_linear(-loss_vb) * g_bs * g_vehicle
    if sizes.v2b_rayleigh:
        beta_vb = beta_vb * 0.5 * jnp.sum(draws["z_vb"] ** 2, 2)
    beta_vu = units.db_to_linear(-loss_vu) * g_uav * g_vehicle
    fade = fading.rician_coeff(draws["vu_los"], draws["vu_nlos"], params.rician_k, axis=2)
    gain_vb = beta_vb * sizes.n_antennas  # |a|^2 = M
    gain = stack_nodes({"bs": gain_vb, "uav": beta_vu * (fade[0] ** 2 + fade[1] ** 2)}, axis=1)
    relay = relay_gain(sizes, state, draws, params)

    reach = rate_bps(gain, params.p_max_vehicle_w, params) >= params.rate_min_bps
    uncovered = ~jnp.any(reach, 1)
    best = lift(jnp.arange(sizes.n_nodes), rank)[None] == jnp.argmax(gain, 1)[:, None]
    relays = rate_bps(relay, node_power_max_w(sizes, params, rank)[:, None], params) >= params.rate_min_bps
    of_vehicles = {
        "loss_db": stack_nodes({"bs": loss_vb, "uav": loss_vu}, axis=1),
        "beta": stack_nodes({"bs": beta_vb, "uav": beta_vu}, axis=1),
        "fade": fade,
        "gain": gain,
        "reach": reach | (uncovered[:, None] & best),
        "uncovered": uncovered,
    }
    return Links(
        **of_present(state.present, of_vehicles),
        relay=relay,
        relays=relays & lift(possible_relays(sizes), rank),
    )


def realised_gain(sizes: Sizes, state: State, draws: dict[str, Array], params: Params) -> Array:
    """Gain of the slot, where the estimate by which antennas are combined is off, (11), (12), (14), (30).

    Returns:
        `(V, N)` [-].
    """
    offset = state.pos_v[:, None] - state.pos_bs[None]
    arrival_rad = jnp.arctan2(offset[:, :, 1], offset[:, :, 0])[:, :, None]
    antenna = lift(jnp.arange(sizes.n_antennas), state.t.ndim)
    estimate = fading.steering_vector(antenna, arrival_rad, params.antenna_spacing_m, params.wavelength_m)
    error = fading.bounded_csi_error(draws["eps_vb_r"], draws["eps_vb_ph"], params.csi_error_var)
    power_vb = fading.combined_power(estimate, error, axis=2)
    error = fading.bounded_csi_error(draws["eps_vu_r"], draws["eps_vu_ph"], params.csi_error_var)
    re, im = (x + e for x, e in zip(state.links.fade, error, strict=True))
    beta = split_nodes(sizes, state.links.beta, axis=1)
    return stack_nodes({"bs": beta["bs"] * power_vb, "uav": beta["uav"] * (re**2 + im**2)}, axis=1)
