"""`dt_edge` with the actor of the paper."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.envs.dt_edge import DtEdge, slot
from jaxvec.envs.dt_edge.observation import GROUP

LOGITS = 4.0  # an action of 0 to 1 is a logit of -4 to 4


@dataclass(frozen=True)
class JointSoftmax(Wrapper):
    """`dt_edge` whose actions are logits of one softmax over all ratios and shares of a vehicle, as in IV-A of the paper.

    A ratio is an entry of the softmax, cut to 0.01 to 0.99, a share half an entry; both were chosen, as the paper does not say
    how one softmax makes both. All ratios of a vehicle and its doubled shares then sum to one: it never offloads everything.
    """

    env: DtEdge

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """One slot, with the softmax's ratios and shares."""
        return self.env.step(key, state, {GROUP: self.decided(action[GROUP], params)}, params)

    def decided(self, action: Any, params: Any) -> dict[str, Array]:
        """The action of the environment that asks for what the softmax says.

        Args:
            action: "offload" and "share", `(N, K, *batch)` each, from 0 to 1.
            params: numbers of the environment.
        Returns:
            The same in the environment's terms, whose shares are log-spaced.
        """
        logits = LOGITS * (2 * jnp.concatenate([action["offload"], action["share"]], 1) - 1)
        ratios, shares = jnp.split(jax.nn.softmax(logits, 1), 2, 1)
        floor = slot.share_floor(self.env, params)
        asked = jnp.clip(0.5 * shares, floor, params.alpha_max)
        return {
            "offload": jnp.clip(ratios, 0.01, 0.99),
            "share": jnp.log(asked / floor) / jnp.log(params.alpha_max / floor),
        }
