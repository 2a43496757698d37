"""The peers, as cases to be timed beside ours.

- The NumPy twin of `isac_iov` from the tests: the same model written plainly, one world at a time.
- JaxMARL's MPE `simple_spread` (3 agents) and gymnax' CartPole (1 agent), as their users run them: `vmap` over worlds, `scan`
  over steps, the package's own step with its automatic reset, all under one jit.
- JaxMARL's IPPO on `simple_spread`. The package does not contain its baselines, so `mpe_ippo` is the same algorithm with the
  settings of its `ippo_ff_mpe`, written anew on the package's environment and log wrapper; logging to the host is left out.
- MADDPG in PyTorch, written as such codes are: an agent after the other, each with its networks and optimisers, a NumPy buffer.
  It gets its transitions for nothing: there is no environment behind them.

All but the first need the extra `bench`. `missing()` tells what is not there; the NumPy twin always is, in a source checkout.
"""

import copy
import importlib.util
import itertools
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import distrax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import NamedSharding

from jaxvec.bench import Case, compiled

TWIN = Path(__file__).parents[1] / "tests" / "reference" / "isac_iov.py"
MPE = "MPE_simple_spread_v3"
CHUNK = 100  # steps of one scan of an environment that resets itself


@cache
def _package(name: str) -> ModuleType | str:
    """An optional package, or why it cannot be had."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # an old release may fail in any way on a new JAX
        return f"{name} cannot be imported ({type(error).__name__}: {error})"


def missing(name: str) -> str:
    """Why a package cannot be used, or nothing."""
    package = _package(name)
    return package if isinstance(package, str) else ""


# The NumPy twin


def numpy_twin() -> Case:
    """Whole episodes with random actions in one world, resets included, no observations."""
    spec = importlib.util.spec_from_file_location("isac_iov_twin", TWIN)
    twin = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = twin
    spec.loader.exec_module(twin)
    config = twin.Config()

    def call(i: int, units: int) -> None:
        generator = np.random.default_rng(i)
        for _ in range(units):
            state = twin.reset_from(twin.reset_draws(generator, config), config)
            for _ in range(config.horizon):
                action = twin.random(generator, state, config)
                state, _, _ = twin.step_from(state, action, twin.step_draws(generator, config), config)

    row = {
        "what": "peer",
        "series": "NumPy twin of isac_iov, random actions",
        "env": "isac_iov",
        "worlds": 1,
        "agents": config.n_vehicles,
        "numpy": np.__version__,
    }
    return Case(row, config.horizon, call)


# Environments that reset themselves


def _chunks(worlds: int, reset: Callable, step: Callable, pin: Callable[[Array], Array]) -> Callable:
    """`run(key, units)`: units x CHUNK steps in so many worlds; gives the mean reward.

    Args:
        reset: `reset(key) -> observation, state` of one world.
        step: `step(key, state) -> observation, state, reward` of one world, which draws its action as well.
        pin: says how keys `(worlds,)` lie on devices.
    """

    def slot(carry: Any, _: None) -> tuple[Any, Array]:
        key, _, state = carry
        key, now = jax.random.split(key)
        obs, state, reward = jax.vmap(step)(pin(jax.random.split(now, worlds)), state)
        return (key, obs, state), reward

    def run(key: Array, units: Array) -> Array:
        key, first = jax.random.split(key)
        carry = key, *jax.vmap(reset)(pin(jax.random.split(first, worlds)))

        def chunk(_: Array, loop: tuple[Any, Array]) -> tuple[Any, Array]:
            carry, rewards = jax.lax.scan(slot, loop[0], None, CHUNK)
            return carry, loop[1] + rewards.mean(0)

        return jax.lax.fori_loop(0, units, chunk, (carry, jnp.zeros(worlds)))[1]

    return run


def mpe(worlds: int, sharding: NamedSharding | None = None) -> Case:
    """JaxMARL's `simple_spread`, random actions. `sharding`: lay the worlds over devices, which its own examples do not."""
    env = _package("jaxmarl").make(MPE)

    def step(key: Array, state: Any) -> tuple[Any, Any, Array]:
        key, *own = jax.random.split(key, 1 + env.num_agents)
        action = {agent: env.action_space(agent).sample(k) for agent, k in zip(env.agents, own, strict=True)}
        obs, state, reward, _, _ = env.step(key, state, action)
        return obs, state, jnp.stack(list(reward.values())).mean()

    pin = (lambda keys: keys) if sharding is None else partial(jax.lax.with_sharding_constraint, shardings=sharding)
    over = 1 if sharding is None else sharding.num_devices
    row = {
        "what": "peer",
        "series": "JaxMARL simple_spread, random actions" + (", sharded" if over > 1 else ""),
        "env": MPE,
        "worlds": worlds,
        "agents": env.num_agents,
        "sharded_over": over,
        "jaxmarl": version("jaxmarl"),
    }
    return compiled(row, worlds * CHUNK, _chunks(worlds, env.reset, step, pin))


