"""The command line, as a user meets it."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from toy import Params, Walkers
from training.counter import counting

import jaxvec
from jaxvec import viz
from jaxvec.cli import main
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.core.params import params_of_one
from jaxvec.policies import fixed
from jaxvec.settings import parse
from jaxvec.traces import load_region, load_world, synthetic, world_provenance
from jaxvec.traces.writers import write_tdrive

TINY = ["n_vehicles=2", "horizon=3", "hidden=(4,)", "epochs=1", "minibatches=1"]


def run(capsys, *args):
    main(list(args))
    return capsys.readouterr()


def test_where_jax_finds_no_gpu_a_line_says_so(capsys):
    run(capsys, "envs")
    log = logging.getLogger("jax._src.xla_bridge")
    try:
        raise RuntimeError("Unable to load cuPTI.\nIs it installed?")
    except RuntimeError:
        log.exception(
            "Jax plugin configuration error: Exception when calling %s.initialize()", "jax_plugins.xla_cuda13"
        )
    line = "jaxvec: JAX can use no accelerator here, and takes the CPU: Unable to load cuPTI. Is it installed?\n"
    assert capsys.readouterr().err == line


def refused(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.err.count("\n") == 1, "one line"
    assert said.err.startswith("jaxvec: error: ")
    return said.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder made by the command."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    main(
        [
            "train",
            "isac_iov",
            "--learner",
            "mappo",
            "--worlds",
            "4",
            "--updates",
            "2",
            "--out",
            str(out),
            "--set",
            TINY[0],
            "--set",
            *TINY[1:],
        ]
    )
    return out


def test_envs_lists_and_describes(capsys):
    assert "isac_iov" in run(capsys, "envs").out
    described = json.loads(run(capsys, "envs", "isac_iov", "--json").out)
    assert described["params"]["bandwidth_hz"] == {
        "default": 20e6,
        "unit": "Hz",
        "meaning": "the whole band (Table II)",
        "range": "1 to 1e+13",
        "axes": [],
    }
    assert {"background", "traffic"} <= set(described["presets"])
    assert "uplink band w (Table I)" in run(capsys, "envs", "dt_edge").out


def test_train_writes_a_run_and_resumes_it(capsys, trained):
    assert {"config.json", "params.npz", "metrics.jsonl", "checkpoints", "learning_curve.png"} <= {
        p.name for p in trained.iterdir()
    }
    config = json.loads((trained / "config.json").read_text())
    assert config["env"]["sizes"]["n_vehicles"] == 2
    assert config["learner"]["settings"]["hidden"] == [4]
    summary = json.loads(run(capsys, "train", "--resume", str(trained), "--updates", "4", "--json").out)
    assert summary["updates"] == 4
    assert len((trained / "metrics.jsonl").read_text().splitlines()) == 4
    assert "has 4 updates already, more than 3" in refused(capsys, "train", "--resume", str(trained), "--updates", "3")


def test_evaluate_pairs_the_policy_with_the_rules(capsys, trained):
    result = json.loads(run(capsys, "evaluate", str(trained), "--episodes", "16", "--json").out)
    assert result == json.loads((trained / "evaluation.json").read_text())
    rows = result["policies"]
    assert {"mappo", "random", "waterfill"} <= set(rows)
    assert rows["random"]["ahead"][0] == pytest.approx(
        rows["mappo"]["reward"][0] - rows["random"]["reward"][0], abs=1e-5
    )
    assert (trained / "comparison.png").exists()
    assert result["learned_from"] == "team"
    assert [rows[name]["local"] for name in ("mappo", "waterfill", "capacity")] == [None, True, False]
    lines = run(capsys, "evaluate", str(trained), "--episodes", "16", "--beside", str(trained)).out.splitlines()
    assert [line.split()[0] for line in lines if " learned " in line] == ["mappo", "tiny"]
    assert next(line for line in lines if line.startswith("capacity")).split()[1] == "central"


def test_a_run_elsewhere_is_not_compared(capsys, trained, tmp_path, monkeypatch):
    for registry in (jaxvec.learners.LEARNERS, ENVIRONMENTS):
        monkeypatch.setattr(registry, "_others", dict(registry._others))
    jaxvec.register("walkers", Walkers)
    jaxvec.register("counting", lambda env, **settings: counting(), kind="learner")
    jaxvec.train(counting(), Params(), jax.random.key(0), 1, out=tmp_path / "o", progress=False)
    assert "another environment" in refused(capsys, "evaluate", str(trained), "--beside", str(tmp_path / "o"))


@pytest.mark.slow
def test_render_draws_a_run_and_an_environment(capsys, trained, tmp_path):
    said = run(capsys, "render", str(trained))
    assert str(trained / "episode.gif") in said.out
    assert said.err.splitlines() == [
        f"an episode of {trained} under mappo: compiling ...",
        f"{trained / 'episode.gif'}: drawing {jaxvec.load(trained).env.horizon} slots ...",
    ]
    out = tmp_path / "x.html"
    run(capsys, "render", "isac_iov", "--policy", "waterfill", "--set", *TINY[:2], "--out", str(out))
    assert out.read_text().lstrip().lower().startswith("<!doctype html")


@pytest.mark.slow
def test_a_run_over_several_worlds_is_judged_in_all_and_drawn_in_the_first(capsys, tmp_path):
    """Also with a prior, which knows the worlds' numbers, each at another number of them than there were in training."""
    env, params = make("isac_iov", n_vehicles=2, horizon=3)
    learner = jaxvec.learners.make("apg", env, prior="waterfill", n_worlds=2, hidden=(4,))
    swept = params.replace(bandwidth_hz=np.float32([1e6, 2e7]))
    jaxvec.train(learner, swept, jax.random.key(0), num_updates=1, out=tmp_path / "two", progress=False)
    slots = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            viz, "render", lambda env, params, seen, *_, **__: slots.update(width=params.bandwidth_hz, t=seen)
        )
        run(capsys, "render", str(tmp_path / "two"))
    assert slots["width"] == np.float32(1e6)
    rule = viz.record(env, fixed(env, params_of_one(swept))["waterfill"], jax.random.key(0), params_of_one(swept))
    np.testing.assert_allclose(slots["t"].ts.reward["vehicle"], rule.ts.reward["vehicle"], rtol=0.2)
    told = json.loads(run(capsys, "evaluate", str(tmp_path / "two"), "--episodes", "5", "--json").out)
    assert told["policies"]["apg"]["reward"][0] < 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["trian"], "trian"),
        (["render", "runs/frist"], "runs/frist: there is no such run folder"),
        (["train"], "name an environment"),
        (["train", "isac_io"], "Did you mean 'isac_iov'"),
        (["train", "isac_iov", "--learner", "mapo"], "Did you mean 'mappo'"),
        (["train", "isac_iov", "--preset", "traffi"], "Did you mean 'traffic'"),
        (["train", "isac_iov", "--set", "lyapunow_v=3"], "Did you mean 'lyapunov_v'"),
        (["train", "isac_iov", "--set", "horizon=abc"], "setting horizon"),
        (["train", "isac_iov", "--set", "n_vehicles=0"], "n_vehicles must be"),
        (["train", "isac_iov", "--set", "bandwidth_hz=nan"], "bandwidth_hz"),
        (["train", "isac_iov", "--worlds", "many"], "--worlds"),
        (["train", "isac_iov", "--updates", "0"], "--updates must be at least 1"),
        (["train", "--resume", "nowhere"], "not a run folder"),
        (
            ["train", "isac_iov", "--resume", "nowhere"],
            "give --updates, --devices or --distributed, but not an environment",
        ),
        (
            [
                "train",
                "--resume",
                "nowhere",
                "--set",
                "learning_rate=1e-4",
                "no_such=3",
                "--learner",
                "apg",
                "--seeds",
                "1",
            ],
            "a run as it was: give --updates, --devices or --distributed, but not --learner, --seeds, --set",
        ),
        (["train", "--resume", "nowhere", "--seed", "0", "--worlds", "4", "--out", "x"], "not --worlds, --seed, --out"),
        (["evaluate", "nowhere"], "not a run folder"),
        (["render", "isac_iov", "--policy", "waterfil"], "Did you mean 'waterfill'"),
        (["envs", "nothing"], "unknown environment"),
        (["traces", "region.txt"], "a region's name must end in .npz"),
        (["traces", "nowhere/region.npz"], "there is no folder nowhere"),
        (["traces", "region.npz", "--tdrive", "nowhere"], "there is no file or folder nowhere"),
        (["traces", "region.npz", "--pems", "."], "need the metadata of its stations"),
        (["traces", "region.npz", "--area", "rurall"], "Did you mean 'rural'"),
        (["reproduce", "isac_io"], "Did you mean 'isac_iov'"),
        (["reproduce", "isac_iov", "--figure", "table4"], "Did you mean 'table3'"),
        (["reproduce", "isac_iov", "--seeds", "0"], "--seeds must be at least 1"),
        (["reproduce", "isac_iov", "--slots", "0"], "--slots must be at least 1"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *args)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_traces_makes_a_region_of_ones_own_files(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tdrive(synthetic.taxis(1, "city", 8), "taxis", bad_rows=True)
    args = ["traces", "mine.npz", "--tdrive", "taxis", "--n-rsu", "6", "--n-uav", "2", "--horizon", "20"]
    said = run(capsys, *args, "--split", "test").out
    assert said.startswith("mine.npz: 6 rsus, ")
    assert "samples: " in said
    assert "speed: 8" in said  # a bad row of each kind in each file
    made = json.loads(run(capsys, *args, "--json").out)
    region = load_region("mine.npz")
    assert made["sizes"] == {"rsus": 6, "trips": len(region.traj_len), "days": 28}
    _, params = make("twin_migration", n_rsu=6, n_uav=2, horizon=20, region="mine.npz")
    assert params.region.traj_len.shape == region.traj_len.shape
    with pytest.raises(SystemExit):
        run(capsys, *args, "--strict")
    assert "taxis/1.txt:3: fields" in capsys.readouterr().err


def test_world_makes_one_of_a_table(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{car},{t},{10 * t},{20 * car}\n" for car in range(3) for t in range(9))
    Path("cars.csv").write_text("car,t,x,y\n" + rows + "a,b,c,d\n")
    args = [
        "world",
        "--table",
        "cars.csv",
        "--columns",
        "id=car",
        "time=t",
        "x=x",
        "y=y",
        "--rsus",
        "2",
        "--out",
        "cars.npz",
    ]
    said = run(capsys, *args, "--picture", "cars.png").out
    assert said.startswith("cars.npz: 27 of 28 rows kept (1 file), parse: 1\n")
    assert "vehicles  3 visits in 8 s, a sample each 1 s" in said
    assert "3 to 3 vehicles, 3.0 on average" in said
    assert Path("cars.png").stat().st_size > 10_000
    made = json.loads(run(capsys, *args, "--json", "--place", "grid").out)
    world = load_world("cars.npz")
    assert made["holds"]["places"] == len(world.place_x_m) == 2
    assert world_provenance("cars.npz")["places"] == {"rule": "grid", "reach_m": 250.0, "seed": 0}
    with pytest.raises(SystemExit):
        run(capsys, *args, "--strict")
    assert "cars.csv:29: parse" in capsys.readouterr().err


def test_an_ambiguous_setting_lists_its_candidates():
    names = {"env": {"size": 1}, "learner": {"size": 2, "rate": 0.1}}
    with pytest.raises(ValueError, match=r"ambiguous: env\.size, learner\.size"):
        parse(["size=3"], names)
    assert parse(["learner.size=3", "rate=1"], names) == {"env": {}, "learner": {"size": 3, "rate": 1.0}}


def test_help_explains_each_verb(capsys):
    for verb in ("envs", "train", "evaluate", "bench", "render", "reproduce", "traces", "world"):
        with pytest.raises(SystemExit) as stop:
            main([verb, "--help"])
        assert not stop.value.code
        assert "--json" in capsys.readouterr().out
    said = subprocess.run([sys.executable, "-m", "jaxvec.cli", "--help"], capture_output=True, text=True, check=True)
    assert "evaluate" in said.stdout
