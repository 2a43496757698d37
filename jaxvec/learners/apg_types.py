"""What analytic policy gradients are set by, what they keep of a slot, and two functions of it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Slot
from jaxvec.forecast.online import Windows
from jaxvec.learners import on_policy_types
from jaxvec.learners.apg_replays import Replays
from jaxvec.learners.blocks.by_choice import ByChoice


@dataclass(frozen=True)
class Settings(on_policy_types.Settings):
    """What fixes shapes and code paths: a change recompiles; see `jaxvec.learners.on_policy_types.Settings` for the rest.

    Attributes:
        n_worlds, activation: as there, with other defaults.
        rollout_length: H, slots of a piece; None: whole episodes.
        bootstrap: a piece ends in a learned value of what follows, rather than in nothing; see "apg, with a value" in the
            leagues: of `isac_iov`, where it ends lower, and of `dt_edge`, where it ends a little higher.
        sampled_choices: of each discrete component, choices that are replayed in a world and slot; 0: all of them.
        alternatives: how many options of a choice are replayed at most: the one that was taken, and others drawn without
            replacement by the policy's probabilities (the best of logits with Gumbel noise; Kool et al. 2019).
        replay_slots: slots of a replay; None: as many as the environment says, see `Environment.replay_slots`.
        ask_again: where agents take turns, those who come later in a replayed slot are asked again.
        numbers_by_choice: an agent with a single choice has numbers for every option, of which those of the chosen one are done,
            see `jaxvec.learners.blocks.by_choice`.
        value_minibatches: gradient steps of the value per update, where there is one.
    """

    n_worlds: int = 64
    rollout_length: int | None = 10
    activation: str = "silu"
    bootstrap: bool = False
    sampled_choices: int = 2
    alternatives: int = 16
    replay_slots: int | None = None
    ask_again: bool = True
    numbers_by_choice: bool = False
    value_minibatches: int = 4

    def __post_init__(self) -> None:
        if (
            isinstance(self.sampled_choices, bool)
            or not isinstance(self.sampled_choices, int)
            or self.sampled_choices < 0
        ):
            raise ValueError(f"apg: sampled_choices must be a whole number of at least 0, not {self.sampled_choices!r}")


class Hyper(on_policy_types.Hyper):
    """What may be swept without recompiling; see `jaxvec.learners.on_policy_types.Hyper` for the rest.

    Attributes:
        learning_rate, max_grad_norm, entropy_weight, entropy_weight_end: as there, with other defaults; see `hyper_of`.
        critic_learning_rate: of the value.
        tau: by which part the target value follows at each update.
        jump: deviation of antithetic replays, in units of half a box; they end at its bounds.
        epsilon: not read: replays try all choices, so that none need be made by chance.
    """

    learning_rate: float = 3e-3
    critic_learning_rate: float = 1e-3
    tau: float = 0.1
    jump: float = 0.1
    max_grad_norm: float = 10.0
    entropy_weight: float = 2e-3
    entropy_weight_end: float = 2e-4


def settings_of(env: Environment, **settings: Any) -> Settings:
    """Settings that suit an environment, where none are given.

    Args:
        env: what to learn on.
        settings: fields of `Settings`, taken as they are.
    Raises:
        TypeError: an unknown setting.
        ValueError: a bad one.
    """
    usual: dict[str, Any] = {}
    if Replays(env, 0, 1):
        usual |= {"rollout_length": 1}
        if all(env.options.get(group) for group in env.action_space):
            usual |= {"actor": "scorer", "scorer_hidden": (16, 16), "hidden": (64,)}
    if env.takes_turns and ByChoice(env).wider:
        usual |= {"numbers_by_choice": True}
    if len(Replays(env, 0, 1).choices) > 1:  # one of each component's
        usual |= {"sampled_choices": 1}
    if env.replay_slots > 1:  # which are dear
        usual |= {"n_worlds": 32, "sampled_choices": 1, "alternatives": 6}
    return Settings(**{**usual, **settings})


def hyper_of(env: Environment) -> Hyper:
    """Hyper-parameters to start from on an environment.

    Replays say exactly what each option of a choice is worth, so that steps may be longer than where a derivative is followed.

    Args:
        env: what to learn on.
    """
    return Hyper(learning_rate=1e-2) if Replays(env, 0, 1) else Hyper()


class Piece(NamedTuple):
    """What an update keeps of its slots, time first and worlds last.

    Attributes:
        reward: `(H, W)`, mean over agents.
        done, terminated: bool `(H, W)`.
        next_value: of what truly followed, in units of the reward.
        gain, entropy: see `Apg.gains`.
        world: what the value sees, `(H, W, g)`.
        slot: as metrics read it.
        windows: for a forecaster.
    """

    reward: Array
    done: Array
    terminated: Array
    next_value: Array
    gain: Array
    entropy: Array
    world: Array
    slot: Slot
    windows: Windows | None


def returns_of(piece: Piece, gamma: Array | float) -> Array:
    """Discounted rewards to the end of the piece or of the episode, and there the value of what follows.

    Args:
        piece: of every world.
        gamma: discount per slot.
    Returns:
        `(H, W)`, in units of the reward.
    """
    last = (jnp.arange(len(piece.reward)) == len(piece.reward) - 1)[:, None]

    def back(following: Array, slot: Any) -> tuple[Array, Array]:
        reward, done, terminated, value, last = slot
        ahead = jnp.where(terminated, 0, jnp.where(done | last, value, following))
        total = reward + gamma * ahead
        return total, total

    slots = (piece.reward, piece.done, piece.terminated, piece.next_value, last)
    return jax.lax.scan(back, jnp.zeros_like(piece.reward[0]), slots, reverse=True)[1]
