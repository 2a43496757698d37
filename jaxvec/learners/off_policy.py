"""What DDPG and SAC share: acting in many worlds, the replay buffer, critics, targets, and the loop around them.

An update is `slots_per_update` slots in each of `n_worlds` worlds; after every `learn_every` of them `gradient_steps` steps on
batches from the buffer. A central critic of agent i sees its observation and action, the world, and the actions of all others;
a pooled one its observation and action, and the mean of what it makes of everybody else's.
Critics work in units that follow from the rewards' running mean and deviation, so that rewards of any size and offset learn
alike.

What a learner adds (`_OffPolicy`'s hooks): how an actor's outputs become an action, and what its action costs beside its value.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvec.core import rng
from jaxvec.core.environment import Environment, first_timestep
from jaxvec.core.layout import batch_first, batch_last
from jaxvec.core.params import check_params, params_of_worlds, world_params
from jaxvec.core.rollout import Actor, Policy, Slot, policy_keys, unroll, world_keys
from jaxvec.core.types import Observation
from jaxvec.core.wrappers import reset_where_done
from jaxvec.forecast.online import OnlineForecaster, Windows
from jaxvec.learners.base import Learner, Metrics, check_counts
from jaxvec.learners.blocks import flat, losses, normalise, replay
from jaxvec.learners.blocks.actors import (
    Actors,
    Groups,
    agent_mask,
    network_inputs,
    obs_batch_first,
    start_moments,
    terminated_per_agent,
    update_moments,
)
from jaxvec.learners.blocks.critics import Critics
from jaxvec.learners.blocks.metrics import by_group, scalars, summary
from jaxvec.learners.blocks.networks import Network
from jaxvec.learners.blocks.schedules import annealed
from jaxvec.learners.off_policy_types import Entry, Proposal, State

COUNTS = (
    "n_worlds",
    "slots_per_update",
    "learn_every",
    "gradient_steps",
    "batch_size",
    "capacity",
    "policy_delay",
    "forecaster_steps",
    "forecaster_batch",
)


class OffPolicy:
    """A learner's functions, closed over the environment and its static settings."""

    use_min_q = False  # actors climb the smaller of twin critics, else the first

    def __init__(
        self,
        name: str,
        env: Environment,
        settings: Any,
        hyper: Any,
        actor: Callable[[str, flat.Spaces], Network],
        critic: Callable[..., Network],
    ):
        s = settings
        check_counts(name, s, COUNTS)
        if s.choices not in flat.CHOICES:
            raise ValueError(f"choices must be one of {', '.join(flat.CHOICES)}, not {s.choices!r}")
        if s.slots_per_update % s.learn_every:
            raise ValueError(f"slots_per_update = {s.slots_per_update} is no multiple of learn_every = {s.learn_every}")
        if s.capacity % s.n_worlds:
            raise ValueError(f"capacity = {s.capacity} is no multiple of n_worlds = {s.n_worlds}")
        steps = s.slots_per_update // s.learn_every * s.gradient_steps
        if steps % s.policy_delay:
            raise ValueError(f"{steps} gradient steps an update are no multiple of policy_delay = {s.policy_delay}")
        self.env, self.settings, self.hyper = env, s, hyper.replace(gamma=env.discount)
        self.forecaster = OnlineForecaster(env, s.forecaster, s.forecaster_steps, s.forecaster_batch)
        self.inner = {group: flat.inner_spaces(spaces, s.choices) for group, spaces in env.action_space.items()}
        self.actors = Actors(env, lambda group: actor(group, self.inner[group]), s.share_parameters)
        choices = {group: flat.whole_choice(inner) for group, inner in self.inner.items() if flat.whole_choice(inner)}
        judge = partial(critic, s.hidden, activation=s.activation)
        self.critics = Critics(env.n_agents, judge, s.central_critic, s.share_parameters, choices)
        self.name = f"{name}_pooled" if self.critics.pools else name

    def learner(self) -> Learner:
        """As pure functions."""
        steps = self.settings.slots_per_update * self.settings.n_worlds
        return Learner(self.name, self.env, self.settings, self.hyper, self.init, self.update, self.policy, steps)

    # What a learner says for itself

    def propose(
        self, group: str, outputs: Array, mask: Groups, key: Array, state: State, hyper: Any, role: str
    ) -> Proposal:
        """From an actor's outputs to its action.

        Args:
            outputs: `(*batch, n, outputs)`.
            mask: per discrete component, batch-first.
            key: typed keys `(*batch)`.
            role: "act" in training, "greedy" without chance, "target" for the value of what follows, "improve" for the actor's
                own gradient.
        """
        raise NotImplementedError

    def start_temperature(self, hyper: Any) -> Groups:
        """Temperatures at the start, per group."""
        return {}

    def tune(self, temperature: Groups, entropy: Groups, room: Groups, hyper: Any) -> Groups:
        """Temperatures after an actor's step whose mean entropies were these, among so much room for them."""
        return temperature

    # Acting

    def answer(
        self, state: State, actor: Groups, key: Array, obs: Observation, hyper: Any, role: str
    ) -> tuple[Groups, dict[str, Proposal]]:
        """Actions of the agents that are asked, and the proposals behind them, all batch-last."""
        rank = key.ndim
        seen, mask = (
            network_inputs(obs_batch_first(obs), state.moments.get("obs", {})).agents,
            batch_first(obs.mask, rank),
        )
        said, _ = self.actors.outputs(actor, self.actors.memory(key.shape), seen, obs.ids, rank)
        action, made = {}, {}
        for group, spaces in self.env.action_space.items():
            own = rng.stream(key, group)
            made[group] = self.propose(group, said[group], mask.get(group, {}), own, state, hyper, role)
            chosen = made[group].action
            action[group] = flat.to_space(spaces, self.inner[group], chosen, obs.mask.get(group, {}), rank)
        return action, batch_last(made, rank)

    def anything(self, key: Array, obs: Observation) -> tuple[Groups, Groups]:
        """Uniform actions of the agents that are asked, and the same in flat form, batch-last."""
        action, kept, rank = {}, {}, key.ndim
        for group, spaces in self.env.action_space.items():
            inner, mask = self.inner[group], obs.mask.get(group, {})
            shape = {"u": (len(obs.agents[group]), flat.width(inner))}
            u = batch_first(rng.uniforms(rng.stream(key, f"any/{group}"), shape)["u"], rank)
            chosen = flat.uniform(inner, u, batch_first(mask, rank))
            action[group] = flat.to_space(spaces, inner, chosen, mask, rank)
            kept[group] = batch_last(chosen, rank)
        return action, kept

    def policy(self, state: State, greedy: bool = True) -> Policy:
        """The current policy; without `greedy`, exploring as in training."""
        hyper, role = annealed(state.hyper, state.update), "greedy" if greedy else "act"
        tell = partial(self.forecaster.add_forecast, state.forecaster)
        return lambda key, obs: self.answer(state, state.params["actor"], key, tell(obs), hyper, role)[0]

    # Learning

    def init(self, key: Array, params: Any, hyper: Any = None) -> State:
        """A fresh learner with an empty buffer.

        Args:
            key: everything random follows from it.
            params: the environment's, of one world or with `(n_worlds,)` leaves.
            hyper: hyper-parameters, the defaults if None.
        """
        s, n = self.settings, self.settings.n_worlds
        params = jax.tree.map(jnp.asarray, world_params(check_params(params)))
        hyper = jax.tree.map(jnp.asarray, self.hyper if hyper is None else hyper)
        key_net, key_run = rng.stream(key, "networks"), rng.stream(key, "run")
        forecaster = self.forecaster.init(rng.stream(key_net, "twin"), params)
        carry = self.forecaster.wrap(forecaster).reset(world_keys(key_run, n), params)
        one = jax.tree.map(lambda x: x[:1], network_inputs(obs_batch_first(carry[1].obs), {}))
        nothing = {g: jnp.zeros((1, k, flat.width(self.inner[g]))) for g, k in self.env.n_agents.items()}
        inputs = self.critics.inputs(one, nothing, nothing)
        critics = tuple(
            self.critics.init(rng.stream(key_net, f"critic {i}"), inputs) for i in range(1 + s.double_critics)
        )
        nets = {"actor": self.actors.init(rng.stream(key_net, "actor"), one.agents), "critic": critics}
        moments: dict[str, Groups] = {"reward": {group: normalise.start(()) for group in self.inner}}
        moments["end"] = {group: normalise.start(()) for group in self.inner}
        if s.normalise_observations:
            moments["obs"] = start_moments(obs_batch_first(carry[1].obs))
        state = State(
            params=nets,
            target=jax.tree.map(jnp.copy, nets),
            opt={part: _optimiser(hyper, part).init(nets[part]) for part in nets},
            temperature=self.start_temperature(hyper),
            moments=moments,
            replay=None,  # type: ignore[arg-type]
            forecaster=forecaster,
            hyper=hyper,
            env_params=params,
            key=key_run,
            update=jnp.int32(0),
            carry=carry,
        )
        return state.replace(replay=replay.start(s.capacity // n, n, self.packing(state).width))

    def packing(self, state: State) -> replay.Packing:
        """How an entry of one world lies in the buffer."""
        entry = jax.eval_shape(lambda state: self.slot(state, state.hyper, jnp.int32(0))[1], state)
        return replay.packing(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[:-1], x.dtype), entry))

    def slot(self, state: State, hyper: Any, t: Array) -> tuple[Any, Entry, Windows | None, Metrics]:
        """The t-th slot in all worlds: where they stand after it, what to remember, what a forecaster learns from, metrics."""
        n, env = self.settings.n_worlds, self.forecaster.wrap(state.forecaster)
        keys = world_keys(state.key, n, t), policy_keys(state.key, n, t)

        def ask(memory, key, obs):
            action, made = self.answer(state, state.params["actor"], key, obs, hyper, "act")
            kept = {group: proposal.action for group, proposal in made.items()}
            choose = partial(jnp.where, _started(state, hyper))
            action, kept = jax.tree.map(choose, (action, kept), self.anything(key, obs))
            return action, memory, kept

        select = lambda slot: (slot._replace(state=(), ts=scalars(slot.ts)), self.forecaster.window(slot))  # noqa: E731
        unroll_one = partial(unroll, env, Actor((), ask, ()), keys, state.env_params, n_steps=1, select=select)
        (following, ts, _), slots = unroll_one(state.carry)
        seen: Slot
        metrics, (seen, windows) = summary(slots[0]), jax.tree.map(lambda x: x[0], slots)
        entry = Entry(
            seen.obs.replace(aux={}),
            seen.extras,
            seen.ts.reward,
            seen.ts.terminated,
            ts.obs.replace(aux={}),
            following if self.env.takes_turns else (),
        )
        after = reset_where_done(env, rng.stream(keys[0], "reset"), following, ts, state.env_params)
        return after, entry, windows, metrics

    def update(self, state: State) -> tuple[State, Metrics]:
        """Act and learn in turns; metrics are means over the update."""
        s, hyper, packing = self.settings, annealed(state.hyper, state.update), self.packing(state)

        def act(state: State, i: Array) -> tuple[State, tuple[Windows | None, Metrics]]:
            carry, entry, windows, metrics = self.slot(state, hyper, 1 + state.update * s.slots_per_update + i)
            moments = dict(state.moments)
            if "obs" in moments:
                moments["obs"] = update_moments(
                    moments["obs"],
                    network_inputs(obs_batch_first(entry.obs), {}),
                    agent_mask(obs_batch_first(entry.obs)),
                )
            buffer = replay.add(state.replay, packing.pack(batch_first(entry, 1)))
            after = state.replace(carry=carry, moments=moments, replay=buffer)
            return after, (windows, metrics)

        def learn(state: State, i: Array) -> tuple[State, Metrics]:
            key = rng.fold_in(rng.fold_in(rng.stream(state.key, "learn"), state.update), i)
            return self.step(state, packing, hyper, key, i)

        def turn(state: State, i: Array) -> tuple[State, tuple[Windows | None, Metrics]]:
            state, (windows, acted) = jax.lax.scan(act, state, i * s.learn_every + jnp.arange(s.learn_every))
            state, learned = jax.lax.scan(learn, state, i * s.gradient_steps + jnp.arange(s.gradient_steps))
            return state, (windows, jax.tree.map(jnp.mean, acted | learned))

        state, (windows, metrics) = jax.lax.scan(turn, state, jnp.arange(s.slots_per_update // s.learn_every))
        # turns and their slots are one axis of time
        windows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), windows)
        key = rng.fold_in(rng.stream(state.key, "twin"), state.update)
        forecaster, forecasting = self.forecaster.learn(state.forecaster, key, windows, hyper.forecaster_learning_rate)
        after = state.replace(update=state.update + 1, forecaster=forecaster)
        return after, jax.tree.map(jnp.mean, metrics) | forecasting

    def step(self, state: State, packing: replay.Packing, hyper: Any, key: Array, i: Array) -> tuple[State, Metrics]:
        """The i-th gradient step of an update: of the critics, and every `policy_delay`-th time of actors and targets."""
        key_sample, key_next, key_own = (rng.stream(key, name) for name in ("sample", "next", "own"))
        rows, world = replay.sample(state.replay, key_sample, self.settings.batch_size)
        entry: Entry = batch_last(packing.unpack(rows), 1)
        state = state.replace(moments=self.follow(state.moments, entry, hyper))
        target = self.targets(state, entry, world, hyper, key_next)
        grad, found = jax.grad(self.critic_loss, has_aux=True)(state.params["critic"], state, entry, target)
        critic, critic_opt = _descend(state, "critic", grad, hyper)
        state = state.replace(
            params=state.params | {"critic": critic},
            opt=state.opt | {"critic": critic_opt},
        )
        found["off_policy/critic_grad_norm"] = optax.tree.norm(grad)
        changing = state.params["actor"], state.opt["actor"], state.temperature, state.target

        def improve() -> tuple[Any, Metrics]:
            grad, (found, (entropy, room)) = jax.grad(self.actor_loss, has_aux=True)(
                state.params["actor"], state, entry, hyper, key_own
            )
            after = *_descend(state, "actor", grad, hyper), self.tune(state.temperature, entropy, room, hyper)
            after = jax.tree.map(partial(jnp.where, _started(state, hyper)), after, changing[:3])
            target = optax.incremental_update(state.params | {"actor": after[0]}, state.target, hyper.tau)
            return (*after, target), found | {"off_policy/actor_grad_norm": optax.tree.norm(grad)}

        delay = self.settings.policy_delay
        if delay == 1:
            changed, more = improve()
        else:
            none = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(improve)[1])
            changed, more = jax.lax.cond((i + 1) % delay == 0, improve, lambda: (changing, none))
            more = jax.tree.map(lambda x: x * delay, more)  # a mean over steps then is one over those that improved
        actor, actor_opt, temperature, target_nets = changed
        state = state.replace(
            params=state.params | {"actor": actor},
            opt=state.opt | {"actor": actor_opt},
            temperature=temperature,
            target=target_nets,
        )
        return state, found | more

    # Values

    def real_values(self, state: State, obs: Observation, action: Groups) -> Groups:
        """Values in units of the reward, `(*batch, n)`, of flat actions."""
        seen = network_inputs(obs_batch_first(obs), state.moments.get("obs", {}))
        values = self.critics.values(state.params["critic"][0], self.critics.inputs(seen, action, action))
        values = self.critics.of(values, action)
        unit = self.unit(state.moments, state.hyper)
        return {group: normalise.undo(unit[group], v) for group, v in values.items()}

    def unit(self, moments: dict[str, Groups], hyper: Any) -> dict[str, normalise.Moments]:
        """In what critics count, per group."""
        ends = moments["end"]
        return {g: normalise.of_targets(m, ends[g].mean, hyper.gamma) for g, m in moments["reward"].items()}

    def follow(self, moments: dict[str, Groups], entry: Entry, hyper: Any) -> dict[str, Groups]:
        """Moments after the rewards and ends of a batch."""
        weight, rate = agent_mask(obs_batch_first(entry.obs)), hyper.unit_rate
        reward = {
            group: normalise.follow(old, batch_first(entry.reward[group], 1), weight[group], rate)
            for group, old in moments["reward"].items()
        }
        end = {
            group: normalise.follow(moments["end"][group], ended.astype(float), weight[group], rate)
            for group, ended in self.terminated_per_agent(entry).items()
        }
        return moments | {"reward": reward, "end": end}

    def terminated_per_agent(self, entry: Entry) -> Groups:
        """Per group, bool `(batch, n)`: nothing follows."""
        return terminated_per_agent(self.env, entry.terminated, agent_mask(obs_batch_first(entry.next_obs)))

    def targets(self, state: State, entry: Entry, world: Array, hyper: Any, key: Array) -> Groups:
        """r + gamma (1 - over) (min Q'(s', a') - cost), with a' of the target actors, who take their turns anew.

        Returns:
            Per group `(batch, n)`, in the critics' units.
        """
        following = partial(self.following, state, entry, world, hyper, key)
        nothing = {group: jnp.zeros((len(world), n)) for group, n in self.env.n_agents.items()}
        value = jax.lax.cond(hyper.gamma > 0, following, lambda: nothing)  # a bandit needs no look ahead
        result, ended = {}, self.terminated_per_agent(entry)
        for group, unit in self.unit(state.moments, hyper).items():
            ahead = hyper.gamma * ~ended[group] * normalise.undo(unit, value[group])
            target = batch_first(entry.reward[group], 1) + ahead
            result[group] = jax.lax.stop_gradient(normalise.to(unit, target))
        return result

    def following(self, state: State, entry: Entry, world: Array, hyper: Any, key: Array) -> Groups:
        """min Q'(s', a') - cost, per group `(batch, n)`, in the critics' units."""
        size = len(world)
        keys = rng.fold_in(key, jnp.arange(size))
        params = params_of_worlds(state.env_params, world, self.settings.n_worlds)
        ask = lambda key, obs: self.answer(state, state.target["actor"], key, obs, hyper, "target")  # noqa: E731
        ts = first_timestep(self.env, entry.next_obs, (size,))
        _, turn = self.env.act(ask, keys, entry.next_state, ts, params)
        made = batch_first(turn.extras, 1)
        action = {group: proposal.action for group, proposal in made.items()}
        inputs = self.critics.inputs(
            network_inputs(obs_batch_first(turn.obs), state.moments.get("obs", {})), action, action
        )
        several = [self.critics.values(critic, inputs) for critic in state.target["critic"]]
        smallest = {group: jnp.stack([values[group] for values in several]).min(0) for group in made}
        value = self.critics.of(smallest, {group: proposal.chance for group, proposal in made.items()})
        return {group: value[group] - made[group].cost for group in made}

    def every_choice(self, group: str, proposal: Proposal) -> Array:
        """The proposed action; of an agent with boxes and a single discrete choice, with each choice in turn,
        `(k, *batch, n, width)`: its value is then an expectation and not a sample."""
        if proposal.chance is None or group in self.critics.choices:
            return proposal.action
        one_hots = jnp.eye(proposal.chance.shape[-1])
        return jnp.stack([flat.with_choice(self.inner[group], proposal.action, choice) for choice in one_hots])

    def critic_loss(
        self, critics: tuple[Groups, ...], state: State, entry: Entry, target: Groups
    ) -> tuple[Array, Metrics]:
        """Mean squared error, summed over critics and groups."""
        action, weight = batch_first(entry.action, 1), agent_mask(obs_batch_first(entry.obs))
        inputs = self.critics.inputs(
            network_inputs(obs_batch_first(entry.obs), state.moments.get("obs", {})), action, action
        )
        several = [self.critics.of(self.critics.values(critic, inputs), action) for critic in critics]
        loss, found, unit = jnp.zeros(()), {}, self.unit(state.moments, state.hyper)
        for group, y in target.items():
            errors = [losses.weighted_mean((values[group] - y) ** 2, weight[group]) for values in several]
            loss += sum(errors)
            real = normalise.undo(unit[group], several[0][group])
            found[group] = {
                "off_policy/critic_loss": jnp.mean(jnp.stack(errors)),
                "off_policy/value": losses.weighted_mean(real, weight[group]),
            }
        return loss, by_group(found)

    def actor_loss(self, actor: Groups, state: State, entry: Entry, hyper: Any, key: Array) -> tuple[Array, Any]:
        """Minus the value of each agent's own new action among the others' old ones, plus its cost; summed over groups.

        A pooled critic sees the others' new ones, through which every agent climbs the values of all: those of a team.
        """
        seen, weight = (
            network_inputs(obs_batch_first(entry.obs), state.moments.get("obs", {})),
            agent_mask(obs_batch_first(entry.obs)),
        )
        joint, mask = batch_first((entry.action, entry.obs.mask), 1)
        size = len(entry.terminated)
        keys = rng.fold_in(key, jnp.arange(size))
        said, _ = self.actors.outputs(actor, self.actors.memory((size,)), seen.agents, {}, 1)
        made = {
            group: self.propose(group, x, mask.get(group, {}), rng.stream(keys, group), state, hyper, "improve")
            for group, x in said.items()
        }
        own = {group: self.every_choice(group, proposal) for group, proposal in made.items()}
        if self.critics.pools:
            joint = {group: proposal.action for group, proposal in made.items()}
        inputs = self.critics.inputs(seen, own, joint)
        judges = state.params["critic"] if self.use_min_q else state.params["critic"][:1]
        several = [self.critics.values(critic, inputs) for critic in judges]
        loss, found, entropy, room = jnp.zeros(()), {}, {}, {}
        for group, proposal in made.items():
            mean = partial(losses.weighted_mean, weight=weight[group])
            value = jnp.stack([values[group] for values in several]).min(0)
            if group in self.critics.choices:
                value = self.critics.of({group: value}, {group: proposal.chance})[group]
            elif proposal.chance is not None:
                value = jnp.sum(jnp.moveaxis(proposal.chance, -1, 0) * value, 0)
            loss += mean(proposal.cost - value)
            entropy[group], room[group] = (jax.tree.map(mean, x) for x in (proposal.entropy, proposal.room))
            found[group] = {
                "off_policy/actor_loss": mean(proposal.cost - value),
                "off_policy/cost": mean(proposal.cost),
            }
            found[group] |= {f"off_policy/entropy_{kind}": x for kind, x in entropy[group].items()}
        return loss, (by_group(found), (entropy, room))


def _started(state: State, hyper: Any) -> Array:
    """The actors act and learn: the first part of training is uniform, and only the critics learn."""
    return state.update >= hyper.warmup * hyper.anneal_updates


def _optimiser(hyper: Any, part: str) -> optax.GradientTransformation:
    """Adam with clipped gradients, for the "actor" or the "critic"."""
    return optax.chain(
        optax.clip_by_global_norm(hyper.max_grad_norm), optax.adam(getattr(hyper, f"{part}_learning_rate"))
    )


def _descend(state: State, part: str, grad: Any, hyper: Any) -> tuple[Any, Any]:
    updates, opt = _optimiser(hyper, part).update(grad, state.opt[part])
    return optax.apply_updates(state.params[part], updates), opt
