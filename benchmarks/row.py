"""What a vehicle of `v2x_offload` could still gain by what it sees, while all others go on as they do.

    python benchmarks/row.py [--updates 4000] [--worlds 256] [--futures 128] [--out benchmarks/results]

`apg` is trained as a residual on `greedy`. Then, turn by turn, whoever comes later is drawn again and again (place, task and
fading: what a row cannot tell), and what the vehicle of that turn did is tried otherwise in all of these futures: its share
of bandwidth or of CPU somewhat more or less, or another target with the same shares. The best of all trials is chosen row by
row on half of the futures and judged on the other half, so that luck is not counted: what is left could be learned at one
turn. Beside it stands what shares and power would gain that follow their gradient with all draws known, in the same worlds,
for the same targets. The difference is what a row does not tell. Last, how far ahead of `greedy` plans are that know all
draws, in an eighth as many worlds: from the rule, as the league's bound begins, and from the policy; by that much more the
bound could be.
"""

import argparse
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from kept import markdown

import jaxvec
from jaxvec import bench, learners
from jaxvec.core.checkout import commit
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.files import write_text
from jaxvec.core.params import world_params
from jaxvec.core.rollout import policy_keys
from jaxvec.envs.v2x_offload.observation import GROUP, observe
from jaxvec.policies import fixed
from jaxvec.policies.clairvoyant import episode_bound

KEY = jax.random.key(0)
OFFSETS = (-0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2)  # of what [-1, 1] spans


