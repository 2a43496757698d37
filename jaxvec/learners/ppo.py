"""PPO for many agents (Schulman et al. 2017): IPPO, or MAPPO (Yu et al. 2022) when the critic sees the whole world; QMARL when
the actors are quantum circuits.

An update collects whole episodes (or `rollout_length` slots) in `n_worlds` worlds under the current policy, estimates advantages,
and takes `epochs` x `minibatches` gradient steps. All agents of a slot stay together in a minibatch; one with a GRU keeps time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.params import check_params, world_params
from jaxvec.core.rollout import Actor, Policy, Slot, policy_keys, unroll, world_keys
from jaxvec.core.types import Observation
from jaxvec.core.wrappers import auto_reset
from jaxvec.forecast.online import ForecasterState, OnlineForecaster, Windows
from jaxvec.learners.base import Learner, Metrics
from jaxvec.learners.blocks import heads, losses, normalise
from jaxvec.learners.blocks.actors import (
    Actors,
    Groups,
    NetworkInputs,
    agent_mask,
    network_inputs,
    obs_batch_first,
    start_moments,
    terminated_per_agent,
    update_moments,
)
from jaxvec.learners.blocks.gae import gae
from jaxvec.learners.blocks.metrics import by_group, scalars, summary
from jaxvec.learners.blocks.networks import Network, apply_sequence, mlp, per_agent
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.blocks.scorer import scorers
from jaxvec.learners.ppo_types import NAMES, Batch, Hyper, Settings, State
from jaxvec.quantum import qpn


class _Ppo:
    """The learner's functions, closed over the environment and its static settings."""

    def __init__(
        self, env: Environment, settings: Settings, actor: Callable[[str], Network], critic: Callable[..., Network]
    ):
        self.settings = s = settings
        self.continuing = s.rollout_length is not None
        self.env = env
        self.forecaster = OnlineForecaster(env, s.forecaster, s.forecaster_steps, s.forecaster_batch)
        self.n_steps: int = s.rollout_length or env.horizon
        cut = s.n_worlds if s.gru else self.n_steps * s.n_worlds  # a GRU's minibatch keeps whole worlds
        if cut % s.minibatches:
            what = f"{s.n_worlds} worlds" if s.gru else f"{self.n_steps} slots x {s.n_worlds} worlds"
            raise ValueError(f"ppo: {what} cannot be cut into {s.minibatches} equal minibatches")
        self.each = not s.central_critic or not env.whole_world  # critics judge one agent at a time
        self.team = env.team_reward and not self.each
        self.actors = Actors(env, actor, s.share_parameters)
        self.critic: dict[str, Network] = {}
        for group, n in env.n_agents.items():
            own = critic(1 if self.team or self.each else n)
            self.critic[group] = per_agent(own, n) if self.each and not s.share_parameters else own

    # NetworkInputs

    def seen_by_critics(self, seen: NetworkInputs) -> Groups:
        """What the critic of each group sees: `(*batch, n, d)`, or `(*batch, g)` for a central one, or both."""
        if not self.settings.central_critic:
            return seen.agents
        if not self.each:
            return dict.fromkeys(seen.agents, seen.world)
        return {group: (rows, seen.world[..., None, :]) for group, rows in seen.agents.items()}

    def values(self, params: Groups, seen: Groups) -> Groups:
        """Per group `(*batch, n)`, in units of the value's moments."""
        result = {}
        for group, network in self.critic.items():
            value = network.apply(params[group], (), seen[group])[0]
            if self.team:
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.env.n_agents[group]))
            result[group] = value[..., 0] if self.each else value
        return result

    def real_values(self, state: State, obs: Observation) -> Groups:
        """Values in units of the reward."""
        scale = state.moments.get("value", {})
        seen = self.seen_by_critics(network_inputs(obs_batch_first(obs), state.moments.get("obs", {})))
        values = self.values(state.params["critic"], seen)
        return {group: normalise.undo(scale[group], v) if group in scale else v for group, v in values.items()}

    # Acting

    def choose(self, state: State, memory: Any, key: Array, obs: Observation, greedy: bool) -> tuple[Any, Any, Any]:
        """Actions of the agents that are asked `(n, ..., *batch)`, the memory after them, and (raw action, log-probability)."""
        rank = key.ndim
        epsilon = None if greedy else annealed(state.hyper, state.update).epsilon
        obs = obs_batch_first(obs)
        seen, mask = network_inputs(obs, state.moments.get("obs", {})).agents, obs.mask
        outputs, after = self.actors.outputs(state.params["actor"], memory, seen, obs.ids, rank)
        action, extras = {}, {}
        for group, spaces in self.env.action_space.items():
            dists = heads.distributions(spaces, outputs[group], mask.get(group, {}), epsilon=epsilon)
            own, n = rng.stream(key, group), obs.agents[group].shape[-2]
            raw = heads.mode(spaces, dists) if greedy else heads.sample(own, spaces, dists, n)
            action[group] = batch_last(heads.to_space(spaces, raw), rank)
            extras[group] = batch_last((raw, heads.log_prob(spaces, dists, raw)), rank)
        return action, after, extras

    def policy(self, state: State, greedy: bool = True) -> Policy:
        """The current policy; with a GRU, one with memory."""
        if self.settings.gru:
            return _Recurrent(self, state, greedy)

        def policy(key: Array, obs: Observation) -> Any:
            return self.choose(
                state, self.actors.memory(key.shape), key, self.forecaster.add_forecast(state.forecaster, obs), greedy
            )[0]

        return policy

    # Learning

    def init(self, key: Array, params: Any, hyper: Hyper | None = None) -> State:
        """A fresh learner.

        Args:
            key: everything random follows from it.
            params: the environment's, of one world or with `(n_worlds,)` leaves.
            hyper: hyper-parameters, the defaults if None.
        """
        params = jax.tree.map(jnp.asarray, world_params(check_params(params)))
        hyper = jax.tree.map(jnp.asarray, Hyper() if hyper is None else hyper)
        batch = (self.settings.n_worlds,)
        key_net, key_run = rng.stream(key, "networks"), rng.stream(key, "run")
        worlds = world_keys(key_run, self.settings.n_worlds)
        forecaster = self.forecaster.init(rng.stream(key_net, "twin"), params)
        start = self.worlds(forecaster).reset(worlds, params)
        first_obs = obs_batch_first(start[1].obs)
        seen = network_inputs(first_obs, {})
        one = jax.tree.map(lambda x: x[:1], seen)
        critics = self.seen_by_critics(one)
        nets = {
            "actor": self.actors.init(rng.stream(key_net, "actor"), one.agents),
            "critic": {g: net.init(rng.stream(key_net, f"critic/{g}"), critics[g]) for g, net in self.critic.items()},
        }
        moments: dict[str, Groups] = {}
        if self.settings.normalise_observations:
            moments["obs"] = start_moments(first_obs)
        if self.settings.normalise_values:
            moments["value"] = {group: normalise.start(()) for group in seen.agents}
        carry = (*start, self.actors.memory(batch)) if self.continuing else ()
        return State(
            nets, _optimiser(hyper).init(nets), moments, forecaster, hyper, params, key_run, jnp.int32(0), carry
        )

    def worlds(self, forecaster: ForecasterState | None) -> Environment:
        """What rollouts unroll in."""
        told = self.forecaster.wrap(forecaster)
        return auto_reset(told) if self.continuing else told

    def update(self, state: State) -> tuple[State, Metrics]:
        """Collect, then learn; metrics are scalars."""
        memory = state.carry[2] if self.continuing else self.actors.memory((self.settings.n_worlds,))
        state, slots, windows, info = self.collect(state)
        batch, moments = self.prepare(state, slots)
        hyper = annealed(state.hyper, state.update)
        key = rng.fold_in(state.key, state.update)
        params, opt, metrics = self.fit(state, batch, batch_first(memory, 1), hyper, rng.stream(key, "minibatches"))
        forecaster, forecasting = self.forecaster.learn(
            state.forecaster, rng.stream(key, "twin"), windows, hyper.forecaster_learning_rate
        )
        after = state.replace(params=params, opt=opt, moments=moments, forecaster=forecaster, update=state.update + 1)
        return after, info | metrics | forecasting

    def collect(self, state: State) -> tuple[State, Slot, Windows | None, Metrics]:
        """A rollout `(time, ..., worlds)`, what a forecaster learns from, and the means of its info."""
        n, env = self.settings.n_worlds, self.worlds(state.forecaster)
        keys = world_keys(state.key, n, state.update), policy_keys(state.key, n, state.update)
        if self.continuing:
            *start, memory = state.carry
        else:
            start, memory = env.reset(rng.fold_in(keys[0], 0), state.env_params), self.actors.memory((n,))
        choose = lambda memory, key, obs: self.choose(state, memory, key, obs, greedy=False)  # noqa: E731
        ask = Actor(memory, choose, self.actors.memory((n,)))

        def select(slot: Slot) -> tuple[Slot, Windows | None]:
            lean: Any = lambda obs: obs if obs is None else obs.replace(aux={})  # noqa: E731
            ts = scalars(slot.ts)
            ts = ts.replace(obs=lean(ts.obs), final_obs=lean(ts.final_obs))
            return slot._replace(state=(), obs=lean(slot.obs), ts=ts), self.forecaster.window(slot)

        carry, (slots, windows) = unroll(env, ask, keys, state.env_params, tuple(start), self.n_steps, select)
        if not self.continuing:
            slots = slots._replace(ts=slots.ts.replace(final_obs=_last(carry[1].obs)))
        state = state.replace(carry=carry) if self.continuing else state
        return state, slots, windows, summary(slots)

    def prepare(self, state: State, slots: Slot) -> tuple[Batch, dict[str, Groups]]:
        """Advantages and targets of a rollout, and the moments after it."""
        obs, ts = slots.obs, slots.ts
        # (time, n, ..., worlds) -> (worlds, time, n, ...) -> time first again
        front = lambda tree: jax.tree.map(lambda x: jnp.moveaxis(x, -1, 1), tree)  # noqa: E731
        now, after = jax.vmap(obs_batch_first)(obs), jax.vmap(obs_batch_first)(ts.next_obs)
        seen = network_inputs(now, state.moments.get("obs", {}))
        weight = agent_mask(now)
        value = jax.vmap(partial(self.real_values, state))(obs)
        following = jax.vmap(partial(self.real_values, state))(ts.next_obs)
        staying = agent_mask(after)
        if not self.continuing:  # the last observation alone is new
            later = lambda now, last: jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b]), now, last)  # noqa: E731
            following, staying = later(value, following), later(weight, staying)
        ended = terminated_per_agent(self.env, ts.terminated, staying)
        advantage, target, scaled = {}, {}, {}
        moments = dict(state.moments)
        done = ts.terminated | ts.truncated
        for group, v in value.items():
            advantage[group] = gae(
                front(ts.reward[group]),
                v,
                following[group],
                ended[group],
                ended[group] | done[..., None],
                state.hyper.gamma,
                state.hyper.gae_lambda,
            )
            target[group] = v + advantage[group]
            scaled[group] = target[group]
            if "value" in moments:
                after = normalise.update(moments["value"][group], target[group], weight[group])
                moments["value"] = moments["value"] | {group: after}
                scaled[group] = normalise.to(after, target[group])
        if "obs" in moments:
            moments["obs"] = update_moments(moments["obs"], network_inputs(now, {}), weight)
        raw = {group: front(extras[0]) for group, extras in slots.extras.items()}
        log_prob = {group: front(extras[1]) for group, extras in slots.extras.items()}
        first = jnp.concatenate([jnp.zeros_like(done[:1]), done[:-1]])
        critic = self.seen_by_critics(seen)
        batch = Batch(seen.agents, critic, front(obs.mask), weight, raw, log_prob, advantage, scaled, first)
        return batch, moments

    def fit(self, state: State, batch: Batch, memory: Groups, hyper: Hyper, key: Array) -> tuple[Any, Any, Metrics]:
        """Epochs of minibatches; `memory` is the actors' at the start of the rollout, batch-first."""
        s = self.settings
        if not s.gru:  # slots are independent: time joins the worlds
            batch = jax.tree.map(lambda x: x.reshape(1, x.shape[0] * x.shape[1], *x.shape[2:]), batch)
        n = batch.first.shape[1]
        optimiser = _optimiser(hyper)

        def step(carry, chosen):
            params, opt = carry
            part = jax.tree.map(lambda x: x[:, chosen], batch)
            start = jax.tree.map(lambda x: x[chosen], memory)
            grad, metrics = jax.grad(self.loss, has_aux=True)(params, part, start, hyper)
            updates, opt = optimiser.update(grad, opt)
            if s.actor == "circuit":
                updates = _circuits_faster(updates, hyper.circuit_rate)
            return (optax.apply_updates(params, updates), opt), metrics | {"ppo/grad_norm": optax.tree.norm(grad)}

        def epoch(carry, key):
            chosen = jax.random.permutation(key, n).reshape(s.minibatches, -1)
            return jax.lax.scan(step, carry, chosen)

        keys = jax.random.split(key, s.epochs)
        (params, opt), metrics = jax.lax.scan(epoch, (state.params, state.opt), keys)
        return params, opt, jax.tree.map(jnp.mean, metrics)

    def loss(self, params: Any, batch: Batch, memory: Groups, hyper: Hyper) -> tuple[Array, Metrics]:
        """(9) of the PPO paper: clipped surrogate, squared value error and entropy, summed over groups."""
        total, metrics = jnp.zeros(()), {}
        values = self.values(params["critic"], batch.critic)
        for group, spaces in self.env.action_space.items():
            weight = batch.weight[group]
            mean = partial(losses.weighted_mean, weight=weight)
            outputs = apply_sequence(
                self.actors.networks[group], params["actor"][group], memory[group], batch.features[group], batch.first
            )
            dists = heads.distributions(spaces, outputs, batch.mask.get(group, {}), epsilon=hyper.epsilon)
            log_ratio = heads.log_prob(spaces, dists, batch.raw[group]) - batch.log_prob[group]
            advantage = losses.standardise(batch.advantage[group], weight)
            policy_loss = mean(losses.clipped_surrogate(log_ratio, advantage, hyper.clip))
            value_loss = mean((values[group] - batch.target[group]) ** 2)
            entropy = mean(heads.entropy(spaces, dists))
            total += policy_loss + hyper.value_weight * value_loss - hyper.entropy_weight * entropy
            metrics[group] = {
                "ppo/policy_loss": policy_loss,
                "ppo/value_loss": value_loss,
                "ppo/entropy": entropy,
                "ppo/kl": mean(losses.approximate_kl(log_ratio)),
                "ppo/clip_fraction": mean(jnp.abs(jnp.expm1(log_ratio)) > hyper.clip),
            }
        return total, by_group(metrics)


