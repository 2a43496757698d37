"""How fast a link carries bits."""

import math

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Float

from jaxvec.physics._safe import root


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


def qfunc_inv(probability: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """What a standard normal number exceeds with this probability, the inverse of the Gaussian Q function.

    Args:
        probability: on the open interval (0, 1) [-], not subnormal.
    Returns:
        x with P(Z > x) = probability [-].
    """
    return -ndtri(probability)


def channel_dispersion(snr: Float[Array | float, "*link"]) -> Float[Array, "*link"]:
    """How much the information in one symbol varies on a channel with white noise: 1 - (1 + snr)^-2.

    Source: Polyanskiy, Poor, Verdu (2010), IEEE Trans. Inf. Theory 56(5), with complex symbols.

    Args:
        snr: signal-to-noise ratio [-], at least 0; exact also far below 1.
    Returns:
        Variance [nat^2].
    """
    noise_part = 1.0 / (1.0 + jnp.asarray(snr))
    return snr * noise_part * (1.0 + noise_part)  # as the product it neither cancels nor overflows


def finite_blocklength_bps(
    bandwidth_hz: Float[Array | float, "*#link"],
    snr: Float[Array | float, "*#link"],
    blocklength: Float[Array | float, "*#link"],
    error_prob: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """Rate of short packets: B max(0, log2(1 + snr) - sqrt(dispersion / blocklength) Q^-1(error_prob) / ln 2).

    Source: (23) of the URLLC-VEC paper; the normal approximation of Polyanskiy, Poor, Verdu (2010). Less than
    `shannon_bps` for an error probability below 1/2, and equal to it at 1/2 and for long blocks.

    Args:
        bandwidth_hz: B [Hz].
        snr: signal-to-noise ratio [-], at least 0.
        blocklength: symbols in a packet [-], above 0.
        error_prob: probability that a packet cannot be decoded [-], in (0, 1).
    Returns:
        Rate [bit/s], 0 where the noise leaves nothing; its gradient at snr 0 is finite.
    """
    backoff_nat = root(channel_dispersion(snr) / blocklength) * qfunc_inv(error_prob)
    return bandwidth_hz * (jnp.maximum(0.0, jnp.log1p(snr) - backoff_nat) / math.log(2.0))
