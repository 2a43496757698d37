"""`jaxvec reproduce` from end to end, on a paper of one small figure."""

import csv
import dataclasses
import json
import shutil

import jax
import pytest

from jaxvec import bench, cli
from jaxvec.papers import programs, report
from jaxvec.papers.allowance import Allowance, in_words
from jaxvec.papers.checks import in_order, undecidable
from jaxvec.papers.panels import over_axis, over_training
from jaxvec.papers.paper import Claim, Figure, Panel, Paper
from jaxvec.papers.runner import Runner
from jaxvec.papers.runs import Run, read_run
from jaxvec.papers.series import Budget, Series, SweepPoint
from jaxvec.papers.verdicts import Margin, judge

SIZES = {"n_vehicles": 2, "horizon": 4}
LEARNED = Series("learned", "ippo", sizes=SIZES, settings={"hidden": (4,), "minibatches": 1})
SOME = Margin(0.01)
RULE = Series("local (rule)", rule="alcs", sizes=SIZES)
FIGURE = Figure(
    "4",
    "A figure",
    "size of a task [kbit]",
    (LEARNED, RULE),
    tuple(SweepPoint(float(d), numbers={"task_bits": d * 1e3}) for d in (50, 100, 200)),
    (
        Panel("reward in training", over_training(name="{series} at {x}"), "episodes"),
        Panel("reward", over_axis("reward", printed={"learned": {100.0: 0.9}})),
    ),
    (
        Claim(
            "A", "small tasks cost less", lambda d: in_order(d, [("local (rule)", 50.0), ("local (rule)", 200.0)]), SOME
        ),
        Claim(
            "B", "large tasks cost less", lambda d: in_order(d, [("local (rule)", 200.0), ("local (rule)", 50.0)]), SOME
        ),
        Claim("D", "dear tasks cost less", lambda d: judge(True, f"{d.mean('learned', 50.0):.3f}"), open="a trial"),
        Claim("E", "it learns", lambda d: judge(True, f"{d.mean('learned', 50.0):.3f}")),
    ),
)
OTHERS = (Claim("C", "beauty", undecidable("there is no measure")),)
QUICK = Budget(96, 8, 2, {"n_worlds": 4, "epochs": 1})
PAPER = Paper("v2x_offload", "A paper", (FIGURE,), full=Budget(10**12, 8, 2), quick=QUICK, other_claims=OTHERS)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(report, "PAPERS", {"v2x_offload": PAPER})
    monkeypatch.setattr(bench, "all_cores", lambda: None)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("reproductions") / "v2x"


def reproduce(capsys, out, *args, quick=True, into=None, ship=None):
    words = ["--quick"] * quick + ["--out", str(into or out)] + (["--ship", str(ship)] if ship else [])
    cli.main(["reproduce", "v2x_offload", *words, *args])
    return capsys.readouterr()


def test_a_paper_is_reproduced(capsys, out):
    said = reproduce(capsys, out)
    files = {"fig4.png", "fig4.csv", "fig4.json", "verdicts.json", "verdicts.md", "reproduce.jsonl", "runs"}
    assert files == {path.name for path in out.iterdir()}
    assert "no verdict on them means anything" in said.out
    assert "learned: 4 in one program" in said.err
    result = json.loads((out / "fig4.json").read_text())
    assert result["seeds"] == 2
    assert {(row["series"], row["x"]) for row in result["results"]} == {
        (name, x) for name in ("learned", "local (rule)") for x in (50.0, 200.0)
    }
    reward = result["results"][0]["metrics"]["reward"]
    assert len(reward["by_seed"]) == 2
    assert reward["mean"] == pytest.approx(sum(reward["by_seed"]) / 2)
    assert result["times"]["runs"] == 6
    rows = list(csv.DictReader((out / "fig4.csv").open()))
    assert {row["kind"] for row in rows} == {"curve", "learned", "rule", "paper"}
    drawn = [float(r["mean"]) for r in rows if r["panel"] == "reward" and r["kind"] == "learned"]
    assert drawn == pytest.approx([row["metrics"]["reward"]["mean"] for row in result["results"][:2]], rel=1e-4)
    verdicts = json.loads((out / "verdicts.json").read_text())
    assert {name: v["outcome"] for name, v in verdicts.items()} == {
        "A": "holds",
        "B": "contradicted",
        "C": "not testable",
        "D": "not shown",
        "E": "not shown",
    }
    assert "a curve of 6 points does not show whether it is flat" in verdicts["E"]["learners"]
    assert verdicts["A"]["power"].startswith("8 samples show ")
    assert "0.84" in verdicts["A"]["numbers"]  # 1 - 50/312
    page = (out / "verdicts.md").read_text()
    head = (
        "1 holds, 1 contradicted, 2 not shown, 1 not testable.",
        "- command: `jaxvec reproduce v2x_offload --quick`",
    )
    head += ("- versions: jaxvec", "- device: ", "- date: ", "| 4 | 2 | 96 | 6 | 8 | 6 | ", "## Fig. 4", "](fig4.png)")
    places = [page.index(text) for text in (*head, "| A |", "| B |", "| D |", "## Of no figure", "| C |")]
    assert places == sorted(places)
    assert result["budget"] == {"slots": QUICK.slots, "episodes": QUICK.episodes}


