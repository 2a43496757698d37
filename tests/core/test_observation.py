"""Layouts of observations: what is written is read back, at the columns and with the scales that the blocks declare."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.core.environment import Environment
from jaxvec.core.observation import CURVES, Block, Encoded, Layout


class Numbers:
    """Of an environment."""

    reach_m = 50.0
    slow_mps, fast_mps = 10.0, 30.0


def middle_mps(params):
    """mean speed"""
    return 0.5 * (params.slow_mps + params.fast_mps)


ROWS = Layout(
    (
        Block("place_m", 2, "m", "place", "reach_m"),
        Block("speed_mps", None, "m/s", "speed", 5.0, middle_mps),
        Block("snr_db", (2, 3), "dB", "of each antenna to each mast", 10.0, clip=(-1.0, 2.0)),
        Block("loss_db", 3, "dB", "path loss", 100.0, curve="less_one"),
        Block("known", None, "-", "whether anything is"),
    )
)
SHAPE = (4, 7)  # agents and worlds
VALUES = {
    "place_m": np.linspace(-50, 50, 56).reshape(4, 2, 7),
    "speed_mps": np.linspace(10, 30, 7),
    "snr_db": np.linspace(-10, 20, 168).reshape(4, 2, 3, 7),
    "loss_db": np.linspace(60, 150, 21).reshape(3, 7),
    "known": True,
}


def test_rows_by_hand():
    rows = ROWS.write(VALUES, Numbers, SHAPE)
    assert rows.shape == (4, ROWS.size, 7) == (4, 13, 7)
    np.testing.assert_allclose(rows[:, :2], VALUES["place_m"] / 50, rtol=1e-6)
    np.testing.assert_allclose(rows[:, 2], np.broadcast_to((VALUES["speed_mps"] - 20) / 5, SHAPE), rtol=1e-6)
    np.testing.assert_allclose(rows[:, 3:9], VALUES["snr_db"].reshape(4, 6, 7) / 10, rtol=1e-6)
    np.testing.assert_allclose(rows[3, 9:12], VALUES["loss_db"] / 100 - 1, rtol=1e-5, atol=1e-7)
    assert (rows[:, 12] == 1).all()


def test_what_is_written_is_read_back():
    rows = ROWS.write(VALUES, Numbers, SHAPE)
    for name, x in VALUES.items():
        block = ROWS.block(name)
        quantity = ROWS.read(rows, name, Numbers)
        assert quantity.shape == (4, *block.axes, 7)
        np.testing.assert_allclose(quantity, np.broadcast_to(x, quantity.shape), rtol=1e-5, atol=1e-5)
    alone = ROWS.read(rows[..., 3], "snr_db", Numbers)  # one world
    np.testing.assert_allclose(alone, VALUES["snr_db"][..., 3], rtol=1e-5, atol=1e-5)


def test_entries_that_are_there_already_are_written_as_they_are():
    entries = np.float32(np.linspace(-1, 1, 168).reshape(4, 2, 3, 7))
    rows = ROWS.write({**VALUES, "snr_db": Encoded(entries)}, Numbers, SHAPE)
    np.testing.assert_array_equal(ROWS.entries(rows, "snr_db"), entries)
    world = ROWS.write_world({name: Encoded(ROWS.entries(rows, name)[0]) for name in VALUES}, Numbers, (7,))
    np.testing.assert_array_equal(world, rows[0])
    encoded = ROWS.encode(VALUES, Numbers)
    np.testing.assert_array_equal(ROWS.write(encoded, Numbers, SHAPE), ROWS.write(VALUES, Numbers, SHAPE))
    with pytest.raises(ValueError, match="no block is called heading"):
        ROWS.encode({"heading": 0}, Numbers)


@pytest.mark.parametrize("batch", [(), (7,), (7, 2)])
def test_what_all_rows_have_alike_needs_no_axis_of_its_own(batch):
    layout = Layout(
        (Block("a", None, "-", ""), Block("b", 3, "-", ""), Block("c", (2, 3), "-", ""), Block("d", 3, "-", ""))
    )
    values = {name: np.random.default_rng(1).random((*layout.block(name).axes, *batch)) for name in "abcd"}
    once = layout.write(values, Numbers, (4, *batch))
    repeated = layout.write({name: np.stack([x] * 4) for name, x in values.items()}, Numbers, (4, *batch))
    assert once.shape == (4, 13, *batch)
    np.testing.assert_array_equal(once, repeated)


@pytest.mark.parametrize("names", [("place_m",), ("speed_mps", "snr_db"), ("loss_db", "known"), tuple(VALUES)])
def test_blocks_are_overwritten_and_no_others(names):
    rows = ROWS.write(VALUES, Numbers, SHAPE)
    other = {name: 0.5 * np.asarray(VALUES[name]) for name in reversed(names)}
    changed = ROWS.overwrite(rows, other, Numbers)
    np.testing.assert_array_equal(changed, ROWS.write({**VALUES, **other}, Numbers, SHAPE))
    assert changed.dtype == rows.dtype
    with pytest.raises(ValueError, match="no block is called heading"):
        ROWS.overwrite(rows, {"heading": 0}, Numbers)


def test_scales_are_numbers_names_or_functions():
    assert [ROWS.block(name).scale_of(Numbers) for name in ("place_m", "speed_mps", "known")] == [50.0, 5.0, 1.0]
    assert Block("v_mps", None, "m/s", "speed", middle_mps).scale_of(Numbers) == 20.0


def test_columns_follow_the_blocks():
    assert ROWS.columns("speed_mps").tolist() == [2]
    assert ROWS.columns("snr_db").tolist() == [[3, 4, 5], [6, 7, 8]]
    assert np.concatenate([ROWS.columns(block.name).ravel() for block in ROWS.blocks]).tolist() == list(range(13))
    with pytest.raises(KeyError, match="heading"):
        ROWS.columns("heading")


def test_the_world_is_one_row():
    values = {name: x[0] if np.ndim(x) > 2 else x for name, x in VALUES.items()}
    world = ROWS.write_world(values, Numbers, (7,))
    np.testing.assert_allclose(world, ROWS.write(VALUES, Numbers, SHAPE)[0], rtol=1e-6, atol=1e-6)
    assert ROWS.read_world(world, "known", Numbers).shape == (7,)
    snr_db = ROWS.read_world(world, "snr_db", Numbers)
    np.testing.assert_allclose(snr_db, VALUES["snr_db"][0], rtol=1e-5, atol=1e-5)


def test_layouts_add_up():
    more = Layout((Block("told", 2, "-", "what a twin says"),))
    both = ROWS + more
    assert both.size == 15
    assert both.columns("told").tolist() == [13, 14]
    rows = ROWS.write(VALUES, Numbers, SHAPE)
    told = jnp.ones((4, 2, 7))
    np.testing.assert_array_equal(
        both.write({**VALUES, "told": told}, Numbers, SHAPE), jnp.concatenate([rows, told], 1)
    )
    with pytest.raises(ValueError, match="more than one block is called place_m, speed_mps, snr_db, loss_db, known"):
        ROWS + ROWS


def test_entries_may_have_a_scale_each():
    block = Block("place_m", 3, "m", "x, y and height", (100.0, 100.0, 10.0))
    place_m = np.array([[50.0, -100.0, 5.0]])
    np.testing.assert_allclose(block.encode(place_m, Numbers), [[0.5, -1, 0.5]])
    many = block.encode(np.repeat(place_m[..., None], 7, 2), Numbers)
    np.testing.assert_allclose(many, np.repeat([[[0.5], [-1], [0.5]]], 7, 2))
    np.testing.assert_allclose(block.decode(many, Numbers)[..., 0], place_m)
    assert block.describe() == "place_m / (100, 100, 10)"


def test_what_several_layouts_share_is_written_once():
    place, speed, rest = (Layout(ROWS.blocks[i:j]) for i, j in ((0, 1), (1, 2), (2, 5)))
    own, last = (Layout((Block(name, None, "-", "of this layout"),)) for name in ("own", "end"))
    both, shared = own + place + speed + rest + last, {}
    shared[place + speed] = (place + speed).write({n: VALUES[n] for n in ("place_m", "speed_mps")}, Numbers, SHAPE)
    shared[rest] = jnp.ones((1, rest.size, 7))  # all rows alike
    rows = both.write({"own": 3.0, "end": 4.0}, Numbers, SHAPE, shared)
    assert (rows[:, 0] == 3).all()
    np.testing.assert_array_equal(rows[:, 1:4], ROWS.write(VALUES, Numbers, SHAPE)[:, :3])
    assert (rows[:, 4:14] == 1).all()
    assert (rows[:, 14] == 4).all()
    one_row = both.write_world({"own": 3.0, "end": 4.0}, Numbers, (7,), {part: x[0] for part, x in shared.items()})
    np.testing.assert_array_equal(one_row, rows[0])
    with pytest.raises(ValueError, match="other blocks follow on place_m than were written"):
        both.write({"own": 3.0, "end": 4.0, "speed_mps": 0.0}, Numbers, SHAPE, {place + rest: rows[:, 1:13]})


def test_values_and_blocks_must_match():
    with pytest.raises(ValueError, match="no block is called heading, z"):
        ROWS.write({**VALUES, "z": 0, "heading": 0}, Numbers, SHAPE)
    with pytest.raises(KeyError, match="known"):
        ROWS.write({name: x for name, x in VALUES.items() if name != "known"}, Numbers, SHAPE)


def test_what_lies_beyond_its_range_is_cut():
    block = ROWS.block("snr_db")
    np.testing.assert_array_equal(block.encode(np.array([-30.0, 5.0, 90.0]), Numbers), [-1.0, 0.5, 2.0])
    np.testing.assert_array_equal(block.decode(jnp.array([-1.0, 2.0]), Numbers), [-10.0, 20.0])


@pytest.mark.parametrize("name", CURVES)
def test_curves_have_their_inverse(name):
    curve, inverse = CURVES[name]
    x = np.linspace(0.01, 20, 50)
    np.testing.assert_allclose(inverse(curve(x)), x, rtol=1e-4, atol=1e-6)


def test_a_block_says_how_an_entry_follows():
    assert {block.name: block.describe() for block in ROWS.blocks} == {
        "place_m": "place_m / reach_m",
        "speed_mps": "(speed_mps - mean speed) / 5",
        "snr_db": "snr_db / 10 in [-1, 2]",
        "loss_db": "less_one(loss_db / 100)",
        "known": "known",
    }


class Described(Environment):
    """Declares what it shows, and no more."""

    n_agents: ClassVar = {"walker": 4}
    observation_layout: ClassVar = {"walker": ROWS, "world": ROWS + Layout((Block("told", 2, "-", "more"),))}


def test_spaces_follow_the_layout():
    assert Described().observation_space["walker"].shape == (13,)
    assert Described().world_size == 15
    for name in ("observation_space", "world_size"):
        with pytest.raises(NotImplementedError, match=f"Environment needs observation_layout .*or {name}"):
            getattr(Environment(), name)
