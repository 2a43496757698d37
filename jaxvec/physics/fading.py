"""Small-scale fading from uniform numbers, so that one draw per slot serves every quantity.

`jax.random.uniform` may return 0, which is outside the open interval meant here: whoever draws must keep it away.
Complex numbers are pairs (real part, imaginary part): each is one more array like all others, of the same precision,
and passes through gradients, fusions and batches as they do.
"""

import math
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Float, Int

from jaxvec.physics._safe import root

_TERMS = {32: 8, 64: 13}  # of the series below, by bits: the first term left out is under 1e-9 and 1e-19


def rayleigh_power(u: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """Power |h|^2 of Rayleigh fading, h ~ CN(0, 1): exponential with mean 1 by inverse CDF, -log(u).

    Args:
        u: uniform on the open interval (0, 1) [-]; 1 - u would do as well.
    Returns:
        Channel power [-].
    """
    return -jnp.log(u)


def standard_normal(u: Float[Array, "*link"]) -> Float[Array, "*link"]:
    """Standard normal number by inverse CDF.

    Args:
        u: uniform on the open interval (0, 1) [-], not subnormal.
    Returns:
        z with P(Z <= z) = u [-], increasing in u; |z| <= 5.3 for float32 multiples of 2^-24.
    """
    return ndtri(u)


def phasor(turn: Float[Array, "*link"]) -> tuple[Float[Array, "*link"], Float[Array, "*link"]]:
    """Unit complex number of a phase: e^(j 2 pi turn), to 2e-7 in float32 and 1e-15 in float64 for phases of a few turns.

    By the power series about the nearest half turn, because XLA's own sine and cosine, which hold for any angle, take
    many times as long on a CPU.

    Args:
        turn: phase [turn].
    Returns:
        Real and imaginary part [-].
    """
    half = jnp.round(2.0 * turn)
    sign = 1.0 - 2.0 * (half - 2.0 * jnp.floor(0.5 * half))  # odd half turns point the other way
    angle_rad = 2.0 * math.pi * (turn - 0.5 * half)
    square, cosine, sine = angle_rad * angle_rad, jnp.zeros_like(angle_rad), jnp.zeros_like(angle_rad)
    for k in reversed(range(_TERMS[jnp.finfo(angle_rad.dtype).bits])):
        cosine = cosine * square + (-1) ** k / math.factorial(2 * k)
        sine = sine * square + (-1) ** k / math.factorial(2 * k + 1)
    return sign * cosine, sign * angle_rad * sine


def rician_coeff(
    u_los: Float[Array, "*#link"],
    u_nlos: Float[Array, "*path"],
    k: Float[Array | float, "*#link"],
    axis: int,
) -> tuple[Float[Array, "*link"], Float[Array, "*link"]]:
    """Coefficient of Rician fading: a path in sight and P scattered ones, each of random phase; E|h|^2 = 1.

    sqrt(K / (K + 1)) e^(j 2 pi u_los) + sqrt(1 / (K + 1)) sum over paths of e^(j 2 pi u_nlos) / sqrt(P).
    Source: (24), (25) of the URLLC-VEC paper. Its Doppler factor would only turn the phase, which is uniform as it is.

    Args:
        u_los: phase of the path in sight, uniform on (0, 1) [turn].
        u_nlos: phases of the scattered paths, likewise [turn], with the P paths along `axis`.
        k: Rician factor K, power in sight over power scattered [-], at least 0.
        axis: of the paths in `u_nlos`, counted from the front: batch axes follow.
    Returns:
        Real and imaginary part of the coefficient [-].
    Raises:
        ValueError: the axis is negative, counted from the back.
    """
    if axis < 0:
        raise ValueError(f"axis counts from the front, because worlds come last; got {axis}")
    paths = u_nlos.shape[axis]
    sight, scattered = root(k / (k + 1.0)), root(1.0 / (k + 1.0) / paths)
    los_re, los_im = phasor(u_los)
    # path after path, which fuses into one kernel: a sum over an axis would write all phasors to memory
    nlos = [phasor(jax.lax.index_in_dim(u_nlos, path, axis, keepdims=False)) for path in range(paths)]
    nlos_re, nlos_im = (reduce(add, parts) for parts in zip(*nlos, strict=True))
    return sight * los_re + scattered * nlos_re, sight * los_im + scattered * nlos_im


def steering_vector(
    antenna: Int[Array, "*#link"],
    arrival_rad: Float[Array | float, "*#link"],
    spacing_m: Float[Array | float, "*#link"],
    wavelength_m: Float[Array | float, "*#link"],
) -> tuple[Float[Array, "*link"], Float[Array, "*link"]]:
    """What a plane wave is at each antenna of a row, seen from the first: e^(j 2 pi m spacing / wavelength sin(arrival)).

    Source: (14) of the URLLC-VEC paper.

    Args:
        antenna: number m of the antenna, from 0 [-]: `jnp.arange(M)` where the antennas have an axis of their own.
        arrival_rad: angle from which the wave arrives, 0 across the row [rad].
        spacing_m: distance of neighbouring antennas [m].
        wavelength_m: of the carrier [m].
    Returns:
        Real and imaginary part of the entries, each of modulus 1 [-].
    """
    return phasor((spacing_m / wavelength_m) * (antenna * jnp.sin(arrival_rad)))


def bounded_csi_error(
    u_radius: Float[Array, "*#link"], u_phase: Float[Array, "*#link"], variance: Float[Array | float, "*#link"]
) -> tuple[Float[Array, "*link"], Float[Array, "*link"]]:
    """Error of an estimated channel coefficient: uniform on the disc of radius sqrt(2 variance), where E|eps|^2 = variance.

    Source: (12) of the URLLC-VEC paper, erratum 9.

    Args:
        u_radius: uniform on (0, 1) [-]: the part of the disc that is closer to its centre.
        u_phase: uniform on (0, 1) [turn].
        variance: mean of |eps|^2 [-].
    Returns:
        Real and imaginary part of the error [-].
    """
    radius, (re, im) = root(2.0 * variance * u_radius), phasor(u_phase)
    return radius * re, radius * im


def combined_power(
    estimate: tuple[Float[Array, "*link"], Float[Array, "*link"]],
    error: tuple[Float[Array, "*link"], Float[Array, "*link"]],
    axis: int,
) -> Float[Array, "*rest"]:
    """Channel power after combining the antennas with an estimate h that is off by eps: |h^H (h + eps)|^2 / |h|^2.

    Source: (11), (30) of the URLLC-VEC paper, erratum 9. Without error |h|^2; with one antenna |h + eps|^2.

    Args:
        estimate: real and imaginary part of h [-].
        error: of eps, likewise [-].
        axis: of the antennas, counted from the front: batch axes follow.
    Returns:
        Channel power [-]; 0 where the estimate is.
    Raises:
        ValueError: the axis is negative, counted from the back.
    """
    if axis < 0:
        raise ValueError(f"axis counts from the front, because worlds come last; got {axis}")
    (h_re, h_im), (eps_re, eps_im) = estimate, error
    norm_sq = jnp.sum(h_re * h_re + h_im * h_im, axis)
    re = norm_sq + jnp.sum(h_re * eps_re + h_im * eps_im, axis)
    im = jnp.sum(h_re * eps_im - h_im * eps_re, axis)
    return (re * re + im * im) / jnp.where(norm_sq == 0.0, 1.0, norm_sq)


def doppler_shift_hz(
    speed_mps: Float[Array | float, "*#link"],
    angle_rad: Float[Array | float, "*#link"],
    wavelength_m: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """How much higher a carrier is received from somebody who comes closer: speed cos(angle) / wavelength.

    Source: (21) of the URLLC-VEC paper.

    Args:
        speed_mps: relative speed [m/s].
        angle_rad: between its direction and the way to the receiver [rad].
        wavelength_m: of the carrier [m].
    Returns:
        Shift [Hz], negative for somebody who goes away.
    """
    return speed_mps * jnp.cos(angle_rad) / wavelength_m


def jakes_correlation(
    speed_mps: Float[Array | float, "*#link"],
    slot_s: Float[Array | float, "*#link"],
    wavelength_m: Float[Array | float, "*#link"],
    *,
    quick: bool = False,
) -> Float[Array, "*link"]:
    """Correlation of a Rayleigh coefficient with itself a slot later, scatterers all around: J0(2 pi speed slot / wavelength).

    Source: Jakes, Microwave Mobile Communications (1974), 1.3; after (4) of the DT-edge paper. By the mean of
    cos(x sin(pi j / 256)) over j = 0..255, exact to rounding for arguments x below 200.

    Args:
        speed_mps: of the receiver [m/s].
        slot_s: time between the two [s].
        wavelength_m: of the carrier [m].
        quick: by polynomials that are off by 1e-7 at most, for speeds that change in every slot: a tenth of the time.
    Returns:
        Correlation [-], between -0.41 and 1; 1 for who stands.
    """
    x = 2.0 * math.pi * speed_mps * slot_s / jnp.asarray(wavelength_m)
    if quick:
        return _bessel_j0(x)

    # both halves of the circle are the same: the ends once, and 127 terms twice
    def add(j: Array, total: Array) -> Array:
        return total + jnp.cos(x * jnp.sin(math.pi * jnp.asarray(j, x.dtype) / 256.0))

    return (1.0 + jnp.cos(x) + 2.0 * jax.lax.fori_loop(1, 128, add, jnp.zeros_like(x))) / 256.0


_NEAR = (1.0, -2.2499997, 1.2656208, -0.3163866, 0.0444479, -0.0039444, 0.0002100)
_SIZE = (0.79788456, -0.00000077, -0.00552740, -0.00009512, 0.00137237, -0.00072805, 0.00014476)
_TURN = (-0.78539816, -0.04166397, -0.00003954, 0.00262573, -0.00054125, -0.00029333, 0.00013558)


def _bessel_j0(x: Array) -> Array:
    """Bessel's function J0 of numbers that are not negative: Abramowitz and Stegun, 9.4.1 and 9.4.3."""
    far = jnp.maximum(x, 3.0)
    square, inverse = (jnp.minimum(x, 3.0) / 3.0) ** 2, 3.0 / far

    def polynomial(terms: tuple[float, ...], at: Array) -> Array:
        return reduce(lambda total, term: total * at + term, reversed(terms), jnp.zeros_like(at))

    beyond = polynomial(_SIZE, inverse) * jax.lax.rsqrt(far) * jnp.cos(far + polynomial(_TURN, inverse))
    return jnp.where(x > 3.0, beyond, polynomial(_NEAR, square))
