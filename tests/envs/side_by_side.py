"""An environment and its float64 reference in NumPy on the same numbers: random scenarios and actions, a trajectory per world.

The environment takes all worlds at once, the reference one world after the other. Each world has numbers of its own for every
parameter, so an agreement covers how each of them enters. A `Pair` says what is particular to one environment.
"""

from dataclasses import fields, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.core.spaces import Box

WORLDS = 12


class Pair:
    """One environment and its reference; a `config` is whatever the reference needs to know of one world beside its state."""

    group = "vehicle"
    Params: type  # of the environment
    State: type
    ReferenceState: type

    def configs(self, env, rng):
        """The reference's configurations, one per world, the first with the defaults."""
        raise NotImplementedError

    def numbers(self, config):
        """The record of a configuration's numbers, named as in the environment's parameters."""
        return config

    def reset_draws(self, rng, config):
        raise NotImplementedError

    def step_draws(self, rng, config):
        raise NotImplementedError

    def reset_from(self, draws, config):
        raise NotImplementedError

    def step_from(self, state, action, draws, config):
        """The reference's state, reward and info after a slot."""
        raise NotImplementedError

    def observed(self, env, ts, states, configs):
        """Observations, name -> (environment's, reference's)."""
        raise NotImplementedError

    def compared(self, env, info, infos):
        """Metrics of a slot, name -> (environment's, reference's)."""
        return {name: (np.asarray(info[name]), together(i[name] for i in infos)) for name in env.info_fields}

    def own_draws(self, env, seed, params):
        """What the environment draws at a reset and the reference does not."""
        return {}

    def to_env(self, draws):
        """The reference's draws of a world as the environment takes them."""
        return draws

    def whole(self, action):
        """What the environment takes of `actions`."""
        return {self.group: action}

    def replayed(self, env, state, w, prefix=""):
        """What the reference is told of the environment's world `w` in place of draws."""
        return {}

    # ---------------------------------------------------------------------------------------- the same for all environments

    def scenarios(self, env, seed):
        """Configurations of all worlds, and the environment's parameters, `(W,)` leaves."""
        configs = self.configs(env, np.random.default_rng(seed))
        records, leaves = [self.numbers(config) for config in configs], {}
        for field in fields(self.Params):
            values = [np.asarray(getattr(record, field.name, None)) for record in records]
            if values[0].dtype != object:
                shape = np.broadcast_shapes(*(value.shape for value in values))
                leaves[field.name] = np.stack([np.broadcast_to(value, shape) for value in values], -1)
        return configs, self.Params(**leaves)

    def actions(self, rng, env, worlds=WORLDS):
        """Random actions of all worlds: some timid, some at the edges of the box, some beyond it."""
        width = rng.choice([0.3, 1.0, 1.5], worlds)

        def draw(space):
            shape = (env.n_agents[self.group], *space.shape, worlds)
            return rng.uniform(-1, 1, shape) * width if isinstance(space, Box) else rng.integers(0, space.n, shape)

        return {name: draw(space) for name, space in env.action_space[self.group].items()}

    def play(self, env, seed, slots, **data):
        """Both simulators through the same trajectories; `data` goes into the parameters (a recording).

        Yields:
            After the reset and after each slot: the configurations, the environment's state and timestep, and per world the
            reference's state, reward and info (None after the reset).
        """
        rng = np.random.default_rng(seed + 1)
        configs, params = self.scenarios(env, seed)
        params = params.replace(**data)
        reset, step = compiled(env)
        draws = [self.reset_draws(rng, config) for config in configs]
        state, ts = reset(stack([self.to_env(d) for d in draws]) | self.own_draws(env, seed, params), params)
        theirs = [
            (self.reset_from(d | self.replayed(env, state, w), config), None, None)
            for w, (d, config) in enumerate(zip(draws, configs, strict=True))
        ]
        yield configs, state, ts, theirs
        for _ in range(slots):
            action = self.actions(rng, env)
            draws = [self.step_draws(rng, config) for config in configs]
            state, ts = step(state, self.whole(action), stack([self.to_env(d) for d in draws]), params)
            theirs = [
                self.step_from(theirs[w][0], world(action, w), draws[w] | self.replayed(env, state, w, "next_"), config)
                for w, config in enumerate(configs)
            ]
            yield configs, state, ts, theirs

    def differences(self, env, configs, state, ts, theirs):
        """Every quantity of both sides, name -> (environment's, reference's), worlds last."""
        states, rewards, infos = zip(*theirs, strict=True)
        pairs = {f"state.{name}": pair for name, pair in self.states(state, states).items()}
        pairs |= self.observed(env, ts, states, configs)
        if infos[0] is not None:
            pairs |= self.rewarded(ts, rewards)
            pairs |= {f"info.{name}": pair for name, pair in self.compared(env, ts.info, infos).items()}
        return pairs

    def rewarded(self, ts, rewards):
        """Rewards, name -> (environment's, reference's)."""
        ours = np.asarray(ts.reward[self.group])
        return {"reward": (ours, np.broadcast_to(together(rewards), ours.shape))}

    def states(self, state, states):
        """Fields of the state, name -> (environment's, reference's)."""
        names = [field.name for field in fields(self.ReferenceState)]
        return {name: (np.asarray(getattr(state, name)), together(getattr(s, name) for s in states)) for name in names}

    def batch(self, states, **more):
        """States of the reference as one of the environment's, worlds last, in the float type of the moment."""
        leaves = {f.name: together(getattr(s, f.name) for s in states) for f in fields(self.ReferenceState)}
        leaves = {n: jnp.asarray(x, jnp.result_type(float) if x.dtype.kind == "f" else None) for n, x in leaves.items()}
        return self.State(**leaves | {"t": leaves["t"].astype(jnp.int32)} | more)


@cache
def compiled(env):
    """`reset_from` and `step_from` of an environment; equal environments share them."""
    return jax.jit(env.reset_from), jax.jit(env.step_from)


def together(values):
    """Arrays of single worlds to that of all, worlds last."""
    return np.stack([np.asarray(value) for value in values], -1)


def stack(draws):
    """Draws of single worlds to those of all, worlds last."""
    return {name: np.stack([d[name] for d in draws], -1) for name in draws[0]}


def world(tree, w):
    """One world of many."""
    return jax.tree.map(lambda x: np.asarray(x)[..., w], tree)


def single(tree):
    """Floats as float32."""
    return jax.tree.map(lambda x: np.float32(x) if np.asarray(x).dtype.kind == "f" else x, tree)


def rounded(tree):
    """Floats rounded to float32, in float64."""
    return jax.tree.map(lambda x: np.float64(np.float32(x)) if np.asarray(x).dtype.kind == "f" else x, tree)


def rounded_fields(record):
    """The same for a configuration or a state of the reference."""
    floats = {f.name: getattr(record, f.name) for f in fields(record)}
    return replace(record, **{n: rounded(x) for n, x in floats.items() if np.asarray(x).dtype.kind == "f"})


def assert_agree(pairs, rtol, atol=lambda name: 0.0, chosen=slice(None)):
    """Every pair is equal up to rounding in the chosen worlds; what is not a float, exactly."""
    for name, (ours, theirs) in pairs.items():
        assert ours.shape == theirs.shape, name
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours[..., chosen], theirs[..., chosen], rtol, atol(name), err_msg=name)
        else:
            np.testing.assert_array_equal(ours[..., chosen], theirs[..., chosen], name)


def named(settings):
    """The words of a parametrised test about an environment's settings."""
    return "-".join(f"{value}" if isinstance(value, str) else f"{name}={value}" for name, value in settings.items())
