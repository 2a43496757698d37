"""In-context policies of `dt_edge`: what a case is, that copying copies, who is called what, growth, and the claim on kernels."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from jaxvec.core import rng
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.rollout import world_keys
from jaxvec.core.types import Observation
from jaxvec.envs.dt_edge.observation import GROUP
from jaxvec.envs.dt_edge.slot import decode
from jaxvec.policies import fixed
from jaxvec.policies.in_context import clone, transformer
from jaxvec.policies.in_context import dt_edge as in_context
from jaxvec.policies.in_context.cases import empty_like
from jaxvec.policies.in_context.fitting import Training
from jaxvec.policies.in_context.transformer import Transformer, lessons

N, K, SLOTS, CASE_WORLDS, CASES = 4, 3, 3, 4, 12
KEY = jax.random.key(1)
ENV, PARAMS = jaxvec.make("dt_edge", n_vehicles=N, horizon=SLOTS)
MODEL = Transformer(k=3, width=16, blocks=1, heads=2, inner=32)


@pytest.fixture(scope="module")
def library():
    teacher = fixed(ENV, PARAMS)["local_threshold"]
    how = {"n_worlds": CASE_WORLDS, "every": 1, "drop": 0.0, "capacity": 16}
    return in_context.collect(ENV, PARAMS, teacher, KEY, source="a rule", **how)


@pytest.fixture(scope="module")
def solved():
    """The cases of `library`, had `greedy_latency` been asked."""
    rules = fixed(ENV, PARAMS)
    return in_context.solved(
        ENV, PARAMS, rules["local_threshold"], rules["greedy_latency"], KEY, n_worlds=CASE_WORLDS, every=1, capacity=16
    )


@pytest.fixture(scope="module")
def policies(library, solved):
    unit = in_context.in_unit(ENV, PARAMS, library)
    how = Training(50, batch_size=32, learning_rate=1e-3)
    taught = lessons([solved], MODEL.k, in_context.metric(ENV))
    return in_context.policies(
        ENV,
        PARAMS,
        library,
        model=MODEL,
        transformer_params=transformer.fit(MODEL, KEY, taught, how).params,
        clone_params=clone.fit(KEY, unit, how).params,
    )


@pytest.fixture(scope="module")
def decide(policies):
    """Everyone's action, in one program for a batch of any size."""
    return jax.jit(lambda key, obs: {name: policy(key, obs)[GROUP] for name, policy in policies.items()})


def observed(rows, shared):
    """An observation, any batch axes last."""
    everyone = np.broadcast_to(shared, (rows.shape[0], *shared.shape))
    world = np.concatenate([rows.reshape(-1, *rows.shape[2:]), shared])
    return Observation(agents={GROUP: np.concatenate([rows, everyone], 1)}, world=world)


def of_cases(library, order=slice(None)):
    """The situations of all cases as a batch of worlds, vehicles in another order."""
    rows, shared = (np.moveaxis(np.asarray(x)[:CASES], 0, -1) for x in library.cases.situation)
    return observed(rows[order], shared)


def test_a_case_is_what_was_done_in_a_slot_and_what_that_was_worth(library):
    cases = library.cases
    assert cases.valid.tolist() == [True] * CASES + [False] * 4
    assert library.about["source"] == "a rule"
    gain = np.asarray(cases.rows[:CASES, :, K + 2])
    assert np.all(np.diff(gain) <= 0)
    assert np.all((gain > -3) & (gain < 3))  # none is clipped, so that what is seen is all that counts

    # another way to the same numbers: from what was observed, not from the state
    problem = in_context.problem_of(ENV, PARAMS)
    unit = problem.unit(PARAMS, cases.action[:CASES])
    judge = jax.jit(jax.vmap(lambda obs, matrix: problem.judge(PARAMS, obs, matrix), (-1, 0)))
    judged = judge(of_cases(library), unit)
    np.testing.assert_allclose(judged.action, cases.action[:CASES], rtol=1e-4)
    np.testing.assert_allclose(judged.reward, cases.reward[:CASES], atol=1e-4)
    np.testing.assert_allclose(judged.advantage, cases.advantage[:CASES], atol=1e-4)
    assert np.abs(cases.advantage[:CASES]).max() > 0.01


