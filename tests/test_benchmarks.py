"""benchmarks/: the runner from end to end on a small environment, ratios by hand, unused info on the real one."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import Walkers

from jaxvec import bench, learners, make
from jaxvec.core.evaluation import evaluate
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.core.registry import Registry
from jaxvec.core.rollout import world_keys
from jaxvec.papers.dt_edge.contest import Contest
from jaxvec.papers.runs import Run
from jaxvec.policies import fixed
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Scripted


class OnlyTwos:
    """JaxMARL's environment with another reward: 1 for move 2, else 0."""

    def __init__(self, env):
        self.env = env

    def __getattr__(self, name):
        return getattr(self.env, name)

    def step(self, key, state, action):
        obs, state, _, done, _ = self.env.step(key, state, action)
        reward = {agent: (move == 2) * 1.0 for agent, move in action.items()}
        return obs, state, reward, done, {"returned_episode_returns": jnp.stack(list(reward.values()))}


@pytest.fixture
def run(load, monkeypatch):
    """The runner, in no time: the numbers mean nothing."""
    run = load("run")
    monkeypatch.setattr(run, "QUICK_ROUNDS", 2)
    monkeypatch.setattr(run, "QUICK_SECONDS", 1e-4)
    monkeypatch.setattr(bench, "all_cores", lambda: None)
    monkeypatch.setattr(bench, "copy_bandwidth", lambda n_bytes: 1e9)
    return run


def test_writes_rows_and_a_table(run, monkeypatch, tmp_path):
    env = Walkers()
    monkeypatch.setattr(run, "make", lambda name: (env, env.default_params()))
    monkeypatch.setattr(run, "unused_info", lambda *_: None)  # has a test of its own
    others = ["--systems", "walkers", "--system-worlds", "3"]
    table = run.main(["--quick", "--no-train", "--no-peers", "--worlds", "2", *others, "--out", str(tmp_path)])
    rows = [json.loads(line) for line in table.with_suffix(".jsonl").read_text().splitlines()]
    measured = [row for row in rows if row["what"] == "env"]
    assert {row["worlds"] for row in measured} == {2, 3}
    assert all(row["steps_per_s_low"] <= row["steps_per_s"] <= row["steps_per_s_high"] for row in measured)
    assert all({"jax", "device", "compile_s", "load_1min"} <= row.keys() for row in measured)
    assert all({"kernels_per_step", "times_floor", "sharded_over"} <= measured[i].keys() for i in (0, -1))
    page = table.read_text()
    assert "walkers, random actions | 2 |" in page
    assert "JaxMARL" not in page


def test_a_ratio_is_the_median_over_rounds(load):
    ours = {"series": "a", "worlds": 8, "agents": 5, "by_round": [10.0, 20.0, 90.0]}
    theirs = {"series": "b", "worlds": 1, "agents": 2, "by_round": [10.0, 10.0, 10.0]}
    per_world = bench.ratio(ours, theirs, "world-step")
    assert [per_world[name] for name in ("times_low", "times", "times_high")] == [1, 2, 9]
    assert bench.ratio(ours, theirs)["times"] == 5  # 5 agents for 2


def test_every_case_runs_in_every_round(load):
    done = []
    row = {"series": "", "worlds": 1, "agents": 1}
    several = [bench.Case({**row, "series": name}, 7, lambda i, units, name=name: done.append(name)) for name in "ab"]
    rows = bench.take_turns(several, 3, 1e-9)
    assert [len(row["by_round"]) for row in rows] == [3, 3]
    assert "".join(done[-6:]) == "abbaab"


@pytest.mark.slow
def test_a_new_environment_and_a_new_learner_are_measured_by_their_names(monkeypatch, capsys):
    monkeypatch.setattr(bench, "copy_bandwidth", lambda n_bytes: 1e9)
    monkeypatch.setattr(bench, "ENOUGH_S", 1e-4)
    monkeypatch.setattr(ENVIRONMENTS, "_others", {"walkers": Walkers})
    small = partial(learners.LEARNERS["ippo"], n_worlds=2, hidden=(4,), minibatches=1, epochs=1)

    def refused(env, **settings):
        raise ValueError("it cannot learn here")

    monkeypatch.setattr(learners, "LEARNERS", Registry("learner", {"mine": small, "picky": refused}))
    rows = bench.run(["walkers"], [2], train=(), repeats=1)
    assert [row["series"] for row in rows] == ["walkers, random actions", "walkers, mine"]
    assert all(row["steps_per_s"] > 0 for row in rows)
    kind = jax.devices()[0].device_kind
    assert f"walkers, mine, 2 worlds, {kind}: " in capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in bench.table(rows).splitlines()[2:]]
    assert cells == [[row["series"], "2", "1 of 1"] for row in rows]
    with pytest.raises(ValueError, match="it cannot learn here"):
        bench.run(["walkers"], [], train=["picky"], repeats=1)
    with pytest.raises(ValueError, match=r"unknown learner 'min'\. Did you mean 'mine'\?"):
        bench.run(["walkers"], [2], train=["min"])


