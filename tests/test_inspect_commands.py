"""`jaxvec learners`, `jaxvec metrics` and the examples of every command's help."""

import csv
import dataclasses
import io
import json
import re
import shlex
import sys

import command_lines
import numpy as np
import pytest
import toy

import jaxvec
from jaxvec import cli, exports, learners, shell
from jaxvec.describe_learners import describe, meanings_of, text, words_of
from jaxvec.training import metrics


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_examples_that_it_takes(name):
    lines = shell.examples_of(cli.COMMANDS[name])
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["jaxvec", name]
        gathered = shell._gather(words[1 : words.index(">")] if ">" in words else words[1:])
        shell._parse(cli.COMMANDS, "", gathered)


def test_help_ends_with_the_examples(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["league", "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.endswith("learners mappo 'apg from greedy'\n")
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"  jaxvec {name}" in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_every_setting_of_every_learner_has_its_meaning(name):
    env, _ = jaxvec.make("isac_iov")
    learner, description = learners.make(name, env), describe(name, "isac_iov")
    assert words_of(name)
    for part, struct in (("settings", learner.settings), ("hyper", learner.hyper)):
        assert list(description[part]) == [field.name for field in dataclasses.fields(struct)]
        unsaid = [field for field, x in description[part].items() if not x["meaning"] or x["meaning"][:5] == "see `"]
        assert unsaid == []
    assert f'jaxvec.learners.make("{name}", env' in text(description)


def test_a_meaning_goes_on_over_lines_and_the_nearest_class_says_it():
    class Base:
        """A base.

        Attributes:
            one, two: of both
                kinds.
            three: of the base.
        """

    class Own(Base):
        """Its own.

        Attributes:
            three: of its own.
            one: as there, with another default.

        And more: that is none.
        """

    assert meanings_of(Own) == {"three": "of its own.", "one": "of both kinds.", "two": "of both kinds."}


def test_a_wrong_setting_says_where_it_belongs():
    env = toy.Walkers()
    with pytest.raises(TypeError, match=re.escape("hyper={'learning_rate': 0.1}")):
        learners.make("ippo", env, learning_rate=0.1)
    with pytest.raises(TypeError, match=r"unknown setting of ippo 'hiden'. Did you mean 'hidden'\?"):
        learners.make("ippo", env, hiden=(8,))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with metrics of two seeds."""
    monkeypatch.setattr(exports, "read_config", lambda path: {})
    rows = {"reward": np.array([[1.0, 2.0], [3.0, 4.0]]), "eps": np.array([[0.5, 0.5], [0.25, 0.25]])}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / metrics.NAME).write_text(metrics.lines_of(rows, 0, 10, 1.5))
    return tmp_path / "run"


def test_metrics_as_csv_json_and_table(run, capsys):
    cli.main(["metrics", str(run), "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["reward[1]"]) for row in rows] == [2.0, 4.0]
    assert [int(row["steps"]) for row in rows] == [10, 20]
    cli.main(["metrics", str(run), "--json"])
    assert json.loads(capsys.readouterr().out)["eps[1]"] == [0.5, 0.25]
    cli.main(["metrics", str(run), "--per-seed"])
    assert re.search(r"^reward +3 +4$", capsys.readouterr().out, re.MULTILINE)
    assert "two forms" in command_lines.run(["metrics", str(run), "--csv", "--json"]).err


def test_the_table_of_several_seeds_has_a_line_per_metric(run, capsys):
    cli.main(["metrics", str(run)])
    # rewards 3 and 4: mean 3.5, and Student's t of two samples, 12.706, times 0.5
    assert capsys.readouterr().out.split("\n") == [
        "         mean of 2 seeds and 95 % interval",
        "update   2",
        "steps    20",
        "seconds  1.5",
        "reward   3.5 ± 6.4",
        "eps      0.25",
        "",
    ]
    assert "--per-seed is of the table" in command_lines.run(["metrics", str(run), "--csv", "--per-seed"]).err


def test_the_table_of_one_seed_has_its_numbers():
    assert exports.table({"update": [1, 2], "reward": [0.5, 0.25]}) == "update  2\nreward  0.25"


def test_a_run_without_metrics_and_no_run_are_refused(run):
    (run / metrics.NAME).write_text("")
    assert "no metrics yet" in command_lines.run(["metrics", str(run)]).err


def test_what_is_no_run_is_refused(tmp_path):
    assert "not a run folder" in command_lines.run(["metrics", str(tmp_path)]).err


def test_wandb_keeps_an_offline_run_per_seed(run, tmp_path):
    pytest.importorskip("wandb")
    cli.main(["metrics", str(run), "--wandb", str(tmp_path / "logs")])
    assert "is not empty" in command_lines.run(["metrics", str(run), "--wandb", str(tmp_path / "logs")]).err
    assert len(list(tmp_path.glob("logs/wandb/offline-run-*/*.wandb"))) == 2


def test_what_is_not_installed_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "pip install 'jaxvec[wandb]'" in command_lines.run(["metrics", str(run), "--wandb", "logs"]).err
