"""What the papers' modules say: every figure can be made and drawn, and every claim is judged by its numbers, both ways."""

from functools import partial

import numpy as np
import pytest
from papers.synthetic import POINTS, by, judged, synthetic
from representatives import representatives

from jaxvec.papers import PAPERS
from jaxvec.papers import checks as common
from jaxvec.papers.data import Data
from jaxvec.papers.dt_edge import series as dt_edge
from jaxvec.papers.dt_edge.checks import CROWDED
from jaxvec.papers.isac_iov import checks as isac_iov
from jaxvec.papers.isac_iov.checks import PRINTED
from jaxvec.papers.runner import Runner
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload import checks as v2x_offload
from jaxvec.papers.verdicts import NOT_SHOWN, OUTCOMES, Margin, decide
from jaxvec.reproduce_command import reproduce
from jaxvec.viz import plots

FIGURES = [(paper, figure) for _, paper in PAPERS.items() for figure in paper.figures]
NO_DATA = Data((), {})
PLAYS = {("v2x_offload", "C4"), *(("twin_migration", name) for name in ("C8", "C21", "C24"))}  # slots, themselves
NAMES = [f"{p.env_id} {figure.number}" for p, figure in FIGURES]
FIRST = [(paper, paper.figures[0]) for _, paper in PAPERS.items()]
each_figure = pytest.mark.parametrize(("of", "figure"), representatives(FIGURES, FIRST), ids=NAMES)


@each_figure
def test_every_series_can_be_set_up_at_every_point(of, figure, tmp_path):
    for budget in (of.full, of.quick):
        runner = Runner(of.env_id, budget, tmp_path)
        for series in figure.series:
            for point in figure.points:
                setup = runner.setup(series, point)
                member = runner.member(series, point, 0, setup)
                setup.params.replace(**member.numbers)
                if setup.learner:
                    updates, chunk = runner.length(setup.learner, series)
                    assert updates % chunk == 0
                    assert setup.hyper.replace(**member.hyper).anneal_updates == updates
                    slots = min(series.slots or budget.slots, budget.slots)
                    assert 0.9 * slots < updates * setup.learner.steps_per_update < 1.1 * slots


@each_figure
@pytest.mark.parametrize("quick", [False, True])
def test_every_figure_is_drawn_and_its_claims_are_judged(of, figure, quick, tmp_path):
    data = synthetic(figure, quick=quick)
    parts = [(panel.title, panel.axis, panel.lines(data)) for panel in figure.panels]
    if not quick:  # which has less to draw
        assert plots.panels(parts, tmp_path / "x.svg").stat().st_size > 5000
    for claim in figure.claims:
        if (of.env_id, claim.name) not in PLAYS:
            verdict = claim.judged(data)
            assert verdict.numbers
            assert verdict.outcome in OUTCOMES


@each_figure
def test_a_figure_of_which_no_learner_is_made_is_drawn_and_claims_that_need_one_are_not_shown(of, figure):
    whole = synthetic(figure)
    learners = {
        series.name for series in figure.series if not series.rule
    }  # and bounds and functions, which take time too
    missing = {cell: len(runs) for cell, runs in whole.runs.items() if cell[0] in learners}
    made = {cell: runs for cell, runs in whole.runs.items() if cell not in missing}
    data = Data(figure.series, made, whole.rules, missing)
    parts = [(panel.title, panel.axis, panel.lines(data)) for panel in figure.panels]
    lines = [line for *_, of_panel in parts for line in of_panel]
    assert not [line for line in lines if line.name in learners and line.kind != "paper"]
    assert data.xs == whole.xs
    for claim in figure.claims:
        if (of.env_id, claim.name) not in PLAYS:
            verdict, watched = claim.judged(data), whole.watched()
            claim.check(watched)
            needs = learners & {name for name, _ in watched.used if claim.rests_on is None or name in claim.rests_on}
            assert ("for want of time" in verdict.numbers) == bool(needs)
            assert not needs or verdict.outcome == NOT_SHOWN


