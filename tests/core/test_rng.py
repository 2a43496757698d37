"""Random numbers: those of JAX, word for word, in an open interval, and a world's own at any number of worlds."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxvec.core import rng

KEY = jax.random.key(20)
KEYS = jax.random.split(KEY, 5)
SHAPES = {"fading": (2, 3), "start": (), "task": (4,)}
uniforms = jax.jit(lambda key: rng.uniforms(key, SHAPES))


def words(*hexadecimal):
    return tuple(np.uint32(int(word, 16)) for word in hexadecimal)


@pytest.mark.parametrize(
    ("key", "counter", "block"),
    [  # threefry2x32 with 20 rounds, from kat_vectors of Random123 (Salmon et al. 2011)
        (("00000000", "00000000"), ("00000000", "00000000"), ("6b200159", "99ba4efe")),
        (("ffffffff", "ffffffff"), ("ffffffff", "ffffffff"), ("1cb996fc", "bb002be7")),
        (("13198a2e", "03707344"), ("243f6a88", "85a308d3"), ("c4923a9c", "483df7a0")),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, block):
    assert tuple(map(int, rng.threefry2x32(*map(jnp.uint32, words(*key) + words(*counter))))) == words(*block)


@pytest.mark.parametrize("data", [0, 1, 7, 2**31, 2**32 - 1])
def test_fold_in_is_that_of_jax(data):
    data = np.uint32(data)
    expected = jax.random.key_data(jax.random.fold_in(KEY, data))
    np.testing.assert_array_equal(jax.random.key_data(rng.fold_in(KEY, data)), expected)


@pytest.mark.parametrize(
    ("keys", "data"),
    [(KEYS, jnp.arange(5)), (KEY, jnp.arange(5)), (KEYS, 3), (KEYS[:, None], jnp.arange(4))],
    ids=["pairs", "one key", "one integer", "broadcast"],
)
def test_fold_in_of_batches_is_that_of_jax_one_by_one(keys, data):
    folded = rng.fold_in(keys, data)
    shape = np.broadcast_shapes(keys.shape, np.shape(data))
    assert folded.shape == shape
    keys, data = jnp.broadcast_to(keys, shape), jnp.broadcast_to(jnp.asarray(data), shape)
    for index in np.ndindex(shape):
        expected = jax.random.key_data(jax.random.fold_in(keys[index], data[index]))
        np.testing.assert_array_equal(jax.random.key_data(folded[index]), expected)


@pytest.mark.parametrize("n", [1, 2, 11, 1300])  # 1300: more than two blocks
def test_bits_are_those_of_jax(n):
    np.testing.assert_array_equal(rng.bits(KEY, n), jax.random.bits(KEY, (n,)))
    batch = rng.bits(KEYS.reshape(5, 1), n)
    assert (batch.shape, batch.dtype) == ((n, 5, 1), jnp.uint32)
    np.testing.assert_array_equal(batch[:, :, 0], jnp.stack([jax.random.bits(key, (n,)) for key in KEYS], -1))


@pytest.mark.parametrize(("x64", "smallest"), [(False, 2.0**-24), (True, 2.0**-33)])
def test_uniform_numbers_stay_inside_the_open_interval_at_the_extreme_words(x64, smallest):
    with jax.enable_x64(x64):
        low, middle, high = rng.open_uniform(jnp.array([0, 2**31, 2**32 - 1], jnp.uint32))
        assert low.dtype == (jnp.float64 if x64 else jnp.float32)
        assert (float(low), float(high)) == (smallest, 1 - smallest)  # symmetric, and neither 0 nor 1
        assert float(middle) == 0.5 + smallest
        assert bool(jnp.isfinite(jnp.log(low)) & jnp.isfinite(jnp.log1p(-high)))


def test_uniform_numbers_are_uniform():
    u = rng.uniforms(KEY, {"u": (20_000,)})["u"]
    assert stats.kstest(np.asarray(u), "uniform").pvalue > 0.01


def test_the_names_are_disjoint_slices_of_one_draw():
    u = uniforms(KEYS)
    assert {name: x.shape for name, x in u.items()} == {name: (*shape, 5) for name, shape in SHAPES.items()}
    drawn = np.concatenate([np.asarray(x).reshape(-1, 5) for x in u.values()])
    np.testing.assert_array_equal(drawn, rng.open_uniform(rng.bits(KEYS, 11)))
    assert len(np.unique(drawn)) == drawn.size  # a number that served twice would be there twice


def test_a_name_added_behind_leaves_the_others_as_they_were():
    before, after = uniforms(KEY), rng.uniforms(KEY, SHAPES | {"new": (3,)})
    for name in SHAPES:
        np.testing.assert_array_equal(before[name], after[name])


def test_a_world_is_the_same_in_any_batch():
    keys = rng.fold_in(KEY, jnp.arange(7))
    few_keys = rng.fold_in(KEY, jnp.arange(3))
    many, few, one, grid = uniforms(keys), uniforms(few_keys), uniforms(keys[2]), uniforms(keys[:6].reshape(2, 3))
    for name in SHAPES:
        np.testing.assert_array_equal(many[name][..., :3], few[name])
        np.testing.assert_array_equal(many[name][..., 2], one[name])
        np.testing.assert_array_equal(many[name][..., :6].reshape(grid[name].shape), grid[name])


def test_streams_are_named_the_same_in_every_process_and_differ():
    names = ("world", "policy", "reset", "learner")
    keys = [tuple(np.asarray(jax.random.key_data(rng.stream(KEY, name)))) for name in names]
    assert len(set(keys)) == len(names)
    expected = jax.random.key_data(jax.random.fold_in(KEY, np.uint32(zlib.crc32(b"world"))))
    np.testing.assert_array_equal(jax.random.key_data(rng.stream(KEY, "world")), expected)


def test_streams_worlds_slots_and_names_are_uncorrelated():
    n = 50_000
    two = {"a": (), "b": ()}

    @jax.jit
    def draw(key):
        world, policy = (rng.stream(key, name) for name in ("world", "policy"))
        here, there, later = (rng.fold_in(world, jnp.arange(start, start + n)) for start in (0, 1, 0))
        keys = here, there, rng.fold_in(later, 1), rng.fold_in(policy, jnp.arange(n))
        return [u for key in keys for u in rng.uniforms(key, two).values()]

    samples = draw(KEY)
    correlation = np.corrcoef(np.stack(samples))
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n)  # 4.5 standard deviations


def test_keys_of_another_generator_work():
    keys = rng.fold_in(jax.random.key(3, impl="rbg"), jnp.arange(4))
    assert str(jax.random.key_impl(keys)) == "rbg"
    u = uniforms(keys)
    assert {name: x.shape for name, x in u.items()} == {name: (*shape, 4) for name, shape in SHAPES.items()}
    drawn = np.concatenate([np.asarray(x).ravel() for x in u.values()])
    assert ((drawn > 0) & (drawn < 1)).all()
    assert len(np.unique(drawn)) == drawn.size
    one = rng.bits(keys[1], 6)
    np.testing.assert_array_equal(one, jax.random.bits(keys[1], (6,), jnp.uint32))
    expected = jax.random.key_data(jax.random.fold_in(jax.random.key(3, impl="rbg"), 2))
    np.testing.assert_array_equal(jax.random.key_data(keys[2]), expected)


def dealt(u, n):
    """The first cards of a deck that is really shuffled."""
    deck = list(range(n))
    for i, x in enumerate(u):
        j = i + int(x * (n - i))
        deck[i], deck[j] = deck[j], deck[i]
    return deck[: len(u)]


@pytest.mark.parametrize(("k", "n"), [(3, 3), (4, 9), (20, 21), (1, 1)])
def test_distinct_deals_as_a_deck_does(k, n):
    u = np.random.default_rng(k).uniform(0.001, 0.999, (k, 300)).astype(np.float32)
    found = np.asarray(rng.distinct(jnp.asarray(u), n))
    np.testing.assert_array_equal(found, np.transpose([dealt(np.float64(u[:, w]), n) for w in range(300)]))
    np.testing.assert_array_equal(rng.distinct(jnp.asarray(u[:, 7]), n), found[:, 7])


def test_all_hands_are_equally_likely():
    n = 12_000
    hands = rng.distinct(rng.uniforms(rng.fold_in(KEY, np.arange(n)), {"u": (2,)})["u"], 3)
    counts = np.bincount(np.asarray(hands[0] * 3 + hands[1]), minlength=9)
    assert (counts[[0, 4, 8]] == 0).all()
    np.testing.assert_allclose(counts[[1, 2, 3, 5, 6, 7]], n / 6, atol=4 * np.sqrt(n / 6))
    assert (np.asarray(rng.distinct(jnp.full((3, 1), 1 - 2.0**-24), 5)) < 5).all()  # the largest number below 1
