"""Propagation in the reference simulator `urllc_vec`: path loss, fading, gains and rates of one slot, link by link.

Plain float64 NumPy. Numbers in parentheses are equations of the paper. V vehicles, B base stations (BSs), U UAVs,
N = B + U nodes (BSs first), M antennas of a BS, P scattered paths. Distances in m, losses in dB, gains linear.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from reference.urllc_vec import Config

Array = np.ndarray


@dataclass(frozen=True)
class Channels:
    """All links of one slot."""

    is_los_vb: Array  # bool [V,B]
    is_los_vu: Array  # bool [V,U]
    is_los_ub: Array  # bool [U,B]
    pl_vb: Array  # [V,B], dB
    pl_vu: Array  # [V,U], dB
    beta_vb: Array  # [V,B], large-scale gain with antennas, and Rayleigh power if any
    aoa_vb: Array  # [V,B], rad
    beta_vu: Array  # [V,U], large-scale gain with antennas
    h_vu: Array  # complex [V,U], small-scale coefficient
    g_ub: Array  # [U,B], gain
    g_uu: Array  # [U,U], gain, symmetric, 0 on the diagonal
    g_nn: Array  # [N,N], gain from row to column, 0 between BSs and on the diagonal
    g_vn_est: Array  # [V,N], gain without the CSI error
    conn_vn: Array  # bool [V,N], usable links, at least one a row
    uncovered: Array  # bool [V], no link reached the minimum rate
    conn_nn: Array  # bool [N,N]


def from_db(db: float) -> float:
    return 10.0 ** (db / 10.0)


def distances(a: Array, b: Array, cfg: Config) -> tuple[float, float]:
    """In space, not below the minimum, and on the map."""
    dx, dy, dz = (float(x) for x in b - a)
    return max(math.sqrt(dx**2 + dy**2 + dz**2), cfg.min_distance_m), math.hypot(dx, dy)


# ------------------------------------------------------------------------------------------------------------ path loss


def los_probability(d2: float, d1: float, p1: float) -> float:
    """(29)"""
    return 1.0 if d2 <= d1 else d1 / d2 + (1 - d1 / d2) * math.exp(-d2 / p1)


def okumura_hata_db(d3: float, cfg: Config) -> float:
    """(15), with the distance in km."""
    lf = math.log10(cfg.fc_hz / {"mhz": 1e6, "ghz": 1e9}[cfg.okumura_fc_unit])
    lh = math.log10(cfg.bs_antenna_height_m)
    a = (1.1 * lf - 0.7) * cfg.ut_antenna_height_m - (1.56 * lf - 0.8)
    return 69.55 + 26.16 * lf - 13.82 * lh - a + (44.9 - 6.55 * lh) * math.log10(d3 / 1000)


def uma_db(d3: float, los: bool, cfg: Config) -> float:
    """(16)-(20)"""
    lf, ld = math.log10(cfg.fc_hz / 1e9), math.log10(d3)
    if d3 <= cfg.breakpoint_m:
        pl_los = 28 + 22 * ld + 20 * lf
    else:
        step = cfg.breakpoint_m**2 + (cfg.bs_antenna_height_m - cfg.ut_antenna_height_m) ** 2
        pl_los = 28 + 40 * ld + 20 * lf - 9 * math.log10(step)
    pl_nlos = 13.54 + 39.08 * ld + 20 * lf - 0.6 * (cfg.ut_antenna_height_m - 1.5)
    return pl_los if los else max(pl_los, pl_nlos)


def v2b_db(d3: float, los: bool, cfg: Config) -> float:
    if cfg.pathloss_v2b == "okumura_hata":
        return okumura_hata_db(d3, cfg)
    if cfg.pathloss_v2b == "uma":
        return uma_db(d3, los, cfg)
    raise ValueError(f"unknown pathloss_v2b {cfg.pathloss_v2b!r}")


def air_db(d3: float, height: float, los: bool, alpha: float, cfg: Config) -> float:
    """A link of a UAV at `height`; `alpha` is the exponent in free space (26)-(28)."""
    if cfg.pathloss_air == "free_space":
        return -10 * math.log10((cfg.wavelength_m / (4 * math.pi)) ** 2 * d3**-alpha)
    if cfg.pathloss_air != "uma_av":
        raise ValueError(f"unknown pathloss_air {cfg.pathloss_air!r}")
    f = cfg.fc_hz / 1e9
    if los:
        return 28 + 22 * math.log10(d3) + 20 * math.log10(f)
    slope = 46 - 7 * math.log10(height)
    return -17.5 + slope * math.log10(d3) + 20 * math.log10(40 * math.pi * f / 3)


def air_los_range(height: float, cfg: Config) -> tuple[float, float]:
    """d1 and p1 of (29) for a UAV at `height`."""
    if cfg.los_air == "paper":
        return cfg.los_air_d1_m, cfg.los_air_p1_m
    if cfg.los_air != "tr36777":
        raise ValueError(f"unknown los_air {cfg.los_air!r}")
    lh = math.log10(min(max(height, 22.5), 100.0))
    return max(460 * lh - 700, 18.0), 4300 * lh - 3800


# -------------------------------------------------------------------------------------------------------- fading, rates


def steering(aoa: float, cfg: Config) -> list[complex]:
    """M phases of a wave from `aoa` (14)."""
    phase = 2 * math.pi * cfg.antenna_spacing_m / cfg.wavelength_m * math.sin(aoa)
    return [cmath.exp(1j * m * phase) for m in range(cfg.n_antennas)]


def csi_error(u_r: float, u_ph: float, cfg: Config) -> complex:
    """Uniform on a disc, E|eps|^2 = csi_error_var (12)."""
    return math.sqrt(2 * cfg.csi_error_var) * math.sqrt(u_r) * cmath.exp(2j * math.pi * u_ph)


def rician(u_los: float, u_nlos: Array, cfg: Config) -> complex:
    """Direct path and P scattered ones, E|h|^2 = 1 (24), (25)."""
    direct = cmath.exp(2j * math.pi * u_los)
    scattered = sum(cmath.exp(2j * math.pi * u) for u in u_nlos) / math.sqrt(len(u_nlos))
    k = cfg.rician_k
    return math.sqrt(k / (k + 1)) * direct + math.sqrt(1 / (k + 1)) * scattered


def rate_bps(gain: Array | float, power_w: Array | float, cfg: Config) -> Array | float:
    """Rate at finite blocklength; arrays broadcast (23), (31), (33), (35), (37)."""
    snr = power_w * gain / cfg.noise_w
    dispersion = 1 - (1 + snr) ** -2.0
    back_off = np.sqrt(dispersion / cfg.blocklength_symbols) * -ndtri(cfg.decode_error_prob) / math.log(2)
    return cfg.bandwidth_hz * np.maximum(0.0, np.log2(1 + snr) - back_off)


# ------------------------------------------------------------------------------------------------------------- one slot


def channels(
    pos_v: Array, pos_b: Array, pos_u: Array, alpha: dict[str, Array], latent: dict[str, Array], exo: dict, cfg: Config
) -> Channels:
    """All links at given positions; `alpha` (vu, ub, uu) and `latent` (vb, vu, ub) as in the state, `exo` are draws."""
    v_all, b_all, u_all = range(cfg.n_vehicles), range(cfg.n_bs), range(cfg.n_uavs)
    n_v, n_b, n_u, n = cfg.n_vehicles, cfg.n_bs, cfg.n_uavs, cfg.n_nodes
    g_b, g_u, g_v = (from_db(x) for x in (cfg.antenna_gain_bs_db, cfg.antenna_gain_uav_db, cfg.antenna_gain_vehicle_db))

    # vehicle to BS
    is_los_vb, pl_vb = np.zeros((n_v, n_b), bool), np.zeros((n_v, n_b))
    beta_vb, aoa_vb = np.zeros((n_v, n_b)), np.zeros((n_v, n_b))
    for v in v_all:
        for b in b_all:
            d3, d2 = distances(pos_v[v], pos_b[b], cfg)
            is_los_vb[v, b] = latent["vb"][v, b] < los_probability(d2, cfg.los_v2b_d1_m, cfg.los_v2b_p1_m)
            pl_vb[v, b] = v2b_db(d3, bool(is_los_vb[v, b]), cfg)
            beta_vb[v, b] = from_db(-pl_vb[v, b]) * g_b * g_v
            if cfg.v2b_rayleigh:
                beta_vb[v, b] *= 0.5 * (exo["n_vb"][v, b] ** 2).sum()
            aoa_vb[v, b] = math.atan2(pos_v[v, 1] - pos_b[b, 1], pos_v[v, 0] - pos_b[b, 0])

    # vehicle to UAV
    is_los_vu, pl_vu = np.zeros((n_v, n_u), bool), np.zeros((n_v, n_u))
    beta_vu, h_vu = np.zeros((n_v, n_u)), np.zeros((n_v, n_u), complex)
    for v in v_all:
        for u in u_all:
            d3, d2 = distances(pos_v[v], pos_u[u], cfg)
            height = float(pos_u[u, 2])
            is_los_vu[v, u] = latent["vu"][v, u] < los_probability(d2, *air_los_range(height, cfg))
            pl_vu[v, u] = air_db(d3, height, bool(is_los_vu[v, u]), float(alpha["vu"][v, u]), cfg)
            beta_vu[v, u] = from_db(-pl_vu[v, u]) * g_u * g_v
            h_vu[v, u] = rician(exo["vu_los"][v, u], exo["vu_nlos"][v, u], cfg)

    # UAV and BS, either way
    is_los_ub, g_ub = np.zeros((n_u, n_b), bool), np.zeros((n_u, n_b))
    for u in u_all:
        for b in b_all:
            d3, d2 = distances(pos_u[u], pos_b[b], cfg)
            height = float(pos_u[u, 2])
            is_los_ub[u, b] = latent["ub"][u, b] < los_probability(d2, *air_los_range(height, cfg))
            loss = air_db(d3, height, bool(is_los_ub[u, b]), float(alpha["ub"][u, b]), cfg)
            paths = [rician(exo["ub_los"][u, b], exo["ub_nlos"][u, b, m], cfg) for m in range(cfg.n_antennas)]
            g_ub[u, b] = from_db(-loss) * g_u * g_b * sum(abs(h) ** 2 for h in paths)

    # UAV to UAV: draws of the upper triangle, always in sight
    g_uu = np.zeros((n_u, n_u))
    for u in u_all:
        for other in range(u + 1, n_u):
            d3, _ = distances(pos_u[u], pos_u[other], cfg)
            loss = air_db(d3, float(pos_u[u, 2]), True, float(alpha["uu"][u, other]), cfg)
            h = rician(exo["uu_los"][u, other], exo["uu_nlos"][u, other], cfg)
            g_uu[u, other] = g_uu[other, u] = from_db(-loss) * g_u**2 * abs(h) ** 2

    g_nn = np.zeros((n, n))
    g_nn[n_b:, :n_b], g_nn[:n_b, n_b:], g_nn[n_b:, n_b:] = g_ub, g_ub.T, g_uu
    g_vn_est = np.concatenate([beta_vb * cfg.n_antennas, beta_vu * np.abs(h_vu) ** 2], axis=1)

    # who may talk to whom
    conn_vn = rate_bps(g_vn_est, cfg.p_max_vehicle_w, cfg) >= cfg.rate_min_bps
    uncovered = np.zeros(n_v, bool)
    for v in v_all:
        if not conn_vn[v].any():
            uncovered[v], conn_vn[v, np.argmax(g_vn_est[v])] = True, True
    conn_nn = rate_bps(g_nn, cfg.p_max_nodes_w[:, None], cfg) >= cfg.rate_min_bps
    conn_nn[:n_b, :n_b] = False
    for z in range(n):
        conn_nn[z, z] = False

    return Channels(
        is_los_vb=is_los_vb,
        is_los_vu=is_los_vu,
        is_los_ub=is_los_ub,
        pl_vb=pl_vb,
        pl_vu=pl_vu,
        beta_vb=beta_vb,
        aoa_vb=aoa_vb,
        beta_vu=beta_vu,
        h_vu=h_vu,
        g_ub=g_ub,
        g_uu=g_uu,
        g_nn=g_nn,
        g_vn_est=g_vn_est,
        conn_vn=conn_vn,
        uncovered=uncovered,
        conn_nn=conn_nn,
    )
