"""Path-loss models that a study can swap: each is `model(link, radio) -> loss_db`, positive where power is lost.

To add one write its function and a line in `MODELS`; from outside, `jaxvec.register("mine", model, kind="pathloss")`.
`radio` is anything with the numbers that the model names as attributes. A link of length exactly 0 (a node to itself,
masked by the caller) counts as 1 m, so that neither values nor gradients become infinite; nothing else is clamped.
"""

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxvec.core.registry import Registry

_LIGHT_SPEED_MPS = 299_792_458.0  # exact, SI
_LIGHT_SPEED_3GPP_MPS = 3.0e8  # TR 38.901 Table 7.4.1-1, note 1
_ENVIRONMENT_HEIGHT_M = 1.0  # h_E of UMi, and of UMa for terminals below 13 m, TR 38.901 Table 7.4.1-1, note 1
_UMA_AV_HEIGHTS_M = (22.5, 100.0)  # between which the LOS probability depends on the height, TR 36.777 Table B-1


class Link(NamedTuple):
    """Geometry of links; the fields broadcast together.

    Attributes:
        distance_2d_m: distance on the ground [m].
        distance_3d_m: distance between the antennas [m].
        tx_height_m: height of the transmitting antenna above ground [m].
        rx_height_m: height of the receiving antenna above ground [m].
        site: at which fixed transmitter it begins, from 0; None of other links, and where distances alone are known.
        x_m, y_m: where the other end is, in the system's coordinates [m]; None where `site` is.
    """

    distance_2d_m: Float[Array, "*#link"]
    distance_3d_m: Float[Array, "*#link"]
    tx_height_m: Float[Array | float, "*#link"]
    rx_height_m: Float[Array | float, "*#link"]
    site: Int[Array, "*#link"] | None = None
    x_m: Float[Array, "*#link"] | None = None
    y_m: Float[Array, "*#link"] | None = None