class _Recurrent:
    """A policy with memory, in the form that rollouts know."""

    def __init__(self, learner: _Ppo, state: State, greedy: bool):
        self._learner, self._state, self._greedy = learner, state, greedy
        self.memory = learner.actors.memory

    def __call__(self, key: Array, obs: Observation, memory: Any) -> tuple[Any, Any]:
        obs = self._learner.forecaster.add_forecast(self._state.forecaster, obs)
        action, memory, _ = self._learner.choose(self._state, memory, key, obs, self._greedy)
        return action, memory


def _optimiser(hyper: Hyper) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(hyper.max_grad_norm), optax.adam(hyper.learning_rate, eps=1e-5))


def _circuits_faster(updates: Any, rate: Array) -> Any:
    """Updates of the parameters of circuits times a rate."""
    of_circuit = lambda path: any(getattr(key, "key", "") == "circuit" for key in path)  # noqa: E731
    return jax.tree.map_with_path(lambda path, x: rate * x if of_circuit(path) else x, updates)


def _last(obs: Observation) -> Observation:
    """With a time axis of length 1."""
    return jax.tree.map(lambda x: x[None], obs)


def _actor(env: Environment, s: Settings, network: Callable[..., Network] | None) -> Callable[[str], Network]:
    """The actor of each group."""
    if s.actor == "server_scorer" and network is None:
        return scorers(env, s, "ppo")
    if network is None and s.actor == "mlp":
        network = lambda out, bias: mlp(s.hidden, out, activation=s.activation, out_gain=0.01, bias=bias, gru=s.gru)  # noqa: E731
    own: Callable[..., Network] = network or partial(_circuit, s)

    def make(group: str) -> Network:
        spaces = env.action_space[group]
        if s.free_std:
            return heads.free_std(lambda outputs: own(outputs, ()), spaces)
        return own(heads.size(spaces), heads.initial_bias(spaces))

    return make


