"""Side by side as one by one; nothing is made twice; what is on disk is what was made."""

import dataclasses
import io

import jax
import numpy as np
import pytest

from jaxvec.core.evaluation import evaluate
from jaxvec.papers import programs
from jaxvec.papers import runner as runner_module
from jaxvec.papers.programs import WORLDS
from jaxvec.papers.runner import Runner
from jaxvec.papers.runs import foreign_runs, read_run, write_run
from jaxvec.papers.series import Budget, Series, SweepPoint
from jaxvec.policies import fixed
from jaxvec.training import train

SIZES = {"n_vehicles": 2, "horizon": 3}
LEARNED = Series("learned", "ippo", sizes=SIZES, hyper={"gamma": 0.5}, settings={"hidden": (4,), "minibatches": 1})
RULE, OTHER = (Series(name, rule=name, sizes=SIZES) for name in ("split_equal", "nearest"))
POINTS = tuple(SweepPoint(v, numbers={"lyapunov_v": v}, factors={"learning_rate": v / 5}) for v in (5.0, 50.0))
SERIES = (LEARNED, RULE, OTHER)
BUDGET = Budget(slots=72, episodes=8, seeds=2, settings={"n_worlds": 4, "epochs": 1, "gru": 0})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A figure's data, and the folder."""
    out = tmp_path_factory.mktemp("papers")
    return Runner("isac_iov", BUDGET, out).data(SERIES, POINTS, 2), out


def test_a_figure_has_a_run_per_series_point_and_seed(made):
    data, out = made
    counts = {at: len(runs) for at, runs in data.runs.items()}
    assert counts == {(s.name, p.x): 2 if s.learner else 1 for s in SERIES for p in POINTS}
    assert len(list((out / "runs").iterdir())) == 8
    run = data.runs["learned", 50.0][1]
    assert run.config["hyper"]["gamma"] == 0.5
    assert run.config["hyper"]["learning_rate"] == pytest.approx(0.01)
    assert run.config["params"]["lyapunov_v"] == 50.0
    assert run.config["settings"]["hidden"] == [4]
    assert run.config["updates"] == 6  # of 4 worlds x 3 slots
    assert data.curve("learned", 5.0).shape == (6, 2)
    assert list(data.episodes("learned", 5.0)) == [4, 8, 12, 16, 20, 24]
    assert not np.allclose(data.samples("learned", 5.0)[0], data.samples("learned", 5.0)[1]), "seeds differ"


@pytest.mark.slow
def test_side_by_side_is_one_by_one(made):
    """A learner of the sweep is what `jaxvec.train` makes of the same key, and meets the same worlds as a rule."""
    data, _ = made
    runner = Runner("isac_iov", BUDGET, made[1])
    env, params, learner, hyper = runner.setup(LEARNED, POINTS[1])
    params = params.replace(lyapunov_v=50.0)
    hyper = hyper.replace(learning_rate=hyper.learning_rate * 10)
    alone = train(learner, params, jax.random.key(1), 6, hyper=hyper, progress=False)
    np.testing.assert_allclose(data.curve("learned", 50.0)[:, 1], alone.metrics["reward"], rtol=1e-3)
    contestants = {"learned": alone.policy(), **{name: fixed(env, params)[name] for name in ("split_equal", "nearest")}}
    metrics = evaluate(env, contestants, jax.random.key(WORLDS), params, 8)
    np.testing.assert_allclose(data.samples("learned", 50.0)[1], metrics["learned"]["reward"], rtol=1e-3)
    for name in ("split_equal", "nearest"):
        np.testing.assert_allclose(data.samples(name, 50.0)[0], metrics[name]["reward"], rtol=1e-5)


