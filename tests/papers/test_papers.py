"""What the papers' modules say: every figure can be made and drawn, and every claim is judged by its numbers, both ways."""

from functools import partial

import numpy as np
import pytest
from papers.synthetic import POINTS, by, judged, synthetic

from jaxvec.papers import PAPERS
from jaxvec.papers import checks as common
from jaxvec.papers.data import Data
from jaxvec.papers.dt_edge import series as dt_edge
from jaxvec.papers.dt_edge.checks import CROWDED
from jaxvec.papers.isac_iov import checks as isac_iov
from jaxvec.papers.isac_iov.figures import PRINTED
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload import checks as v2x_offload
from jaxvec.papers.v2x_offload.figures import STUCK
from jaxvec.viz import plots

FIGURES = [(paper, figure) for _, paper in PAPERS.items() for figure in paper.figures]
NO_DATA = Data((), {})
PLAYS = {("v2x_offload", "C4"), *(("twin_migration", name) for name in ("C8", "C21", "C24"))}  # slots, themselves
NAMES = [f"{p.env_id} {figure.number}" for p, figure in FIGURES]


@pytest.mark.parametrize(("of", "figure"), FIGURES, ids=NAMES)
def test_every_series_can_be_set_up_at_every_point(of, figure, tmp_path):
    for budget in (of.full, of.quick):
        runner = Runner(of.env_id, budget, tmp_path)
        for series in figure.series:
            for point in figure.points:
                setup = runner.setup(series, point)
                member = runner.member(series, point, 0, setup)
                setup.params.replace(**member.numbers)
                if setup.learner:
                    updates, chunk = runner.length(setup.learner)
                    assert updates % chunk == 0
                    assert setup.hyper.replace(**member.hyper).anneal_updates == updates
                    assert 0.9 * budget.slots < updates * setup.learner.steps_per_update < 1.1 * budget.slots


@pytest.mark.parametrize(("of", "figure"), FIGURES, ids=NAMES)
@pytest.mark.parametrize("quick", [False, True])
def test_every_figure_is_drawn_and_its_claims_are_judged(of, figure, quick, tmp_path):
    data = synthetic(figure, quick=quick)
    parts = [(panel.title, panel.axis, panel.lines(data)) for panel in figure.panels]
    if not quick:  # which has less to draw
        assert plots.panels(parts, tmp_path / "x.svg").stat().st_size > 5000
    for claim in figure.claims:
        if (of.env_id, claim.name) not in PLAYS:
            assert claim.check(data).numbers


def test_names_of_figures_and_claims_are_unique():
    for env_id, paper in PAPERS.items():
        assert paper.env_id == env_id
        for names in ([claim.name for claim in paper.claims], [figure.number for figure in paper.figures]):
            assert len(set(names)) == len(names)


def test_what_cannot_be_tested_says_why():
    for _, paper in PAPERS.items():
        assert paper.other_claims
        for claim in paper.other_claims:
            verdict = claim.check(NO_DATA)
            assert verdict.outcome == "not testable"
            assert verdict.numbers


def test_no_verdict_is_taken_from_training_that_failed_or_had_another_reward():
    named = {env_id: [claim.name for claim in paper.claims if claim.open] for env_id, paper in PAPERS.items()}
    assert {env_id: names for env_id, names in named.items() if names} == {
        "v2x_offload": ["C1", "C2", "C3", "C6", "C7", "C9", "C12", "C14"],
        "urllc_vec": ["15", "15 match", "19", "15 alone", "15 MLP", "16", "14"],
    }
    figure = PAPERS["v2x_offload"].figure("4")
    claim = next(claim for claim in figure.claims if claim.name == "C2")
    data = synthetic(figure, by({"DT-MADDPG": 0.9, "random (rule)": 0.7}))
    verdict = claim.judged(data)
    assert verdict.outcome == "open"
    assert verdict.numbers == f"{STUCK}; {claim.check(data).numbers}"


