"""Random numbers: one draw of uniforms per world and slot, addressed by key, sliced by name.

A key has the shape of the batch of worlds: `()` for one world, `(W,)` for W. World w's numbers depend on key w alone, so a
world is the same at any batch size, shard or order.

The default generator is JAX's own threefry-2x32, and the words drawn here are bit for bit those of `jax.random.bits`. They are
computed in line rather than by `jax.random`, because on a CPU JAX lowers threefry to a loop of separate kernels: in line it
fuses with whatever consumes it. Keys are derived in line as well, a kernel for each where `jax.random.fold_in` takes 25, and then
written down behind a barrier: else a chain of keys is fused into, and compiled again for, each of its consumers (minutes, for a
rollout that keeps many quantities). Keys of another generator (`jax.random.key(0, impl="rbg")`) go through `jax.random`
altogether; a batch of rbg keys is drawn as one, from its first key, so with it a world's numbers do depend on the batch.
"""

import zlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Shapes = Mapping[str, tuple[int, ...]]

_ROTATIONS = (
    (13, 15, 26, 6),
    (17, 29, 16, 24),
)  # Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), table 2
_PARITY = np.uint32(0x1BD11BDA)
_BLOCK = 512  # more words are drawn in a loop, which writes them to memory: fused, each of many readers draws them anew


def threefry2x32(key0: Array, key1: Array, count0: Array, count1: Array) -> tuple[Array, Array]:
    """One block of threefry-2x32-20 (Salmon et al. 2011): two uint32 words, elementwise.

    Args:
        key0, key1: uint32, the key.
        count0, count1: uint32, the counter.
    Returns:
        Two arrays of the broadcast shape.
    """
    schedule = (key0, key1, key0 ^ key1 ^ _PARITY)
    x0, x1 = count0 + schedule[0], count1 + schedule[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << np.uint32(bits)) | (x1 >> np.uint32(32 - bits)))
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def _is_threefry(key: Array) -> bool:
    return str(jax.random.key_impl(key)) == "threefry2x32"


def check_key(key: Array) -> None:
    """Refuse what is no typed key.

    Args:
        key: of any shape.
    Raises:
        TypeError: it is not, for instance the raw words of `jax.random.PRNGKey`; says how to have one.
    """
    if not jnp.issubdtype(getattr(key, "dtype", np.dtype(object)), jax.dtypes.prng_key):
        said = repr(key) if isinstance(key, int | float | None) else f"a {type(key).__name__}"
        got = f"{key.dtype}{list(key.shape)}" if hasattr(key, "dtype") else said
        raise TypeError(
            f"a key must be typed, as jax.random.key(0) gives it, not {got}; of the old jax.random.PRNGKey(0) "
            "jax.random.wrap_key_data makes one"
        )


def fold_in(key: Array, data: Array | np.ndarray | np.integer | int) -> Array:
    """`jax.random.fold_in`, elementwise over keys and integers of shapes that broadcast.

    Args:
        key: typed keys of any shape.
        data: integers of a shape that broadcasts with the keys'.
    Returns:
        Keys of the broadcast shape; the same keys as `jax.random.fold_in` gives one by one.
    Raises:
        TypeError: see `check_key`.
    """
    check_key(key)
    data = jnp.asarray(data).astype(jnp.uint32)
    shape = jnp.broadcast_shapes(key.shape, data.shape)
    if _is_threefry(key):
        return jax.random.wrap_key_data(_fold_in_words(jax.random.key_data(key), jnp.broadcast_to(data, shape)))
    each = jax.random.fold_in
    for _ in shape:
        each = jax.vmap(each)
    return each(jnp.broadcast_to(key, shape), jnp.broadcast_to(data, shape))


@jax.jit  # traced and lowered once for all that fold alike
def _fold_in_words(words: Array, data: Array) -> Array:
    """Words `(*data.shape, 2)` of keys with words `(..., 2)` and data folded in, written down before anybody reads them."""
    new = threefry2x32(words[..., 0], words[..., 1], jnp.zeros_like(data), data)
    return jax.lax.optimization_barrier(jnp.stack(new, -1))