def _circuit(s: Settings, outputs: int, bias: tuple[float, ...]) -> Network:
    """The quantum policy network, or its classical match."""
    net = qpn(
        outputs,
        n_qubits=s.n_qubits,
        n_layers=s.n_circuit_layers,
        encoding=s.encoding,
        readout=s.readout,
        classical=s.actor == "matched",
        bias=bias,
    )
    return Network(net.init, lambda params, memory, x: (net.apply(params, x), memory))


def ppo(
    env: Environment,
    *,
    network: Callable[[int, tuple[float, ...]], Network] | None = None,
    critic: Callable[[int], Network] | None = None,
    **settings: Any,
) -> Learner:
    """IPPO, or MAPPO with `central_critic=True`; QMARL with `actor="circuit"` too.

    Args:
        env: what to learn on.
        network: `network(outputs, bias) -> Network` in place of the actor that `actor` names.
        critic: `critic(outputs) -> Network` likewise.
        settings: fields of `jaxvec.learners.ppo_types.Settings`.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`.
    Raises:
        TypeError: an unknown setting. ValueError: a bad one.
    """
    s = Settings(**settings)
    core = _Ppo(env, s, _actor(env, s, network), critic or partial(mlp, s.hidden, activation=s.activation))
    return Learner(
        NAMES[s.actor][s.central_critic],
        env,
        s,
        Hyper(gamma=env.discount),
        core.init,
        core.update,
        core.policy,
        core.n_steps * s.n_worlds,
    )