def test_the_errors_name_what_is_known():
    with pytest.raises(ValueError, match=r"Did you mean 'isac_iov'\? Known: .*isac_iov, .*v2x_offload"):
        PAPERS["isac_io"]
    with pytest.raises(ValueError, match="Known: 4, 5, 6, 7, 8, 9"):
        PAPERS["v2x_offload"].figure("3")
    for kinds in ({}, {"learner": "mappo", "rule": "greedy"}):
        with pytest.raises(ValueError, match="series 'a' must have exactly one of learner, rule and run_fn"):
            Series("a", **kinds)


def test_alcs_is_what_its_formula_says():
    verdict = v2x_offload.local_slots(NO_DATA)
    assert verdict.outcome == "holds", verdict.numbers


DT = "DT-MADDPG"
IN_ORDER = {DT: 0.93, "AMCS": 0.9, "DDPG": 0.8, "ROCS": 0.75, "ALCS": 0.7, "AMCS (rule)": 0.91, "ROCS (rule)": 0.78}
RULE_COSTS = {"greedy (rule)": 0.075, "AMCS (rule)": 0.08, "ROCS (rule)": 0.2, "ALCS": 0.3206}
FALLING = {name: lambda kbit, c=c: 1 - c * kbit / 100 for name, c in RULE_COSTS.items()}
FASTER = {
    "latency_mean_s": lambda f: 0.002 + 0.2 / f,
    "energy_mean_j": lambda f: 1e-3 * f,
    "reward": lambda f: 0.7 + f / 100,
}
SLOWER = {**FASTER, "energy_mean_j": lambda f: 3e-3 * f}
CROWD = {"latency_mean_s": lambda m: m / 1e3, "reward": lambda m: 0.95 - m / 200, "energy_mean_j": lambda m: m / 1e3}
V2X = [  # claim, means, verdict
    ("C1", by({DT: lambda rate: 0.95 - 10 * rate, "random (rule)": 0.7}), "holds"),
    ("C1", by({DT: lambda rate: 0.8 - 10 * rate, "random (rule)": 0.7}), "does not hold"),
    ("C1", by({DT: lambda rate: 0.9 + rate}), "does not hold"),
    ("C2", by({DT: 0.9, "random (rule)": 0.7}), "holds"),
    ("C2", by({DT: 0.97, "random (rule)": 0.7}), "does not hold"),
    ("C2", by({DT: 0.9, "random (rule)": 0.5}), "does not hold"),
    ("C3", by(IN_ORDER), "holds"),
    ("C3", by({**IN_ORDER, "DDPG": 0.74}), "does not hold"),
    ("C3 rules", by(IN_ORDER), "holds"),
    ("C3 rules", by({**IN_ORDER, "ALCS": 0.8}), "does not hold"),
    ("C6 rules", by(FALLING), "holds"),
    ("C6 rules", by({**FALLING, "ALCS": lambda kbit: 1 - 0.25 * kbit / 100}), "does not hold"),
    ("C6", by({**FALLING, DT: FALLING["AMCS (rule)"]}), "holds"),
    ("C6", by({**FALLING, DT: FALLING["ALCS"]}), "does not hold"),
    ("C7", by({DT: {"frac_local": lambda kbit: 1 - kbit / 250}}), "holds"),
    ("C7", by({DT: {"frac_local": 0.3}}), "does not hold"),
    ("C8", by({"ALCS": 0.7, "AMCS (rule)": lambda v: 0.92 - v / 100, "ROCS (rule)": lambda v: 0.8 - v / 200}), "holds"),
    (
        "C8",
        by({"ALCS": 0.7, "AMCS (rule)": lambda v: 0.8 - v / 100, "ROCS (rule)": lambda v: 0.8 - v / 200}),
        "does not hold",
    ),
    ("C8", by({"ALCS": 0.7, "AMCS (rule)": 0.9, "ROCS (rule)": lambda v: 0.8 - v / 200}), "does not hold"),
    ("C9", by({"ALCS": 0.7, DT: lambda v: 0.9 - v / 100}), "holds"),
    ("C9", by({"ALCS": 0.7, DT: lambda v: 0.9 - v / 200}), "does not hold"),
    ("C11", by({"AMCS (rule)": FASTER}), "holds"),
    ("C11", by({"AMCS (rule)": SLOWER}), "does not hold"),
    ("C12", by({DT: FASTER}), "holds"),
    ("C12", by({DT: {**FASTER, "reward": 0.9}}), "does not hold"),
    ("C13", by({"AMCS (rule)": CROWD, "ALCS": 0.7}), "holds"),
    ("C13", by({"AMCS (rule)": CROWD, "ALCS": 0.6}), "does not hold"),
    ("C14", by({DT: CROWD, "AMCS (rule)": CROWD}), "holds"),
    ("C14", by({DT: {**CROWD, "energy_mean_j": lambda m: 1 / m}}), "does not hold"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), V2X, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_v2x_offload_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["v2x_offload"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


def proportional(name, numbers, sizes, metric):
    return 1 - 0.2 * numbers["task_bits"] / 1e5


def falling_with_speed(name, numbers, sizes, metric, slope):
    return 0.8 - slope * numbers["speed_mps"]


def refreshed(name, numbers, sizes, metric, worth):
    return 0.9 - worth * bool(numbers)


@pytest.mark.parametrize(
    ("name", "mean", "rule", "outcome"),
    [
        ("C5", by(FALLING), proportional, "holds"),
        ("C5", by(FALLING), lambda *_: 0.8, "does not hold"),
        ("C10", by({}), partial(falling_with_speed, slope=0.0), "holds"),
        ("C10", by({}), partial(falling_with_speed, slope=0.01), "does not hold"),
        ("C16", by({}), partial(refreshed, worth=0.1), "holds"),
        ("C16", by({}), partial(refreshed, worth=0.02), "does not hold"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_claims_about_other_worlds_are_judged_both_ways(name, mean, rule, outcome):
    assert judged(PAPERS["v2x_offload"], name, mean, rule=rule, noise=1e-6).outcome == outcome


LY = "Ly-DTMAPPO"
OTHERS = ("Ly-MAPPO", "Ly-MADDPG", "Ly-MASAC", "Ly-MATD3")
RISING = {name: {"cost_mean": lambda i: i / 10, "latency_mean_s": lambda i: i / 5} for name in (LY, *OTHERS)}
LOAD = {"capacity (rule)": -1.6, "offload_equal (rule)": -1.7, "nearest (rule)": -1.72, "split_equal (rule)": -3.0}
LOAD |= {"random (rule)": -5.0, "all_local (rule)": -30.0}
IOV = [
    ("L1", by({**LOAD, LY: -1.6}), "holds"),
    ("L1", by({**LOAD, LY: -2.0}), "does not hold"),
    ("L3", by({LY: -1.6, "Ly-MAPPO": -1.8}), "holds"),
    ("L3", by({LY: -1.6, "Ly-MAPPO": -1.6}), "does not hold"),
    ("L3 load", by({LY: lambda p: -1.6, "Ly-MAPPO": lambda p: -1.6 - p}), "holds"),
    ("L5", by({LY: 1e6, "random (rule)": 5e8}), "holds"),
    ("L5", by({LY: 2e8, "random (rule)": 5e8}), "does not hold"),
    ("L5 lowest", by({LY: 1e6}, 2e6), "holds"),
    ("L5 lowest", by({LY: 1e6, "Ly-MASAC": 1e5}, 2e6), "does not hold"),
    ("L6", by(RISING), "holds"),
    ("L6", by({**RISING, "Ly-MASAC": 0.5}), "does not hold"),
    ("L6 lowest", by({LY: 0.3}, 0.4), "holds"),
    ("L6 lowest", by({LY: 0.3, "Ly-MATD3": 0.3}, 0.4), "does not hold"),
    ("L6 by", by({LY: 0.4, **{n: 0.4 / (1 - p / 100) for n, p in isac_iov.LESS_COST.items()}}), "holds"),
    ("L6 by", by({LY: 0.4}, 0.4), "does not hold"),
    ("L6 energy", by({LY: {"energy_mean_j": lambda i: 100 / i}}), "holds"),
    ("L6 energy", by({LY: {"energy_mean_j": lambda i: 100.0}}), "does not hold"),
    ("L7", by({LY: {"cost_mean": lambda v: 0.4 + v / 300}}), "holds"),
    ("L7", by({LY: {"cost_mean": 0.4}}), "does not hold"),
    ("P11", by(LOAD), "holds"),
    ("P11", by({**LOAD, "random (rule)": -2.0}), "does not hold"),
    ("P12", by({"offload_equal (rule)": {"energy_mean_j": 17.0, "cost_mean": 0.34}}), "holds"),
    ("P12", by({"offload_equal (rule)": {"energy_mean_j": 100.0, "cost_mean": 0.34}}), "does not hold"),
    ("P13", by({"waterfill_twin (rule)": lambda p: -1.6 + p, "waterfill (rule)": -1.6}), "holds"),
    ("P13", by({"waterfill_twin (rule)": -1.6, "waterfill (rule)": -1.6}), "does not hold"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), IOV, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_isac_iov_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["isac_iov"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


TEAM = {"QMARL": 0.3, "matched": 0.2, "MAPPO": 0.1, "MADDPG": -0.5, "random (rule)": -3.0, "nash_half (rule)": 0.4}
QUICKEST = {"QMARL": {"latency_total_v_s": 0.02}}
LEAST = {"QMARL": {"energy_total_j": 100.0}, **dict.fromkeys(("no LSTM", "no twin", "single agent"), 120.0)}
BITS = {"nash (rule)": lambda kbit: kbit / 10}
FEW, MANY = "nash, 2 vehicles", "nash, 8 vehicles"
FALLING_N = {FEW: lambda n: 2e-3 - n / 1e6, MANY: lambda n: 3e-3 - n / 1e6}
RISING_N = {FEW: lambda n: 1e-3 + n / 1e6, MANY: lambda n: 3e-3 + n / 1e6}
URLLC = [
    ("15", by(TEAM), "holds"),
    ("15", by({**TEAM, "MAPPO": 0.31}), "does not hold"),
    ("15 match", by(TEAM), "holds"),
    ("15 match", by({**TEAM, "matched": 0.4}), "does not hold"),
    ("19", by({**TEAM}, 0.0), "holds"),
    ("19", by({**TEAM, "no twin": -3.1}, 0.0), "does not hold"),
    ("16", by(QUICKEST, 0.03), "holds"),
    ("16", by({**QUICKEST, "single agent": 0.01}, 0.03), "does not hold"),
    ("14", by(LEAST), "holds"),
    ("14", by({**LEAST, "no twin": 99.0}), "does not hold"),
    ("13", by(BITS), "holds"),
    ("13", by({"nash (rule)": 1.0}), "does not hold"),
    ("6", by({"nash (rule)": lambda v: 90.0 - v}), "holds"),
    ("6", by({"nash (rule)": 90.0}), "does not hold"),
    ("8", by({"nash (rule)": 90.0}), "holds"),
    ("8", by({"nash (rule)": 0.7}), "does not hold"),
    ("7", by({"nash (rule)": lambda f: 50.0 + f}), "holds"),
    ("7", by({"nash (rule)": lambda f: 50.0 - f}), "does not hold"),
    ("9 UAVs", by({"nash (rule)": lambda n: 50.0 + n}), "holds"),
    ("9 BSs", by({"nash (rule)": lambda n: 50.0 - n}), "does not hold"),
    ("11", by(RISING_N), "holds"),
    ("11", by(FALLING_N), "does not hold"),
    ("11 model", by(FALLING_N), "holds"),
    ("11 codec", by(RISING_N), "holds"),
    ("12", by(FALLING_N), "holds"),
    ("12", by({**FALLING_N, FEW: 4e-3}), "does not hold"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), URLLC, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_urllc_vec_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["urllc_vec"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


def test_learners_of_urllc_vec_train_what_the_paper_trains():
    """Own rewards, which is no default: everybody who learns says so."""
    figures = PAPERS["urllc_vec"].figures
    learned = {series.name: series.numbers for figure in figures for series in figure.series if series.learner}
    assert all(numbers == {"reward_mix": 0.0} for numbers in learned.values())
    assert len(learned) == 9


def biased(what, plus, zero, minus):
    """Means of a series of dt_edge by bias."""
    return dict(zip((dt_edge.named(what, bias) for bias in dt_edge.BIASES_HZ), (plus, zero, minus), strict=True))


def all_of(table):
    """The same at every bias."""
    return {name: x for what, x in table.items() for name, x in biased(what, x, x, x).items()}


def full_server(x, sign):
    return 0.9 * (1 - sign * 3 * x * 0.5 / 400) ** 3


CROWDING = all_of({rule: {"latency_mean_s": lambda n: n / 100, "qos_mean": lambda n: -n / 100} for rule in CROWDED})
SLOWING = {"latency_mean_s": lambda n: 0.1 - n / 1000, "qos_mean": lambda n: n / 100, "energy_sys_j": 3.0}
STARVED = {"latency_mean_s": 0.2, "energy_edge_j": 0.0}
AT_HOME = {"energy_local_j": lambda n: 2.34 * n, "latency_mean_s": 0.0625, "qos_mean": 0.375}
OFFLOADED = {"reward": lambda n: 0.9 - n / 10, "qos_mean": lambda n: 0.9 - n / 10}
OPTIMA = {"slot_optimum": 0.3, "local": 0.1}
DT_EDGE = [
    ("P6", by(all_of({rule: {"energy_sys_j": lambda n: n} for rule in CROWDED})), "holds"),
    ("P6", by(all_of({rule: {"energy_sys_j": lambda n: 9.0} for rule in CROWDED})), "does not hold"),
    ("P5", by(all_of({"local": AT_HOME})), "holds"),
    ("P5", by(all_of({"local": AT_HOME | {"energy_local_j": 9.0}})), "does not hold"),
    ("P5", by(all_of({"local": AT_HOME | {"latency_mean_s": 0.06}})), "does not hold"),
    ("L2 energy", by(all_of({"SARL": 3.0, "MARL": 2.0})), "holds"),
    ("L2 energy", by(all_of({"SARL": 2.0, "MARL": 3.0})), "does not hold"),
    ("L3", by(biased("MARL", 2.0, 2.1, 2.2)), "holds"),
    ("L3", by(biased("MARL", 2.2, 2.1, 2.0)), "does not hold"),
    ("P8", by(CROWDING), "holds"),
    ("P8", by({**CROWDING, **all_of({"slot_optimum": SLOWING})}), "does not hold"),
    ("P2", by(biased("starve", *({**STARVED, "latency_mean_s": x} for x in (0.2, 0.25, 0.3)))), "holds"),
    ("P2", by(biased("starve", *({**STARVED, "latency_mean_s": x} for x in (0.3, 0.25, 0.2)))), "does not hold"),
    ("P3", by({**all_of({"offload_equal": 0.0}), **biased("local_threshold", 0.06, 0.059, 0.058)}), "holds"),
    ("P3", by({**all_of({"offload_equal": 0.0}), **biased("local_threshold", 0.058, 0.059, 0.06)}), "does not hold"),
    (
        "P3",
        by({**biased("offload_equal", 0.1, 0.11, 0.12), **biased("local_threshold", 0.06, 0.06, 0.05)}),
        "does not hold",
    ),
    ("L2 latency", by(all_of({"SARL": 0.06, "MARL": 0.05})), "holds"),
    ("L2 latency", by(all_of({"SARL": 0.05, "MARL": 0.05})), "does not hold"),
    ("P8 QoS", by(CROWDING), "holds"),
    ("P8 QoS", by({**CROWDING, **all_of({"offload_equal": SLOWING})}), "does not hold"),
    ("P9", by(all_of({"offload_equal": OFFLOADED, "local": 0.1})), "holds"),
    ("P9", by(all_of({"offload_equal": OFFLOADED, "local": -1.0})), "does not hold"),
    ("L1", by(all_of({"MARL": 0.3, "SARL": 0.2})), "holds"),
    ("L1", by(all_of({"MARL": 0.2, "SARL": 0.2})), "does not hold"),
    ("L4", by(all_of({"SARL": {"qos_mean": lambda n: 1.5 - n / 10}})), "does not hold"),
    ("L4", by(all_of({"SARL": {"qos_mean": lambda n: 0.7 - n / 10}})), "holds"),
    ("optimum", by(all_of({**OPTIMA, "MARL": 0.25, "SARL": 0.2})), "not testable"),
    ("P4", by(biased("offload_equal", lambda n: full_server(n, 1), 0.9, lambda n: full_server(n, -1))), "holds"),
    ("P4", by(all_of({"offload_equal": 0.9})), "does not hold"),
    ("L5 energy", by(all_of({"MARL": 0.9, "SARL": 0.8})), "holds"),
    ("L5 shares", by(all_of({"MARL": 0.8, "SARL": 0.9})), "does not hold"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), DT_EDGE, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_dt_edge_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["dt_edge"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


@pytest.mark.parametrize(
    ("printed", "ours", "outcome"),
    [(0.005, 0.3, "holds"), (0.1, 0.3, "does not hold"), (0.005, 0.1, "does not hold")],
)
def test_a_table_that_leaves_nothing_to_learn_is_judged_both_ways(printed, ours, outcome):
    def rule(name, numbers, sizes, metric):
        gap = printed if "task_bits_min" in numbers else ours
        return gap if name == "slot_optimum" else 0.0

    assert judged(PAPERS["dt_edge"], "P10", by({}), rule=rule).outcome == outcome


@pytest.mark.parametrize(("ratio", "outcome"), [(0.9, "holds"), (1.1, "does not hold")])
def test_forecasts_are_judged_by_their_errors(ratio, outcome):
    def curve(series, x, metric):
        return np.full(POINTS, 0.2 * (ratio if "rmse" in metric else 1.0))

    verdict = judged(PAPERS["urllc_vec"], "17", by({}), curve=curve)
    assert verdict.outcome == outcome, verdict.numbers


def test_the_latency_table_is_what_the_paper_prints():
    verdicts = {name: judged(PAPERS["urllc_vec"], name, by({})) for name in ("1", "2", "3", "4")}
    assert {name: verdict.outcome for name, verdict in verdicts.items()} == {
        "1": "holds",
        "2": "holds",
        "3": "holds",
        "4": "does not hold",  # unless megahertz are given in gigahertz
    }


def saturating(rates, ends):
    """Learning curves from -5 that reach their end at a rate of their own."""
    t = np.arange(1, POINTS + 1) / POINTS
    return lambda series, x, metric: ends[series] - (5 + ends[series]) * np.exp(-t / rates[series])


def test_table_three_is_read_off_the_curves():
    figure = PAPERS["isac_iov"].figure("table3")
    printed = {name: values[0] for name, values in PRINTED.items()}
    slow = dict.fromkeys(printed, 0.05) | {LY: 0.3, "Ly-MAPPO": 0.25}
    data = synthetic(figure, by(LOAD, -3.0), curve=saturating(slow, printed), noise=1e-6)
    assert isac_iov.table_order(data).outcome == "holds"
    assert isac_iov.slow_on_policy(data).outcome == "holds"
    # 95 % of the way from the first point, t = 1/40, at t = 1/40 - 0.05 log(0.05) = 0.17 of 400 episodes
    assert common.converged(data, "Ly-MADDPG").mean() == pytest.approx(0.17 * 400, abs=15)
    quick = dict.fromkeys(printed, 0.3) | {LY: 0.05, "Ly-MAPPO": 0.25}
    data = synthetic(figure, by(LOAD, -3.0), curve=saturating(quick, printed | {"Ly-MASAC": -2.0}), noise=1e-6)
    assert isac_iov.slow_on_policy(data).outcome == "does not hold"
    assert isac_iov.table_order(data).outcome == "does not hold"
