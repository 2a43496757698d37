"""What on-policy learners share: acting in many worlds with the current policy, collecting what it did, and the loop around.

An update collects whole episodes, or `rollout_length` slots, in each of `n_worlds` worlds under the current policy, and learns
from them once. `jaxvec.learners.ppo` is one learner; a REINFORCE takes 50 lines (`tests/learners/reinforce.py`).

What a learner adds (`OnPolicy`'s hooks): `learn`, from a `Rollout` to a new state; and where it has networks besides the actors,
or running moments of more than observations, `init_params` and `init_moments`.

Throughout:
    state, hyper: the learner's; the values in force at an update.
    params: of networks, by name and group, as `State.params`.
    key, obs: of the policy, one per world; as the environment gives it, batch-last.
    greedy: the most probable action, rather than a sample.
    spaces, forecaster: of ONE agent of a group, by component; the forecaster's state, None where nothing is forecast.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.buffers import owned, settled
from jaxvec.core.devices import spread
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last, worlds_after_time
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import Actor, Policy, Slot, policy_keys, unroll, world_keys
from jaxvec.core.types import Observation
from jaxvec.core.wrappers import auto_reset
from jaxvec.forecast.online import ForecasterState, OnlineForecaster, Windows
from jaxvec.learners.base import Learner, Metrics, check_counts
from jaxvec.learners.best import keep_best
from jaxvec.learners.blocks import heads
from jaxvec.learners.blocks.actors import (
    Actors,
    Groups,
    NetworkInputs,
    agent_mask,
    network_inputs,
    obs_batch_first,
    of_present,
    start_moments,
    terminated_per_agent,
    update_moments,
)
from jaxvec.learners.blocks.circuits import scale_circuit_updates
from jaxvec.learners.blocks.metrics import scalars, summary
from jaxvec.learners.blocks.networks import NetworkLike, apply_sequence
from jaxvec.learners.blocks.prior import check_prior, propose, with_prior
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.on_policy_networks import on_policy_actors
from jaxvec.learners.on_policy_types import Decisions, Rollout, Sampled, State

COUNTS = ("n_worlds", "n_qubits", "n_circuit_layers", "forecaster_steps", "forecaster_batch")


class OnPolicy:
    """A learner's functions, closed over the environment and its static settings.

    Attributes:
        env: what agents act in: as given, `bare_env`, or with what a prior would do in their rows.
        adam_eps: of the optimiser, see `optax.adam`.
        deviations: whether actors have outputs for the deviations of numbers, as of `heads`.
    """

    adam_eps = 1e-5
    deviations = True

    def __init__(self, name: str, env: Environment, settings: Any, hyper: Any, network: NetworkLike | None = None):
        """
        Args:
            name: of the learner.
            env: what to learn on.
            settings: `jaxvec.learners.on_policy_types.Settings`, or a dataclass derived from it.
            hyper: default hyper-parameters, `jaxvec.learners.on_policy_types.Hyper` or a struct derived from it.
            network: in place of the actor that `settings.actor` names: a builder or a Flax module, see
                `jaxvec.learners.blocks.networks.as_builder`.
        Raises:
            ValueError: a bad setting.
            TypeError: `network` is neither.
        """
        check_counts(name, settings, COUNTS)
        self.continuing = settings.rollout_length is not None
        if self.continuing:
            check_counts(name, settings, ("rollout_length",))
        check_prior(name, env, settings)
        self.name, self.bare_env, self.settings = name, env, settings
        self.env = env = with_prior(env, settings.prior)
        self.hyper = hyper.replace(gamma=env.discount)
        self.n_steps: int = settings.rollout_length or env.horizon
        self.forecaster = OnlineForecaster(
            env, settings.forecaster, settings.forecaster_steps, settings.forecaster_batch
        )
        self.actors = Actors(
            env,
            on_policy_actors(name, env, settings, network, self.actor_outputs, self.deviations),
            settings.share_parameters,
        )
        self.custom: tuple[str, ...] = () if network is None else ("network",)

    def learner(self) -> Learner:
        """As pure functions."""
        learner = Learner(
            name=self.name,
            env=self.bare_env,
            settings=self.settings,
            hyper=self.hyper,
            init=self.init,
            update=self.update,
            policy=self.policy,
            steps_per_update=self.n_steps * self.settings.n_worlds,
            custom=self.custom,
            networks=self.networks_of_bare,
            policy_state=lambda state: state.replace(opt=(), carry=()),
        )
        return keep_best(learner, self.settings.keep_best)

    # What a learner says for itself

    def learn(self, state: State, rollout: Rollout, hyper: Any, key: Array) -> tuple[State, Metrics]:
        """A new state, as to `params`, `opt` and the learner's own `moments`, and metrics `()` by name.

        Args:
            state: as it was while the rollout was collected.
            rollout: what was collected.
            key: for this update.
        """
        raise NotImplementedError

    def init_params(self, key: Array, inputs: NetworkInputs) -> dict[str, Groups]:
        """Parameters of all networks, by name and group.

        Args:
            key: for all of them.
            inputs: of one world, per group `(1, n, d)` and `(1, g)`.
        """
        return {"actor": self.actors.init(rng.stream(key, "actor"), inputs.agents)}

    def optimiser(self, hyper: Any) -> optax.GradientTransformation:
        """Adam on gradients that are cut to a norm."""
        adam = optax.adam(hyper.learning_rate, eps=self.adam_eps)
        return optax.chain(optax.clip_by_global_norm(hyper.max_grad_norm), adam)

    def init_opt(self, params: dict[str, Any], hyper: Any) -> Any:
        """The optimiser's state at the start."""
        return self.optimiser(hyper).init(params)

    def actor_outputs(self, spaces: heads.Spaces) -> tuple[int, tuple[float, ...]]:
        """How many outputs an actor has for a group, and their bias at the start (empty: 0): those of `heads`."""
        return heads.size(spaces), heads.initial_bias(spaces)

    def init_moments(self) -> dict[str, Groups]:
        """Moments besides those of observations."""
        return {}

    # Acting

    def inputs(self, state: State, obs: Observation) -> NetworkInputs:
        """What networks see, batch-first, normalised by the moments of the state."""
        return network_inputs(obs_batch_first(obs), state.moments.get("obs", {}))

    def choose(
        self, state: State, memory: Any, key: Array, obs: Observation, greedy: bool
    ) -> tuple[Groups, Any, dict[str, Sampled]]:
        """Actions of the agents that are asked, `(n, ..., *batch)`, the memory after them, and what comes with them, batch-last.

        Args:
            memory: of all agents, batch-last.
        """
        rank = key.ndim
        epsilon = None if greedy else annealed(state.hyper, state.update).epsilon
        inputs, mask = self.inputs(state, obs).agents, batch_first(obs.mask, rank)
        outputs, next_memory = self.actors.outputs(state.params["actor"], memory, inputs, obs.ids, rank)
        action, extras = {}, {}
        for group, spaces in self.env.action_space.items():
            dists = heads.distributions(spaces, outputs[group], mask.get(group, {}), epsilon=epsilon)
            if greedy:
                raw = heads.mode(spaces, dists)
            else:
                raw = heads.sample(rng.stream(key, group), spaces, dists, len(obs.agents[group]))
            action[group] = batch_last(heads.to_space(spaces, raw), rank)
            extras[group] = batch_last(Sampled(raw, heads.log_prob(spaces, dists, raw)), rank)
        return action, next_memory, extras

    def policy(self, state: State, greedy: bool = True) -> Policy:
        """The current policy, one with memory where the actors have it; if not greedy, sampled as in training."""
        if self.actors.has_memory:
            return RecurrentPolicy(self, state, greedy)

        def policy(key: Array, obs: Observation) -> Groups:
            return self.choose(state, self.actors.memory(key.shape), key, self.shown(state, key, obs), greedy)[0]

        return policy

    def shown(self, state: State, key: Array, obs: Observation) -> Observation:
        """What agents are shown of an environment's own observation, or its turns': what a prior would do, and a forecast."""
        seen = propose(self.env, key, obs, state.env_params)
        return self.forecaster.add_forecast(state.forecaster, seen)

    def networks_of_bare(self, state: State, obs: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `jaxvec.learners.base.Learner.networks`."""
        key = world_keys(jax.random.key(0), self.settings.n_worlds)
        return self.networks(state, propose(self.env, key, obs, state.env_params))

    def networks(self, state: State, obs: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and outputs of the networks, see `jaxvec.learners.base.Learner.networks`, of what agents are shown."""
        actor, inputs = state.params["actor"], self.inputs(state, obs).agents
        memory = self.actors.memory((self.settings.n_worlds,))
        return {"network": actor}, {"network": self.actors.outputs(actor, memory, inputs, {}, 1)[0]}

    def evaluate(
        self, actor: Groups, decisions: Decisions, memory: Groups, hyper: Any
    ) -> dict[str, tuple[Array, Array]]:
        """Per group, log-probabilities of what was decided, and entropies of the distributions, both `(time, worlds, n)` [nat].

        Args:
            actor: parameters of the actors' networks.
            decisions: of a rollout, or some worlds of it.
            memory: the actors' at its start, `(worlds, n, ...)`.
        """
        result, seen = {}, self.actors.seen(decisions.inputs)
        for group, spaces in self.env.action_space.items():
            network = self.actors.networks[group]
            outputs = apply_sequence(network, actor[group], memory[group], seen[group], decisions.first)
            dists = heads.distributions(spaces, outputs, decisions.mask.get(group, {}), epsilon=hyper.epsilon)
            log_prob = heads.log_prob(spaces, dists, decisions.raw[group])
            result[group] = log_prob, heads.entropy(spaces, dists)
        return result

    # Learning

    def init(self, key: Array, params: Any, hyper: Any = None) -> State:
        """A fresh learner.

        Args:
            key: everything random follows from it.
            params: the environment's, of one world or with `(n_worlds,)` leaves.
            hyper: hyper-parameters, the defaults if None.
        Raises:
            ValueError: a parameter of the environment is not a finite number, or out of its range.
        """
        n = self.settings.n_worlds
        params = jax.tree.map(jnp.asarray, world_params(check_params(params, self.bare_env), self.settings.n_worlds))
        hyper = settled(self.hyper if hyper is None else hyper)
        key_net, key_run = rng.stream(key, "networks"), rng.stream(key, "run")
        forecaster = self.forecaster.init(rng.stream(key_net, "twin"), params)
        start = self.worlds(forecaster).reset(world_keys(key_run, n), params)
        obs = obs_batch_first(start[1].obs)
        nets = self.init_params(key_net, jax.tree.map(lambda x: x[:1], network_inputs(obs, {})))
        moments = {"obs": start_moments(obs)} if self.settings.normalise_observations else {}
        return owned(
            State(
                params=nets,
                opt=self.init_opt(nets, hyper),
                moments=moments | self.init_moments(),
                forecaster=forecaster,
                hyper=hyper,
                env_params=params,
                key=key_run,
                update=jnp.int32(0),
                carry=spread((*start, self.actors.memory((n,)))) if self.continuing else (),
            )
        )

    def worlds(self, forecaster: ForecasterState | None) -> Environment:
        """The environment that rollouts unroll: with forecasts, where there are any, and with automatic resets where episodes are
        not collected as a whole."""
        env = self.forecaster.wrap(forecaster)
        return auto_reset(env) if self.continuing else env

    def update(self, state: State) -> tuple[State, Metrics]:
        """Collect, then learn: the state after it, and metrics `()` by name."""
        hyper = annealed(state.hyper, state.update)
        key = rng.fold_in(state.key, state.update)
        carry, slots, windows = self.collect(state)
        rollout, moments = self.prepare(state, slots)
        after, metrics = self.learn(state, rollout, hyper, key)
        forecaster, forecasting = self.forecaster.learn(
            state.forecaster, rng.stream(key, "twin"), windows, hyper.forecaster_learning_rate
        )
        after = after.replace(
            moments=after.moments | moments,
            forecaster=forecaster,
            update=state.update + 1,
            carry=carry if self.continuing else (),
        )
        return after, summary(slots) | metrics | forecasting

    def collect(self, state: State) -> tuple[Any, Slot, Windows | None]:
        """A rollout under the policy of a state.

        Returns:
            Where the worlds stand after it, `(state, timestep, memory)`; its slots `(time, ..., worlds)`, whose `final_obs` is,
            of whole episodes, the very last observation, with a time axis of length 1; and what a forecaster learns from.
        """
        n, env = self.settings.n_worlds, self.worlds(state.forecaster)
        keys = world_keys(state.key, n, state.update), policy_keys(state.key, n, state.update)
        if self.continuing:
            *start, memory = state.carry
        else:
            start, memory = env.reset(rng.fold_in(keys[0], 0), state.env_params), self.actors.memory((n,))

        def act(memory: Any, key: Array, obs: Observation) -> tuple[Groups, Any, dict[str, Sampled]]:
            return self.choose(state, memory, key, obs, greedy=False)

        def select(slot: Slot) -> tuple[Slot, Windows | None]:
            ts = scalars(slot.ts)
            ts = ts.replace(obs=_lean(ts.obs), final_obs=_lean(ts.final_obs))
            return slot._replace(state=(), obs=_lean(slot.obs), ts=ts), self.forecaster.window(slot)

        actor = Actor(memory, act, self.actors.memory((n,)))
        carry, (slots, windows) = unroll(env, actor, keys, state.env_params, tuple(start), self.n_steps, select)
        if not self.continuing:
            last_obs = jax.tree.map(lambda x: x[None], carry[1].obs)
            slots = slots._replace(ts=slots.ts.replace(final_obs=last_obs))
        return carry, slots, windows

    def prepare(self, state: State, slots: Slot) -> tuple[Rollout, dict[str, Groups]]:
        """A rollout as learners see it, and moments of observations after it, where they are normalised.

        Args:
            state: as it was while the rollout was collected.
            slots: of `collect`.
        """
        ts, obs = slots.ts, worlds_after_time(slots.obs)
        next_obs = worlds_after_time(ts.next_obs)
        sampled, reward = (of_present(worlds_after_time(x), obs) for x in (slots.extras, ts.reward))
        moments, weight = state.moments.get("obs", {}), agent_mask(obs)
        inputs = network_inputs(obs, moments)
        first = jnp.concatenate([jnp.zeros_like(ts.done[:1]), ts.done[:-1]])
        terminated = terminated_per_agent(self.env, ts.terminated, next_of(weight, agent_mask(next_obs)))
        memory = state.carry[2] if self.continuing else self.actors.memory((self.settings.n_worlds,))
        rollout = Rollout(
            decisions=Decisions(inputs.agents, obs.mask, {group: x.raw for group, x in sampled.items()}, first),
            memory=batch_first(memory, 1),
            log_prob={group: x.log_prob for group, x in sampled.items()},
            weight=weight,
            inputs=inputs,
            next_inputs=network_inputs(next_obs, moments),
            reward=reward,
            terminated=terminated,
            done={group: x | ts.done[..., None] for group, x in terminated.items()},
        )
        return rollout, {"obs": update_moments(moments, obs, weight)} if moments else {}

    def descend(self, params: Any, opt: Any, grad: Any, hyper: Any) -> tuple[Any, Any]:
        """Parameters and the optimiser's state after a step of Adam on clipped gradients; circuits take larger steps.

        Args:
            params: of all networks, as `State.params`, or of some.
            opt: the optimiser's state, as `init_opt` gives it for these.
            grad: of the loss, a tree like `params`.
        """
        updates, opt = self.optimiser(hyper).update(grad, opt)
        if self.settings.actor == "circuit":
            updates = scale_circuit_updates(updates, hyper.circuit_rate)
        return optax.apply_updates(params, updates), opt


class RecurrentPolicy:
    """A policy with memory, in the form that rollouts know; see `jaxvec.core.rollout.Policy`.

    Args:
        learner: whose policy it is.
    """

    def __init__(self, learner: OnPolicy, state: State, greedy: bool):
        self._learner, self._state, self._greedy = learner, state, greedy
        self.memory = learner.actors.memory

    def __call__(self, key: Array, obs: Observation, memory: Any) -> tuple[Groups, Any]:
        obs = self._learner.shown(self._state, key, obs)
        action, memory, _ = self._learner.choose(self._state, memory, key, obs, self._greedy)
        return action, memory


def next_of(now: Any, last: Any) -> Any:
    """What followed every slot, time first.

    Args:
        now: of every slot, `(time, ...)`, every leaf.
        last: of what followed, where that is not the next slot's, as `Rollout.next_inputs`: of the last slot `(1, ...)`, or of
            every slot `(time, ...)`.
    Returns:
        `(time, ...)`.
    """
    return jax.tree.map(lambda x, end: jnp.concatenate([x[len(end) :], end]), now, last)


def _lean(obs: Any) -> Any:
    """An observation without what learners do not read of a rollout; None stays None."""
    return obs if obs is None else obs.replace(aux={}, ids={})