@pytest.mark.slow
def test_unused_info_costs_nothing(run):
    report = run.Report(1, 1e-4)
    run.unused_info(report, *make("isac_iov"), 8)
    assert report.proofs[0]["holds"]
    dropped, without, kept = report.rows
    assert dropped["by_kind"] == without["by_kind"]
    assert kept["flops"] > dropped["flops"]
    assert "the counts are the same" in run.page(report)


def test_numpy_twin_is_a_case(load):
    case = load("peers").numpy_twin()
    case.call(0, 1)
    assert case.steps == 30
    assert case.row["worlds"] == 1


@pytest.mark.slow
def test_forecasters_are_cases(load, monkeypatch, tmp_path):
    forecast = load("forecast")
    cases = [forecast.training("lstm", 3, 2, bins=40), forecast.forecasting("lstm", 3, bins=40)]
    assert [case.steps for case in cases] == [2 * 3 * 34, 3 * 34]  # windows of 6 in 40 bins, of two seeds
    monkeypatch.setattr(forecast, "training", lambda name, servers, seeds: cases[0])
    monkeypatch.setattr(forecast, "forecasting", lambda name, servers: cases[1])
    arguments = ["--networks", "lstm", "--servers", "3", "--seeds", "2", "--rounds", "2", "--seconds", "1e-4"]
    rows = [json.loads(line) for line in forecast.main([*arguments, "--out", str(tmp_path)]).read_text().splitlines()]
    assert [(row["what"], row["seeds"], row["servers"]) for row in rows] == [("train", 2, 3), ("forecast", 1, 3)]
    assert all(0 < row["steps_per_s_low"] <= row["steps_per_s"] <= row["steps_per_s_high"] for row in rows)


@pytest.mark.slow
def test_training_until_a_reward(load):
    off_policy = load("off_policy")
    small = {"n_worlds": 8, "hidden": (8,), "batch_size": 8, "slots_per_update": 4, "capacity": 512}
    rows = [off_policy.until("small", "ddpg", small, goal, limit_s=0.2, window=128) for goal in (-9.0, 9.0)]
    assert [row["reached"] for row in rows] == [True, False]
    assert rows[0]["slots"] == 128  # a full window, and no more
    assert rows[1]["seconds"] >= 0.2


def test_a_city_is_measured(load, monkeypatch, tmp_path):
    city = load("city")
    env = Walkers()
    monkeypatch.setattr(city, "make", lambda name, **_: (env, env.default_params()))
    arguments = ["--vehicles", "3", "--worlds", "2", "--rounds", "2", "--seconds", "1e-4", "--out", str(tmp_path)]
    (row,) = (json.loads(line) for line in city.main(arguments).read_text().splitlines())
    state = jax.eval_shape(env.reset, jax.random.key(0), env.default_params())[0]
    assert row["state_bytes"] == sum(4 * x.size for x in jax.tree.leaves(state)) > 0
    assert {"temp_bytes", "kernels_per_step", "steps_per_s"} <= row.keys()


def test_deciders_from_cases_are_timed(load, monkeypatch, tmp_path):
    module = load("in_context")
    monkeypatch.setattr(module, "timed", lambda env, params, *_: {"local": fixed(env, params)["local"]})
    arguments = ["--vehicles", "4", "--worlds", "2", "--rounds", "2", "--seconds", "1e-4", "--out", str(tmp_path)]
    (row,) = (json.loads(line) for line in module.main(arguments).read_text().splitlines())
    assert (row["series"], row["worlds"]) == ("local", 2)
    assert row["ms_per_decision"] == pytest.approx(1e3 / row["steps_per_s"])


def test_of_the_cases_learners_one_alone_pools(load):
    """The paper's series says that its critic does not; who is there for the pooled one must, for all that."""
    module = load("cases")
    pools = {what: module.contestant(what, 3)[0].settings.pooled_critic for what in module.LEARNERS}
    assert pools == {"MARL": False, "SARL": False, "MARL, pooled critic": True}


