"""The league: its numbers are those of `evaluate`, a killed one goes on to the same, and what is said follows from records."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec.cli import main
from jaxvec.core.claims import Claims
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.league import Budget, league, play, table, training
from jaxvec.league.entries import ENTRIES, contest, entries_of
from jaxvec.papers.data import over_seeds
from jaxvec.papers.programs import WORLDS
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant import episode_bound

TINY = ("n_vehicles=2", "horizon=3", "hidden=(4,)", "n_worlds=4", "minibatches=1")
NAMES = ("apg from waterfill_twin", "ippo")
BUDGET = Budget(updates=3, seeds=2, worlds=6, judged=4, bounded=2)
KEY = jax.random.key(WORLDS)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A tiny league: its folder, and what it returned."""
    out = tmp_path_factory.mktemp("leagues") / "tiny"
    return out, league("isac_iov", out, names=NAMES, pairs=TINY, budget=BUDGET, command="told", progress=False)


@pytest.fixture(scope="module")
def worlds():
    return jaxvec.make("isac_iov", n_vehicles=2, horizon=3)


def row_of(summary, policy):
    return next(row for row in summary["rows"] if row["policy"] == policy)


def test_rules_are_those_of_evaluate(played, worlds):
    env, params = worlds
    results = evaluate(env, fixed(env, params), KEY, params, 6)
    rewards = {name: metrics["reward"] for name, metrics in results.items()}
    best = max(rewards, key=lambda name: rewards[name].mean())
    assert played[1]["marks"]["best"] == best
    for name, reward in rewards.items():
        row = row_of(played[1], name)
        np.testing.assert_allclose(row["reward"], interval(reward), rtol=1e-5)
        np.testing.assert_allclose(row["ahead_of_best"], interval(reward - rewards[best]), rtol=1e-4, atol=1e-6)
    assert [row_of(played[1], name)["knows"] for name in ("waterfill", "capacity")] == ["own row", "everything"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "learner", "settings"), [("ippo", "ippo", {"minibatches": 1})])
def test_learners_are_those_of_train_and_evaluate(played, worlds, name, learner, settings):
    env, params = worlds
    made = jaxvec.learners.make(learner, env, hidden=(4,), n_worlds=4, **settings)
    result = jaxvec.train(made, params, jax.random.key(0), 3, num_seeds=2, progress=False)
    policies = {str(seed): result.policy(seed) for seed in range(2)}
    rewards = [metrics["reward"] for metrics in evaluate(env, policies, KEY, params, 6).values()]
    row, best = row_of(played[1], name), played[1]["marks"]["best"]
    np.testing.assert_allclose(row["reward"], over_seeds(np.mean(rewards, 1)), rtol=1e-4)
    rule = evaluate(env, {best: fixed(env, params)[best]}, KEY, params, 6)[best]["reward"]
    np.testing.assert_allclose(row["ahead_of_best"], interval(np.mean(rewards, 0) - rule), rtol=1e-3)
    assert row["seeds_ahead_of_best"] == sum(np.mean(rewards, 1) > rule.mean())
    assert row["slots"] == 3 * made.steps_per_update
    record = json.loads((played[0] / "records.jsonl").read_text().splitlines()[2])
    assert [point["updates"] for point in record["checkpoints"]] == [0, 1, 2, 3]
    np.testing.assert_allclose(record["checkpoints"][-1]["reward"], np.mean(rewards, 1, where=[True] * 4 + [False] * 2))


def test_a_residual_is_its_rule_at_first_and_knows_what_it_knows(played, worlds):
    env, params = worlds
    rule = evaluate(env, fixed(env, params), KEY, params, 4)["waterfill_twin"]["reward"]
    record = json.loads((played[0] / "records.jsonl").read_text().splitlines()[1])
    np.testing.assert_allclose(record["checkpoints"][0]["reward"], [rule.mean()] * 2, rtol=1e-3)
    assert row_of(played[1], NAMES[0])["knows"] == "own row"


def test_the_bound_is_that_of_the_planner(played, worlds):
    env, params = worlds
    bound = episode_bound(env, params, KEY, 2).reward
    record = json.loads((played[0] / "records.jsonl").read_text().splitlines()[3])
    np.testing.assert_allclose(record["reward"], bound, rtol=1e-4)
    results = evaluate(env, fixed(env, params), KEY, params, 6)
    random, best = (results[name]["reward"] for name in ("random", played[1]["marks"]["best"]))
    row = row_of(played[1], "bound")
    np.testing.assert_allclose(row["reward"][0], best.mean() + (bound - best[:2]).mean(), rtol=1e-4)
    way = (best[:2].mean() - random[:2].mean()) / (bound.mean() - random[:2].mean())
    np.testing.assert_allclose(row_of(played[1], played[1]["marks"]["best"])["part_of_way"], way, rtol=1e-3)