def test_lessons_are_the_same_cases_and_what_a_teacher_would_have_done(library, solved):
    cases, n = solved.cases, CASES - int(0.2 * CASES)
    best = np.sort(np.argsort(-np.asarray(library.cases.advantage[:CASES], float).mean(1))[:n])
    assert cases.valid.sum() == n
    np.testing.assert_allclose(cases.rows[:n], library.cases.rows[best], atol=1e-5)
    np.testing.assert_allclose(cases.action[:n], in_context.in_unit(ENV, PARAMS, library).action[best], atol=1e-5)
    problem, seen = in_context.problem_of(ENV, PARAMS), jax.tree.map(lambda x: x[..., best], of_cases(library))
    simple = jax.jit(jax.vmap(lambda obs: problem.fallback(PARAMS, obs), -1))(seen)
    np.testing.assert_allclose(solved.target[:n], simple, atol=1e-5)
    np.testing.assert_allclose(solved.worth[:n], 0, atol=1e-5)  # above itself


def test_cases_are_of_other_worlds_than_those_of_evaluation(library):
    seen = jax.jit(ENV.reset)(rng.fold_in(world_keys(KEY, CASE_WORLDS), 0), PARAMS)[1].obs.agents[GROUP]
    first = np.asarray(library.cases.rows[:CASES:SLOTS, :, K])  # places on the road
    assert first.shape == (CASE_WORLDS, N)
    assert not np.isin(np.round(first, 5), np.round(seen[:, K], 5)).any()


def test_copying_does_what_was_done_in_the_same_situation_whoever_is_called_what(library, decide):
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        action = decide(jax.random.split(KEY, CASES), of_cases(library, order))["icl_copy"]
        omega, alpha = decode(ENV, action, PARAMS)
        done = np.moveaxis(np.asarray(library.cases.action[:CASES]), 0, -1)[order]
        np.testing.assert_allclose(omega, done[:, :K], atol=1e-6)
        np.testing.assert_allclose(alpha, done[:, K:], rtol=1e-5)


def test_everyone_decides_alike_whoever_is_called_what_and_for_one_or_many_worlds(library, decide, policies):
    rows = np.random.default_rng(0).uniform(-1, 1, (N, K + 3, CASES)).astype(np.float32)
    shared, order = np.abs(rows[0, :K]), [3, 1, 0, 2]
    keys = jax.random.split(KEY, CASES)
    plain, mixed = (decide(keys, observed(x, shared)) for x in (rows, rows[order]))
    assert set(plain) == {
        *("icl_copy", "icl_kernel_5", "icl_kernel_64", "icl_kernel_soft_5", "icl_kernel_soft_64"),
        *("icl_transformer", "bc"),
    }
    for name, action in plain.items():
        for part in ("offload", "share"):
            assert action[part].shape == (N, K, CASES)
            np.testing.assert_allclose(mixed[name][part], action[part][jnp.array(order)], atol=1e-5, err_msg=name)
    alone = decide(keys[2], observed(rows[..., 2], shared[..., 2]))
    together = jax.tree.map(lambda x: x[..., 2], plain)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, together)


@pytest.mark.slow
def test_chance_spoils_what_it_may_and_no_more(library):
    rule, key = fixed(ENV, PARAMS)["local_threshold"], jax.random.split(KEY, CASES)
    plain, changed = (policy(key, of_cases(library))[GROUP] for policy in (rule, in_context.spoilt(rule, 0.2)))
    for name, x in changed.items():
        assert np.all((x >= 0) & (x <= 1))
        assert 0.09 < np.abs(x - plain[name]).max() <= 0.1 + 1e-6
        assert len(np.unique(x - plain[name])) > CASES