@pytest.mark.slow
def test_those_who_decide_from_cases_are_compared_at_each_bias(load, monkeypatch, tmp_path):
    module = load("cases")

    class Party:
        """Everybody's worlds are worth 0 to 3 more than the bias in GHz."""

        def __init__(self, n, policies, args):
            assert policies == {what: f"{what} of {n}" for what in module.LEARNERS}
            self.n, self.params = n, make("dt_edge")[1]

        def meet(self, bias_hz, worlds, slots=0, models=None):
            earned = bias_hz / 1e9 + np.arange(worlds)
            each = {"MARL": earned, "SARL": earned - self.n, "icl_copy": earned + 1}
            counters = {name: asker.tally.report() for name, asker in (models or {}).items()}
            each |= dict.fromkeys(counters, earned)
            found = {name: dict.fromkeys(module.METRICS, x) for name, x in each.items()}
            return Contest(found, counters, dict.fromkeys(found, "all rows"), "MARL")

    monkeypatch.setattr(module, "learned", lambda what, n, *_: f"{what} of {n}")
    monkeypatch.setattr(module, "Party", Party)
    monkeypatch.setattr(module, "models", lambda *_: {"llm": Asker(Scripted(["I cannot."]))})
    arguments = ["--vehicles", "4", "5", "--teacher", "MARL", "--episodes", "4", "--llm", "http"]
    arguments += ["--out", str(tmp_path), "--runs", str(tmp_path)]
    file = module.main(arguments)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["what"] for row in rows].count("llm") == 2 * 3
    by = {(row["vehicles"], row["bias"], row["policy"]): row for row in rows if row["what"] == "cases"}
    assert len(by) == 2 * 3 * 3
    assert by[4, "-0.5 GHz", "MARL"]["reward"] == 1.0
    assert [by[n, "0", "SARL"]["ahead"] for n in (4, 5)] == [-4, -5]  # the same in every world, so without a doubt
    assert by[5, "0", "icl_copy"]["ahead_low"] == by[5, "0", "icl_copy"]["ahead_high"] == 1
    page = file.with_suffix(".md").read_text()
    assert "| icl_copy | 3.000" in page
    assert "| less energy, +0.5 GHz | 0 of 2, not 2 |" in page  # it is above MARL by 1 in everything
    assert "| higher QoS, +0.5 GHz | 2 of 2, not 0 |" in page
    assert "| llm (LLM) | 4 | 0 | 0 |" in page  # nothing was asked
    head, _, cells = module.answers([row for row in rows if row["what"] == "llm"][:1]).splitlines()
    older = {name: x for name, x in rows[-1].items() if name != "n_bad_choice"}
    lacking = module.answers([older]).splitlines()[2].split("|")
    at = [title.strip() for title in head.split("|")].index("n_bad_choice")
    assert (cells.split("|")[at].strip(), lacking[at].strip()) == ("0", "")
    assert file.with_suffix(".png").exists()


def test_an_unknown_teacher_is_named_before_anybody_is_trained(load, capsys):
    with pytest.raises(SystemExit):
        load("cases").main(["--teacher", "SRL"])
    assert "unknown teacher 'SRL'. Did you mean 'SARL'? Known: MARL; " in capsys.readouterr().err


@pytest.mark.slow
def test_everyone_meets_in_the_same_worlds_at_each_bias(load, tmp_path):
    module = load("cases")
    args = module.options(["--teacher", "local_threshold", "--case-worlds", "2", "--runs", str(tmp_path)])
    party = module.Party(4, {"learner": fixed(*make("dt_edge", n_vehicles=4))["local_threshold"]}, args)
    bad = {"llm": Asker(Scripted(["I cannot."]))}
    few = [party.meet(bias_hz, 2, 2, bad) for bias_hz in (-0.5e9, 0.5e9)]
    for found in few:
        assert found.label("llm") == "fallback of llm"
        np.testing.assert_allclose(found.metrics["learner"]["reward"], found.metrics["local_threshold"]["reward"])
    local = [found.metrics["local"]["energy_local_j"] for found in few]
    np.testing.assert_array_equal(*local)  # its tasks are the same
    (_, row) = (row for found in few for row in module.asked(found, 4, "0", 0.1))
    assert (row["n_decisions"], row["n_fallback"]) == (8, 8)


@pytest.fixture
def anchor(load):
    pytest.importorskip("stable_baselines3")
    pytest.importorskip("gymnasium")
    return load("anchor")


def test_the_anchor_is_judged_in_the_worlds_of_everybody(anchor):
    env, params = make("isac_iov")
    rule = fixed(env, params)[anchor.RULE]
    alone = evaluate(env, {"rule": rule}, anchor.JUDGES, params, 4)["rule"]["reward"]
    keys = world_keys(anchor.JUDGES, 4)
    np.testing.assert_allclose(anchor.host_loop(lambda obs: rule(keys, obs), 4), alone, rtol=1e-5)