def test_names_of_figures_and_claims_are_unique():
    for env_id, paper in PAPERS.items():
        assert paper.env_id == env_id
        for names in ([claim.name for claim in paper.claims], [figure.number for figure in paper.figures]):
            assert len(set(names)) == len(names)


def test_what_cannot_be_tested_says_why():
    for _, paper in PAPERS.items():
        assert paper.other_claims
        for claim in paper.other_claims:
            verdict = claim.judged(NO_DATA)
            assert verdict.outcome == "not testable"
            assert verdict.numbers


def test_help_lists_the_figures_of_every_system():
    listed = dict(
        line.strip().split(": ")
        for line in reproduce.__doc__.split("Figures:")[1].split("Args:")[0].splitlines()
        if ":" in line
    )
    assert listed == {name: ", ".join(figure.number for figure in paper.figures) for name, paper in PAPERS.items()}


def test_the_errors_name_what_is_known():
    with pytest.raises(ValueError, match=r"Did you mean 'isac_iov'\? Known: .*isac_iov, .*v2x_offload"):
        PAPERS["isac_io"]
    with pytest.raises(ValueError, match="Known: 4, 5, 6, 7, 8, 9"):
        PAPERS["v2x_offload"].figure("3")
    for kinds in ({}, {"learner": "mappo", "rule": "greedy"}):
        with pytest.raises(ValueError, match="series 'a' must have exactly one of learner, rule, bound and run_fn"):
            Series("a", **kinds)