def test_without_a_case_the_rule_decides(library):
    none = library._replace(cases=empty_like(library.cases, 16))
    contestants = {**in_context.policies(ENV, PARAMS, none), "rule": fixed(ENV, PARAMS)["greedy_latency"]}
    decided = jax.jit(lambda obs: {name: policy(KEY, obs)[GROUP] for name, policy in contestants.items()})(
        jax.tree.map(lambda x: x[..., 0], of_cases(library))
    )
    for name in contestants:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), decided[name], decided["rule"])


def test_cases_of_other_sizes_are_refused(library):
    for other, message in (
        (replace(ENV, n_vehicles=5), "5 vehicles of 3 types"),
        (replace(ENV, n_types=2), "of 2 types"),
    ):
        with pytest.raises(ValueError, match=message):
            in_context.policies(other, PARAMS, library)
    with pytest.raises(ValueError, match="the cases are of toy"):
        in_context.policies(ENV, PARAMS, library._replace(about={"env": "toy", "source": ""}))


@pytest.mark.slow
def test_worlds_are_evaluated_and_growth_is_remembered(library):
    # From nothing: the first decision is the rule's and is appended; then copies, which no more than equal what they copy
    none = library._replace(cases=empty_like(library.cases, 16))
    grown = in_context.policies(ENV, PARAMS, none, grows=2)["icl_copy"]
    order, keys = [2, 0, 3, 1], jax.random.split(KEY, CASES)
    obs, decide = of_cases(library, order), jax.jit(grown)
    action, memory = decide(keys, obs, grown.memory((CASES,)))
    rule = jax.jit(fixed(ENV, PARAMS)["greedy_latency"])(keys, obs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), action, rule)
    assert memory.valid.tolist() == [[True] * CASES, [False] * CASES]
    assert memory.tag[0].tolist() == [1] * CASES
    rows, done = np.asarray(memory.rows[0])[order], np.asarray(memory.action[0])[order]
    np.testing.assert_allclose(rows, obs.agents[GROUP][:, : K + 3])  # appended in canonical order
    np.testing.assert_allclose(done[:, :K], rule[GROUP]["offload"], atol=1e-6)
    assert np.ptp(done[:, :K], 0).any()
    np.testing.assert_allclose(memory.advantage[0], 0, atol=1e-5)  # by how much it is better than itself
    again, after = decide(keys, obs, memory)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), again, rule)
    assert after.valid.sum() >= CASES

    swept = PARAMS.replace(cpu_bias_mean_hz=jnp.float32([-0.5e9, 0.5e9]))  # each world its own server
    results = evaluate(ENV, {"grows": in_context.policies(ENV, swept, none, grows=2)["icl_copy"]}, KEY, swept, 2)
    assert np.isfinite(results["grows"]["reward"]).all()
    used = results["grows"]["resource_ratio"]  # the rule and its copies use the budget that each world has
    np.testing.assert_allclose(used, [1 + N * K * 0.5 / 400, 1 - N * K * 0.5 / 400], rtol=1e-4)


@pytest.mark.slow
def test_a_kernel_exceeds_a_teacher_whose_decisions_are_spoilt_by_chance():
    env, params = jaxvec.make("dt_edge")
    teacher = in_context.spoilt(fixed(env, params)["local_threshold"], 1.2)
    library = in_context.collect(env, params, teacher, KEY, source="a rule, spoilt by chance")
    unit = in_context.in_unit(env, params, library)
    several = in_context.policies(env, params, library, clone_params=clone.fit(KEY, unit).params)
    results = evaluate(env, {"teacher": teacher, **several}, KEY, params, 32)
    ahead = {name: interval(x["reward"] - results["teacher"]["reward"]) for name, x in results.items()}
    print({name: str(gap) for name, gap in ahead.items()}, interval(results["teacher"]["reward"]))
    assert ahead["icl_kernel_64"].mean > ahead["icl_kernel_64"].half
    assert ahead["icl_kernel_64"].mean > ahead["icl_copy"].mean + ahead["icl_copy"].half
    assert ahead["icl_kernel_64"].mean > ahead["icl_kernel_soft_64"].mean