def test_a_flat_action_of_the_anchor_is_everybodys(anchor):
    env, _ = make("isac_iov", n_vehicles=2)
    world = anchor.actions(env, jnp.arange(20.0))["vehicle"]
    batch = anchor.actions(env, jnp.arange(40.0).reshape(20, 2))["vehicle"]
    assert {name: x[1].tolist() for name, x in world.items()} == {
        "split": [10, 11, 12, 13],
        "bandwidth": [14, 15, 16],
        "rsu_cpu": [17, 18, 19],
    }
    assert batch["rsu_cpu"][1, :, 1].tolist() == [35, 37, 39]  # worlds last


def test_one_world_is_one_for_gymnasium(anchor):
    from gymnasium.utils.env_checker import check_env

    check_env(anchor.OneWorld(), skip_render_check=True)


def test_the_anchor_runs(anchor, monkeypatch, tmp_path):
    monkeypatch.setattr(anchor, "Sb3", partial(anchor.Sb3, n_steps=4, batch_size=8))
    monkeypatch.setattr(anchor, "OURS", ("mappo",))
    monkeypatch.setattr(anchor, "UPDATES", anchor.LOOKS)
    small = partial(learners.make, n_worlds=2, hidden=(4,), minibatches=1, epochs=1)
    monkeypatch.setattr(anchor.learners, "make", small)
    file = anchor.main(["--minutes", "1e-9", "--repeats", "1", "--worlds", "2", "--out", str(tmp_path)])
    rows = json.loads(file.read_text())["rows"]
    assert [(row["contestant"], row["slots"]) for row in rows] == [("SB3 PPO", 4 * 8), ("mappo", 2 * 30)]
    assert all(row["seconds_to_pass"] is None and row["reward"] < 0 for row in rows)  # after a piece of nothing
    page = file.with_suffix(".md").read_text()
    assert "| SB3 PPO | 0 of 1 seeds | not passed |" in page
    assert "2 episodes that all share" in page


def test_the_anchor_says_when_the_rule_was_passed(anchor):
    rule = np.full(4, -2.0)

    def row(name, compile_s, *rewards):
        contestant = anchor.Contestant()
        contestant.name, contestant.compile_s = name, compile_s
        contestant.curve = [(10.0 * i, 20.0 * i, 100 * i, rule + x) for i, x in enumerate(rewards, 1)]
        contestant.seconds, contestant.cpu_s, contestant.slots, _ = contestant.curve[-1]
        return anchor.row_of(contestant, 0, rule)

    rows = [row("SB3 PPO", 1, -1, -1, -0.5), row("mappo", 2, -1, 0.5, -0.1), row("apg", 3, 1, 1)]
    passed = [tuple(r[f"{what}_to_pass"] for what in ("seconds", "cpu_s", "slots")) for r in rows]
    assert passed == [(None, None, None), (20, 40, 200), (10, 20, 100)]
    text = anchor.table(rows)
    assert "| SB3 PPO | 0 of 1 seeds | not passed | not passed | not passed | 10 | 5 | 1.0 |" in text
    assert "| mappo | 1 of 1 seeds | 20.0 | 40.0 | 200 | 10 | 5 | 2.0 | -0.100 ± 0.000 | 30 | 300 |" in text
    assert "| mappo | above 1.5 | above 1.5 | above 1.5 | 1.0 | 1.0 |" in text  # it had 30 s, and did not pass
    rows[0] = row("SB3 PPO", 1, -1, -1, -0.5, 0.5)
    assert "| apg | 4.0 | 4.0 | 4.0 | 1.0 | 1.0 |" in anchor.table(rows)


@pytest.mark.parametrize(
    ("name", "settings", "steps"),
    [
        ("mappo", {"n_worlds": 4, "epochs": 2, "minibatches": 3}, 6 / (4 * 30)),
        ("ddpg", {"n_worlds": 4, "learn_every": 2, "gradient_steps": 3}, 3 / (2 * 4)),
        ("apg", {"n_worlds": 4, "rollout_length": 5}, 1 / (4 * 5)),
    ],
)
def test_gradient_steps_are_counted(name, settings, steps):
    learner = learners.make(name, make("isac_iov")[0], **settings)
    assert bench.gradient_steps(learner) == {"gradient_steps_per_slot": pytest.approx(steps)}
    row = {"series": name, "worlds": 4, "agents": 5, **bench.gradient_steps(learner)}
    (measured,) = bench.take_turns([bench.Case(row, 7, lambda i, units: None)], 1, 1e-9)
    assert measured["gradient_steps_per_s"] == pytest.approx(measured["steps_per_s"] * steps)