def cartpole(worlds: int) -> Case:
    """gymnax' CartPole, random actions: the anchor that most JAX projects can be compared with."""
    env, params = _package("gymnax").make("CartPole-v1")

    def step(key: Array, state: Any) -> tuple[Any, Any, Array]:
        key, own = jax.random.split(key)
        obs, state, reward, *_ = env.step(key, state, env.action_space(params).sample(own), params)
        return obs, state, reward

    row = {
        "what": "peer",
        "series": "gymnax CartPole, random actions",
        "env": "CartPole-v1",
        "worlds": worlds,
        "agents": 1,
        "sharded_over": 1,
        "gymnax": version("gymnax"),
    }
    run = _chunks(worlds, lambda key: env.reset(key, params), step, lambda keys: keys)
    return compiled(row, worlds * CHUNK, run)


# JaxMARL's IPPO


class Settings(NamedTuple):
    """The settings of JaxMARL's `ippo_ff_mpe`; `n_envs` is 16 there."""

    n_envs: int = 16
    n_steps: int = 128
    total_steps: int = 10_000_000
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 2.5e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    max_grad_norm: float = 0.5


class ActorCritic(nn.Module):
    """Two separate 64-64 tanh networks, shared by all agents: logits and value."""

    n_actions: int

    @nn.compact
    def __call__(self, obs: Array) -> tuple[distrax.Categorical, Array]:
        def tower(outputs: int, last_scale: float) -> Array:
            x = obs
            for _ in range(2):
                x = nn.tanh(nn.Dense(64, kernel_init=nn.initializers.orthogonal(np.sqrt(2)))(x))
            return nn.Dense(outputs, kernel_init=nn.initializers.orthogonal(last_scale))(x)

        return distrax.Categorical(logits=tower(self.n_actions, 0.01)), tower(1, 1.0)[..., 0]


class Seen(NamedTuple):
    """What a slot leaves for learning; leaves `(agents x worlds, ...)`."""

    obs: Array
    action: Array
    log_prob: Array
    value: Array
    reward: Array
    done: Array