def test_again_nothing_is_trained(capsys, out, monkeypatch):
    before = {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    monkeypatch.setattr(programs, "train", lambda *_: pytest.fail("trained again"))
    summary = json.loads(reproduce(capsys, out, "--figure", "4", "--json").out)
    assert summary["figures"]["4"]["verdicts"] == {
        **{"A": "holds", "B": "contradicted"},
        **{"D": "not shown", "E": "not shown"},
    }
    assert before == {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert "C" in json.loads((out / "verdicts.json").read_text()), "other verdicts are kept"


def test_what_is_shipped_is_made_again_without_runs(capsys, out, tmp_path, monkeypatch):
    monkeypatch.setattr(Runner, "data", lambda *_: pytest.fail("looked for runs"))
    reproduce(capsys, out, "--from", str(out / "reproduce.jsonl"), quick=False, into=tmp_path / "again", ship=tmp_path)
    for name in ("fig4.csv", "fig4.png", "verdicts.json", "verdicts.md", "reproduce.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name
    page = (tmp_path / "verdicts-v2x_offload.md").read_text()
    assert page == (out / "verdicts.md").read_text().replace("(fig4.png)", "(verdicts-v2x_offload-fig4.png)")
    assert (tmp_path / "verdicts-v2x_offload-fig4.png").stat().st_size < (out / "fig4.png").stat().st_size
    assert (tmp_path / "reproduce-v2x_offload.jsonl").read_bytes() == (out / "reproduce.jsonl").read_bytes()


def test_what_does_not_end_in_time_is_left_out_and_said_to_be_missing(capsys, out, tmp_path, monkeypatch):
    shutil.copytree(out, tmp_path / "short")
    monkeypatch.setattr(programs, "train", None)
    said = reproduce(capsys, tmp_path / "short", "--seeds", "3", "--minutes", "1e-6", ship=tmp_path)
    verdicts = json.loads((tmp_path / "short" / "verdicts.json").read_text())
    assert [verdicts[name]["outcome"] for name in "ABE"] == ["holds", "contradicted", "not shown"]
    assert verdicts["E"]["numbers"] == "learned at 50 was not made, for want of time"
    page = (tmp_path / "verdicts-v2x_offload.md").read_text()
    assert "Not everything was trained: for want of time 2 runs are missing" in page
    assert "- command: `jaxvec reproduce v2x_offload --seeds 3 --quick`\n" in page, "which makes what is missing, too"
    for first, second in (
        ("--from", "--minutes"),
        ("--timing", "--minutes"),
        ("--timing", "--known"),
        ("--timing", "--series"),
    ):
        words = {"--from": ["x"], "--known": ["x"], "--minutes": ["1"], "--series": ["learned"], "--timing": []}
        with pytest.raises(SystemExit):
            reproduce(capsys, None, first, *words[first], second, *words[second], quick=False, into=tmp_path / "b")
        assert "error: --" in capsys.readouterr().err
    assert "learned" not in (tmp_path / "short" / "fig4.csv").read_text().replace("learned,100.0,0.9", "")
    again = reproduce(
        capsys, None, "--from", str(tmp_path / "reproduce-v2x_offload.jsonl"), quick=False, into=tmp_path / "a"
    )
    assert (tmp_path / "a" / "verdicts.json").read_text() == (tmp_path / "short" / "verdicts.json").read_text()
    assert [text.count("E             not shown") for text in (said.out, again.out)] == [1, 1]
    whole = reproduce(capsys, out, "--minutes", "1e-6")  # nothing is left to train
    assert "not made" not in whole.out


def test_series_that_are_not_named_are_not_trained(capsys, out, tmp_path, monkeypatch):
    shutil.copytree(out, tmp_path / "named")
    wider = dataclasses.replace(LEARNED, name="wider", settings={"hidden": (5,), "minibatches": 1})
    two = dataclasses.replace(FIGURE, series=(*FIGURE.series, wider))
    monkeypatch.setattr(report, "PAPERS", {"v2x_offload": dataclasses.replace(PAPER, figures=(two,))})
    monkeypatch.setattr(programs, "train", None)
    reproduce(capsys, tmp_path / "named", "--series", "learned", "--seeds", "2")
    page = (tmp_path / "named" / "verdicts.md").read_text()
    (missing,) = [line for line in page.splitlines() if line.startswith("Not everything was trained")]
    assert "for want of time 4 runs are missing" in missing
    assert missing.endswith(": of wider.")
    with pytest.raises(SystemExit):
        reproduce(capsys, tmp_path / "named", "--series", "learnt")
    assert "unknown series 'learnt'. Did you mean 'learned'? Known: learned, wider" in capsys.readouterr().err


def test_a_figure_of_which_nothing_is_made_has_a_page_without_a_picture(capsys, tmp_path, monkeypatch):
    alone = dataclasses.replace(FIGURE, series=(LEARNED,), claims=FIGURE.claims[-1:], panels=FIGURE.panels[:1])
    monkeypatch.setattr(report, "PAPERS", {"v2x_offload": dataclasses.replace(PAPER, figures=(alone,))})
    monkeypatch.setattr(programs, "train", None)
    reproduce(capsys, tmp_path / "out", "--minutes", "1e-6", ship=tmp_path)
    assert not list(tmp_path.glob("**/*.png"))
    page = (tmp_path / "verdicts-v2x_offload.md").read_text()
    assert "![" not in page
    assert "| E | it learns | not shown | learned at 50 was not made, for want of time |" in page


def test_runs_of_a_summary_need_not_be_made_again(capsys, out, tmp_path, monkeypatch):
    summary = tmp_path / "known.jsonl"
    shutil.copy(out / "reproduce.jsonl", summary)
    for what in ("train", "evaluate"):
        monkeypatch.setattr(programs, what, None)
    reproduce(capsys, tmp_path / "new", "--known", str(summary))
    names = ("reproduce.jsonl", "verdicts.json", "fig4.csv", "fig4.png")
    ours, theirs = ([(folder / name).read_bytes() for name in names[1:]] for folder in (tmp_path / "new", out))
    assert ours == theirs
    runs = [
        [x for x in (folder / names[0]).read_text().splitlines() if '"run"' in x] for folder in (tmp_path / "new", out)
    ]
    assert runs[0] == runs[1]
    assert list((tmp_path / "new" / "runs").iterdir()) == []
    with pytest.raises(SystemExit):
        reproduce(capsys, tmp_path / "other", "--known", str(tmp_path / "absent.jsonl"))
    assert "absent.jsonl: no such summary of a reproduction" in capsys.readouterr().err


def test_time_lasts_as_long_as_learners_have_taken(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    time = Allowance(1.0)
    assert time.lasts("ppo", 10**6), "nobody knows yet"
    time.note("ppo", [Run({}, {}, {"train": 4.0, "evaluate": 1.0}, {}, "cpu")] * 2)
    assert [time.lasts("ppo", runs) for runs in (11, 13)] == [True, False]
    now[0] += 30
    assert [time.lasts("ppo", runs) for runs in (5, 7)] == [True, False]
    now[0] += 30
    assert not time.lasts("sac", 1)
    assert Allowance().lasts("ppo", 10**9)
    missing = {("DDPG", 20.0): 5, ("DDPG", 50.0): 5, ("AMCS", 20.0): 5}
    assert in_words(missing, 480.0) == "for want of time 15 runs are missing, about 2 h on this device: of DDPG, AMCS"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a summary of this version"),
        ('{"run": "a", "format": 0}', "not a summary of this version"),
        ('{"figure": "4", "format": 1, "made": {}, "cells": [["a", 1, ["x"]]], "elsewhere": []}', "runs are missing"),
        ("", "it has no such figure"),
    ],
)
def test_a_summary_that_is_none_is_refused_by_a_line(text, words, capsys, tmp_path):
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(SystemExit, match="2"):
        reproduce(capsys, tmp_path, "--from", str(tmp_path / "bad.jsonl"), quick=False, into=tmp_path / "x")
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_a_part_leaves_to_another_what_it_is_at_and_the_last_draws(capsys, out, tmp_path, monkeypatch):
    there, asked = tmp_path / "shared", []
    shutil.copytree(out, there, ignore=shutil.ignore_patterns("fig*", "ippo*"))
    plan, points = Runner("v2x_offload", QUICK, there), FIGURE.points_of(True)
    (of_figure,) = plan.units([(FIGURE.series, points)], 2)

    def train(learner, members, *rest):
        asked.extend(member.x for member in members)
        return [read_run(out / "runs" / member.file) for member in members]

    monkeypatch.setattr(programs, "train", train)
    with of_figure[0].claim():
        assert "1 left to other workers, who are at it: learned (ippo-" in reproduce(capsys, there, "--part", "2/2").out
        assert not (there / "fig4.json").exists()
    said = reproduce(capsys, there, "--part", "2/2")
    assert asked == [50.0, 50.0, 200.0, 200.0]
    assert f"learned: 4 in one program, 4 worlds each, {jax.devices()[0].device_kind}: compiling" in said.err
    for name in ("fig4.png", "fig4.csv", "verdicts.json"):
        assert (there / name).read_bytes() == (out / name).read_bytes()


def test_members_of_an_earlier_figure_are_its_own(tmp_path):
    runner = Runner("v2x_offload", QUICK, tmp_path)
    units = runner.units([(FIGURE.series, FIGURE.points[:2]), ((LEARNED,), FIGURE.points)], 2)
    assert [[unit.name.rsplit(" (", 1)[0] for unit in of_figure] for of_figure in units] == [
        ["learned", "local (rule)"],
        ["learned"],
    ]
    (learned, _), (more,) = units
    assert learned.name != more.name


def test_timing_makes_it_anew_and_run_by_run(capsys, out, monkeypatch):
    loops = []

    def read_again(learner, members, *rest):
        return [read_run(out / "runs" / member.file) for member in members]

    monkeypatch.setattr(programs, "train", read_again)
    monkeypatch.setattr(Runner, "one_by_one", lambda self, *rest: loops.append(rest) or {"runs": 6, "seconds": 1e6})
    said = reproduce(capsys, out, "--figure", "4", "--timing")
    times = json.loads((out / "fig4.json").read_text())["times"]
    assert times["run_by_run_runs"] == times["runs"] == 6
    assert times["run_by_run_s"] == 1e6 > times["side_by_side_s"] > 0
    assert loops == [(FIGURE.series, (FIGURE.points[0], FIGURE.points[-1]), 2)]
    assert "1000000 s run by run" in said.out


def test_verdicts_of_another_version_are_refused_by_a_line(capsys, tmp_path):
    for text in ("{", '{"A": {"outcome": "holds"}}', "[1]"):
        (tmp_path / "verdicts.json").write_text(text)
        with pytest.raises(SystemExit, match="2"):
            reproduce(capsys, tmp_path)
        assert "not the verdicts of this version" in (message := capsys.readouterr().err)
        assert message.count("\n") == 1
        assert (tmp_path / "verdicts.json").read_text() == text
