"""A rule as the prior of a policy: the policy is a residual on it (Silver et al. 2018; Johannink et al. 2019).

What the rule would do is written behind what each agent sees, and added to what its network says: choices as logits, numbers as
means. Of a rule that weighs all options, it is what each is behind the best, in units that the rule has: that says more. The
network's last layer starts at zero, so that the first policy is the rule. A rule is local where it reads an agent's own row
alone; with a central one as prior, the policy knows what the rule knows.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec import policies
from jaxvec.core import rng
from jaxvec.core.environment import ActFn, Environment
from jaxvec.core.errors import suggest
from jaxvec.core.spaces import Box, Discrete, Space
from jaxvec.core.types import ActTrace, Observation, Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.networks import Network

FAR = 10.0  # behind the best: more makes no difference
EDGE = 0.995  # of a box in units of [-1, 1]: where tanh is asked for more, its outputs would be infinite


@dataclass(frozen=True)
class PriorWrapper(Wrapper):
    """Writes what a rule would do behind what each agent sees, as flat actions; see `jaxvec.learners.blocks.flat`.

    Attributes:
        env: whose agents act.
        prior: the rule's name, see `jaxvec.policies.fixed`.
    """

    prior: str

    observation_layout = property(lambda self: {g: x for g, x in self.env.observation_layout.items() if g == "world"})

    @property
    def observation_space(self) -> dict[str, Box]:
        """Wider by a flat action."""
        spaces = {}
        for group, space in self.env.observation_space.items():
            size = space.shape[0] + flat.width(self.env.action_space[group])
            spaces[group] = Box(-float("inf"), float("inf"), (size,))
        return spaces

    def propose(self, key: Array, obs: Observation, params: Any) -> Observation:
        """An observation of the environment itself, with the rule's action behind every row.

        Args:
            key: of the rule's chance, one per world.
            obs: of all agents, or of those that are asked.
            params: the numbers, which the rule knows.
        """
        rule: Any = policies.fixed(self.env, params)[self.prior]
        weigh = getattr(rule, "scores", None)  # a plain function is a rule, too
        action, scores, rows = rule(rng.stream(key, "prior"), obs), weigh(key, obs) if weigh else {}, {}
        for group, seen in obs.agents.items():
            weighed = {
                name: _behind(x, self.env.action_space[group][name]) for name, x in scores.get(group, {}).items()
            }
            parts = [
                weighed[name] if name in weighed else _flat(space, action[group][name])
                for name, space in self.env.action_space[group].items()
            ]
            rows[group] = jnp.concatenate([seen, *(jax.lax.stop_gradient(x).astype(seen.dtype) for x in parts)], 1)
        return obs.replace(agents=rows)

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """As the environment's, with the rule's action."""
        state, ts = self.env.reset(key, params)
        return state, ts.replace(obs=self.propose(key, ts.obs, params))

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot; then what the rule would do in the next."""
        state, ts = self.env.step(key, state, action, params)
        return state, ts.replace(obs=self.propose(key, ts.obs, params))

    def act(self, act_fn: ActFn, key: Array, state: Any, ts: Timestep, params: Any) -> tuple[Any, ActTrace]:
        """The environment's; where agents take turns, the rule is asked again in each."""
        if not self.takes_turns:
            return self.env.act(act_fn, key, state, ts, params)
        bare = ts.replace(obs=self._without(ts.obs))

        def ask(key: Array, obs: Observation) -> tuple[Any, Any]:
            seen = self.propose(key, obs, params)
            action, extras = act_fn(key, seen)
            return action, (extras, seen.agents)

        action, trace = self.env.act(ask, key, state, bare, params)
        extras, rows = trace.extras
        return action, ActTrace(trace.obs.replace(agents=rows), extras)

    def joint(self, obs: Observation) -> Array:
        """The environment's, without the rule's actions."""
        return self.env.joint(self._without(obs))

    def add_forecast(self, obs: Observation, forecast: Array) -> Observation:
        """The environment's; the rule's actions stay behind it."""
        told = self.env.add_forecast(self._without(obs), forecast)
        behind = {g: x[:, told.agents[g].shape[1] :] for g, x in obs.agents.items()}
        return told.replace(agents={g: jnp.concatenate([x, behind[g]], 1) for g, x in told.agents.items()})

    def _without(self, obs: Observation) -> Observation:
        """What the environment itself shows."""
        widths = {group: flat.width(self.env.action_space[group]) for group in obs.agents}
        return obs.replace(agents={group: x[:, : x.shape[1] - widths[group]] for group, x in obs.agents.items()})


