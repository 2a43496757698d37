"""Where things are relative to each other: links are arrays `(tx, rx)`, one coordinate at a time."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxvec.physics._safe import root
from jaxvec.physics.fading import phasor

_TERMS = {32: 11, 64: 24}  # of the series below, by bits: the first term left out is under 1e-8 and 1e-16 of the sum
_ARCSINE = tuple(math.comb(2 * k, k) / (4**k * (2 * k + 1)) for k in range(24))  # Abramowitz and Stegun (1964), 4.4.40


def offsets(a: Float[Array, "tx *#batch"], b: Float[Array, "rx *#batch"]) -> Float[Array, "tx rx *batch"]:
    """Every b seen from every a: result[i, j] = b[j] - a[i].

    Args:
        a: one coordinate of the transmitters [m].
        b: the same coordinate of the receivers [m]; it may lack batch axes that `a` has, and the other way round.
    Returns:
        Signed offset of each link [m].
    """
    rank = max(jnp.ndim(a), jnp.ndim(b))
    a, b = (jnp.expand_dims(x, tuple(range(1, 1 + rank - jnp.ndim(x)))) for x in (a, b))
    return b[None] - a[:, None]


def norm_m(*components_m: Float[Array | float, "*#link"]) -> Float[Array, "*link"]:
    """Euclidean length: the square root of the sum of squares.

    Args:
        components_m: coordinates of the vector [m], broadcast together; below 1e-19 m a float32 square is 0.
    Returns:
        Length [m]; its gradient at the zero vector is 0, a subgradient.
    """
    return root(sum(c * c for c in components_m))


def haversine(
    dlat_rad: Float[Array | float, "*#link"],
    dlon_rad: Float[Array | float, "*#link"],
    cos_lat_a: Float[Array | float, "*#link"],
    cos_lat_b: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """Haversine of the angle between two points on a sphere: sin^2(dlat / 2) + cos(lat_a) cos(lat_b) sin^2(dlon / 2).

    Source: Sinnott (1984), Sky and Telescope 68(2); (1) of the twin-migration paper, repaired. It takes differences, because
    float32 degrees resolve metres only: those of offsets from a common anchor resolve millimetres.

    Args:
        dlat_rad: difference of the latitudes [rad].
        dlon_rad: difference of the longitudes [rad].
        cos_lat_a: cosine of the one latitude [-].
        cos_lat_b: cosine of the other [-].
    Returns:
        Number between 0 and 1 that grows with the distance [-]; see `arc_m`.
    """
    return jnp.sin(0.5 * dlat_rad) ** 2 + cos_lat_a * cos_lat_b * jnp.sin(0.5 * dlon_rad) ** 2


def haversine_as_printed(
    dlat_rad: Float[Array | float, "*#link"],
    dlon_rad: Float[Array | float, "*#link"],
    cos_lat_a: Float[Array | float, "*#link"],
    cos_lat_b: Float[Array | float, "*#link"],
) -> Float[Array, "*link"]:
    """What (1) of the twin-migration paper has for `haversine`: sin^2(dlon) + cos(lat_a) cos(lat_b) sin^2(dlat).

    Latitude and longitude are swapped and the half angles are missing, so that distances come out about twice as large.

    Args:
        dlat_rad: difference of the latitudes [rad].
        dlon_rad: difference of the longitudes [rad].
        cos_lat_a: cosine of the one latitude [-].
        cos_lat_b: cosine of the other [-].
    Returns:
        Number for `arc_m` [-].
    """
    return jnp.sin(dlon_rad) ** 2 + cos_lat_a * cos_lat_b * jnp.sin(dlat_rad) ** 2


def on_sphere(
    dlat_rad: Float[Array | float, "*#link"],
    dlon_rad: Float[Array | float, "*#link"],
    lat_rad: Float[Array | float, "*#link"],
) -> tuple[Float[Array, "*link"], Float[Array, "*link"], Float[Array, "*link"]]:
    """Where a point of the unit sphere is, seen from an anchor on it: to the east, to the north, and up.

    A quarter of the squared distance of two such places is the `haversine` between them: for many pairs of few points that
    is cheaper, and as precise in float32, since the places of a region are small numbers.

    Args:
        dlat_rad: latitude of the point minus that of the anchor [rad].
        dlon_rad: the same of the longitude [rad].
        lat_rad: latitude of the anchor [rad].
    Returns:
        Three coordinates [radii].
    """
    (cos_lat, sin_lat), (c_lat, s_lat), (c_lon, s_lon) = (
        phasor(jnp.asarray(angle) / (2.0 * math.pi)) for angle in (lat_rad, 0.5 * dlat_rad, 0.5 * dlon_rad)
    )
    sin_dlat, fall = 2.0 * s_lat * c_lat, 2.0 * s_lat * s_lat  # 1 - cos(dlat)
    cos_here = cos_lat - cos_lat * fall - sin_lat * sin_dlat
    sag = 2.0 * cos_here * s_lon * s_lon  # cos(lat) (1 - cos(dlon))
    return 2.0 * cos_here * s_lon * c_lon, sin_dlat + sin_lat * sag, -fall - cos_lat * sag


def arc_m(hav: Float[Array | float, "*#link"], radius_m: Float[Array | float, "*#link"]) -> Float[Array, "*link"]:
    """Length of the arc between two points on a sphere: 2 R arcsin(sqrt(hav)).

    Source: Sinnott (1984); (2) of the twin-migration paper. By the power series of the arc sine, because XLA's own takes many
    times as long on a CPU.

    Args:
        hav: haversine of the angle between them [-]; counts as at most 1.
        radius_m: R [m].
    Returns:
        Length [m]; its gradient is 0 on the spot and at the antipode.
    """
    hav = jnp.clip(hav, 0.0, 1.0)
    half = root(hav)
    far = half > 0.5  # arcsin(x) = pi / 2 - 2 arcsin(sqrt((1 - x) / 2))
    square = jnp.where(far, 0.5 * (1.0 - hav) / (1.0 + half), hav)
    series = jnp.zeros_like(square)
    for term in reversed(_ARCSINE[: _TERMS[jnp.finfo(square.dtype).bits]]):
        series = series * square + term
    near_rad = jnp.where(far, root(square), half) * series
    return 2.0 * radius_m * jnp.where(far, 0.5 * math.pi - 2.0 * near_rad, near_rad)


def within(distance_m: Float[Array, "*#link"], range_m: Float[Array | float, "*#link"]) -> Bool[Array, "*link"]:
    """Whether a link is no longer than its range.

    Args:
        distance_m: length of the link [m].
        range_m: longest usable link [m], itself included.
    Returns:
        True where usable.
    """
    return distance_m <= range_m
