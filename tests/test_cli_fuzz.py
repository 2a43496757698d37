"""No command line and no folder gives a traceback, and no option is silently ignored."""

import contextlib
import dataclasses
import functools
import inspect
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import command_lines
import damage
import jax
import numpy as np
import pytest
from command_lines import Reached, stop_before_work
from toy import Walkers
from training.counter import counting

from jaxvec import cli, learners, options, settings
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.league import entries, play
from jaxvec.papers import report, runs
from jaxvec.traces import build
from jaxvec.training import train

LEFT = ("run", "league", "paper", "folder", "afile", "own.py", "raises.py", "quits.py", "notes.txt")
FILES = {"afile": "x", "own.py": "x = 1", "raises.py": "1 / 0", "quits.py": "raise SystemExit('bye')", "notes.txt": ""}
LEAGUE = [
    "league",
    "isac_iov",
    "--updates",
    "2",
    "--seeds",
    "2",
    "--worlds",
    "3",
    "--judged",
    "2",
    "--bounded",
    "1",
    "--learners",
    "ippo",
    "apg",
    "--out",
]
PAPER = ["reproduce", "isac_iov", "--figure", "5", "--quick", "--out"]
OF_RUNS = (
    *(
        "evaluate bad",
        "evaluate run --beside bad",
        "render bad",
        "train --resume bad",
        "train --resume bad --updates 9",
    ),
    "train walkers --out bad",
)
VERDICT = json.dumps(
    {
        "A": {"claim": "A", "figure": "5", "words": "w", "outcome": "holds", "numbers": "1"}
        | dict.fromkeys(("power", "learners", "spent"), "")
    }
)


def counting_on(env, **chosen):
    learner = counting()
    return learner._replace(env=env, settings=dataclasses.replace(learner.settings, **chosen))


