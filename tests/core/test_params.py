"""What numbers accept: limits beside their meaning, relations between them; sizes and switches that they have to fit."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from flax import struct
from hypothesis import given
from hypothesis import strategies as st

import jaxvec
from jaxvec.core.limits import accepted
from jaxvec.core.params import check_params, number, without_effect
from jaxvec.settings import setup


class Numbers(struct.PyTreeNode):
    share: float = number(0.5, "-", "a part", (0.0, 1.0), axes=("walker",))
    length_m: float = number(2.0, "m", "a length", (None, 10.0), greater_than=0)
    low: float = number(1.0, "s", "the lower", (0.0, None), up_to="high")
    high: float = number(2.0, "s", "the higher")
    slower_hz: float = number(1.0, "Hz", "the slower", below="faster_hz")
    faster_hz: float = number(2.0, "Hz", "the faster", (1.0, 10.0))
    every: int = number(1, "slot", "so often", (1, 100))
    on: float = number(1.0, "-", "whether", flag=True)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"share": 1.5}, r"share = 1\.5 \(must be 0 to 1\)"),
        ({"share": np.array([0.5, -1.0])}, r"share\[1\] = -1 \(must be 0 to 1\)"),
        ({"length_m": 0}, r"length_m = 0 m \(must be greater than 0, at most 10 m\)"),
        ({"length_m": jnp.array([1.0, 11.0])}, r"length_m\[1\] = 11 m \(must be"),
        ({"length_m": float("nan")}, r"length_m = nan m"),
        ({"high": float("inf")}, r"high = inf s \(must be finite s\)"),
        ({"high": 1e39}, r"high = 1e\+39 s \(must be finite s\)"),  # infinite in float32
        ({"length_m": None}, r"length_m = None \(must be a number, greater than 0, at most 10 m\)"),
        ({"length_m": True}, r"length_m = True \(must be a number"),
        ({"length_m": "2"}, r"length_m = '2' \(must be a number"),
        ({"length_m": 1j}, r"length_m = 1j \(must be a number"),
        ({"low": 3.0}, r"low = 3 s \(must be at most high = 2 s\)"),
        ({"low": np.array([1.0, 3.0])}, r"low\[1\] = 3 s \(must be at most high\[1\] = 2 s\)"),
        ({"slower_hz": 2.0}, r"slower_hz = 2 Hz \(must be below faster_hz = 2 Hz\)"),
        ({"every": 2.5}, r"every = 2\.5 slot \(must be whole, 1 to 100 slot\)"),
        ({"on": 0.5}, r"on = 0\.5 \(must be 0 or 1\)"),
        ({"share": 2.0, "every": 0}, r"share = 2 .*, every = 0 "),
    ],
)
def test_what_cannot_be_is_refused_with_name_value_unit_and_range(numbers, words):
    with pytest.raises(ValueError, match=f"^bad Numbers: {words}"):
        check_params(Numbers(**numbers))


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"share": 0, "length_m": 10, "low": 2.0, "every": 100},
        {"share": np.float32([0.0, 1.0]), "low": jnp.array([0.0, 2.0])},
        {"on": True},
        {"share": jnp.bfloat16(0.5), "every": np.array([1, 2])},
    ],
)
def test_what_can_be_passes_unchanged(numbers):
    params = Numbers(**numbers)
    assert check_params(params) is params


def test_limits_are_reached_in_float32_too():
    class Third(struct.PyTreeNode):
        x: float = number(0.2, "-", "a number", (0.1, 0.3))

    check_params(Third(x=np.float32([0.1, 0.3])))  # 0.3 is a little more there


@given(st.floats(0.0, 1.0), st.floats(allow_nan=False, width=32))
def test_arrays_are_checked_elementwise(good, any_number):
    try:
        check_params(Numbers(share=any_number))
        alone = True
    except ValueError:
        alone = False
    try:
        check_params(Numbers(share=np.array([good, any_number])))
        together = True
    except ValueError:
        together = False
    assert alone == together == (0 <= any_number <= 1)


def test_numbers_under_a_transformation_pass_the_check():
    nan = Numbers(length_m=float("nan"), low=5.0)
    assert jax.jit(lambda p: check_params(p).high * 2)(nan) == 4
    with pytest.raises(ValueError, match="share = 3"):  # what is not traced is still looked at
        jax.jit(lambda x: check_params(Numbers(length_m=x, share=3.0)).length_m)(2.0)
    jax.jit(lambda x: check_params(Numbers(high=x, low=3.0)).high)(2.0)


def test_numbers_fit_the_entities_that_they_are_documented_for():
    env = toy.Walkers(n_walkers=3)
    for fits in (1.0, np.ones(3), np.ones((3, 5)), np.ones((1, 5))):
        check_params(toy.Params(gain=fits), env)
    for other in (np.ones(2), np.ones((2, 3)), np.ones((3, 5, 1))):
        with pytest.raises(ValueError, match=r"gain has the shape .* \(must be one number, one per walker \(3\)"):
            check_params(toy.Params(gain=other), env)


def test_words_for_what_is_accepted():
    words = {field.name: accepted(field) for field in dataclasses.fields(Numbers)}
    assert words["length_m"] == "greater than 0, at most 10"
    assert (words["low"], words["high"]) == ("at least 0, at most high", "finite")
    assert words["slower_hz"] == "below faster_hz"
    assert (words["every"], words["on"]) == ("whole, 1 to 100", "0 or 1")


@pytest.mark.parametrize(
    ("env_id", "numbers", "words"),
    [
        (
            "isac_iov",
            {"task_bits_min": 5e6},
            r"task_bits_min = 5e\+06 bit \(must be at most task_bits_max = 3e\+06 bit",
        ),
        ("isac_iov", {"speed_min_mps": 99}, r"speed_min_mps = 99 m/s \(must be at most speed_max_mps = 16 m/s"),
        ("isac_iov", {"rsu_cpu_hz": -1}, r"rsu_cpu_hz = -1 Hz \(must be 1000 to 1e\+12 Hz"),
        ("isac_iov", {"rsu_cpu_hz": 1e30}, r"rsu_cpu_hz = 1e\+30 Hz"),
        ("isac_iov", {"rsu_cpu_hz": None}, r"rsu_cpu_hz = None"),
        ("isac_iov", {"slot_s": None}, r"slot_s = None"),
        ("isac_iov", {"rsu_cpu_hz": True}, r"rsu_cpu_hz = True"),
        ("isac_iov", {"twin_cpu_hz": 3e10}, r"twin_cpu_hz = 3e\+10 Hz \(must be below rsu_cpu_hz = 2e\+10 Hz"),
        ("isac_iov", {"rsu_cpu_hz": [2e10, 1e9, 2e10]}, r"twin_cpu_hz\[1\] = 2e\+09 Hz .* rsu_cpu_hz\[1\] = 1e\+09 Hz"),
        ("isac_iov", {"rsu_cpu_hz": [2e10, 1e10]}, r"rsu_cpu_hz has the shape \(2,\) .*one per rsu \(3\)"),
        ("isac_iov", {"n_rsus": 6}, r"6 RSUs take 750 m \(must be at most road_length_m, 700 m"),
        ("v2x_offload", {"task_spread": 2}, r"task_spread = 2 \(must be 0 to 1"),
        ("v2x_offload", {"es_pos_m": [[0, 0], [1, 1]]}, r"es_pos_m has the shape \(2, 2\) \(must be \(3, 2\)"),
        ("v2x_offload", {"es_pos_m": [[0, 0], [1, 1], [2, 2e3]]}, r"es_pos_m reaches from 0 to 2000 m"),
        ("v2x_offload", {"slot_s": 100.0}, r"vehicles drive 1500 m in slot_s \(must be at most area_m, 1000 m"),
        ("urllc_vec", {"task_corr": 1.5}, r"task_corr = 1\.5 \(must be 0 to 1"),
        ("urllc_vec", {"q_min": 300}, r"q_min = 300 \(must be below q_max = 200"),
        ("dt_edge", {"kappa_vehicle": 0.0}, r"kappa_vehicle = 0 W s\^3 \(must be 1e-32 to 1e-20 W s\^3"),
        ("twin_migration", {"cache_bits": [1e9] * 94}, r"cache_bits has the shape \(94,\) .*one per server \(95\)"),
    ],
)
def test_make_refuses(env_id, numbers, words):
    with pytest.raises(ValueError, match=rf"^bad Params.*{words}"):
        jaxvec.make(env_id, **numbers)


def test_replaced_numbers_and_settings_are_checked_alike():
    env, params = jaxvec.make("isac_iov")
    with pytest.raises(ValueError, match=r"twin_cpu_hz\[0, 1\] = 3e\+10 Hz \(must be below rsu_cpu_hz"):
        check_params(params.replace(twin_cpu_hz=np.array([[1e9, 3e10]])), env)
    with pytest.raises(ValueError, match=r"energy_budget_j = -3 J \(must be 0 to 1e\+09 J\)"):
        setup("isac_iov", "ippo", ["energy_budget_j=-3"], num_updates=1)
    with pytest.raises(ValueError, match="6 RSUs take 1500 m"):
        check_params(params.replace(rsu_spacing_m=np.array([100.0, 300.0])), dataclasses.replace(env, n_rsus=6))


def test_every_pair_of_least_and_most_is_ordered():
    """19 of them accepted a minimum above the maximum."""
    pairs = []
    for env_id in jaxvec.env_ids():
        _, params = jaxvec.make(env_id)
        names = {field.name: field for field in dataclasses.fields(params)}
        for low in (name for name in names if "min" in name.split("_")):
            high = "_".join("max" if part == "min" else part for part in low.split("_"))
            if high in names:
                pairs.append(low)
                assert names[low].metadata["up_to"] == high or names[low].metadata["below"] == high
    assert len(pairs) >= 19


def test_a_number_without_effect_is_warned_of():
    with pytest.warns(UserWarning, match="v2x_offload: team_weight has no effect while shared_reward=True"):
        jaxvec.make("v2x_offload", team_weight=0.5)
    with pytest.warns(UserWarning, match="isac_iov: gain_at_1m_db has no effect while pathloss='umi_los'"):
        jaxvec.make("isac_iov", pathloss="umi_los", gain_at_1m_db=-30.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jaxvec.make("v2x_offload", team_weight=0.5, shared_reward=False)
        jaxvec.make("isac_iov", pathloss="umi_los", vehicle_height_m=1.6)
        for env_id in jaxvec.env_ids():
            env, _ = jaxvec.make(env_id)
            for preset in env.presets:
                jaxvec.make(env_id, preset=preset)
    env, params = jaxvec.make("v2x_offload", n_vehicles=2, horizon=1)
    with pytest.warns(UserWarning, match="team_weight has no effect"):  # a sweep that would be flat
        check_params(params.replace(team_weight=np.linspace(0, 1, 3)), env)
    assert without_effect(*jaxvec.make("dt_edge")) == {
        "eta_capacity": "reward_mode='p2'",
        "channel": "pathloss='macro'",
    }
