"""Which choices of a slot are replayed, and what their replays say: exact counterfactuals, and differences across jumps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.spaces import Box, Discrete
from jaxvec.core.types import Observation
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.actors import Groups


class Picked(NamedTuple):
    """Choices of one discrete component that are replayed.

    Attributes:
        group, name: of the component.
        entries: int `(S, W)`, which of them, counted agent by agent.
        n_entries: how many there are.
        options: int `(S, k, W)`, which options of each are replayed.
        logits: of these `(S, k, W)`, with the gradient of the actor.
    """

    group: str
    name: str
    entries: Array
    n_entries: int
    options: Array
    logits: Array


class Replays:
    """The choices of an environment's agents, and the numbers that act through jumps.

    Attributes:
        env: whose they are.
        sampled_choices, alternatives: see `jaxvec.learners.apg_types.Settings`.
    """

    def __init__(self, env: Environment, sampled_choices: int, alternatives: int):
        self.env, self.sampled_choices, self.alternatives = env, sampled_choices, alternatives
        components = [(g, name, space) for g, spaces in env.action_space.items() for name, space in spaces.items()]
        self.choices = [(g, name, space) for g, name, space in components if isinstance(space, Discrete)]
        self.jumps = [
            (g, name, space) for g, name, space in components if isinstance(space, Box) and f"{g}/{name}" in env.jumps
        ]

    def __bool__(self) -> bool:
        """Whether there is anything to be replayed."""
        return bool(self.choices or self.jumps)

    def gains(
        self,
        worth: Callable[[Groups], Array],
        action: Groups,
        outputs: Groups,
        obs: Observation,
        key: Array,
        jump: Array | float,
    ) -> tuple[Array, Array]:
        """What replays say of a slot's choices and jumps, and the entropy of its choices, summed [nat], `(W,)` each.

        Only the gradient of the former with respect to the outputs means something: its value is 0 in the mean.

        Args:
            worth: from whole actions with a leading axis of replays to what they earn, `(R, W)`.
            action: of the slot, batch-last.
            outputs: of the actors behind it, per group `(W, n, width)`.
            obs: as each agent saw it when it was asked.
            key: one per world `(W,)`.
            jump: deviation of antithetic replays, in units of half a box.
        """
        picked = [
            self.pick(group, name, action[group][name], outputs[group], obs, rng.stream(key, f"{group}/{name}"))
            for group, name, _ in self.choices
        ]
        moved = [
            self.move(group, name, action[group][name], rng.stream(key, f"{group}/{name}"))
            for group, name, _ in self.jumps
        ]
        changed = [(p.group, p.name, self.with_options(p, action)) for p in picked]
        changed += [
            (group, name, jnp.clip(jnp.stack([x + jump * half * way, x - jump * half * way]), space.low, space.high))
            for (group, name, space), way in zip(self.jumps, moved, strict=True)
            for x, half in [(action[group][name], (space.high - space.low) / 2)]
        ]
        q, gain, entropy, first = worth(_whole(action, changed)), jnp.zeros(key.shape), jnp.zeros(key.shape), 0
        for pick in picked:
            each = q[first : first + pick.options.shape[0] * pick.options.shape[1]].reshape(pick.options.shape)
            first += pick.options.shape[0] * pick.options.shape[1]
            pi = jax.nn.softmax(pick.logits, 1)
            better = jax.lax.stop_gradient(each - jnp.sum(pi * each, 1, keepdims=True))
            weight = part_taken(pick, obs, self.env.n_agents[pick.group])
            gain += pick.n_entries / len(pick.entries) * jnp.sum(weight[:, None] * pi * better, (0, 1))
            log_pi = jax.nn.log_softmax(self.logits(pick.group, pick.name, outputs[pick.group], obs))
            entropy -= jnp.sum(jnp.exp(log_pi) * jnp.where(log_pi > flat.FORBIDDEN / 2, log_pi, 0), (1, 2))
        for (group, name, _), way in zip(self.jumps, moved, strict=True):
            y = batch_last(flat.clipped(flat.split(self.env.action_space[group], outputs[group])[name]), 1)
            slope = self.env.n_agents[group] * (q[first] - q[first + 1]) / (2 * jump)
            gain += jax.lax.stop_gradient(slope) * jnp.sum(way * y, tuple(range(y.ndim - 1)))
            first += 2
        return gain, entropy

    def pick(self, group: str, name: str, x: Array, outputs: Array, obs: Observation, key: Array) -> Picked:
        """Which choices of a discrete component are replayed, and with which options.

        Args:
            group, name: of the component.
            x: what was chosen, `(n, *shape, W)`.
            outputs: of the group's actor `(W, n, width)`.
            obs: as each agent saw it.
            key: one per world, of this component.
        """
        n_entries = self.env.n_agents[group] * self.env.action_space[group][name].size
        entries = draw_entries(key, n_entries, self.sampled_choices)
        logits = jnp.moveaxis(self.logits(group, name, outputs, obs), 0, -1)  # (entries, n, W)
        logits = jnp.take_along_axis(logits, entries[:, None], 0)
        taken = jnp.take_along_axis(x.reshape(n_entries, -1), entries, 0)
        options = draw_options(rng.stream(key, "options"), logits, taken, self.alternatives)
        return Picked(group, name, entries, n_entries, options, jnp.take_along_axis(logits, options, 1))

    def with_options(self, pick: Picked, action: Groups) -> Array:
        """One component with one choice changed, to every option in turn.

        Args:
            pick: which choices of which component, and which options.
            action: of the slot, batch-last.
        Returns:
            `(S k, n, *shape, W)`.
        """
        x = action[pick.group][pick.name]
        mine = jnp.arange(pick.n_entries)[:, None] == pick.entries[:, None, None]
        every = jnp.where(mine, pick.options[:, :, None].astype(x.dtype), x.reshape(pick.n_entries, -1))
        return every.reshape(-1, *x.shape)

    def move(self, group: str, name: str, x: Array, key: Array) -> Array:
        """A random direction `(n, *shape, W)` in which the numbers of one agent of a world are moved, up and down.

        Args:
            group, name: of the component.
            x: the numbers.
            key: one per world.
        """
        agent = draw_entries(rng.stream(key, "agent"), self.env.n_agents[group], 1)[0]
        u = rng.uniforms(key, {"u": x.shape[:-1]})["u"]
        return ndtri(u) * (jnp.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1)) == agent)

    def logits(self, group: str, name: str, outputs: Array, obs: Observation) -> Array:
        """Logits of a component's choices, out of the question where a choice is not allowed.

        Args:
            group, name: of the component.
            outputs: of the group's actor `(W, n, width)`.
            obs: as each agent saw it, batch-last.
        Returns:
            `(W, entries, k)`.
        """
        space: Any = self.env.action_space[group][name]
        x = flat.split(self.env.action_space[group], outputs)[name]
        x = flat.masked(x, batch_first(obs.mask, 1).get(group, {}).get(name))
        return x.reshape(len(outputs), -1, space.n)


def _whole(action: Groups, changed: list[tuple[str, str, Array]]) -> Groups:
    """Whole actions with a leading axis of replays, in each of which one component is another."""
    actions: Groups = {group: {} for group in action}
    for group, parts in action.items():
        for name, x in parts.items():
            rows_of = [
                rows if (group, name) == (g, m) else jnp.broadcast_to(x, (len(rows), *x.shape))
                for g, m, rows in changed
            ]
            actions[group][name] = jnp.concatenate(rows_of)
    return actions


def draw_entries(key: Array, n: int, sampled: int) -> Array:
    """Which of n entries: all, or some, drawn with replacement.

    Args:
        key: one per world `(W,)`.
        n: entries.
        sampled: S, how many of them; 0, or as many as there are, for all.
    Returns:
        int `(S, W)`.
    """
    if not 0 < sampled < n:
        return jnp.broadcast_to(jnp.arange(n)[:, None], (n, *key.shape))
    u = rng.uniforms(key, {"u": (sampled,)})["u"]
    return jnp.minimum((u * n).astype(jnp.int32), n - 1)


def draw_options(key: Array, logits: Array, taken: Array, many: int) -> Array:
    """Which options of each choice are replayed, int `(S, k, W)`: all, or the one taken and some by their probabilities.

    Args:
        key: one per world.
        logits: of all options `(S, n, W)`.
        taken: int `(S, W)`.
        many: k at most.
    Returns:
        int `(S, k, W)`.
    """
    n = logits.shape[1]
    index = jnp.arange(n)[:, None]
    if n <= many:
        return jnp.broadcast_to(index, logits.shape)
    noise = rng.uniforms(key, {"gumbel": logits.shape[:-1]})["gumbel"]
    noisy = jnp.where(index == taken[:, None], jnp.inf, jax.lax.stop_gradient(logits) - jnp.log(-jnp.log(noise)))
    return jnp.moveaxis(jax.lax.top_k(jnp.moveaxis(noisy, 1, -1), many)[1], -1, 1)


def part_taken(pick: Picked, obs: Observation, n_agents: int) -> Array:
    """Whether the agents of picked entries take part in a slot.

    Args:
        pick: entries of a component.
        obs: as each agent saw it, batch-last.
        n_agents: of the group.
    Returns:
        `(S, W)`, 1 or 0.
    """
    if pick.group not in obs.active:
        return jnp.ones(pick.entries.shape)
    agent = pick.entries // (pick.n_entries // n_agents)
    return jnp.take_along_axis(obs.active[pick.group], agent, 0).astype(float)