class Slot:
    """A slot in which a policy acts.

    Args:
        env, params: the world.
        policy: of all vehicles.
        n_worlds: worlds.
    """

    def __init__(self, env, params, policy, n_worlds):
        self.env, self.params, self.policy = env, world_params(params), policy
        self.keys = policy_keys(KEY, n_worlds, 0)
        self.state, self.ts = env.reset(self.keys, self.params)
        self.draws = env.draw_step(self.keys, self.params)

    def play(self, state, otherwise=lambda who, action: action):
        """What all do, and the mean reward of each world.

        Args:
            state: at the start.
            otherwise: `(who, action)` to what whoever is asked does instead.
        """

        def ask(key, obs):
            said = self.policy(key, obs)
            return {GROUP: otherwise(obs.ids[GROUP], said[GROUP])}, ()

        ts = self.ts.replace(obs=observe(self.env, state, self.params))
        action, _ = self.env.act(ask, self.keys, state, ts, self.params)
        return action, self.reward(state, action)

    def reward(self, state, action):
        """The mean reward of each world."""
        return self.env.step_from(state, action, self.draws, self.params)[1].reward[GROUP].mean(0)

    def future(self, turn, i):
        """The state with whoever comes after a turn as they are i worlds further on."""

        def of(x):
            if x.shape[:1] != (self.env.n_vehicles,):
                return x
            later = jnp.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1)) > turn
            return jnp.where(later, jnp.roll(x, -i, -1), x)

        return jax.tree.map(of, self.state)

    @partial(jax.jit, static_argnums=(0, 1, 5))
    def tried(self, component, turn, change, first, many):
        """The mean reward of each world over futures, if the vehicle of a turn changes a component.

        Args:
            component: its name.
            turn: whose.
            change: of a number by how much, of a target to which.
            first, many: futures.
        """

        def otherwise(who, action):
            x = action[component]
            new = change.astype(x.dtype) if component == "target" else jnp.clip(x + change, -1, 1)
            mine = (who == turn).reshape(len(who), *(1,) * (x.ndim - who.ndim), *who.shape[1:])
            return action | {component: jnp.where(mine, new, x)}

        worth = jax.lax.map(lambda i: self.play(self.future(turn, i), otherwise)[1], first + jnp.arange(many))
        return worth.mean(0)

    def gain(self, component, turn, changes, futures):
        """What the best change of each row gains, in each world: chosen on half of the futures, judged on the other."""
        halves = [1, 1 + futures // 2]
        as_it_is, otherwise = (
            jnp.stack([jnp.stack([self.tried(c, turn, x, f, futures // 2) for x in of]) for f in halves])
            for c, of in (("bandwidth", jnp.zeros(1)), (component, changes))
        )
        ahead = otherwise - as_it_is
        best = jnp.argmax(ahead[0], 0)
        chosen = jnp.take_along_axis(ahead, best[None, None], 1)[:, 0]
        return jnp.where(chosen[0] > 0, chosen[1], 0)

    @partial(jax.jit, static_argnums=(0, 2))
    def informed(self, action, components, steps=300):
        """What each world gains if some numbers follow their gradient, with all draws known."""
        optimiser = optax.adam(optax.cosine_decay_schedule(0.03, steps))
        numbers = {name: action[GROUP][name] for name in components}

        def loss(x):
            worth = self.reward(self.state, {GROUP: action[GROUP] | x})
            return -worth.sum(), worth

        def step(carry, _):
            x, moments, best = carry
            slope, worth = jax.grad(loss, has_aux=True)(x)
            change, moments = optimiser.update(slope, moments)
            return ({n: jnp.clip(x[n] + change[n], -1, 1) for n in x}, moments, jnp.maximum(best, worth)), None

        start = self.reward(self.state, action)
        return jax.lax.scan(step, (numbers, optimiser.init(numbers), start), length=steps)[0][2] - start


def measured(updates, worlds, futures):
    """Gains by name, each `(mean, half of its 95 % interval)` over worlds; they are printed as they come."""
    env, params = jaxvec.make("v2x_offload")
    learner = learners.make("apg", env, prior="greedy")
    state = jaxvec.train(learner, params, jax.random.key(1), updates).state
    slot = Slot(env, params, learner.policy(state, True), worlds)
    rule = Slot(env, params, fixed(env, params)["greedy"], worlds)
    found = {}

    def note(name, x):
        found[name] = tuple(map(float, interval(x)))
        print(f"{name:60s}{found[name][0]:12.7f} +- {found[name][1]:.7f}", flush=True)

    action, reward = slot.play(slot.state)
    note("ahead of greedy", reward - rule.play(rule.state)[1])
    changes = {name: jnp.asarray(OFFSETS) * 2 for name in ("bandwidth", "cpu")}
    changes["target"] = jnp.arange(1 + env.n_servers)
    for component, of in changes.items():
        gains = [slot.gain(component, turn, of, futures) for turn in range(env.n_vehicles)]
        note(f"{component}, by its row, sum over turns", sum(gains))
        note(f"{component}, by its row, most of a turn", max(gains, key=jnp.mean))
    for components in (("bandwidth",), ("cpu",), ("bandwidth", "cpu", "power")):
        note(f"{', '.join(components)}, knowing all", slot.informed(action, components))
    short, of_rule, of_policy = jaxvec.make("v2x_offload", horizon=4)[0], fixed(env, params)["greedy"], slot.policy
    rewards = evaluate(short, {"greedy": of_rule}, KEY, params, worlds // 8)["greedy"]["reward"]
    for name, start in {"greedy": of_rule, "the policy": of_policy}.items():
        plan = episode_bound(short, params, KEY, worlds // 8, starts={name: start})
        note(f"a plan that knows all, from {name}, ahead of greedy", plan.reward - rewards)
    return found


def page(found, head):
    """As Markdown."""
    lines = ["what | mean reward gained"] + [f"{name} | {x:.6f} ± {half:.6f}" for name, (x, half) in found.items()]
    return f"{markdown(lines)}\n\n{head}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--worlds", type=int, default=256)
    parser.add_argument("--futures", type=int, default=128)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.futures < 2 or args.futures % 2 or args.futures >= args.worlds or args.worlds < 16:
        parser.error("--worlds must be at least 16; --futures even, at least 2, and less than --worlds")
    found = measured(args.updates, args.worlds, args.futures)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        here = bench.machine()
        asked = f"--updates {args.updates} --worlds {args.worlds} --futures {args.futures}"
        made = f"commit {commit()} · jax {here['jax']} · {here['device']}, {here['cores']} cores · {here['date']}"
        write_text(args.out / f"row-{bench.slug(here)}.md", page(found, f"`python benchmarks/row.py {asked}` · {made}"))


if __name__ == "__main__":
    main()
