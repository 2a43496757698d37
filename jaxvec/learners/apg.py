"""Analytic policy gradients: the world is differentiated and replayed, instead of being sampled and guessed at.

A simulator knows two things that a score function has to estimate. Its slot is differentiable, so that the gradient of a reward
with respect to numbers follows along the path (hindsight differentiable policy optimisation, Alvo et al. 2023; PATHWISE, Che et
al. 2024; short pieces with a value at their end, SHAC, Xu et al. 2022; Brax's "apg" gave the name). And its chance is
drawn apart from its transition, so that a slot can be replayed with one choice changed and nothing else: the counterfactual
baseline of COMA (Foerster et al. 2018), exact instead of learned.

The estimator, for a piece of H slots in each of W worlds, of the mean reward of all agents:

- numbers are the actor's outputs, cut at the ends of their boxes, without noise. They follow the path derivative of the piece's
  discounted rewards, with `bootstrap=True` of a value of what follows it, too, through `env.step` and what later agents and
  slots make of them;
- a discrete choice is a sample from its logits. Of some choices of a slot, drawn uniformly and weighted by how many there are,
  every alternative k is replayed with the same draws and the other agents' actions as they were. The expected gain
  sum_k pi(k) (q_k - sum_j pi(j) q_j) is ascended. q_k is the discounted reward of the slot and of `replay_slots` - 1 more, in
  which the current policy goes on with its best choices. Of many options only `alternatives` are replayed, the one taken among
  them, and pi is taken over these. Where agents take turns, those who come later are asked again in the replay, with the same
  chance (`ask_again`): they see what another choice leaves to them. With `numbers_by_choice` an agent says its numbers for every
  option, and a replay of another option has the numbers of that one;
- numbers that the environment declares to act through jumps (`Environment.jumps`), where the path derivative is zero almost
  everywhere, are replayed as an antithetic pair, moved up and down along a random direction: a finite difference.

What is cut, and so the bias: a choice is judged by the slots and among the options that are replayed and no more, agents that
act at once are as they were, the path ends where a choice or a jump does, and at the end of a piece, unless a value goes on,
which is an estimate and left out by default, since its slope may err more than it adds. In one slot, of boxes that act
smoothly or of choices alone, at once or in turns, and of numbers that are said by choice, the gradient is unbiased: tests
compare it with finite differences and enumeration. `benchmarks/variance.py` compares its variance with that of the score
function on the same states.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment
from jaxvec.core.evaluation import mean_reward
from jaxvec.core.layout import worlds_after_time
from jaxvec.core.rollout import Slot, policy_keys, world_keys
from jaxvec.core.shards import by_shard, shards_of, shuffled, take
from jaxvec.core.types import Observation, Timestep
from jaxvec.learners.apg_acting import Acting, Played
from jaxvec.learners.apg_replays import Replays
from jaxvec.learners.apg_types import Piece, Settings, hyper_of, returns_of, settings_of
from jaxvec.learners.base import Learner, Metrics, check_counts
from jaxvec.learners.blocks import flat, normalise
from jaxvec.learners.blocks.actors import Groups, NetworkInputs, agent_mask, update_moments
from jaxvec.learners.blocks.by_choice import ByChoice
from jaxvec.learners.blocks.metrics import scalars, summary
from jaxvec.learners.blocks.networks import NetworkLike, as_builder, mlp
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.on_policy_types import State

UNIT_RATE = 0.02  # by which part the unit of returns follows those of a piece


class Apg(Acting):
    """Path derivatives and replays."""

    adam_eps = 1e-8
    deviations = False

    def __init__(
        self,
        env: Environment,
        settings: Settings,
        network: NetworkLike | None = None,
        critic: NetworkLike | None = None,
    ):
        """
        Args:
            env: what to learn on.
            settings: static.
            network, critic: of one's own, see `apg`.
        Raises:
            ValueError: a bad setting, or an actor with memory.
            TypeError: `network` or `critic` cannot be one.
        """
        check_counts("apg", settings, ("value_minibatches", "alternatives"))
        self.by_choice = ByChoice(env) if settings.numbers_by_choice else None
        super().__init__("apg", self.by_choice or env, settings, hyper_of(env), network)
        self.bare_env = env
        if self.actors.has_memory or settings.free_std:
            raise ValueError("apg: actors have no memory and no deviations: gru must be 0 and free_std off")
        samples = self.n_steps * settings.n_worlds
        if settings.bootstrap and samples % settings.value_minibatches:
            raise ValueError(
                f"apg: {self.n_steps} slots x {settings.n_worlds} worlds cannot be cut into {settings.value_minibatches} parts"
            )
        if critic is not None and not settings.bootstrap:
            raise ValueError("apg: with bootstrap=False, the default, nobody asks a critic")
        build = partial(mlp, settings.hidden, activation=settings.activation) if critic is None else as_builder(critic)
        self.custom = self.custom if critic is None else (*self.custom, "critic")
        self.critic = build(1)
        self.replays = Replays(self.env, settings.sampled_choices, settings.alternatives)
        self.replay_slots = env.replay_slots if settings.replay_slots is None else settings.replay_slots
        check_counts("apg", self, ("replay_slots",))

    # Networks

    def actor_outputs(self, spaces: flat.Spaces) -> tuple[int, tuple[float, ...]]:
        """A number for each entry of a box, a logit for each choice; see `OnPolicy.actor_outputs`."""
        return flat.width(spaces), flat.initial_bias(spaces)

    def init_params(self, key: Array, inputs: NetworkInputs) -> dict[str, Any]:
        """Of actors, and where pieces end in one, of the value and its target."""
        actor = super().init_params(key, inputs)
        if not self.settings.bootstrap:
            return actor
        critic = self.critic.init(rng.stream(key, "critic"), inputs.world)
        return actor | {"critic": critic, "target": critic}

    def init_opt(self, params: dict[str, Any], hyper: Any) -> Any:
        """Of actors and the value apart."""
        init_opt = super().init_opt
        return {part: init_opt(params[part], hyper) for part in ("actor", "critic") if part in params}

    def init_moments(self) -> dict[str, Any]:
        """Of returns."""
        return {"return": {"all": normalise.start(())}}

    def networks(self, state: State, obs: Observation) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `OnPolicy.networks`."""
        parameters, outputs = super().networks(state, obs)
        if not self.settings.bootstrap:
            return parameters, outputs
        values = self.critic.apply(state.params["critic"], (), self.inputs(state, obs).world)[0]
        return parameters | {"critic": state.params["critic"]}, outputs | {"critic": values}

    # Learning

    def objective(self, actor: Groups, state: State, start: Any, hyper: Any) -> tuple[Array, tuple[Any, Piece, Array]]:
        """Minus what is ascended, in deviations of the return.

        Args:
            actor: parameters of the actors, with respect to which this is differentiated.
            state: the learner's.
            start: the worlds' (state, timestep), batch-last.
            hyper: the values in force.
        Returns:
            `()` [-]; and where the worlds stand, the piece, and its returns `(H, W)`.
        """
        n, env, params = self.settings.n_worlds, self.worlds(state.forecaster), state.env_params
        keys = world_keys(state.key, n, state.update), policy_keys(state.key, n, state.update)
        scale = state.moments["return"]["all"]

        def act_fn(key: Array, obs: Observation) -> tuple[Any, Any]:
            return self.decide(actor, state, key, obs, False)

        def slot(carry: tuple[Any, Timestep], t: Array) -> tuple[tuple[Any, Timestep], Piece]:
            now, ts = carry
            action, trace = env.act(act_fn, rng.fold_in(keys[1], t + 1), now, ts, params)
            after, next_ts = env.step(rng.fold_in(keys[0], t + 1), now, action, params)
            gain, entropy = self.gains(env, state, Played(t, keys, now, ts, action, trace))
            lean = trace.obs.replace(aux={}, ids={})
            lean_ts = scalars(next_ts).replace(obs=lean, final_obs=None)
            piece = Piece(
                reward=mean_reward(next_ts.reward, trace.obs),
                done=next_ts.done,
                terminated=next_ts.terminated,
                next_value=self.value_of(state, next_ts.next_obs),
                gain=gain,
                entropy=entropy,
                world=self.inputs(state, trace.obs).world,
                slot=Slot((), lean, (), (), lean_ts),
                windows=self.forecaster.window(Slot((), trace.obs, (), (), next_ts)),
            )
            return (after, next_ts.replace(info={})), piece

        carry, piece = jax.lax.scan(slot, start, jnp.arange(self.n_steps))
        returns = returns_of(piece, hyper.gamma)
        begins = jnp.concatenate([jnp.ones_like(piece.done[:1]), piece.done[:-1]])
        path = jnp.sum(jnp.where(begins, returns, 0)) / returns.size
        unit = jnp.sqrt(scale.var + 1e-8)
        ascended = (path + jnp.mean(piece.gain)) / unit + hyper.entropy_weight * jnp.mean(piece.entropy)
        return -ascended, (carry, piece, returns)

    def value_of(self, state: State, obs: Observation) -> Array:
        """What is expected to follow an observation; 0 where pieces end in nothing.

        Args:
            state: the learner's, whose target it asks.
            obs: as the environment gives it, batch-last.
        Returns:
            `(W,)`, in units of the reward.
        """
        if not self.settings.bootstrap:
            return jnp.zeros(obs.world.shape[1:])
        value = self.critic.apply(state.params["target"], (), self.inputs(state, obs).world)[0][..., 0]
        return normalise.undo(state.moments["return"]["all"], value)

    def update(self, state: State) -> tuple[State, Metrics]:
        """One gradient step on a piece of every world, then the value."""
        hyper, params = annealed(state.hyper, state.update), state.params
        if self.continuing:
            start = state.carry[:2]
        else:
            keys = world_keys(state.key, self.settings.n_worlds, state.update)
            start = self.worlds(state.forecaster).reset(rng.fold_in(keys, 0), state.env_params)
        start = (start[0], start[1].replace(info={}))
        grad, (carry, piece, returns) = jax.grad(self.objective, has_aux=True)(params["actor"], state, start, hyper)
        returns = jax.lax.stop_gradient(returns)
        actor, opt = self.descend(params["actor"], state.opt["actor"], grad, hyper)
        moments = normalise.ema_update(state.moments["return"]["all"], returns, jnp.ones_like(returns), UNIT_RATE)
        nets, opts, metrics = {"actor": actor}, {"actor": opt}, {"apg/grad_norm": optax.tree.norm(grad)}
        if self.settings.bootstrap:
            critic, critic_opt, error = self.fit_value(state, piece, returns, moments, hyper)
            target = optax.incremental_update(critic, params["target"], hyper.tau)
            nets, opts = nets | {"critic": critic, "target": target}, opts | {"critic": critic_opt}
            metrics["apg/value_loss"] = error
        forecaster, forecasting = self.forecaster.learn(
            state.forecaster,
            rng.stream(rng.fold_in(state.key, state.update), "forecaster"),
            jax.lax.stop_gradient(piece.windows),
            hyper.forecaster_learning_rate,
        )
        after = state.replace(
            forecaster=forecaster,
            params=nets,
            opt=opts,
            moments=self.moments_after(state, piece) | {"return": {"all": moments}},
            update=state.update + 1,
            carry=(*jax.lax.stop_gradient(carry), state.carry[2]) if self.continuing else (),
        )
        metrics["apg/entropy"] = jnp.mean(piece.entropy)
        return after, summary(piece.slot) | metrics | forecasting

    def moments_after(self, state: State, piece: Piece) -> dict[str, Any]:
        """Running moments of observations, where they are normalised, after a piece.

        Args:
            state: the learner's, as it was while the piece was collected.
            piece: of every world.
        Returns:
            All moments of the state, by name.
        """
        if "obs" not in state.moments:
            return state.moments
        obs = worlds_after_time(piece.slot.obs)
        return state.moments | {"obs": update_moments(state.moments["obs"], obs, agent_mask(obs))}

    def fit_value(
        self, state: State, piece: Piece, returns: Array, moments: normalise.Moments, hyper: Any
    ) -> tuple[Any, Any, Array]:
        """The value after a pass over the piece.

        Args:
            state: the learner's.
            piece: of every world.
            returns: of it `(H, W)`, in units of the reward.
            moments: of returns, in whose deviations the value is learned.
            hyper: the values in force.
        Returns:
            Parameters of the value, its optimiser's state, and its mean squared error `()`.
        """
        shards = shards_of(self.settings.n_worlds, returns.size, self.settings.value_minibatches)
        lessons = jax.tree.map(lambda x: by_shard(x, shards), (piece.world, normalise.to(moments, returns)))
        key = rng.stream(rng.fold_in(state.key, state.update), "value")
        parts = shuffled(key, shards, returns.size // shards, self.settings.value_minibatches)

        def loss(critic: Any, chosen: Array) -> Array:
            world, target = take(lessons, chosen)
            return jnp.mean((self.critic.apply(critic, (), world)[0][..., 0] - target) ** 2)

        def step(carry: tuple[Any, Any], chosen: Array) -> tuple[tuple[Any, Any], Array]:
            error, grad = jax.value_and_grad(loss)(carry[0], chosen)
            return self.descend(*carry, grad, hyper.replace(learning_rate=hyper.critic_learning_rate)), error

        (critic, opt), errors = jax.lax.scan(step, (state.params["critic"], state.opt["critic"]), parts)
        return critic, opt, jnp.mean(errors)


def apg(
    env: Environment, *, network: NetworkLike | None = None, critic: NetworkLike | None = None, **settings: Any
) -> Learner:
    """Analytic policy gradients through the world, and replays of its choices; see the module.

    Args:
        env: what to learn on.
        network: in place of the actor that `actor` names: a builder `build(outputs, bias=()) -> Network`, or a Flax module, see
            `jaxvec.learners.blocks.networks.as_builder`.
        critic: in place of the value of `Observation.world` `(*batch, g)`, likewise.
        settings: fields of `Settings`.
            Where choices are replayed, `rollout_length` is 1 and `bootstrap` off unless given, a gradient step a slot; and where
            all groups have options, `actor` is a "scorer" of 16 and 16, with 64 for the rest.
    Returns:
        A learner; its hyper-parameters are `learner.hyper`, see `Hyper` and `hyper_of`.
    Raises:
        TypeError: an unknown setting, or `network` or `critic` is neither a builder nor a module.
        ValueError: a bad setting.
    """
    return Apg(env, settings_of(env, **settings), network, critic).learner()