def test_learners_that_differ_in_numbers_only_are_one_program(monkeypatch, tmp_path):
    """And a series' numbers reach its runs, unless its point says otherwise."""
    slow = dataclasses.replace(LEARNED, name="slow", numbers={"lyapunov_v": 1.0, "cost_weight": 0.5})
    asked = []
    monkeypatch.setattr(programs, "train", lambda learner, members, *_: asked.append(members) or [])
    with pytest.raises(ValueError, match="zip"):  # nothing came back
        Runner("isac_iov", BUDGET, tmp_path).data((LEARNED, slow), POINTS, 1)
    (members,) = asked
    assert [(m.series.name, dict(m.numbers)) for m in members] == [
        ("learned", {"lyapunov_v": 5.0}),
        ("learned", {"lyapunov_v": 50.0}),
        ("slow", {"lyapunov_v": 5.0, "cost_weight": 0.5}),
        ("slow", {"lyapunov_v": 50.0, "cost_weight": 0.5}),
    ]
    assert members[2].config["params"]["cost_weight"] == 0.5


def test_nothing_is_made_twice(made, monkeypatch):
    data, out = made
    runner = Runner("isac_iov", BUDGET, out)
    monkeypatch.setattr(programs, "train", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(programs, "evaluate", lambda *_: pytest.fail("evaluated again"))
    again = runner.data(SERIES, POINTS, 2)
    for at, runs in data.runs.items():
        for run, copy in zip(runs, again.runs[at], strict=True):
            np.testing.assert_array_equal(run.metrics["reward"], copy.metrics["reward"])
            assert run.config == copy.config


def test_only_what_is_missing_is_made(made, monkeypatch):
    _, out = made
    runner = Runner("isac_iov", BUDGET, out)
    asked = []
    monkeypatch.setattr(programs, "train", lambda learner, members, *_: asked.extend(members) or [])
    for points, seeds in ((POINTS, 3), ((*POINTS, SweepPoint(7.0, numbers={"lyapunov_v": 7.0})), 2)):
        asked.clear()
        with pytest.raises(ValueError, match="zip"):  # nothing came back
            runner.data((LEARNED,), points, seeds)
        if seeds == 3:
            assert [(m.x, m.seed) for m in asked] == [(5.0, 2), (50.0, 2)]
        else:
            assert [(m.x, m.seed) for m in asked] == [(7.0, 0), (7.0, 1)]


def test_another_configuration_is_another_run(made, tmp_path):
    runner = Runner("isac_iov", BUDGET, tmp_path)
    richer = Runner("isac_iov", dataclasses.replace(BUDGET, slots=144), tmp_path)

    def file(runner, series, point, seed):
        return runner.member(series, point, seed, runner.setup(series, point)).file

    base = file(runner, LEARNED, POINTS[0], 0)
    assert file(runner, dataclasses.replace(LEARNED, name="another name"), POINTS[0], 0) == base
    others = {
        file(runner, LEARNED, POINTS[0], 1),
        file(runner, LEARNED, POINTS[1], 0),
        file(richer, LEARNED, POINTS[0], 0),
        file(runner, dataclasses.replace(LEARNED, hyper={"gamma": 0.6}), POINTS[0], 0),
        file(runner, dataclasses.replace(LEARNED, sizes=SIZES | {"dt_enabled": False}), POINTS[0], 0),
    }
    assert len(others) == 5
    assert base not in others


def test_rules_in_other_worlds(made):
    data, _ = made
    rewards = data.elsewhere(["split_equal", "nearest"], [{}, {"lyapunov_v": 50.0}], **SIZES)
    np.testing.assert_allclose(rewards["nearest"][1], data.samples("nearest", 50.0)[0], rtol=1e-5)
    assert rewards["split_equal"].shape == (2, 8)


def test_run_by_run_is_a_loop_over_series_points_and_seeds(tmp_path, monkeypatch):
    trained, evaluated = [], []

    class Result:
        policy = staticmethod(lambda greedy: None)

    def train_one(learner, params, key, updates, hyper, progress):
        trained.append((params.lyapunov_v, round(hyper.learning_rate, 6), updates))
        return Result

    monkeypatch.setattr(runner_module, "train", train_one)
    monkeypatch.setattr(runner_module, "evaluate", lambda env, policies, *_: evaluated.append(sorted(policies)))
    times = Runner("isac_iov", BUDGET, tmp_path).one_by_one(SERIES, POINTS, 2)
    assert times["runs"] == 8
    assert trained == [(5.0, 0.001, 6)] * 2 + [(50.0, 0.01, 6)] * 2
    assert evaluated == [["ippo"]] * 4 + [["nearest", "split_equal"]] * 2


@pytest.mark.slow
def test_evaluation_may_be_in_other_worlds_than_training(made, tmp_path):
    data, _ = made
    runner = Runner("isac_iov", BUDGET, tmp_path, eval_overrides=lambda settings: {"cost_weight": 0.1})
    other = runner.data((LEARNED, RULE), POINTS[:1], 1)
    np.testing.assert_allclose(other.curve("learned", 5.0)[:, 0], data.curve("learned", 5.0)[:, 0], rtol=1e-5)
    there = data.elsewhere(["split_equal"], [{"cost_weight": 0.1, **POINTS[0].numbers}], **SIZES)["split_equal"]
    np.testing.assert_allclose(other.samples("split_equal", 5.0), there, rtol=1e-5)
    for name in ("learned", "split_equal"):
        assert (np.abs(other.samples(name, 5.0) - data.samples(name, 5.0)[:1]) > 0.1).any()
    assert other.runs["learned", 5.0][0].config["eval_overrides"] == "{'cost_weight': 0.1}"
    larger = Runner("isac_iov", BUDGET, tmp_path, eval_overrides=lambda settings: {"n_vehicles": 3})
    with pytest.raises(ValueError, match="other numbers than training, but not other sizes"):
        larger.data((LEARNED,), POINTS[1:], 1)


def test_a_series_may_make_its_runs_itself(tmp_path):
    asked = []

    def make(seeds, settings, here):
        asked.append((tuple(seeds), settings["epochs"]))
        return [({"error": np.array([1.0 + seed])}, {"loss": np.arange(3.0)}) for seed in seeds]

    series = (Series("Made, by itself", run_fn=make), RULE)
    for _ in range(2):
        data = Runner("isac_iov", BUDGET, tmp_path).data(series, POINTS[:1], 2)
    assert asked == [((0, 1), 1)]  # once, for all seeds
    assert data.estimate("Made, by itself", 5.0, "error").mean == 1.5
    assert data.curve("Made, by itself", 5.0, "loss").shape == (3, 2)


def test_runs_of_another_version_are_ignored_by_a_line(made, tmp_path):
    (tmp_path / "runs").mkdir()
    run = made[0].runs["nearest", 5.0][0]
    write_run(tmp_path / "runs" / "new.npz", run)
    write_run(tmp_path / "runs" / "old.npz", run._replace(config=run.config | {"version": "0.0.1"}))
    (tmp_path / "runs" / "none.npz").write_text("no run at all")
    assert foreign_runs(tmp_path / "runs") == ["none.npz", "old.npz"]
    stream = io.StringIO()
    Runner("isac_iov", BUDGET, tmp_path, stream)
    assert stream.getvalue() == f"{tmp_path}/runs: 2 runs of another version of jaxvec are ignored\n"
    with pytest.raises(ValueError, match=r"old\.npz: a run of another version of jaxvec, 0\.0\.1$"):
        read_run(tmp_path / "runs" / "old.npz")
    with pytest.raises(ValueError, match=r"none\.npz: cannot be read as a run; remove it to make it again"):
        read_run(tmp_path / "runs" / "none.npz")


def test_progress_says_where_members_are(tmp_path, monkeypatch):
    runner = Runner("isac_iov", BUDGET, tmp_path)
    learned, rules, own = (
        next(iter(runner._programs((one,), POINTS, 3))) for one in (LEARNED, RULE, Series("own", run_fn=print))
    )
    kind = jax.devices()[0].device_kind
    said = []
    for n in (1, 4, 8):
        monkeypatch.setattr(jax, "device_count", lambda n=n: n)
        said.append(programs.placed(learned.members, learned.setup.learner, 8))
    assert said == [
        f"4 worlds each, {kind}",
        f"4 worlds each, 4 x {kind}, at most 2 learners on one",
        f"4 worlds each, 6 x {kind}, a learner on each (6 of 8 devices)",
    ]
    assert [programs.placed(x.members, None, 8) for x in (rules, own)] == [f"8 worlds, {kind}", kind]