def untimed(records):
    """Records without what was measured."""
    text = re.sub(r'"(seconds|compile_s|train_s)": [-+.0-9e]+', r'"\1": 0', records)
    return text.splitlines()


@pytest.mark.slow
def test_a_killed_league_goes_on_to_the_same(played, tmp_path):
    whole, out = (played[0] / "records.jsonl").read_text(), tmp_path / "killed"
    shutil.copytree(played[0], out)
    lines = whole.splitlines()
    (out / "records.jsonl").write_text("\n".join([*lines[:2], lines[2][:100]]))  # while a line was being written
    summary = league("isac_iov", out, names=NAMES, pairs=TINY, budget=BUDGET, progress=False)
    again = (out / "records.jsonl").read_text()
    assert untimed(again) == untimed(whole)
    assert again.splitlines()[:2] == lines[:2], "what was finished is not made again"
    assert [row["policy"] for row in summary["rows"]] == [row["policy"] for row in played[1]["rows"]]


def test_a_part_leaves_to_another_what_it_is_at(played, tmp_path, monkeypatch, capsys):
    out, lines = tmp_path / "shared", (played[0] / "records.jsonl").read_text().splitlines(keepends=True)
    shutil.copytree(played[0], out)
    (out / "records.jsonl").write_text("".join([*lines[:2], lines[3]]))  # without ippo
    made, options = [], ["--updates", "3", "--seeds", "2", "--worlds", "6", "--bounded", "2", "--judged", "4"]
    words = ["league", "isac_iov", *options, "--learners", *NAMES, "--out", str(out), "--set", *TINY, "--part", "1/2"]
    monkeypatch.setattr(play, "compete", lambda game, entry: made.append(entry.name) or json.loads(lines[2]))
    with Claims(out / "claims").of("ippo"):
        main(words)
        assert "1 left to other workers, who are at it: ippo. The last of them" in capsys.readouterr().out
    with Claims(out / "claims").of("ippo"), Claims(out / "claims").of("rules"):
        (out / "records.jsonl").write_text("".join(lines[1:2] + lines[3:]))
        main(words)
        said = capsys.readouterr().out
        assert "the rules are not played yet\n2 left to other workers, who are at it: rules; ippo" in said
    (out / "records.jsonl").write_text("".join([lines[3], lines[0], lines[1]]))
    main([*words, "--json"])
    assert json.loads(capsys.readouterr().out)["left"] == []
    assert made == ["ippo"]
    assert (out / "records.jsonl").read_text() == "".join(lines), "in the order of the plan, whoever was first"


def test_a_folder_of_another_league_is_refused(played):
    with pytest.raises(ValueError, match=r"holds another league \(worlds 6, not 7\)"):
        league(
            "isac_iov",
            played[0],
            names=NAMES,
            pairs=TINY,
            budget=Budget(updates=3, seeds=2, worlds=7, judged=4, bounded=2),
        )


def test_the_page_and_the_picture(played):
    page = (played[0] / "league.md").read_text()
    first = page.splitlines()[0]
    assert all(words in first for words in ("`told`", "commit ", f"jaxvec {jaxvec.__version__}", "6 worlds", "2 seeds"))
    table_lines = [line for line in page.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in table_lines[2:]] == [f"| {row['policy']}" for row in played[1]["rows"]]
    assert (played[0] / "league.png").stat().st_size > 10_000


def test_the_page_names_the_devices_of_all_workers(played):
    summary = played[1]
    assert {row["device"] for row in summary["rows"] if row["kind"] == "learner"} == {table.device()}
    assert f"· {table.device()} ·" in table.head(summary, "")
    rows = [row | {"device": f"GPU {i}"} for i, row in enumerate(summary["rows"][:2])] + summary["rows"][2:3]
    older = [row | {"device": ""} for row in rows]
    assert "· GPU 0 and GPU 1" in table.head(summary | {"rows": rows}, "")
    assert f"· {table.device()} ·" in table.head(summary | {"rows": older}, "")