def stream(key: Array, name: str) -> Array:
    """An independent key for a purpose, the same in every process.

    Args:
        key: typed keys of any shape.
        name: of the purpose: "world", "policy", ...
    Returns:
        Keys of the same shape.
    """
    return fold_in(key, np.uint32(zlib.crc32(name.encode())))


def bits(key: Array, n: int) -> Array:
    """n random words per key.

    Args:
        key: typed keys of any shape.
        n: words for each.
    Returns:
        uint32 `(n, *key.shape)`, equal to `jax.random.bits(k, (n,))` of each key k.
    Raises:
        TypeError: see `check_key`.
    """
    check_key(key)
    if not _is_threefry(key):

        def of_keys(k: Array) -> Array:
            return jax.random.bits(k, (n,), jnp.uint32)

        for _ in key.shape:
            of_keys = jax.vmap(of_keys, out_axes=-1)
        return of_keys(key)
    words = jax.random.key_data(key)

    def block(start: Array, size: int) -> Array:
        index = start + jnp.arange(size, dtype=jnp.uint32).reshape((size,) + (1,) * key.ndim)
        word0, word1 = threefry2x32(words[..., 0], words[..., 1], jnp.zeros_like(index), index)
        return word0 ^ word1

    if n <= _BLOCK:
        return block(jnp.uint32(0), n)
    starts = jnp.arange(0, n, _BLOCK, dtype=jnp.uint32)
    return jax.lax.map(lambda start: block(start, _BLOCK), starts).reshape(-1, *key.shape)[:n]


def uniforms(key: Array, shapes: Shapes) -> dict[str, Array]:
    """All the uniform numbers of a slot in one draw.

    Args:
        key: one key per world, of any shape `batch`.
        shapes: the shape of each named quantity in one world.
    Returns:
        Per name, an array `(*shape, *batch)` of the default float type, inside the OPEN interval (0, 1): its logarithm and its
        normal quantile are finite.
    """
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes.values()]
    flat = open_uniform(bits(key, sum(sizes)))
    ends = np.cumsum(sizes)
    return {
        name: flat[end - size : end].reshape(shape + key.shape)
        for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
    }


def open_uniform(words: Array) -> Array:
    """Random words to the open interval (0, 1), symmetric about 1/2: 23 bits each in float32, 32 bits in float64.

    Args:
        words: uint32, of any shape.
    Returns:
        Of the same shape and the default float type [-].
    """
    dtype = jnp.result_type(float)
    keep = 32 if dtype == jnp.float64 else 23
    return ((words >> np.uint32(32 - keep)).astype(dtype) + dtype.type(0.5)) * dtype.type(2.0**-keep)


def distinct(u: Array, n: int | Array) -> Array:
    """Different integers of 0 to n - 1 in random order: the first cards of a shuffled deck (Fisher and Yates), without the deck.

    Args:
        u: `(k, *batch)` uniform on (0, 1), k at most n.
        n: at most 2^23 in float32; integers are then equally likely to a part in 2^23 / n. Or int32 `batch`, one of each world.
    Returns:
        int32 `(k, *batch)`.
    """
    k = len(u)
    place = jnp.arange(k, dtype=jnp.int32).reshape((k,) + (1,) * (u.ndim - 1))

    def deal(cards: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], Array]:
        drawn, put = cards  # of each earlier turn: the place that was drawn from, and the card put there instead

        def card_at(x: Array) -> Array:
            last = jnp.max(jnp.where((drawn == x) & (place < i), place, -1), 0)
            return jnp.where(last < 0, x, jnp.sum(jnp.where(place == last, put, 0), 0, dtype=jnp.int32))

        at = i + jnp.minimum((u[i] * (n - i)).astype(jnp.int32), n - 1 - i)
        return (drawn.at[i].set(at), put.at[i].set(card_at(i))), card_at(at)

    none = jnp.zeros(u.shape, jnp.int32)
    return jax.lax.scan(deal, (none, none), place.reshape(k))[1]
