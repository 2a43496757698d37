"""How fast a link carries bits."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def snr(
    power_w: Float[Array | float, "*#link"],
    channel_power: Float[Array | float, "*#link"],
    gain: Float[Array | float, "*#link"],
    noise_w: Float[Array | float, "*#link"],
) -> Float[Array | float, "*link"]:
    """Signal-to-noise ratio P |h|^2 g / N. Source: the argument of the logarithm in (1) of the ISAC-IoV paper.

    Args:
        power_w: transmit power P [W].
        channel_power: fading |h|^2 [-].
        gain: linear mean gain g of the link, path loss and antennas together [-].
        noise_w: noise power N in the receiver's band [W], above 0.
    Returns:
        Ratio [-].
    """
    return power_w * channel_power * (gain / noise_w)  # gain and noise are both tiny: their ratio is not


def shannon_bps(
    bandwidth_hz: Float[Array | float, "*#link"], snr: Float[Array | float, "*#link"]
) -> Float[Array, "*link"]:
    """Capacity of a band with white noise: B log2(1 + snr). Source: Shannon (1948).

    Args:
        bandwidth_hz: B [Hz].
        snr: signal-to-noise ratio [-], at least 0; exact also far below 1.
    Returns:
        Rate [bit/s].
    """
    return bandwidth_hz * (jnp.log1p(snr) / math.log(2.0))
