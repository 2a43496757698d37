"""Where a figure's axis is a number of vehicles, rules are one program, and everybody meets the same worlds."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec.core.evaluation import evaluate
from jaxvec.papers import PAPERS, programs
from jaxvec.papers.programs import WORLDS
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Budget, Series, SweepPoint, among, at_largest
from jaxvec.papers.worlds import WorldsOf
from jaxvec.policies import fixed

HORIZON = {"horizon": 3}
LEARNED = Series("learned", "ippo", sizes=HORIZON, settings={"hidden": (4,), "minibatches": 1})
RULES = tuple(Series(name, rule=name, sizes=HORIZON) for name in ("local_threshold", "slot_optimum"))
POINTS = among("n_vehicles", (2, 5))
BUDGET = Budget(slots=24, episodes=4, seeds=1, settings={"n_worlds": 4, "epochs": 1, "gru": 0})


@pytest.fixture
def asked(monkeypatch):
    """The programs that are made, as the members and, of learners, the environments of training and evaluation."""
    made = []
    evaluated, trained = programs.evaluate, programs.train

    def evaluating(env, params, members, episodes):
        made.append((members, env, env))
        return evaluated(env, params, members, episodes)

    def training(learner, members, params, worlds, *rest):
        made.append((members, learner.env, worlds[0]))
        return trained(learner, members, params, worlds, *rest)

    monkeypatch.setattr(programs, "evaluate", evaluating)
    monkeypatch.setattr(programs, "train", training)
    return made


def test_points_of_a_count_are_in_the_worlds_of_the_largest():
    other = SweepPoint(7.0, {"n_vehicles": 9})  # of no count
    points = (*POINTS, other)
    alone, together = (at_largest(points, alone=alone) for alone in (True, False))
    assert [dict(p.sizes) for p in alone] == [{"n_vehicles": 2}, {"n_vehicles": 5}, {"n_vehicles": 9}]
    assert [dict(p.worlds_of) for p in alone] == [{"n_vehicles": 5}, {}, {}]
    assert [dict(p.sizes) for p in together] == [{"n_vehicles": 5}, {"n_vehicles": 5}, {"n_vehicles": 9}]
    assert [dict(p.numbers) for p in together] == [{"present": 2}, {"present": 5}, {}]
    assert [p.x for p in together] == [2.0, 5.0, 7.0]


@pytest.mark.slow
def test_rules_are_one_program_and_as_compiled_each_for_itself(asked, tmp_path):
    data = Runner("dt_edge", BUDGET, tmp_path).data(RULES, POINTS, 1)
    ((members, env, _),) = asked
    assert (len(members), env.n_vehicles) == (4, 5)
    larger, _ = jaxvec.make("dt_edge", n_vehicles=5, **HORIZON)
    for n in (2, 5):
        env, params = jaxvec.make("dt_edge", n_vehicles=n, **HORIZON)
        rules = {rule.name: fixed(env, params)[rule.name] for rule in RULES}
        apart = evaluate(WorldsOf(env, larger), rules, jax.random.key(WORLDS), params, BUDGET.episodes)
        for name, metrics in apart.items():
            for metric in ("reward", "energy_sys_j", "latency_max_s", "queue_total_bits"):
                np.testing.assert_allclose(
                    data.samples(name, n, metric)[0], metrics[metric], 2e-5, 1e-6, err_msg=metric
                )


def test_learners_are_a_program_for_each_size_unless_they_are_together(tmp_path):
    for together, sizes in ((False, [2, 5]), (True, [5])):
        runner = Runner("dt_edge", dataclasses.replace(BUDGET, together=together), tmp_path)
        made = list(runner._programs((LEARNED,), POINTS, 1))
        assert [program.setup.env.n_vehicles for program in made] == sizes
        there = runner.eval_env(LEARNED, made[0].point, made[0].setup)
        assert there == (
            made[0].setup.env if together else WorldsOf(made[0].setup.env, runner.setup(LEARNED, POINTS[1]).env)
        )


@pytest.mark.slow
def test_learners_have_a_size_of_their_own_and_meet_the_worlds_of_the_rules(asked, tmp_path):
    data = Runner("dt_edge", BUDGET, tmp_path).data((LEARNED,), POINTS, 1)
    assert [(env.n_vehicles, type(there).__name__) for _, env, there in asked] == [(2, "WorldsOf"), (5, "DtEdge")]
    assert asked[0][2].larger.n_vehicles == 5
    assert data.runs["learned", 2.0][0].config["worlds_of"] == {"n_vehicles": 5}
    assert np.isfinite(data.samples("learned", 2.0)).all()


@pytest.mark.slow
def test_learners_of_all_sizes_may_be_one_program(asked, tmp_path):
    data = Runner("dt_edge", dataclasses.replace(BUDGET, together=True), tmp_path).data((LEARNED,), POINTS, 1)
    ((members, env, there),) = asked
    assert (len(members), env.n_vehicles, there) == (2, 5, env)
    assert [dict(m.numbers) for m in members] == [{"present": 2}, {"present": 5}]
    # two vehicles that compute locally take less than five
    energy_j = [data.mean("learned", n, "energy_local_j") for n in (2.0, 5.0)]
    assert 0 < energy_j[0] < energy_j[1]


def test_axes_that_are_numbers_of_vehicles_are_counts():
    for env_id in ("dt_edge", "isac_iov", "v2x_offload"):
        for figure in PAPERS[env_id].figures:
            if figure.axis == "vehicles":
                assert all(point.count == "n_vehicles" for point in figure.points), figure.heading