def _flat(space: Space, action: Array) -> Array:
    """A component `(n, *shape, *batch)` as entries of a flat action `(n, width, *batch)`."""
    axes = 1 + len(space.shape)
    if isinstance(space, Discrete):
        choices = jnp.arange(space.n).reshape(space.n, *(1,) * (action.ndim - axes))
        action = (jnp.expand_dims(action, axes) == choices).astype(float)
    else:
        action = 2 * (action - space.low) / (space.high - space.low) - 1
    return action.reshape(len(action), -1, *action.shape[axes + isinstance(space, Discrete) :])


def _behind(scores: Array, space: Any) -> Array:
    """What each option is behind the best, `(n, *shape, k, *batch)`, as entries of a flat action `(n, width, *batch)`."""
    scores = jnp.maximum(scores, jnp.finfo(scores.dtype).min)  # of what may not be chosen it may be -inf
    behind = jnp.maximum(scores - jnp.max(scores, 1 + len(space.shape), keepdims=True), -FAR)
    return behind.reshape(len(scores), -1, *scores.shape[2 + len(space.shape) :])


def check_prior(name: str, env: Environment, settings: Any) -> None:
    """Refuse a prior that cannot be one.

    Args:
        name: of the learner, for messages.
        env: what it learns on.
        settings: the learner's, with `prior`, a rule's name or None.
    Raises:
        ValueError: the environment has no such rule (those that there are are named); or observations are normalised entry by
            entry, which would change what the rule says.
    """
    if settings.prior is None:
        return
    rules = policies.fixed(env, env.default_params())
    if settings.prior not in rules:
        raise ValueError(f"{name}: {suggest('prior', settings.prior, rules)}")
    if settings.normalise_observations:
        raise ValueError(f"{name}: a prior takes observations as they are, not normalise_observations=True")


def with_prior(env: Environment, prior: str | None) -> Environment:
    """The environment whose agents see what a rule would do; itself, where there is none.

    Args:
        env: whose agents act.
        prior: a rule's name, or None.
    """
    return env if prior is None else PriorWrapper(env, prior)


def propose(env: Environment, key: Array, obs: Observation, params: Any) -> Observation:
    """What agents are shown of an observation that has no prior yet, see `PriorWrapper.propose`.

    Args:
        env: whose agents they are; one without a prior shows the observation as it is.
        key: of the rule's chance, one per world.
        obs: of all agents, or of those that are asked.
        params: the numbers, which the rule knows.
    Raises:
        TypeError: the key is not typed.
    """
    rng.check_key(key)
    return env.propose(key, obs, params) if isinstance(env, PriorWrapper) else obs


def residual(network: Network, spaces: flat.Spaces, *, logit: float, squashed: bool, deviations: bool) -> Network:
    """A network whose outputs are added to what a rule would do.

    Args:
        network: of what an agent sees, whose outputs start at zero but for the deviations.
        spaces: of the group's actions.
        logit: what is added to the logit of the rule's choice; of options that it weighs, for each unit of that.
        squashed: numbers are tanh of the outputs, rather than the outputs.
        deviations: outputs have a logarithm of a deviation behind each component's means, as `heads` have them.
    Returns:
        A network of what an agent sees with the rule's flat action behind it, as `PriorWrapper` shows it.
    """
    width = flat.width(spaces)

    def outputs_of(rule: Array) -> Array:
        parts: list[Array] = []
        for name, x in flat.split(spaces, rule).items():
            x = x.reshape(*rule.shape[:-1], -1)
            if isinstance(spaces[name], Discrete):
                parts.append(logit * x)
            else:
                parts.append(jnp.arctanh(jnp.clip(x, -EDGE, EDGE)) if squashed else x)
                parts += [jnp.zeros_like(x)] if deviations else []
        return jnp.concatenate(parts, -1)

    def apart(x: Any) -> tuple[Any, Array]:
        if network.pools:  # an agent's own row, and all rows, which may show what the rule would do
            return (x[0][..., :-width], x[1]), x[0][..., -width:]
        return x[..., :-width], x[..., -width:]

    def init(key: Array, x: Any) -> Any:
        return network.init(key, apart(x)[0])

    def apply(params: Any, memory: Any, x: Any) -> tuple[Array, Any]:
        seen, rule = apart(x)
        y, memory = network.apply(params, memory, seen)
        return y + outputs_of(rule), memory

    return network._replace(init=init, apply=apply)