class Ippo:
    """Independent PPO with shared parameters on `simple_spread`; see the module."""

    def __init__(self, settings: Settings):
        self.settings = s = settings
        wrappers = importlib.import_module("jaxmarl.wrappers.baselines")
        self.env = wrappers.MPELogWrapper(_package("jaxmarl").make(MPE))
        self.net = ActorCritic(self.env.action_space(self.env.agents[0]).n)
        updates = s.total_steps // (s.n_steps * s.n_envs)

        def decay(count: Array) -> Array:
            return s.learning_rate * (1 - count // (s.minibatches * s.epochs) / updates)

        self.tx = optax.chain(optax.clip_by_global_norm(s.max_grad_norm), optax.adam(decay, eps=1e-5))

    def stack(self, by_agent: dict[str, Array]) -> Array:
        """Agents' arrays `(worlds, ...)` as one `(agents x worlds, ...)`."""
        return jnp.concatenate([by_agent[agent] for agent in self.env.agents])

    def init(self, key: Array) -> tuple:
        """`(params, optimiser, observations, worlds, key)`."""
        key, own, worlds = jax.random.split(key, 3)
        obs, state = jax.vmap(self.env.reset)(jax.random.split(worlds, self.settings.n_envs))
        params = self.net.init(own, self.stack(obs))
        return params, self.tx.init(params), obs, state, key

    def update(self, runner: tuple) -> tuple[tuple, Array]:
        """Collect, then learn. Gives the runner and the mean return of the episodes that ended last."""
        params, opt, obs, state, key = runner
        (obs, state, key), (seen, returns) = jax.lax.scan(
            partial(self._slot, params), (obs, state, key), None, self.settings.n_steps
        )
        advantage = self._advantages(seen, self.net.apply(params, self.stack(obs))[1])
        batch = seen, advantage, advantage + seen.value
        (params, opt, key), _ = jax.lax.scan(
            partial(self._epoch, batch), (params, opt, key), None, self.settings.epochs
        )
        return (params, opt, obs, state, key), returns.mean()

    def _slot(self, params: Any, carry: tuple, _: None) -> tuple[tuple, tuple[Seen, Array]]:
        obs, state, key = carry
        key, own, worlds = jax.random.split(key, 3)
        flat = self.stack(obs)
        policy, value = self.net.apply(params, flat)
        action, log_prob = policy.sample_and_log_prob(seed=own)
        by_agent = dict(zip(self.env.agents, jnp.split(action, self.env.num_agents), strict=True))
        keys = jax.random.split(worlds, self.settings.n_envs)
        obs, state, reward, done, info = jax.vmap(self.env.step)(keys, state, by_agent)
        seen = Seen(flat, action, log_prob, value, self.stack(reward), self.stack(done))
        return (obs, state, key), (seen, info["returned_episode_returns"])

    def _advantages(self, seen: Seen, last_value: Array) -> Array:
        s = self.settings

        def back(carry: tuple[Array, Array], now: Seen) -> tuple[tuple[Array, Array], Array]:
            following, value = carry
            delta = now.reward + s.gamma * value * (1 - now.done) - now.value
            advantage = delta + s.gamma * s.gae_lambda * (1 - now.done) * following
            return (advantage, now.value), advantage

        start = jnp.zeros_like(last_value), last_value
        return jax.lax.scan(back, start, seen, reverse=True, unroll=8)[1]

    def _epoch(self, batch: tuple, carry: tuple, _: None) -> tuple[tuple, None]:
        params, opt, key = carry
        key, own = jax.random.split(key)
        size = batch[1].size
        order = jax.random.permutation(own, size)

        def cut(x: Array) -> Array:
            mixed = jnp.take(x.reshape((size, *x.shape[2:])), order, axis=0)
            return mixed.reshape((self.settings.minibatches, -1, *x.shape[2:]))

        def learn(carry: tuple, part: tuple) -> tuple[tuple, Array]:
            params, opt = carry
            loss, grads = jax.value_and_grad(self._loss)(params, *part)
            steps, opt = self.tx.update(grads, opt, params)
            return (optax.apply_updates(params, steps), opt), loss

        (params, opt), _ = jax.lax.scan(learn, (params, opt), jax.tree.map(cut, batch))
        return (params, opt, key), None

    def _loss(self, params: Any, seen: Seen, advantage: Array, target: Array) -> Array:
        s = self.settings
        policy, value = self.net.apply(params, seen.obs)
        near = seen.value + jnp.clip(value - seen.value, -s.clip, s.clip)
        value_loss = 0.5 * jnp.maximum((value - target) ** 2, (near - target) ** 2).mean()
        ratio = jnp.exp(policy.log_prob(seen.action) - seen.log_prob)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        gain = jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - s.clip, 1 + s.clip) * advantage).mean()
        return s.value_weight * value_loss - gain - s.entropy_weight * policy.entropy().mean()


def mpe_ippo(n_envs: int = 16) -> Case:
    """Updates of IPPO on `simple_spread`."""
    settings = Settings(n_envs)
    ippo = Ippo(settings)
    runner = jax.jit(ippo.init)(jax.random.key(0))

    def updates(key: Array, units: Array, runner: tuple) -> tuple:
        return jax.lax.fori_loop(0, units, lambda _, runner: ippo.update(runner)[0], runner)

    row = {
        "what": "peer",
        "series": "JaxMARL simple_spread, its IPPO written anew",
        "env": MPE,
        "learner": "ippo",
        "worlds": n_envs,
        "agents": ippo.env.num_agents,
        "settings": str(settings),
        "jaxmarl": version("jaxmarl"),
    }
    return compiled(row, settings.n_steps * n_envs, updates, runner)


# MADDPG in PyTorch