def test_the_command_prints_json_of_what_is_finished(played, capsys):
    options = ["--updates", "3", "--seeds", "2", "--worlds", "6", "--bounded", "2", "--learners", *NAMES]
    main(["league", "isac_iov", *options, "--judged", "4", "--out", str(played[0]), "--json", "--set", *TINY])
    said = capsys.readouterr()
    assert json.loads(said.out) == {"out": str(played[0]), **played[1]}
    assert said.err == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["isac_io"], "Did you mean 'isac_iov'"),
        (["isac_iov", "--learners", "apg from waterfil_twin"], "Did you mean 'waterfill_twin'"),
        (["isac_iov", "--learners", "ippo", "ippo"], "named twice"),
        (["isac_iov", "--set", "n_vehicle=2"], "Did you mean 'n_vehicles'"),
        (["isac_iov", "--set", "minibatches=7"], "minibatches"),
        (["isac_iov", "--seeds", "0"], "seeds must be at least 1"),
        (["isac_iov", "--minutes", "0"], "minutes must be above 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(capsys, tmp_path, args, words):
    with pytest.raises(SystemExit) as stop:
        main(["league", *args, "--out", str(tmp_path / "none")])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("env_id", jaxvec.env_ids())
def test_entries_can_be_made_and_differ_in_turns_and_in_what_they_see_alone(env_id):
    played = contest(env_id)
    assert len(played.entries) == len({entry.name for entry in played.entries}) >= 5
    for entry in played.entries:
        worlds = played.worlds(entry)
        assert set(entry.env) <= {"turns", "obs_later"}, "all share their worlds"
        if entry.settings.get("prior"):
            assert entry.settings["prior"] in fixed(worlds.env, worlds.params)
    assert {entry.name for entry in ENTRIES[env_id]} <= {entry.name for entry in entries_of(env_id)}


def test_who_knows_what():
    played = contest("urllc_vec")
    knows = {entry.name: played.knows(entry) for entry in played.entries}
    assert knows.pop("apg from nash_half") == "everything"
    assert set(knows.values()) == {"own row"}


def test_policies_are_judged_evenly_on_a_logarithmic_axis():
    assert training.checkpoints(1) == [0, 1]
    assert training.checkpoints(2048) == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
    for updates in (2, 5, 13, 100):
        points = training.checkpoints(updates)
        assert points[0] == 0
        assert points[-1] == updates
        assert len(points) <= training.CHECKPOINTS + 1


def test_what_fits_into_the_time_follows_from_a_trial(monkeypatch):
    tried = []

    def timed(programs, states, count):
        tried.append(count)
        return states, 0.01 * count

    monkeypatch.setattr(training, "timed", timed)
    assert training.updates_in(training.Programs(lambda hyper: (), None, 0.0), None, 10.0) == 1000
    assert tried == [1, 1, 2, 4, 8, 16, 32]  # until it took a quarter of a second
    assert training.updates_in(training.Programs(lambda hyper: (), None, 0.0), None, 1e-6) == 1


def test_a_rule_is_passed_at_the_first_checkpoint_clearly_above_it():
    points = [(0, 0.0, [0, 1]), (10, 4.0, [1, 9]), (20, 8.0, [0, 2]), (40, 16.0, [5, 5.1])]
    record = {"checkpoints": [{"slots": n, "seconds": s, "in_worlds": r} for n, s, r in points]}
    assert table.passes(record, np.array([2.0, 2.0]), 2) == {"slots": 40, "seconds": 8.0}  # 5 against 2 may be chance
    assert table.passes(record, np.array([0.0, 8.0]), 2) == {"slots": 10, "seconds": 2.0}  # ahead by one in both worlds
    assert table.passes(record, np.array([5.0, 6.0]), 2) is None
    assert table.passes(record, np.array([-1.0, 0.0]), 2) == {"slots": 0, "seconds": 0.0}


def test_the_way_begins_at_random_and_ends_at_the_bound():
    rules = {"random": np.array([0.0, 1.0, 9.0]), "rule": np.array([2.0, 3.0, 7.0])}
    marks = table.Yardsticks(rules, "rule", "rule", np.array([4.0, 5.0]))
    assert marks.part_of_way(rules["random"]) == 0
    assert marks.part_of_way(rules["rule"]) == 0.5
    assert marks.part_of_way(np.array([4.0, 5.0, 0.0])) == 1
    assert marks.bound_in(3).mean == 6  # the rule's 4, and 2 ahead of it where both are known
    assert table.Yardsticks(rules, "rule", "rule", None).part_of_way(rules["rule"]) is None