def log_distance(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Loss that grows with the logarithm of the distance: -(G1 - slope log10(d3D)).

    Source: below (1) of the ISAC-IoV paper, errata E4 (-38.4 and 21 are TR 38.901 UMi LOS at 2 GHz to 0.02 dB).

    Args:
        link: uses `distance_3d_m`.
        radio: uses `gain_at_1m_db`, G1, negative for a loss [dB]; `gain_slope_db` [dB/decade].
    Returns:
        Loss [dB].
    """
    return radio.gain_slope_db * _decades(link.distance_3d_m) - radio.gain_at_1m_db


def free_space(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Loss between isotropic antennas in the open: 20 log10(4 pi d3D f / c).

    Source: Friis (1946); ITU-R P.525. Holds in the far field, many wavelengths away.

    Args:
        link: uses `distance_3d_m`.
        radio: uses `carrier_hz`, f [Hz].
    Returns:
        Loss [dB].
    """
    at_1m_db = 20.0 * jnp.log10(4.0 * math.pi / _LIGHT_SPEED_MPS * radio.carrier_hz)
    return 20.0 * _decades(link.distance_3d_m) + at_1m_db


def power_law(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Free space over the first metre, and from there another exponent than 2: -10 log10((lambda / 4 pi)^2 d3D^-alpha).

    Source: (26) of the URLLC-VEC paper with d0 = 1 m. With alpha = 2 it is `free_space`.

    Args:
        link: uses `distance_3d_m`.
        radio: uses `wavelength_m`, lambda [m]; `pathloss_exponent`, alpha, one number or one per link [-].
    Returns:
        Loss [dB].
    """
    at_1m_db = 20.0 * jnp.log10(4.0 * math.pi / radio.wavelength_m)
    return 10.0 * radio.pathloss_exponent * _decades(link.distance_3d_m) + at_1m_db


def okumura_hata(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Urban macro cell from measurements in Tokyo, 26.16 dB per decade of the carrier, which the formula takes in MHz.

    69.55 + 26.16 log10 f - 13.82 log10 h_BS - a + (44.9 - 6.55 log10 h_BS) log10(d3D / km), with the mobile antenna's
    correction in a city of medium size, a = (1.1 log10 f - 0.7) h_UT - (1.56 log10 f - 0.8).
    Source: Hata (1980), IEEE Trans. Veh. Technol. 29(3); (15) of the URLLC-VEC paper. For 150 to 1500 MHz, 1 to 20 km,
    a base station at 30 to 200 m and a mobile at 1 to 10 m. The higher end of the link counts as the base station.

    Args:
        link: uses `distance_3d_m` and the heights.
        radio: uses `carrier_hz`, f [Hz].
    Returns:
        Loss [dB].
    """
    return _okumura_hata_db(link, jnp.log10(radio.carrier_hz / 1e6))


def okumura_hata_ghz(link: Link, radio: Any) -> Float[Array, "*link"]:
    """`okumura_hata` with the carrier's number of GHz where the formula wants MHz: some 75 dB less, and wrong.

    Source: erratum 1 of the URLLC-VEC paper, whose table can only be explained by this slip.

    Args:
        link: uses `distance_3d_m` and the heights.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    return _okumura_hata_db(link, _log10_ghz(radio.carrier_hz))


def umi_los(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Street canyon below roof tops, in line of sight: 21 dB per decade up to the breakpoint, 40 beyond it.

    Source: 3GPP TR 38.901 V16, Table 7.4.1-1, UMi-Street Canyon. For 0.5 to 100 GHz, 10 m to 5 km on the ground, a base
    station at 10 m and terminals at 1.5 to 22.5 m; both ends must be above 1 m. Without shadowing (there 4 dB).
    The formula is symmetric: either end may be the base station.

    Args:
        link: uses every field.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    breakpoint_m = _breakpoint_m(link, radio)
    return _two_slopes_db(link, radio, 32.4, 21.0, breakpoint_m, link.distance_2d_m <= breakpoint_m)


def umi_nlos(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Street canyon below roof tops, line of sight blocked: 35.3 dB per decade, never less than `umi_los`.

    Source and limits: as `umi_los` (shadowing: 7.82 dB). The lower end of the link counts as the terminal, h_UT.

    Args:
        link: uses every field.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    terminal_m = jnp.minimum(link.tx_height_m, link.rx_height_m)
    blocked_db = (
        35.3 * _decades(link.distance_3d_m) + 22.4 + 21.3 * _log10_ghz(radio.carrier_hz) - 0.3 * (terminal_m - 1.5)
    )
    return jnp.maximum(umi_los(link, radio), blocked_db)


def uma_los(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Base station above roof tops, in line of sight: 22 dB per decade up to the breakpoint, 40 beyond it.

    Source: 3GPP TR 38.901 V16, Table 7.4.1-1, UMa. For 0.5 to 100 GHz, 10 m to 5 km on the ground, a base station at
    25 m and terminals at 1.5 to 13 m (up to 22.5 m the standard also draws the height of the environment); both ends
    must be above 1 m. Without shadowing (there 4 dB). The formula is symmetric: either end may be the base station.

    Args:
        link: uses every field.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    breakpoint_m = _breakpoint_m(link, radio)
    return _two_slopes_db(link, radio, 28.0, 22.0, breakpoint_m, link.distance_2d_m <= breakpoint_m)


def uma_nlos(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Base station above roof tops, line of sight blocked: 39.08 dB per decade, never less than `uma_los`.

    Source and limits: as `uma_los` (shadowing: 6 dB). The lower end of the link counts as the terminal, h_UT.

    Args:
        link: uses every field.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    return jnp.maximum(uma_los(link, radio), _uma_blocked_db(link, radio))


def uma_los_fixed(link: Link, radio: Any) -> Float[Array, "*link"]:
    """`uma_los` with a breakpoint that is given, instead of following from heights and carrier.

    Source: (16) to (18) of the URLLC-VEC paper. There the distance between the antennas decides on which side of the
    breakpoint a link is, so there the loss falls by 9 log10(1 + (h_BS - h_UT)^2 / breakpoint^2) dB.

    Args:
        link: uses `distance_3d_m` and the heights.
        radio: uses `carrier_hz` [Hz]; `breakpoint_m` [m].
    Returns:
        Loss [dB].
    """
    return _two_slopes_db(link, radio, 28.0, 22.0, radio.breakpoint_m, link.distance_3d_m <= radio.breakpoint_m)


def uma_nlos_fixed(link: Link, radio: Any) -> Float[Array, "*link"]:
    """`uma_nlos` with a breakpoint that is given. Source: (19), (20) of the URLLC-VEC paper.

    Args:
        link: uses `distance_3d_m` and the heights.
        radio: uses `carrier_hz` [Hz]; `breakpoint_m` [m].
    Returns:
        Loss [dB].
    """
    return jnp.maximum(uma_los_fixed(link, radio), _uma_blocked_db(link, radio))


def uma_av_los(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Aerial vehicle in an urban macro cell, in line of sight: 22 dB per decade, without a breakpoint.

    Source: 3GPP TR 36.777 V15, Table B-2, UMa-AV; (27) of the URLLC-VEC paper. For aerial vehicles at 22.5 to 300 m, up
    to 4 km on the ground. Without shadowing (there 4.64 exp(-0.0066 h) dB).

    Args:
        link: uses `distance_3d_m`.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    return 28.0 + 22.0 * _decades(link.distance_3d_m) + 20.0 * _log10_ghz(radio.carrier_hz)


def uma_av_nlos(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Aerial vehicle in an urban macro cell, line of sight blocked: 46 - 7 log10 h dB per decade, h its height.

    Source: as `uma_av_los`, for 10 to 100 m (shadowing: 6 dB); (28) of the URLLC-VEC paper. The higher end of the link
    counts as the aerial vehicle: where it is the lower one, give its height for both.

    Args:
        link: uses `distance_3d_m` and the heights.
        radio: uses `carrier_hz` [Hz].
    Returns:
        Loss [dB].
    """
    slope_db = 46.0 - 7.0 * _decades(jnp.maximum(link.tx_height_m, link.rx_height_m))
    at_1m_db = -17.5 + 20.0 * (_log10_ghz(radio.carrier_hz) + math.log10(40.0 * math.pi / 3.0))
    return slope_db * _decades(link.distance_3d_m) + at_1m_db


def macro(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Loss of a macro cell: L(1 km) + slope log10(d3D / 1 km).

    Source: 128.1 + 37.6 log10(d) at 2 GHz, 3GPP TR 36.814 Table A.2.1.1-2; below (3) of the DT-edge paper, whose unit of d is
    missing: it is the kilometre.

    Args:
        link: uses `distance_3d_m`.
        radio: uses `pathloss_const_db`, L(1 km) [dB]; `pathloss_slope_db` [dB/decade].
    Returns:
        Loss [dB].
    """
    return radio.pathloss_const_db + radio.pathloss_slope_db * (_decades(link.distance_3d_m) - 3.0)


MODELS: Registry[Callable[[Link, Any], Array]] = Registry(
    "path-loss model",
    {
        "log_distance": log_distance,
        "macro": macro,
        "free_space": free_space,
        "umi_los": umi_los,
        "umi_nlos": umi_nlos,
        "uma_los": uma_los,
        "uma_nlos": uma_nlos,
        "uma_los_fixed": uma_los_fixed,
        "uma_nlos_fixed": uma_nlos_fixed,
        "uma_av_los": uma_av_los,
        "uma_av_nlos": uma_av_nlos,
        "okumura_hata": okumura_hata,
        "okumura_hata_ghz": okumura_hata_ghz,
        "power_law": power_law,
        **{name: f"jaxvec.physics.table:{name}" for name in ("table", "umi_by_sight", "uma_by_sight")},
    },
)


def usable(radio: type) -> tuple[str, ...]:
    """Names of the models that find all their numbers in a class of parameters, `jaxvec.register`ed ones too.

    Args:
        radio: the class, of which a model is given an object with the defaults.
    Returns:
        Their names, those of the package first.
    """
    return tuple(name for name, model in MODELS.items() if _finds_its_numbers(model, radio))


def los_pairs(names: Iterable[str]) -> tuple[str, ...]:
    """Stems NAME for which there is a model with line of sight, NAME_los, and one without, NAME_nlos.

    Args:
        names: names of path-loss models.
    Returns:
        The stems, in the order of their NAME_los.
    """
    known = list(names)
    return tuple(name[:-4] for name in known if name.endswith("_los") and f"{name[:-4]}_nlos" in known)


@cache
def _finds_its_numbers(model: Callable[[Link, Any], Array], radio: type) -> bool:
    link, numbers = Link(*(jnp.ones(()),) * 4), radio()
    try:
        with suppress(ValueError):  # a table that is yet to be given
            jax.eval_shape(lambda link: model(link, numbers), link)
    except AttributeError:
        return False
    return True


def los_probability(
    distance_2d_m: Float[Array | float, "*#link"],
    d1_m: Float[Array | float, "*#link"],
    p1_m: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """How often a link is in line of sight: 1 up to d1, d1/d + (1 - d1/d) exp(-d/p1) beyond it.

    Source: 3GPP TR 38.901 Table 7.4.2-1, with d1 = 18 m and p1 = 36 m (UMi) or 63 m (UMa, terminals up to 13 m);
    TR 36.777 Table B-1 for aerial vehicles; (29) of the URLLC-VEC paper.

    Args:
        distance_2d_m: d, on the ground [m].
        d1_m: always in sight up to here [m], above 0.
        p1_m: how slowly sight is lost beyond [m], above 0.
    Returns:
        Probability [-].
    """
    near = d1_m / jnp.maximum(distance_2d_m, d1_m)
    return near + (1.0 - near) * jnp.exp(-distance_2d_m / p1_m)


def uma_av_los_d1_p1(
    height_m: Float[Array | float, "*link"],
) -> tuple[Float[Array, "*link"], Float[Array, "*link"]]:
    """What `los_probability` needs for an aerial vehicle in an urban macro cell: the higher, the more in sight.

    Source: 3GPP TR 36.777 V15, Table B-1, UMa-AV: d1 = max(460 log10 h - 700, 18), p1 = 4300 log10 h - 3800.

    Args:
        height_m: of the aerial vehicle [m]; outside 22.5 to 100 m the nearest of the two counts (the standard has a
            link to anything above 100 m always in sight).
    Returns:
        d1 and p1 [m].
    """
    decades = jnp.log10(jnp.clip(height_m, *_UMA_AV_HEIGHTS_M))
    return jnp.maximum(460.0 * decades - 700.0, 18.0), 4300.0 * decades - 3800.0


def _okumura_hata_db(link: Link, log10_carrier: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """Hata's urban formula, of the logarithm of the carrier's number."""
    base_decades = _decades(jnp.maximum(link.tx_height_m, link.rx_height_m))
    terminal_m = jnp.minimum(link.tx_height_m, link.rx_height_m)
    correction_db = (1.1 * log10_carrier - 0.7) * terminal_m - (1.56 * log10_carrier - 0.8)
    at_1km_db = 69.55 + 26.16 * log10_carrier - 13.82 * base_decades - correction_db
    return at_1km_db + (44.9 - 6.55 * base_decades) * (_decades(link.distance_3d_m) - 3.0)


def _breakpoint_m(link: Link, radio: Any) -> Float[Array, "*link"]:
    """Distance on the ground from which the wave reflected on it cancels the direct one, TR 38.901 Table 7.4.1-1, note 1."""
    return (
        4.0
        * (link.tx_height_m - _ENVIRONMENT_HEIGHT_M)
        * (link.rx_height_m - _ENVIRONMENT_HEIGHT_M)
        * (radio.carrier_hz / _LIGHT_SPEED_3GPP_MPS)
    )


def _two_slopes_db(
    link: Link, radio: Any, at_1m_1ghz_db: float, slope_db: float, breakpoint_m: Any, near: Bool[Array, "*link"]
) -> Float[Array, "*link"]:
    """TR 38.901's losses in line of sight: up to the breakpoint `slope_db` per decade, 40 dB beyond it."""
    breakpoint_3d_sq_m2 = breakpoint_m**2 + (link.tx_height_m - link.rx_height_m) ** 2
    decades = _decades(link.distance_3d_m)
    near_db = slope_db * decades
    far_db = 40.0 * decades - (40.0 - slope_db) / 2.0 * _decades(breakpoint_3d_sq_m2)
    return at_1m_1ghz_db + 20.0 * _log10_ghz(radio.carrier_hz) + jnp.where(near, near_db, far_db)


def _uma_blocked_db(link: Link, radio: Any) -> Float[Array, "*link"]:
    """PL'_NLOS of UMa, before it is compared with the loss in line of sight."""
    terminal_m = jnp.minimum(link.tx_height_m, link.rx_height_m)
    return 13.54 + 39.08 * _decades(link.distance_3d_m) + 20.0 * _log10_ghz(radio.carrier_hz) - 0.6 * (terminal_m - 1.5)


def _decades(x: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """log10(x), and 0 with gradient 0 where x is 0."""
    return jnp.log10(jnp.where(x == 0.0, 1.0, x))


def _log10_ghz(carrier_hz: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Logarithm of the carrier in GHz, the form in which TR 38.901 has it."""
    return jnp.log10(carrier_hz / 1e9)