class TorchMaddpg:
    """MADDPG in PyTorch: networks and optimisers of every agent, and a buffer of 10 000 random transitions.

    Args:
        n_agents: how many.
        obs: entries of an agent's observation.
        shared: entries that critics see beside all observations of one agent and all actions.
        actions: entries of an agent's action.
        hidden: widths.
        batch: transitions a step.
    """

    rows = 10_000

    def __init__(self, n_agents: int, obs: int, shared: int, actions: int, hidden: tuple[int, ...], batch: int):
        import torch
        from torch import nn

        self.torch, self.hidden, self.batch, self.n_actions = torch, hidden, batch, actions
        torch.manual_seed(0)
        self.actors = [self.net(obs, actions, nn.Tanh()) for _ in range(n_agents)]
        self.critics = [self.net(obs + shared + n_agents * actions, 1) for _ in range(n_agents)]
        pairs = list(zip(self.actors, self.critics, strict=True))
        self.targets = [(copy.deepcopy(actor), copy.deepcopy(critic)) for actor, critic in pairs]
        self.optimisers = [tuple(torch.optim.Adam(net.parameters(), 1e-3) for net in pair) for pair in pairs]
        self.generator = np.random.default_rng(0)
        shapes = [(n_agents, obs), (shared,), (n_agents, actions), (n_agents, 1), (n_agents, obs), (shared,)]
        self.buffer = [self.generator.standard_normal((self.rows, *x), dtype=np.float32) for x in shapes]
        self.buffer[2] = np.tanh(self.buffer[2])

    def net(self, inputs: int, outputs: int, *last: Any) -> Any:
        """A network of the hidden widths, with ReLU between and `last` behind."""
        nn, widths = self.torch.nn, (inputs, *self.hidden)
        layers = [part for i, o in itertools.pairwise(widths) for part in (nn.Linear(i, o), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(widths[-1], outputs), *last)

    def value(self, critic: Any, i: int, obs: Any, world: Any, actions: Any) -> Any:
        """What a critic of the i-th agent says of a batch."""
        return critic(self.torch.cat((obs[:, i], world, actions.flatten(1)), 1))

    def learn(self, i: int) -> None:
        """A gradient step of the i-th agent's critic and actor, and of its targets towards them."""
        torch, rows = self.torch, self.generator.integers(0, self.rows, self.batch)
        obs, world, actions, reward, next_obs, next_world = (torch.from_numpy(part[rows]) for part in self.buffer)
        with torch.no_grad():
            after = torch.stack([target(next_obs[:, j]) for j, (target, _) in enumerate(self.targets)], 1)
            aim = reward[:, i] + 0.7 * self.value(self.targets[i][1], i, next_obs, next_world, after)
        of_actor, of_critic = self.optimisers[i]
        of_critic.zero_grad()
        torch.nn.functional.mse_loss(self.value(self.critics[i], i, obs, world, actions), aim).backward()
        of_critic.step()
        chosen = actions.clone()
        chosen[:, i] = self.actors[i](obs[:, i])
        of_actor.zero_grad()
        (-self.value(self.critics[i], i, obs, world, chosen).mean()).backward()
        of_actor.step()
        with torch.no_grad():
            for net, target in zip((self.actors[i], self.critics[i]), self.targets[i], strict=True):
                for x, y in zip(net.parameters(), target.parameters(), strict=True):
                    y.lerp_(x, 0.01)

    def slot(self, t: int) -> None:
        """Every agent acts, then every agent learns."""
        with self.torch.no_grad():
            obs = self.buffer[0][t % self.rows]
            means = [actor(self.torch.from_numpy(obs[j])) for j, actor in enumerate(self.actors)]
        noise = [0.3 * self.generator.standard_normal(self.n_actions) for _ in means]
        self.buffer[2][t % self.rows] = [np.clip(m.numpy() + n, -1, 1) for m, n in zip(means, noise, strict=True)]
        for i in range(len(self.actors)):
            self.learn(i)


def torch_maddpg(row: dict[str, Any], obs: int, shared: int, actions: int, hidden: tuple[int, ...], batch: int) -> Case:
    """Slots of acting and of learning, every agent in each slot; arguments as those of `TorchMaddpg`, `agents` is in the row."""
    maddpg = TorchMaddpg(row["agents"], obs, shared, actions, hidden, batch)

    def call(seed: int, units: int) -> None:
        for t in range(units):
            maddpg.slot(t)

    torch = maddpg.torch
    return Case(row | {"torch": torch.__version__, "threads": torch.get_num_threads(), "compile_s": 0.0}, 1, call)