@pytest.fixture(scope="module")
def known():
    """A system and a learner of the tests' own by name; what is slow is made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ENVIRONMENTS, "_others", {"walkers": Walkers})
        patch.setattr(learners.LEARNERS, "_others", {"counting": counting_on})
        of_settings = functools.lru_cache(settings.known)
        patch.setattr(settings, "known", of_settings)
        patch.setattr(entries, "known", of_settings)
        patch.setattr(build.synthetic, "taxis", functools.lru_cache(build.synthetic.taxis))
        yield


def make_run(here: Path, name: str, **chosen) -> None:
    """A run folder with two checkpoints."""
    env, params = make("walkers")
    learner = learners.make(name, env, **chosen)
    key = jax.random.key(0)
    train(learner, params, key, 4, out=here / "run", chunk=2, checkpoint_every_s=0, progress=False)


@pytest.fixture(scope="module")
def made(known, tmp_path_factory):
    """A folder with a run, and what else a command line may find."""
    here = tmp_path_factory.mktemp("made")
    make_run(here, "counting")
    (here / "folder").mkdir()
    for name, text in FILES.items():
        (here / name).write_text(text)
    return here


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """The current folder, with a copy of all that."""
    stop_before_work(monkeypatch)
    place = tmp_path / "a" / "b"
    shutil.copytree(made, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    return place


def clean(place: Path) -> None:
    """Take away what a command line has left beside what was there."""
    for path in place.iterdir():
        if path.name not in LEFT:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def fuzz_lines(place: Path, seeds: range) -> dict[str, int]:
    """Run a command line per seed; how many of each command were accepted."""
    accepted = dict.fromkeys(cli.COMMANDS, 0)
    for seed in seeds:
        words = command_lines.command_line(random.Random(seed))
        try:
            outcome = command_lines.run(words)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: jaxvec {words!r}") from error
        if not outcome.status and words:  # without words help is shown
            accepted[words[0]] += 1
        clean(place)
    return accepted


def fuzz_folder(place: Path, folder: str, lines: list[list[str]], seeds: range) -> list[int]:
    """Run a command line on a damaged copy of a folder per seed; how many were accepted, and how many refused."""
    counts = [0, 0]
    for seed in seeds:
        draw = random.Random(seed)
        clean(place)
        shutil.copytree(place / folder, place / "bad")
        done = [damage.damage(draw, place / "bad") for _ in range(draw.choice((1, 1, 1, 2, 3)))]
        words = draw.choice(lines)
        try:
            outcome = command_lines.run(words)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: jaxvec {words!r} after {done}") from error
        counts[bool(outcome.status)] += 1
    clean(place)
    return counts


def test_no_command_line_gives_a_traceback(here):
    accepted = fuzz_lines(here, range(300))
    assert all(accepted.values()), f"each command meets something that it accepts: {accepted}"


def test_no_damaged_run_gives_a_traceback(here):
    assert min(fuzz_folder(here, "run", [line.split() for line in OF_RUNS], range(50))) > 5


@pytest.fixture
def finished(here):
    """A finished league and figure beside the run, of made-up rewards."""
    compete = {"updates": 2, "slots": 200, "compile_s": 1.0, "train_s": 2.0, "extras": {}, "knows": "own row"}
    point = {"seconds": 1.0, "reward": [1.0, 2.0], "in_worlds": [1.0, 2.0]}
    points = [point | {"updates": n, "slots": 100 * n} for n in (0, 1, 2)]
    compete |= {"checkpoints": points, "reward": [[1.0, 2.0, 3.0]] * 2}
    names = ("random", "waterfill")
    rules = {"reward": {name: [1.0, 2.0, 3.0] for name in names}, "local": dict.fromkeys(names, True)}
    rules |= {"extras": {name: {} for name in names}}

    def run_of(runner, members, *others):
        return [runs.Run({"reward": np.zeros(3)}, {}, {"evaluate": 1.0}, member.config, "cpu") for member in members]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "rules", lambda game: {"name": "rules", **rules})
        patch.setattr(play, "bound", lambda game: {"name": "bound", "reward": [4.0], "seconds": 1.0})
        patch.setattr(play, "compete", lambda game, entry: {"name": entry.name, **compete})
        patch.setattr(report.Runner, "_make", run_of)
        for line in ([*LEAGUE, "league"], [*PAPER, "paper"]):
            with contextlib.suppress(Reached):
                cli.main(line)
    (here / "paper" / "verdicts.json").write_text(VERDICT)
    return here


@pytest.mark.slow
def test_no_damaged_league_or_figure_gives_a_traceback(finished):
    for folder, line in (("league", LEAGUE), ("paper", PAPER)):
        assert min(fuzz_folder(finished, folder, [[*line, "bad"]], range(60))) > 2


@pytest.fixture(scope="module")
def trained(known, tmp_path_factory):
    """The run of a real learner."""
    place = tmp_path_factory.mktemp("trained")
    make_run(place, "ippo", n_worlds=2, hidden=(4,), epochs=1, minibatches=1)
    return place / "run"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_ten_thousand_mutations_give_no_traceback(trained, finished, part):
    begin = 1000 * (part + 1)
    fuzz_lines(finished, range(begin, begin + 1000))
    for folder, line in (("league", LEAGUE), ("paper", PAPER)):
        fuzz_folder(finished, folder, [[*line, "bad"]], range(begin, begin + 150))
    shutil.rmtree(finished / "run")
    shutil.copytree(trained, finished / "run")
    fuzz_folder(finished, "run", [line.split() for line in OF_RUNS], range(begin, begin + 700))


def refused(*words: str) -> str:
    outcome = command_lines.run(list(words))
    assert outcome.status == 2, outcome
    return outcome.err


COUNTS = {  # a right line of each command, and for each option something that it does not do
    "train walkers --learner counting --out x": {
        "preset": "crowd",
        "worlds": "3",
        "updates": "7",
        "seeds": "2",
        "seed": "5",
        "devices": "1",
        "distributed": "",
        "coordinator": "node1:1234",
        "processes": "2",
        "rank": "1",
        "set": "spread=2.0",
        "resume": "run",
    },
    "train --resume run": {"updates": "9", "devices": "1"},
    "train walkers --distributed --coordinator node1:1234 --processes 8 --rank 1": {},
    "evaluate run": {"beside": "run", "episodes": "3", "seed": "5", "member": "1"},
    "bench walkers": {"worlds": "3", "train": "counting", "repeats": "2"},
    "league walkers --out x": {
        "minutes": "2",
        "updates": "2",
        "seeds": "2",
        "learners": "ippo",
        "worlds": "100",
        "judged": "3",
        "bounded": "3",
        "seed": "5",
        "part": "2/3",
        "set": "spread=2.0",
    },
    "render walkers": {"policy": "still", "preset": "crowd", "set": "spread=2.0", "seed": "5"},
    "render run": {"policy": "still", "preset": "crowd", "set": "spread=2.0", "seed": "5"},
    "reproduce isac_iov --figure 6 --out x": {
        "seeds": "7",
        "minutes": "2",
        "series": "bound",
        "slots": "4000",
        "quick": "",
        "together": "",
        "timing": "",
        "part": "2/3",
    },
}


@pytest.mark.parametrize("line", COUNTS)
def test_every_option_is_heeded_or_refused(here, line):
    before = command_lines.run(line.split())
    assert not before.status, before
    for name, value in COUNTS[line].items():
        clean(here)
        words = [options.option_of(name), *([value] if value else [])]
        after = command_lines.run([*line.split(), *words])
        assert after.about != before.about, f"{name} changes nothing"
        assert after.about or f"--{name}" in after.err or name in after.err, after


def test_no_option_is_left_out_above():
    apart = {
        "json",
        "register",
        "out",
        "source",
        "known",
        "ship",
    }  # of what is printed, imported, where it comes from and goes
    for name, command in cli.COMMANDS.items():
        named = {option for line, of_line in COUNTS.items() if line.split()[0] == name for option in of_line}
        parameters = inspect.signature(command).parameters.values()
        takes = {p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY} - apart
        in_lines = {word[2:] for line in COUNTS if line.split()[0] == name for word in line.split() if word[:2] == "--"}
        assert name in ("envs", "learners", "metrics", "traces", "world") or takes <= named | in_lines


def test_an_option_twice_is_refused(here):
    for name, command in cli.COMMANDS.items():
        for option, parameter in inspect.signature(command).parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY or option in ("set", "register"):
                continue
            word = options.option_of(option)
            value = [] if isinstance(parameter.default, bool) else ["1"]
            assert f"{word} is given twice" in refused(
                name, word, *value, word.replace("-", "_").replace("__", "--"), *value
            )
    assert "--strict is given twice" in refused("traces", "x.npz", "--strict", "--no-strict")


def test_numbers_are_within_their_ranges(here):
    tried = 0
    for name, command in cli.COMMANDS.items():
        for option, parameter in inspect.signature(command).parameters.items():
            for accepted in options.ranges_of(parameter.annotation):
                low = accepted.least if accepted.above else accepted.least - 1
                bad = [low, accepted.most + 1, *(["nan", "inf"] if accepted.above else [])]
                for value in bad:
                    place = [] if name == "bench" or (name == "train" and tried % 2) else ["walkers"]
                    place = ["--out=x.npz"] if name == "world" else place
                    said = refused(name, *place, f"{options.option_of(option)}={value}")
                    assert f"{options.option_of(option)} must be {accepted}, not" in said
                    tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bench --worlds 0", "--worlds must be at least 1"),
        ("bench walkers nowhere", "unknown environment 'nowhere'"),
        ("bench --train ippo apg ippo", "learner 'ippo' is named twice"),
        ("bench walkers --worlds", "nothing to measure"),
        ("bench --out folder", "folder: is a folder"),
        ("bench --out afile/x", "is no folder"),
        ("league walkers --minutes nan", "--minutes must be above 0"),
        ("league walkers --minutes 1 --updates 1", "give --minutes or --updates"),
        ("league walkers --seeds 0 --worlds 0", "--seeds must be at least 1"),
        ("league walkers --worlds 3 --judged 4", "--judged 4 is more than"),
        ("league walkers --learners ippo ippo", "named twice"),
        ("league walkers --part 9/8", "--part takes K/N, K from 1 to N, as 2/8, not '9/8'"),
        ("reproduce isac_iov --part 2", "--part takes K/N"),
        ("reproduce isac_iov --part 1/2 --timing", "leave out --part"),
        ("reproduce isac_iov --figure 5 --together", "--together is for figures over numbers of vehicles"),
        ("league walkers --out afile", "there is a file, where a folder should be"),
        ("train walkers --rank 0", "without --distributed this process trains alone: give it, but not --rank"),
        (
            "train walkers --distributed",
            "--distributed: this is no step of a SLURM job (SLURM_JOB_ID is not set): give coordinator",
        ),
        ("train walkers --distributed --coordinator a:1 --rank 0", "go together: processes missing"),
        ("train walkers --distributed --coordinator a:1 --processes 2 --rank 2", "rank must be from 0 to 1"),
        ("train walkers --distributed --coordinator a --processes 2 --rank 1", "must be HOST:PORT, not 'a'"),
        (
            "train walkers --distributed --coordinator a:66000 --processes 2 --rank 1",
            "port 66000, which must be from 1",
        ),
        ("train walkers --set spread=1 spread=2", "'spread' is given twice"),
        ("train walkers --set spread=1 params.spread=1", "'params.spread' is given twice"),
        ("train walkers --worlds 4 --set n_worlds=8", "'n_worlds' is given twice"),
        ("train walkers --set forecaster={[]:1}", "unknown forecaster '{[]:1}'"),
        ("train isac_iov --set horizon=9999999999", "horizon must be a whole number of at most 2147483647"),
        ("train walkers --set", "--set has no value"),
        ("train walkers --set gain 2", "--set takes name=value, not 'gain'"),
        ("train walkers --set spread", "--set takes name=value, not 'spread'"),
        ("train walkers --register raises", "--register raises: ZeroDivisionError: division by zero ("),
        ("train walkers --register quits.py", "--register quits.py: SystemExit: bye ("),
        ("train walkers --register a/../b", "--register takes a module or its file"),
        ("train walkers --seed é", "--seed takes a whole number, not 'é'"),
        ("train walkers --out afile", "there is a file, where a folder should be"),
        ("evaluate run --seed 1.5", "--seed takes a whole number, not '1.5'"),
        ("league walkers --minutes x", "--minutes takes a number, not 'x'"),
        ("render run --set spread=1", "run is a run, drawn in its own world"),
        ("render walkers --out x.bmp", "must end in .gif, .html, .png"),
        ("render walkers --out nowhere/x.gif", "there is no folder nowhere"),
        ("reproduce isac_iov --figure table99", "unknown figure of isac_iov"),
        ("world --out x.npz --fcd a --places b --rsus 3", "--places is the list of all places"),
        ("world --out x.npz --fcd a --table b", "one of them"),
        ("world --out x.npz --fcd a --columns porto", "only a table"),
        ("world --out x.npz --fcd a --place junctions", "junctions are those of a net"),
        ("world --out x.npz --fcd a --reach-m 0", "--reach-m must be above 0"),
        ("world --out x.txt --fcd a", "a world's name must end in .npz"),
        ("traces x.npz --strict", "--strict is about rows"),
        ("traces x.npz --cache folder", "--cache keeps what is read"),
        ("traces x.npz --fcd a --pems b --metadata c --area city", "--area is about what is made up"),
    ],
)
def test_contradictions_are_refused_by_name(here, line, words):
    assert words in refused(*line.split())


def test_what_cannot_be_printed_is_shown(here):
    assert r"\x1b[31m\udcff" in refused("render", "walkers", "--policy", "\x1b[31m\udcff")
    assert f"{'x' * 300!r}" in refused("render", "walkers", "--policy", "x" * 300)
    assert f"options: {'x' * 300}" in refused("envs", "walkers", "x" * 300), (
        "words are not broken at the terminal's width"
    )


def test_a_reader_that_has_had_enough_is_no_error():
    command = [sys.executable, "-m", "jaxvec.cli", "envs", "isac_iov"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