def test_alcs_is_what_its_formula_says():
    verdict = decide(v2x_offload.local_slots(NO_DATA), None)
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
    ("C1", by({DT: lambda rate: 0.9 + rate}), "contradicted"),
    ("C2", by({DT: 0.9, "random (rule)": 0.7}), "holds"),
    ("C2", by({DT: 0.97, "random (rule)": 0.7}), "contradicted"),
    ("C2", by({DT: 0.9, "random (rule)": 0.5}), "contradicted"),
    ("C3", by(IN_ORDER), "holds"),
    ("C3", by({**IN_ORDER, "DDPG": 0.74}), "contradicted"),
    ("C3 rules", by(IN_ORDER), "holds"),
    ("C3 rules", by({**IN_ORDER, "ALCS": 0.8}), "contradicted"),
    ("C6 rules", by(FALLING), "holds"),
    ("C6 rules", by({**FALLING, "ALCS": lambda kbit: 1 - 0.25 * kbit / 100}), "contradicted"),
    ("C6", by({**FALLING, DT: FALLING["AMCS (rule)"]}), "holds"),
    ("C6", by({**FALLING, DT: FALLING["ALCS"]}), "contradicted"),
    ("C3 mixed", by(IN_ORDER), "holds"),
    ("C3 literal", by({"DT-MADDPG, the paper's numbers": 0.6, "ALCS": 0.68}), "contradicted"),
    ("C6 best", by(IN_ORDER), "holds"),
    ("C6 best", by({**IN_ORDER, DT: 0.85}), "contradicted"),
    ("C6 others", by({**FALLING, "AMCS": FALLING["ALCS"]}), "contradicted"),
    ("C7 model", by({"greedy (rule)": {"frac_local": 0.01}}), "holds"),
    ("C7 model", by({"greedy (rule)": {"frac_local": lambda kbit: 1 - kbit / 250}}), "contradicted"),
    ("C8 slow", by({"ALCS": 0.7, DT: 0.9}), "holds"),
    ("C9 rule", by({"ALCS": 0.7, "greedy (rule)": 0.8}), "holds"),
    ("C7", by({DT: {"frac_local": lambda kbit: 1 - kbit / 250}}), "holds"),
    ("C7", by({DT: {"frac_local": 0.3}}), "contradicted"),
    ("C8", by({"ALCS": 0.7, "AMCS (rule)": lambda v: 0.92 - v / 100, "ROCS (rule)": lambda v: 0.8 - v / 200}), "holds"),
    (
        "C8",
        by({"ALCS": 0.7, "AMCS (rule)": lambda v: 0.8 - v / 100, "ROCS (rule)": lambda v: 0.8 - v / 200}),
        "contradicted",
    ),
    ("C8", by({"ALCS": 0.7, "AMCS (rule)": 0.9, "ROCS (rule)": lambda v: 0.8 - v / 200}), "contradicted"),
    ("C9", by({"ALCS": 0.7, DT: lambda v: 0.9 - v / 100}), "holds"),
    ("C9", by({"ALCS": 0.7, DT: lambda v: 0.9 - v / 200}), "contradicted"),
    ("C11", by({"AMCS (rule)": FASTER}), "holds"),
    ("C11", by({"AMCS (rule)": SLOWER}), "contradicted"),
    ("C12", by({DT: FASTER}), "holds"),
    ("C12", by({DT: {**FASTER, "reward": 0.9}}), "contradicted"),
    ("C13", by({"AMCS (rule)": CROWD, "ALCS": 0.7}), "holds"),
    ("C13", by({"AMCS (rule)": CROWD, "ALCS": 0.6}), "contradicted"),
    ("C14", by({DT: CROWD, "AMCS (rule)": CROWD}), "holds"),
    ("C14", by({DT: {**CROWD, "energy_mean_j": lambda m: 1 / m}}), "contradicted"),
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
        ("C5", by(FALLING), lambda *_: 0.8, "contradicted"),
        ("C10", by({}), partial(falling_with_speed, slope=0.0), "holds"),
        ("C10", by({}), partial(falling_with_speed, slope=0.01), "contradicted"),
        ("C16", by({}), partial(refreshed, worth=0.1), "holds"),
        ("C16", by({}), partial(refreshed, worth=0.0), "contradicted"),
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
    ("L1", by({**LOAD, LY: -2.6}), "contradicted"),
    ("L3", by({LY: -1.6, "Ly-MAPPO": -1.8}), "holds"),
    ("L3", by({LY: -1.6, "Ly-MAPPO": -1.6}), "contradicted"),
    ("L3 load", by({LY: lambda p: -1.6, "Ly-MAPPO": lambda p: -1.6 - p}), "holds"),
    ("L5", by({LY: 1e6, "random (rule)": 5e8}), "holds"),
    ("L5", by({LY: 2e8, "random (rule)": 5e8}), "contradicted"),
    ("L5 lowest", by({LY: 1e7}, 5e7), "holds"),
    ("L5 lowest", by({LY: 1e7, "Ly-MASAC": 1e5}, 5e7), "contradicted"),
    ("L6", by(RISING), "holds"),
    ("L6", by({**RISING, "Ly-MASAC": 0.5}), "contradicted"),
    ("L6 lowest", by({LY: 0.3}, 0.4), "holds"),
    ("L6 lowest", by({LY: 0.3, "Ly-MATD3": 0.3}, 0.4), "contradicted"),
    ("L6 by", by({LY: 0.4, **{n: 0.4 / (1 - p / 100) for n, p in isac_iov.LESS_COST.items()}}), "holds"),
    ("L6 by", by({LY: 0.4}, 0.4), "contradicted"),
    ("L6 energy", by({LY: {"energy_mean_j": lambda i: 100 / i}}), "holds"),
    ("L6 energy", by({LY: {"energy_mean_j": lambda i: 100.0}}), "contradicted"),
    ("L6 latency", by({LY: 0.4, **{n: 0.4 / (1 - p / 100) for n, p in isac_iov.LESS_LATENCY.items()}}), "holds"),
    ("L6 energy six", by({LY: 4.0, **{n: 4 / (1 - p / 100) for n, p in isac_iov.LESS_ENERGY_OF_SIX.items()}}), "holds"),
    ("L2 by", by({LY: -1.0, **{n: -1 / (1 - p / 100) for n, p in isac_iov.GAINS.items()}}), "holds"),
    ("L2 by", by({LY: -1.0}, -1.0), "contradicted"),
    ("L1 literal", by({"Ly-DTMAPPO, the paper's numbers": -2.5}), "holds"),
    ("L1 literal", by({"Ly-DTMAPPO, the paper's numbers": -2.6}), "contradicted"),
    ("L7", by({LY: {"cost_mean": lambda v: 0.4 + v / 300}}), "holds"),
    ("L7", by({LY: {"cost_mean": 0.4}}), "contradicted"),
    ("P11", by(LOAD), "holds"),
    ("P11", by({**LOAD, "random (rule)": -2.0}), "contradicted"),
    ("P12", by({"offload_equal (rule)": {"energy_mean_j": 17.0, "cost_mean": 0.34}}), "holds"),
    ("P12", by({"offload_equal (rule)": {"energy_mean_j": 100.0, "cost_mean": 0.34}}), "contradicted"),
    ("P13", by({"waterfill_twin (rule)": lambda p: -1.6 + p, "waterfill (rule)": -1.6}), "holds"),
    ("P13", by({"waterfill_twin (rule)": -1.6, "waterfill (rule)": -1.6}), "contradicted"),
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
    ("15", by({**TEAM, "MAPPO": 0.31}), "contradicted"),
    ("15 match", by(TEAM), "holds"),
    ("15 match", by({**TEAM, "matched": 0.4}), "contradicted"),
    ("Nash", by({"QMARL": 0.1, "random (rule)": 0.5}), "holds"),
    ("Nash", by({"QMARL": 0.5, "random (rule)": 0.5}), "contradicted"),
    ("15 by", by({**TEAM, "random (rule)": 0.0, "QMARL": 1.0, "MAPPO": 1 / 1.5317, "MADDPG": 1 / 1.8481}), "holds"),
    ("15 by", by({**TEAM, "random (rule)": 0.0, "QMARL": 1.0, "MAPPO": 1.0, "MADDPG": 1.0}), "contradicted"),
    ("19", by({**TEAM}, 0.0), "holds"),
    ("19", by({**TEAM, "no twin": -3.1}, 0.0), "contradicted"),
    ("16", by(QUICKEST, 0.03), "holds"),
    ("16", by({**QUICKEST, "single agent": 0.01}, 0.03), "contradicted"),
    ("14", by(LEAST), "holds"),
    ("14", by({**LEAST, "no twin": 99.0}), "contradicted"),
    ("13", by(BITS), "holds"),
    ("13", by({"nash (rule)": 1.0}), "contradicted"),
    ("6", by({"nash (rule)": lambda v: 90.0 - v}), "holds"),
    ("6", by({"nash (rule)": 90.0}), "contradicted"),
    ("8", by({"nash (rule)": 90.0}), "holds"),
    ("8", by({"nash (rule)": 0.7}), "contradicted"),
    ("7", by({"nash (rule)": lambda f: 50.0 + f}), "holds"),
    ("7", by({"nash (rule)": lambda f: 50.0 - f}), "contradicted"),
    ("9 UAVs", by({"nash (rule)": lambda n: 50.0 + n}), "holds"),
    ("9 BSs", by({"nash (rule)": lambda n: 50.0 - n}), "contradicted"),
    ("11", by(RISING_N), "holds"),
    ("11", by(FALLING_N), "contradicted"),
    ("11 model", by(FALLING_N), "holds"),
    ("11 codec", by(RISING_N), "holds"),
    ("12", by(FALLING_N), "holds"),
    ("12", by({**FALLING_N, FEW: 4e-3}), "contradicted"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), URLLC, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_urllc_vec_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["urllc_vec"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


def test_learners_of_urllc_vec_train_by_the_teams_reward_and_aside_by_their_own():
    figures = PAPERS["urllc_vec"].figures
    learned = {x.name: x for figure in figures for x in figure.series if x.learner and x.learner != "apg"}
    own = {name for name, series in learned.items() if series.numbers == {"reward_mix": 0.0}}
    assert own == {f"{name}, own rewards" for name in ("QMARL", "matched", "MAPPO")}
    assert all(series.numbers == {"reward_mix": 1.0} for name, series in learned.items() if name not in own)
    assert {series.hyper["gamma"] for series in learned.values()} == {0.5, 0.99}


@pytest.mark.parametrize(("of", "figure"), FIGURES, ids=NAMES)
def test_every_learner_is_measured_by_a_rule_and_chance_in_its_figure(of, figure):
    names = {series.name for series in figure.series}
    learners = [series for series in figure.series if series.learner]
    for series in (x for x in learners if x.name != "MARL as printed"):
        assert series.marks, series.name
        assert set(series.marks) <= names, series.name
    assert not learners or "random" in {series.rule for series in figure.series}
    if learners and figure.number != "table1" and (of.env_id, figure.number) != ("urllc_vec", "twin"):
        assert any(series.bound for series in figure.series)
        assert "apg" in {series.learner for series in learners} or (of.env_id, figure.number) == ("v2x_offload", "4")


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
    ("P6", by(all_of({rule: {"energy_sys_j": lambda n: 9.0} for rule in CROWDED})), "contradicted"),
    ("P5", by(all_of({"local": AT_HOME})), "holds"),
    ("P5", by(all_of({"local": AT_HOME | {"energy_local_j": 9.0}})), "contradicted"),
    ("P5", by(all_of({"local": AT_HOME | {"latency_mean_s": 0.06}})), "contradicted"),
    ("L2 energy", by(all_of({"SARL": 3.0, "MARL": 2.0})), "holds"),
    ("L2 energy", by(all_of({"SARL": 2.0, "MARL": 3.0})), "contradicted"),
    ("L3", by(biased("MARL", 2.0, 2.1, 2.2)), "holds"),
    ("L3", by(biased("MARL", 2.2, 2.1, 2.0)), "contradicted"),
    ("P8", by(CROWDING), "holds"),
    ("P8", by({**CROWDING, **all_of({"slot_optimum": SLOWING})}), "contradicted"),
    ("P2", by(biased("starve", *({**STARVED, "latency_mean_s": x} for x in (0.2, 0.25, 0.3)))), "holds"),
    ("P2", by(biased("starve", *({**STARVED, "latency_mean_s": x} for x in (0.3, 0.25, 0.2)))), "contradicted"),
    ("P3", by({**all_of({"offload_equal": 0.0}), **biased("local_threshold", 0.06, 0.059, 0.058)}), "holds"),
    ("P3", by({**all_of({"offload_equal": 0.0}), **biased("local_threshold", 0.058, 0.059, 0.06)}), "contradicted"),
    (
        "P3",
        by({**biased("offload_equal", 0.1, 0.11, 0.12), **biased("local_threshold", 0.06, 0.06, 0.05)}),
        "contradicted",
    ),
    ("L2 latency", by(all_of({"SARL": 0.06, "MARL": 0.05})), "holds"),
    ("L2 latency", by(all_of({"SARL": 0.05, "MARL": 0.05})), "contradicted"),
    ("P8 QoS", by(CROWDING), "holds"),
    ("P8 QoS", by({**CROWDING, **all_of({"offload_equal": SLOWING})}), "contradicted"),
    ("P9", by(all_of({"offload_equal": OFFLOADED, "local": 0.1})), "holds"),
    ("P9", by(all_of({"offload_equal": OFFLOADED, "local": -1.0})), "contradicted"),
    ("L1", by(all_of({"MARL": 0.3, "SARL": 0.2})), "holds"),
    ("L1", by(all_of({"MARL": 0.2, "SARL": 0.2})), "contradicted"),
    ("L4", by(all_of({"SARL": {"qos_mean": lambda n: 1.5 - n / 10}})), "contradicted"),
    ("L4", by(all_of({"SARL": {"qos_mean": lambda n: 0.7 - n / 10}})), "holds"),
    ("optimum", by(all_of({**OPTIMA, "MARL": 0.25, "SARL": 0.2})), "not testable"),
    ("H", by(all_of({"icl_kernel_64": {"ahead_of_marl": -0.001}})), "holds"),
    ("H", by(all_of({"icl_kernel_64": {"ahead_of_marl": -0.05}})), "contradicted"),
    ("H energy", by(all_of({"icl_kernel_64": 2.0, "MARL": 3.0})), "holds"),
    ("H energy", by(all_of({"icl_kernel_64": 2.0, "MARL": 2.0})), "contradicted"),
    ("H QoS", by(all_of({"icl_kernel_64": 0.5, "MARL": 0.4})), "holds"),
    ("L3 cases", by(biased("icl_kernel_64", 2.0, 2.1, 2.2)), "holds"),
    ("L6", by({"MARL as printed": 0.5, "random, as printed": 0.3}), "holds"),
    ("L6", by({"MARL as printed": 0.3, "random, as printed": 0.3}), "contradicted"),
    ("P4", by(biased("offload_equal", lambda n: full_server(n, 1), 0.9, lambda n: full_server(n, -1))), "holds"),
    ("P4", by(all_of({"offload_equal": 0.9})), "contradicted"),
    ("L5 energy", by(all_of({"MARL": 0.9, "SARL": 0.8})), "holds"),
    ("L5 shares", by(all_of({"MARL": 0.8, "SARL": 0.9})), "contradicted"),
]


