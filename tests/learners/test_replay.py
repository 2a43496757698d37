"""The replay buffer: exact wrap-around, uniform samples, rows that lose nothing, and no copy of itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxvec.learners.blocks import replay

SLOTS, WORLDS = 5, 3


def slot(t):
    """Entry w of slot t holds 10 t + w, and its negative."""
    x = 10.0 * t + jnp.arange(WORLDS)
    return jnp.stack([x, -x], -1)


def filled(n):
    buffer = replay.start(SLOTS, WORLDS, 2)
    for t in range(n):
        buffer = replay.add(buffer, slot(t))
    return buffer


@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 12])
def test_the_last_slots_are_kept_and_the_oldest_is_overwritten(n):
    buffer = filled(n)
    kept = {t: t % SLOTS for t in range(max(0, n - SLOTS), n)}  # slot -> place
    for t, place in kept.items():
        np.testing.assert_array_equal(buffer.rows[place], slot(t))
    assert int(buffer.filled) == len(kept)
    assert int(buffer.cursor) == n % SLOTS
    empty = set(range(SLOTS)) - set(kept.values())
    assert all((buffer.rows[place] == 0).all() for place in empty)


def test_samples_are_uniform_over_what_was_written_and_know_their_world():
    draw = jax.jit(replay.sample, static_argnums=2)
    for n in (2, 7):  # not full yet; full and once around
        rows, world = draw(filled(n), jax.random.key(n), 30_000)
        value = np.asarray(rows[:, 0]).astype(int)
        np.testing.assert_array_equal(rows[:, 1], -rows[:, 0])
        np.testing.assert_array_equal(value % 10, world)
        expected = {10 * t + w for t in range(max(0, n - SLOTS), n) for w in range(WORLDS)}
        found, counts = np.unique(value, return_counts=True)
        assert set(found) == expected
        assert stats.chisquare(counts).pvalue > 1e-3


def test_packing_loses_nothing():
    entry = {
        "x": jnp.arange(8.0).reshape(4, 2),
        "n": jnp.array([3, -7, 2**24 - 1, 0], jnp.int32),
        "yes": jnp.array([True, False, True, True]),
        "empty": jnp.zeros((4, 0)),
        "deep": (jnp.arange(24.0).reshape(4, 3, 2),),
    }
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), entry)
    packing = replay.packing(shapes)
    assert packing.width == 2 + 1 + 1 + 0 + 6
    rows = packing.pack(entry)
    assert rows.shape == (4, 10)
    back = packing.unpack(rows)
    jax.tree.map(np.testing.assert_array_equal, back, entry)
    assert jax.tree.map(lambda x: x.dtype, back) == jax.tree.map(lambda x: x.dtype, entry)


def test_a_loop_updates_the_buffer_in_place():
    # 48 MB of rows, given away: the program needs next to nothing beside them
    big = jax.eval_shape(lambda: replay.start(4000, 100, 30))

    def fill(buffer, key):
        def once(buffer, t):
            buffer = replay.add(buffer, jnp.full((100, 30), t, float))
            return buffer, replay.sample(buffer, jax.random.fold_in(key, t), 64)[0].sum()

        return jax.lax.scan(once, buffer, jnp.arange(10))

    compiled = jax.jit(fill, donate_argnums=0).lower(big, jax.random.key(0)).compile()
    memory = compiled.memory_analysis()
    assert memory.alias_size_in_bytes >= big.rows.size * 4
    assert memory.temp_size_in_bytes < 0.01 * big.rows.size * 4


def test_seeds_share_nothing():
    buffers = jax.vmap(lambda seed: replay.add(replay.start(SLOTS, WORLDS, 2), seed + slot(0)))(jnp.arange(2.0))
    np.testing.assert_array_equal(buffers.rows[1, 0] - buffers.rows[0, 0], 1.0)
    rows, _ = jax.vmap(replay.sample, (0, 0, None))(buffers, jax.random.split(jax.random.key(0), 2), 50)
    assert set(np.unique(rows[0, :, 0])) == {0, 1, 2}
    assert set(np.unique(rows[1, :, 0])) == {1, 2, 3}