@pytest.mark.slow
def test_peers_run(load):
    pytest.importorskip("jaxmarl")
    pytest.importorskip("gymnax")
    peers = load("peers")
    for case in (peers.mpe(4), peers.cartpole(4), peers.mpe_ippo(4)):
        case.call(0, 1)


@pytest.mark.slow
def test_the_other_ippo_learns(load):
    pytest.importorskip("jaxmarl")
    peers = load("peers")
    ippo = peers.Ippo(peers.Settings())
    ippo.env = OnlyTwos(ippo.env)
    update = lambda runner, _: ippo.update(runner)  # noqa: E731
    _, earned = jax.jit(lambda runner: jax.lax.scan(update, runner, None, 60))(ippo.init(jax.random.key(0)))
    assert earned[0] == pytest.approx(1 / 5, abs=0.03)  # of five moves, one pays
    assert earned[-1] > 0.9


def test_a_part_of_the_matrix_leaves_to_another_the_cell_it_is_at(load, monkeypatch, tmp_path, capsys):
    matrix = load("matrix")

    def run_of(runner, members, *others):
        made.extend(member.series.name for member in members)
        curves, seconds = {"reward": np.arange(3.0)}, {"compile": 1.0, "train": 1.0, "evaluate": 1.0}
        return [Run({"reward": np.arange(4.0)}, curves, seconds, member.config, "cpu") for member in members]

    monkeypatch.setattr(matrix.Runner, "_make", run_of)
    words = ["--envs", "isac_iov", "dt_edge", "--learners", "ippo", "apg", "--seeds", "2", "--slots", "9"]
    words += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path), "--part", "2/2"]
    made, plan = [], matrix.figure("dt_edge", ("ippo", "apg"))
    runner = matrix.Runner("dt_edge", matrix.Budget(9, matrix.EPISODES, 2), tmp_path / "runs" / "dt_edge-matrix")
    cell = runner.units([(plan.series, plan.points)], 2)[0][1]
    with cell.claim():
        matrix.main(words)
    assert "1 left to other workers, who are at it: apg (apg-" in capsys.readouterr().out
    assert made[:4] == ["apg", "apg", "ippo", "ippo"], "its own cells first: apg of one system, ippo of the next"
    assert not list(tmp_path.glob("matrix-*"))
    made.clear()
    matrix.main(words)
    assert made == ["apg", "apg"]
    assert len(list(tmp_path.glob("matrix-*"))) == 6
    with pytest.raises(SystemExit, match="2"):
        matrix.main([*words[:-1], "3/2"])
    assert "--part takes K/N" in capsys.readouterr().err


def test_a_part_of_all_leagues_leaves_the_page_to_the_last(load, monkeypatch, tmp_path, capsys):
    script, asked, left = load("league"), [], ["ippo"]

    def league(env_id, folder, **options):
        asked.append((env_id, options["part"]))
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("league.md", "league.png"):
            (folder / name).write_text(env_id)
        return {"left": left if env_id == "dt_edge" else []}

    monkeypatch.setattr(script, "league", league)
    monkeypatch.setattr(script, "summary_row", lambda summary: [])
    words = ["--envs", "isac_iov", "dt_edge", "--leagues", str(tmp_path / "leagues"), "--out", str(tmp_path)]
    script.main([*words, "--part", "1/2"])
    assert "1 left to other workers, who are at it: ippo on dt_edge" in capsys.readouterr().out
    assert asked == [("isac_iov", (1, 2)), ("dt_edge", (1, 2))] * 2
    assert not list(tmp_path.glob("*.md"))
    left.clear()
    script.main([*words, "--part", "1/2"])
    (page,) = tmp_path.glob("*.md")
    assert "## isac_iov" in page.read_text()
    assert "## dt_edge" in page.read_text()


def test_how_rows_were_made_is_said_once_or_for_each(load):
    made = load("kept").made
    row = {"jaxvec": "1", "jax": "2", "python": "3", "device": "x86_64", "cores": 2, "date": "2026-01-01"}
    assert made([row, row]) == "jaxvec 1, jax 2, python 3 · x86_64, 2 cores · 2026-01-01"
    later = row | {"date": "2026-01-02", "commit": "abc", "command": "python x.py"}
    words = "`python x.py` · commit abc · jaxvec 1, jax 2, python 3 · x86_64, 2 cores · 2026-01-01 and 2026-01-02"
    assert made([row, later, later]) == words