@pytest.mark.parametrize(("name", "mean", "outcome"), DT_EDGE, ids=lambda x: x if isinstance(x, str) else "")
def test_claims_of_dt_edge_are_judged_both_ways(name, mean, outcome):
    verdict = judged(PAPERS["dt_edge"], name, mean, noise=1e-5)
    assert verdict.outcome == outcome, verdict.numbers


@pytest.mark.parametrize(
    ("printed", "ours", "outcome"),
    [(0.005, 0.3, "holds"), (0.1, 0.3, "contradicted"), (0.005, 0.1, "contradicted")],
)
def test_a_table_that_leaves_nothing_to_learn_is_judged_both_ways(printed, ours, outcome):
    def rule(name, numbers, sizes, metric):
        gap = printed if "task_bits_min" in numbers else ours
        return gap if name == "slot_optimum" else 0.0

    assert judged(PAPERS["dt_edge"], "P10", by({}), rule=rule).outcome == outcome


@pytest.mark.parametrize(("ratio", "outcome"), [(0.9, "holds"), (1.1, "contradicted")])
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
        "4": "contradicted",  # unless megahertz are given in gigahertz
    }


def saturating(rates, ends):
    """Learning curves from -5 that reach their end at a rate of their own."""
    t = np.arange(1, POINTS + 1) / POINTS
    return lambda series, x, metric: (
        ends.get(series, -1.5) * (1 - np.exp(-t / rates.get(series, 0.1))) - 5 * np.exp(-t / rates.get(series, 0.1))
    )


