"""The paper of `twin_migration`: its claims judged both ways, what is watched in a slot, forecasts that are scored."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers.synthetic import by, judged, synthetic

import jaxvec
from jaxvec.forecast.counts import persistence
from jaxvec.papers.data import Data
from jaxvec.papers.twin_migration import PAPER, checks, model
from jaxvec.papers.twin_migration.forecasts import forecaster
from jaxvec.papers.twin_migration.table2 import a_day
from jaxvec.papers.twin_migration.wrappers import WATCHED, Watched
from jaxvec.papers.verdicts import Margin, decide
from jaxvec.traces.synthetic import flow

NO_DATA = Data((), {})
BEST, REST = "LSTM-Transformer", ("CNN-GRU", "LSTM", "GRU", "CNN-LSTM")
SCORES = {"rmse": 28.0, "mae": 20.0, "error_rate": 0.07, "r2": 0.95}
WORSE = {"rmse": 30.0, "mae": 22.0, "error_rate": 0.08, "r2": 0.9}
NAIVE = dict.fromkeys(("persistence", "AR(6)", "week before"), {**WORSE, "mae": 23.0})  # noqa: RUF024
TABLE = {BEST: SCORES, **dict.fromkeys(REST, WORSE), **NAIVE}
RANKED = {"DM-MAPPO": 3.4, "MASAC": 3.0, "Greedy": 1.6, "Random": 0.0}
RANKED |= {f"{name} w.o. prediction": reward - 1 for name, reward in RANKED.items()}
REWARDED = {"DM-MAPPO w.o. prediction": 3.4 / 1.36, "MASAC w.o. prediction": 3.0 / 1.17}
LOSSES = {"Random": 0.01, "Greedy": 0.02, "Random w.o. prediction": 0.05, "Greedy w.o. prediction": 0.1}
LOSSES = {name: {"packet_loss": loss} for name, loss in LOSSES.items()}
RISING, FALLING = (lambda x: 1 + x / 10), (lambda x: 30 - x / 10)
ALL_FOUR = ("DM-MAPPO", "MASAC", "Greedy", "Random")
AHEAD = {"DM-MAPPO": {"latency_s": 38.0, "packet_loss": 0.01}}
BEHIND = {**AHEAD, "MASAC": {"latency_s": 37.0, "packet_loss": 0.02}}
OTHER = 40.0


def in_areas(**metrics):
    """Of everybody: per metric a value for each area of Fig. 8."""
    return {name: {m: (lambda x, v=v: v[int(x)]) for m, v in metrics.items()} for name in (*ALL_FOUR, "myopic (rule)")}


def everyone(**metrics):
    """The same metrics of all four."""
    return dict.fromkeys(ALL_FOUR, metrics)


FEWER = in_areas(feasible_mean=(4.7, 4.0, 3.7, 1.5, 1.3, 0.5), latency_s=(50, 51, 46, 65, 66, 203))
MORE_LOSS = in_areas(latency_s=(38, 39, 40, 60, 60, 200), packet_loss=(0.01, 0.02, 0.03, 0.01, 0.01, 0.6))
NO_LOSS = in_areas(latency_s=(38, 37, 36, 60, 60, 200), packet_loss=(0.04, 0.03, 0.02, 0.0, 0.0, 0.6))
REACH = {"loss_range": (0, 0, 0.1, 0, 0, 0.6), "unreachable": (0.1, 0.1, 0.1, 0.6, 0.6, 0.6)}
REACHED = in_areas(**REACH, latency_s=(50, 50, 50, 65, 65, 203))
CLOSER = in_areas(**REACH, latency_s=(50, 50, 50, 65, 65, 100))
COUNTRY, SAME = in_areas(reward=(1.0, 1.0, 1.0, 0.0, 0.0, -3.0)), in_areas(reward=(1.0,) * 6)
MASKED = {name: {"loss_range": 0.0, "latency_s": 58.0, "packet_loss": 0.01} for name in (*ALL_FOUR, "myopic (rule)")}
FREE = {"Random, no mask": {"latency_s": 212.0, "packet_loss": 0.95}}
HELD = {"DM-MAPPO": 3.0, "MAPPO, no mask": 0.5, "MASAC, no mask": 2.0}

CASES = [
    ("C1", by(TABLE), "holds"),
    ("C1", by({**TABLE, "GRU": {**WORSE, "r2": 0.96}}), "contradicted"),
    ("C2", by(TABLE), "holds"),
    ("C2", by({**TABLE, "GRU": {**WORSE, "mae": 22.9}}), "contradicted"),
    ("C2", by({**TABLE, "GRU": {**WORSE, "rmse": 0.9}}), "contradicted"),
    ("C4", by(RANKED), "holds"),
    ("C4", by({**RANKED, "MASAC w.o. prediction": 3.1}), "contradicted"),
    ("C4 order", by(RANKED), "holds"),
    ("C4 order", by({**RANKED, "MASAC": 3.5}), "contradicted"),
    ("C4 order", by({**RANKED, "Greedy": -0.1}), "contradicted"),
    ("C4 literal", by({"DM-MAPPO": 3.4, "Algorithm 2 as printed": 3.41}), "holds"),
    ("C4 literal", by({"DM-MAPPO": 3.4, "Algorithm 2 as printed": 2.41}), "contradicted"),
    ("C1 made up", by(TABLE), "holds"),
    ("C1 made up", by({**TABLE, "AR(6)": {**WORSE, "mae": 19.0}}), "contradicted"),
    ("C3", by({BEST: {**SCORES, "error_rate": 0.068}}), "holds"),
    ("C3", by({BEST: {**SCORES, "error_rate": 0.09}}), "contradicted"),
    ("C6", by({**RANKED, **REWARDED}), "holds"),
    ("C6", by(RANKED), "contradicted"),
    ("C6 latency", by({"DM-MAPPO": 8.42, "DM-MAPPO w.o. prediction": 12.4}), "holds"),
    ("C6 latency", by({"DM-MAPPO": 12.4, "DM-MAPPO w.o. prediction": 12.4}), "contradicted"),
    ("C6 variance", by({"DM-MAPPO": 20.0, "DM-MAPPO w.o. prediction": 24.0}), "holds"),
    ("C6 variance", by({"DM-MAPPO": 24.0, "DM-MAPPO w.o. prediction": 24.0}), "contradicted"),
    ("C23", by({"DM-MAPPO": 0.8, "MASAC": 1.0}), "holds"),
    ("C23", by({"DM-MAPPO": 1.0, "MASAC": 1.0}), "contradicted"),
    ("C23 losses", by({"DM-MAPPO": 0.25, "MASAC": 1.0}), "holds"),
    ("C23 losses", by({"DM-MAPPO": 1.0, "MASAC": 1.0}), "contradicted"),
    (
        "C12 by",
        by(in_areas(reward=(1.0,) * 6, latency_s=(1, 1.38, 1, 1, 1, 1), packet_loss=(1, 1.3, 1, 1, 1, 1))),
        "holds",
    ),
    ("C12 by", by(in_areas(reward=(1.0,) * 6, latency_s=(1.0,) * 6, packet_loss=(1.0,) * 6)), "contradicted"),
    ("C18 by", by(everyone(latency_s=0.28, packet_loss=0.55), 1.0), "holds"),
    ("C18 by", by(everyone(latency_s=0.9, packet_loss=0.55), 1.0), "contradicted"),
    ("C20 by", by({"DM-MAPPO": 1.73}, 1.0), "holds"),
    ("C20 by", by({"DM-MAPPO": 1.2}, 1.0), "contradicted"),
    ("C5", by(LOSSES), "holds"),
    ("C5", by({**LOSSES, "Greedy": {"packet_loss": 0.06}}), "contradicted"),
    ("C7", by({"DM-MAPPO": 0.01}), "holds"),
    ("C7", by({"DM-MAPPO": 0.06}), "contradicted"),
    ("C9", by({"Greedy": FALLING, "Random": FALLING}), "holds"),
    ("C9", by({"Greedy": FALLING, "Random": RISING}), "contradicted"),
    ("C9 learned", by({"DM-MAPPO": FALLING, "MASAC": FALLING}), "holds"),
    ("C9 learned", by({"DM-MAPPO": FALLING, "MASAC": 1.0}), "contradicted"),
    ("C10", by(AHEAD, OTHER), "holds"),
    ("C10", by(BEHIND, OTHER), "contradicted"),
    ("C10", by({"DM-MAPPO": {"latency_s": 38.0, "packet_loss": 0.11}}, OTHER), "contradicted"),
    ("C10 data", by(AHEAD, OTHER), "holds"),
    ("C10 data", by(BEHIND, OTHER), "contradicted"),
    ("C21 learned", by(AHEAD, OTHER), "holds"),
    ("C21 learned", by({"DM-MAPPO": {"latency_s": 38.0}}, OTHER), "contradicted"),
    ("C11", by(dict.fromkeys(ALL_FOUR, lambda x: 30 - 5 * x)), "holds"),
    ("C11", by(dict.fromkeys(ALL_FOUR, RISING)), "contradicted"),
    ("C12", by(FEWER), "holds"),
    ("C12", by(NO_LOSS), "contradicted"),
    ("C12 learned", by(MORE_LOSS), "holds"),
    ("C12 learned", by(NO_LOSS), "contradicted"),
    ("C13", by(FEWER), "holds"),
    ("C13", by(MORE_LOSS), "contradicted"),
    ("C13 greedy", by(FEWER), "holds"),
    ("C13 greedy", by(MORE_LOSS), "contradicted"),
    ("C14", by(NO_LOSS), "holds"),
    ("C14", by(MORE_LOSS), "contradicted"),
    ("C15", by(MORE_LOSS), "holds"),
    ("C15", by(NO_LOSS), "contradicted"),
    ("C16", by(REACHED), "holds"),
    ("C16", by(CLOSER), "contradicted"),
    ("C16", by({**REACHED, "Greedy": {**REACHED["Greedy"], "unreachable": 0.5}}), "contradicted"),
    ("C16", by({**REACHED, "Greedy": {**REACHED["Greedy"], "loss_range": 0.6}}), "contradicted"),
    ("C17", by(COUNTRY), "holds"),
    ("C17", by(SAME), "contradicted"),
    ("C17 learned", by(COUNTRY), "holds"),
    ("C17 learned", by(SAME), "contradicted"),
    ("C18", by(MASKED | FREE), "holds"),
    ("C18", by({**MASKED, **FREE, "MASAC": {"loss_range": 0.1}}), "contradicted"),
    ("C18", by({**MASKED, "Random, no mask": {"latency_s": 100.0, "packet_loss": 0.95}}), "contradicted"),
    ("C18", by({**MASKED, "Random, no mask": {"latency_s": 212.0, "packet_loss": 0.05}}), "contradicted"),
    ("C20", by(HELD), "holds"),
    ("C20", by({**HELD, "MASAC, no mask": 3.1}), "contradicted"),
    ("C22", by({"DM-MAPPO": 0.001, "Random": 0.01}), "holds"),
    ("C22", by({"DM-MAPPO": 0.01, "Random": 0.001}), "contradicted"),
    ("C22 satellite", by({"DM-MAPPO": {"sat_share": 0.2, "sat_needless": 0.01}}), "holds"),
    ("C22 satellite", by({"DM-MAPPO": {"sat_share": 0.2, "sat_needless": 0.15}}), "contradicted"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPER, name, mean, noise=1e-6)
    assert verdict.outcome == outcome, verdict.numbers


def test_every_claim_that_data_decide_is_judged_both_ways():
    decided = {(name, outcome) for name, _, outcome in CASES}
    played = {"C8", "C11 why", "C19", "C21", "C24"}
    for figure in PAPER.figures:
        for claim in (claim for claim in figure.claims if claim.name not in played):
            assert {(claim.name, "holds"), (claim.name, "contradicted")} <= decided


def test_a_single_seed_decides_nothing_about_learners():
    for name in ("C1", "C4", "C10", "C12 learned"):
        assert judged(PAPER, name, by(RANKED), seeds=1, noise=1e-6).outcome != "holds"
    figure = PAPER.figure("10")
    found = checks.best_of_all(synthetic(figure, by(AHEAD, OTHER), seeds=1))
    assert decide(found, Margin(0.02)).outcome == "not shown"


def test_whether_the_truth_suffices_is_asked_of_rules_elsewhere():
    asked = []

    def rule(name, numbers, sizes, metric, loss=0.0):
        asked.append((name, dict(numbers), dict(sizes)))
        return loss if metric == "packet_loss" else 0.8

    assert judged(PAPER, "C19", by({}), rule=rule).outcome == "holds"
    assert ("myopic", {"bg_jitter_std": 0.0}, {"n_vehicles": 1, "workload_info": "actual"}) in asked
    assert judged(PAPER, "C19", by({}), rule=partial(rule, loss=0.001)).outcome == "contradicted"


def test_a_day_is_drawn_with_its_forecasts():
    data = synthetic(
        PAPER.figure("5"), curve=lambda series, x, metric: np.full(40, 3.0 if metric == "counts" else 2.0), noise=0
    )
    lines = {line.name: line for line in a_day(data)}
    assert lines.keys() == {"counted", BEST, *REST}
    assert set(lines["counted"].mean) == {3.0}
    assert set(lines["GRU"].mean) == {2.0}
    assert 6 < lines["GRU"].x[0] < 6.3
    assert 21.7 < lines["GRU"].x[-1] < 22


def test_evaluation_is_on_other_days():
    assert PAPER.eval_overrides({}) == {"region": "city:test"}
    assert PAPER.eval_overrides({"region": "rural", "n_uav": 11}) == {"region": "rural:test"}
    assert PAPER.eval_overrides({"region": object()}) == {}


def test_a_predictor_is_scored_on_the_test_days():
    (found, curves), again = forecaster("persistence")([0, 1], {"forecast_rsus": 2}, None)
    counts = flow(0, 84, 28).counts[:2].astype(float)
    first, last = 21 * 288, 28 * 288
    error = np.abs(counts[:, first:last] - counts[:, first - 1 : last - 1])
    np.testing.assert_allclose(found["mae"], [error.mean()], rtol=1e-6)
    np.testing.assert_allclose(found["error_rate"], [error.sum() / counts[:, first:last].sum()], rtol=1e-6)
    np.testing.assert_array_equal(again[0]["rmse"], found["rmse"])
    busiest = counts[:, : 19 * 288].mean(1).argmax()
    np.testing.assert_array_equal(curves["counts"], counts[busiest, first + 72 : first + 264])
    np.testing.assert_allclose(
        curves["forecast"], persistence(counts, 19 * 288)[busiest, first + 72 : first + 264], rtol=1e-6
    )


MB = 8e6


@pytest.fixture(scope="module")
def watched():
    """Three vehicles, three RSUs, a UAV and the satellite, all in reach; and one slot of it."""
    env, params = jaxvec.make("twin_migration", n_vehicles=3, n_rsu=3, n_uav=1, horizon=4)
    env = Watched(env)
    params = params.replace(rsu_range_m=1e6, uav_range_m=1e6, bg_bits_per_vehicle=0.0, warmup_slots=0.0)
    keys = jax.random.split(jax.random.key(0), 1)

    @jax.jit
    def slot(state, servers, cache_mb, reach_m):
        here = params.replace(cache_bits=cache_mb * MB, rsu_range_m=reach_m, uav_range_m=reach_m)
        start = env.reset(keys, here)[0] if state is None else state
        after, ts = env.step(keys, start, {"vehicle": {"server": jnp.asarray(servers)[:, None]}}, here)
        return after, {name: ts.info[name][0] for name in WATCHED}

    return env, slot


@pytest.mark.slow
def test_overloads_count_as_meetings_where_two_arrive(watched):
    env, slot = watched
    assert set(WATCHED) <= set(env.info_fields)
    # each twin brings 60 MB; 100 MB hold one of them
    after, found = slot(None, [0, 0, 1], 100.0, 1e6)
    assert found["loss_meeting"] == pytest.approx(2 / 3)
    # who stays has not arrived: with a cache of 50 MB everybody is overloaded, by nobody's arrival
    assert slot(after, [0, 0, 1], 50.0, 1e6)[1]["loss_meeting"] == 0
    # one arrives where one is, and a migration brings 60 MB more: overloaded, but one arrival is no meeting
    assert slot(after, [0, 1, 1], 100.0, 1e6)[1]["loss_meeting"] == 0
    assert slot(None, [0, 0, 0], 300.0, 1e6)[1]["loss_meeting"] == 0  # there is room


def test_the_satellite_is_needless_where_something_else_is_feasible(watched):
    _, slot = watched
    _, found = slot(None, [4, 4, 0], 100.0, 1e6)
    assert found["sat_needless"] == pytest.approx(2 / 3)
    assert found["unreachable"] == 0
    _, found = slot(None, [4, 4, 4], 50.0, 1e6)  # nothing else has room
    assert found["sat_needless"] == 0
    _, found = slot(None, [4, 4, 4], 100.0, 0.0)  # nothing else is in reach
    assert found["sat_needless"] == 0
    assert found["unreachable"] == 1


def test_one_more_twin_and_the_variance():
    verdict = decide(model.variance_of_one_more(NO_DATA), None)
    assert verdict.outcome == "holds", verdict.numbers


@pytest.mark.slow
@pytest.mark.parametrize(
    "check", [model.more_work_takes_longer, model.absent_ones_serve_nobody, model.more_rsus_more_choice]
)
def test_statements_about_the_model_hold(check):
    verdict = decide(check(NO_DATA), None)
    assert verdict.outcome == "holds", verdict.numbers


@pytest.mark.slow
def test_as_printed_more_work_takes_less_time():
    assert decide(model.more_work_takes_longer(NO_DATA, overload_rule="paper"), None).outcome == "contradicted"
