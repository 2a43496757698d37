"""How far decisions are from an equilibrium, which Algorithm 3 of the quantum paper looks for in every step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.urllc_vec.observation import observe

EVERY = 10  # slots, of which one is looked at
GROUP, CHOICE = "vehicle", "target"


def nash_gap(env: UrllcVec, state: Any, action: Any, draws: Any, params: Any) -> Array:
    """The most that a vehicle's own reward in this slot would grow, if it alone sent one subtask elsewhere.

    Args:
        env: the environment.
        state: before the slot.
        action: of all.
        draws: of the slot, the same whatever is done.
        params: the numbers.
    Returns:
        `(*batch)`, not below 0; 0 where no vehicle gains by one change, as in an equilibrium.
    """
    alone = params.replace(reward_mix=jnp.zeros_like(jnp.asarray(params.reward_mix, float)))
    may = observe(env, state, params).mask[GROUP][
        CHOICE
    ]  # (V, J, N, *batch), or of every subtask the same (V, N, *batch)
    target = action[GROUP][CHOICE]
    n_vehicles, n_subtasks = target.shape[:2]
    may = may if may.ndim == target.ndim + 1 else jnp.broadcast_to(may[:, None], (*target.shape[:2], *may.shape[1:]))

    def own(chosen: Array) -> Array:
        changed = {**action, GROUP: {**action[GROUP], CHOICE: chosen}}
        return env.step_from(state, changed, draws, alone)[1].reward[GROUP]

    now = own(target)

    def gain(one: Array) -> Array:
        who, which, where = jnp.unravel_index(one, (n_vehicles, n_subtasks, env.n_nodes))
        return jnp.where(may[who, which, where], (own(target.at[who, which].set(where)) - now)[who], 0.0)

    gains = jax.lax.map(gain, jnp.arange(n_vehicles * n_subtasks * env.n_nodes))
    return jnp.maximum(jnp.max(gains, 0), 0.0)


@dataclass(frozen=True)
class Gapped(Wrapper):
    """`urllc_vec` that tells of every tenth slot how far its decisions are from an equilibrium; for evaluation."""

    env: UrllcVec

    @property
    def info_fields(self) -> Mapping[str, tuple[str, str]]:  # type: ignore[override]
        """The environment's, and the gap."""
        return {
            **self.env.info_fields,
            "nash_gap": ("-", "most that one vehicle gains by sending one subtask elsewhere"),
        }

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """The environment's, with the gap in its tenth slots, times ten, and 0 in the others: the mean is that of all."""
        after, ts = self.env.step(key, state, action, params)

        def look() -> Array:
            draws = self.env.draw_step(key, params)
            return EVERY * nash_gap(self.env, state, action, draws, params)

        asked = jnp.any(state.t % EVERY == 0)
        gap = jax.lax.cond(asked, look, lambda: jnp.zeros(state.t.shape, ts.reward[GROUP].dtype))
        return after, ts.replace(info=ts.info | {"nash_gap": gap})