def outcome_of(finding):
    return decide(finding, Margin(0.02)).outcome


def test_table_three_is_read_off_the_curves():
    figure = PAPERS["isac_iov"].figure("table3")
    printed = {name: values[0] for name, values in PRINTED.items()}
    slow = dict.fromkeys(printed, 0.05) | {LY: 0.3, "Ly-MAPPO": 0.25}
    data = synthetic(figure, by(LOAD, -3.0), curve=saturating(slow, printed), noise=1e-6)
    assert outcome_of(isac_iov.table_order(data)) == "holds"
    assert outcome_of(isac_iov.slow_on_policy(data)) == "holds"
    # 95 % of the way from the first point, t = 1/40, at t = 1/40 - 0.05 log(0.05) = 0.17 of 400 episodes
    assert common.converged(data, "Ly-MADDPG").mean() == pytest.approx(0.17 * 400, abs=15)
    quick = dict.fromkeys(printed, 0.3) | {LY: 0.05, "Ly-MAPPO": 0.25}
    data = synthetic(figure, by(LOAD, -3.0), curve=saturating(quick, printed | {"Ly-MASAC": -2.0}), noise=1e-6)
    assert outcome_of(isac_iov.slow_on_policy(data)) == "contradicted"
    assert outcome_of(isac_iov.table_order(data)) == "contradicted"
