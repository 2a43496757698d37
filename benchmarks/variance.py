"""How much an estimate of the policy gradient varies: replays of choices against the score function, on the same states.

    python benchmarks/variance.py [--updates 300] [--estimates 64] [--worlds 64] [--sampled-choices 0] [--out benchmarks/results]

An actor of `apg` is trained for some updates on each system that has choices. Then what its choices should change, the
gradient of one slot's mean reward with respect to them, is estimated again and again in the same states under other chance:
by replays, and by the score function with the mean of the worlds' rewards as its baseline (REINFORCE). Printed are the
variances of both, summed over parameters, and how many times as many slots the score function would need for the same. A
replay counts, too: the last column has what is left when each of them is a slot. (Replays also have antithetic pairs of
numbers that jump, which count against them; where choices outlive their slot they look at several slots, and the score
function at one.)
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
from kept import markdown

import jaxvec
from jaxvec import bench
from jaxvec.core import rng
from jaxvec.core.evaluation import mean_reward
from jaxvec.core.files import write_json, write_text
from jaxvec.core.layout import batch_first
from jaxvec.core.rollout import policy_keys, world_keys
from jaxvec.learners.apg import Apg
from jaxvec.learners.apg_acting import Played
from jaxvec.learners.apg_types import settings_of

SYSTEMS = ("v2x_offload", "urllc_vec", "twin_migration")


def estimates(env_id, updates, many, worlds, sampled):
    """Variances of both estimators, and replays per slot.

    Args:
        env_id: the system.
        updates: of training before.
        many: estimates.
        worlds: in each.
        sampled: choices of each component that are replayed in a world; 0: all; None: as many as the learner's default.
    """
    env, params = jaxvec.make(env_id)
    core = Apg(env, settings_of(env, n_worlds=worlds, **({} if sampled is None else {"sampled_choices": sampled})))
    result = jaxvec.train(core.learner(), params, jax.random.key(0), updates, progress=False)
    state, env = result.state, core.env  # in which its actors say numbers
    start = (state.carry[0], state.carry[1].replace(info={}))

    def slot(actor, i):
        """The slot under an actor: the worlds' and the policy's keys, the action, and how it was asked."""
        keys = world_keys(state.key, worlds, i), policy_keys(state.key, worlds, i)

        def act_fn(key, obs):
            return core.decide(actor, state, key, obs, False)

        return keys, *env.act(act_fn, rng.fold_in(keys[1], 1), *start, state.env_params)

    def replays(i):
        def surrogate(actor):
            keys, action, trace = slot(actor, i)
            return jnp.mean(core.gains(env, state, Played(jnp.int32(0), keys, *start, action, trace))[0])

        return jax.grad(surrogate)(state.params["actor"])

    def score(i):
        def surrogate(actor):
            keys, action, trace = slot(actor, i)
            ts = env.step(rng.fold_in(keys[0], 1), start[0], action, state.env_params)[1]
            reward = mean_reward(ts.reward, trace.obs)
            outputs, log_pi = batch_first(trace.extras, 1), 0.0
            for group, name, _ in core.replays.choices:
                logits = jax.nn.log_softmax(core.replays.logits(group, name, outputs[group], trace.obs))
                taken = batch_first(action[group][name], 1).reshape(*logits.shape[:-1], 1)
                log_pi += jnp.take_along_axis(logits, taken, -1).sum((1, 2))
            lead = jax.lax.stop_gradient(reward - jnp.mean(reward)) * worlds / (worlds - 1)
            return jnp.mean(log_pi * lead)

        return jax.grad(surrogate)(state.params["actor"])

    def variance(estimate):
        grads = jax.lax.map(jax.jit(estimate), jnp.arange(many) + updates)
        return sum(float(jnp.var(x, 0).sum()) for x in jax.tree.leaves(grads))

    choices = sum(
        min(core.replays.sampled_choices or n, n) * min(space.n, core.replays.alternatives)
        for group, _, space in core.replays.choices
        for n in [env.n_agents[group] * space.size]
    )
    per_slot = 1 + (choices + 2 * len(core.replays.jumps)) * core.replay_slots
    return {"replays": variance(replays), "score": variance(score), "slots_per_estimate": per_slot}


def page(rows):
    """As Markdown."""
    lines = ["system | variance of replays | of the score function | ratio | slots of an estimate | ratio per slot"]
    for env_id, row in rows.items():
        numbers = (row["replays"], row["score"], row["ratio"], row["slots_per_estimate"], row["ratio_per_slot"])
        lines.append(" | ".join([f"`{env_id}`", *(f"{x:.3g}" for x in numbers)]))
    return markdown(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--estimates", type=int, default=64)
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--sampled-choices", type=int)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    bench.all_cores()
    print(f"{'system':16s}{'replays':>12s}{'score':>12s}{'ratio':>10s}{'slots':>8s}{'per slot':>10s}")
    rows = {}
    for env_id in args.systems:
        row = estimates(env_id, args.updates, args.estimates, args.worlds, args.sampled_choices)
        ratio = row["score"] / row["replays"]
        rows[env_id] = row | {"ratio": ratio, "ratio_per_slot": ratio / row["slots_per_estimate"]}
        print(
            f"{env_id:16s}{row['replays']:12.3g}{row['score']:12.3g}{ratio:10.1f}{row['slots_per_estimate']:8d}"
            f"{ratio / row['slots_per_estimate']:10.2f}",
            flush=True,
        )
    if args.out:
        write_json(
            args.out / "variance.json", json.loads(json.dumps(vars(args) | {"rows": rows, "out": None}, default=str))
        )
        write_text(args.out / "variance.md", page(rows))


if __name__ == "__main__":
    main()
