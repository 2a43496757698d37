"""Path-loss models that a study can swap: each is `model(link, radio) -> loss_db`, positive where power is lost.

`radio` is anything with the numbers that the model names as attributes. A link of length exactly 0 (a node to itself,
masked by the caller) counts as 1 m, so that neither values nor gradients become infinite; nothing else is clamped.
"""

import difflib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

_LIGHT_SPEED_MPS = 299_792_458.0  # exact, SI
_LIGHT_SPEED_3GPP_MPS = 3.0e8  # TR 38.901 Table 7.4.1-1, note 1
_ENVIRONMENT_HEIGHT_M = 1.0  # h_E of UMi, TR 38.901 Table 7.4.1-1, note 1


class Link(NamedTuple):
    """Geometry of links; the fields broadcast together.

    Attributes:
        distance_2d_m: distance on the ground [m].
        distance_3d_m: distance between the antennas [m].
        tx_height_m: height of the transmitting antenna above ground [m].
        rx_height_m: height of the receiving antenna above ground [m].
    """

    distance_2d_m: Float[Array, "*#link"]
    distance_3d_m: Float[Array, "*#link"]
    tx_height_m: Float[Array | float, "*#link"]
    rx_height_m: Float[Array | float, "*#link"]


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
    breakpoint_m = (
        4.0
        * (link.tx_height_m - _ENVIRONMENT_HEIGHT_M)
        * (link.rx_height_m - _ENVIRONMENT_HEIGHT_M)
        * (radio.carrier_hz / _LIGHT_SPEED_3GPP_MPS)
    )
    breakpoint_3d_sq_m2 = breakpoint_m**2 + (link.tx_height_m - link.rx_height_m) ** 2
    decades = _decades(link.distance_3d_m)
    near_db = 21.0 * decades
    far_db = 40.0 * decades - 9.5 * _decades(breakpoint_3d_sq_m2)
    at_1m_db = 32.4 + 20.0 * _log10_ghz(radio.carrier_hz)
    return at_1m_db + jnp.where(link.distance_2d_m <= breakpoint_m, near_db, far_db)


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


MODELS: dict[str, Callable[[Link, Any], Array]] = {
    "log_distance": log_distance,
    "free_space": free_space,
    "umi_los": umi_los,
    "umi_nlos": umi_nlos,
}


def get(name: str) -> Callable[[Link, Any], Array]:
    """The model of that name in `MODELS`; an unknown name is a ValueError that lists the known ones and the closest."""
    try:
        return MODELS[name]
    except KeyError:
        close = difflib.get_close_matches(name, MODELS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no path-loss model {name!r}: choose from {', '.join(MODELS)}{hint}") from None


def _decades(x: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """log10(x), and 0 with gradient 0 where x is 0."""
    return jnp.log10(jnp.where(x == 0.0, 1.0, x))


def _log10_ghz(carrier_hz: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """Logarithm of the carrier in GHz, the form in which TR 38.901 has it."""
    return jnp.log10(carrier_hz / 1e9)
