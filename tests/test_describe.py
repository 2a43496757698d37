"""What `jaxvec envs ENV` prints: complete, as declared, and in lines that one can read."""

import json
from functools import partial

import pytest
import toy

import jaxvec
from jaxvec import policies
from jaxvec.core.rule import Rule, meaning_of
from jaxvec.describe import LINE, describe, plain, text


@pytest.fixture(scope="module")
def described():
    return describe(jaxvec.make("dt_edge", n_types=2)[0])


def test_everything_that_is_declared_is_there(described):
    assert json.loads(json.dumps(described)) == described
    assert described["id"] == "dt_edge"
    assert described["words"].startswith("tasks of several types through a base station")
    assert (described["agents"], described["team_reward"], described["discount"]) == ({"vehicle": 10}, True, 0.0)
    assert described["sizes"]["n_types"] == {
        "value": 2,
        "meaning": "K, types of tasks, and queues at the server",
        "at_least": 1,
    }
    assert described["switches"]["latency_combine"] == {
        "value": "sum",
        "meaning": "local and remote part of a task follow one another (10), or run side by side",
        "choices": ["sum", "max"],
    }
    assert "free_space" in described["switches"]["pathloss"]["choices"]
    assert described["params"]["t_max_s"] == {
        "default": 0.1,
        "unit": "s",
        "meaning": "deadline T_k (chosen)",
        "range": "1e-06 to 1e+09",
        "axes": ["type"],
    }
    box = {"space": "box", "shape": [2], "low": 0.0, "high": 1.0}
    assert described["actions"] == {"vehicle": {"offload": box, "share": box}}
    assert described["info"]["energy_edge_j"] == {"unit": "J", "meaning": "of the server"}


def test_the_layout_of_an_observation_by_column(described):
    observation = described["observation"]
    rows = [(b["first"], b["last"], b["name"], b["unit"], b["entry"]) for b in observation["vehicle"]["blocks"]]
    assert rows == [
        (0, 1, "task_bits", "bit", "(task_bits - task_bits_mean) / half the range of sizes"),
        (2, 2, "x_m", "m", "x_m / road_half_length_m"),
        (3, 3, "speed_mps", "m/s", "(speed_mps - mean speed) / half the range of speeds"),
        (4, 4, "gain_db", "dB", "(gain_db + 105) / 20 in [-3, 3]"),
        (5, 6, "queue_bits", "bit", "log1p(queue_bits / tasks of a slot)"),
    ]
    assert observation["vehicle"]["size"] == 7
    assert observation["world"] == {"size": 52, "blocks": []}


def test_text_has_every_name_and_short_lines(described):
    lines = text(described).splitlines()
    words = described["words"].splitlines()
    assert [line for line in lines if len(line) > LINE and line not in words] == []
    names = {line.split()[0] for line in lines if line.startswith("  ")}
    for part in ("sizes", "switches", "params", "presets", "rules", "info"):
        assert set(described[part]) <= names, part
    assert any(line.split()[:2] == ["5-6", "queue_bits"] for line in lines)
    row = next(line for line in lines if line.split()[:1] == ["bandwidth_hz"])
    assert row.split(None, 6) == ["bandwidth_hz", "2e7", "Hz", "1", "to", "1e+13", "uplink band w (Table I)"]


def test_rules_are_local_or_central(described):
    rules = described["rules"]
    assert {name for name, rule in rules.items() if not rule["local"]} == {"slot_optimum"}
    assert {"random", "local_threshold"} <= set(rules)
    rows = {
        line.split()[0]: line for line in text(described).split("Rules (jaxvec.policies.fixed")[1].splitlines() if line
    }
    assert rows["slot_optimum"].split()[1] == "central"
    assert rows["local_threshold"].split()[1] == "local"


@pytest.mark.parametrize("env_id", jaxvec.env_ids())
def test_every_rule_says_what_it_does_and_none_says_the_same(env_id):
    env, params = jaxvec.make(env_id)
    meanings = {name: meaning_of(rule) for name, rule in policies.fixed(env, params).items()}
    assert all(text.endswith(".") and text.count("`") % 2 == 0 for text in meanings.values()), meanings
    assert len(set(meanings.values())) == len(meanings), meanings


def test_a_function_is_a_rule_that_means_its_first_sentence():
    def rule(key, obs):
        """Sells
        at 0.5 of it all. And more."""

    assert meaning_of(rule) == meaning_of(Rule(rule)) == meaning_of(Rule(partial(rule, 1))) == "Sells at 0.5 of it all."
    assert meaning_of(lambda key, obs: None) == meaning_of(object()) == ""
    assert meaning_of(Rule(rule, meaning="Other.").policy(None, lambda key, obs: None)) == "Other."


def test_whether_a_reward_is_shared_by_the_default_numbers_is_told():
    described = describe(jaxvec.make("urllc_vec")[0])
    assert described["team_reward"]
    assert "all earn the team's reward" in text(described)


def test_an_environment_that_declares_little_is_described_too():
    described = describe(toy.Walkers())
    assert described["observation"]["walker"] == {"size": 2, "blocks": []}
    assert described["sizes"]["longest"] == {"value": 9, "meaning": "", "at_least": None}
    page = text(described)
    assert page.startswith("walkers: A small environment for tests")
    assert "Observation of a walker: 2 entries" in page
    assert "a whole number from 0 to 2" in page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *(
            (0.0, "0"),
            (0.25, "0.25"),
            (-38.4, "-38.4"),
            (2e7, "2e7"),
            (299792458.0, "2.99792458e8"),
            (1.5e-32, "1.5e-32"),
        ),
        *((5, "5"), (100000, "100000"), (1000.0, "1000"), (True, "True"), (None, "None"), ("sum", "sum")),
        ((0.5, 1e6), "[0.5, 1e6]"),
    ],
)
def test_values_as_one_would_write_them(value, words):
    assert plain(value) == words
