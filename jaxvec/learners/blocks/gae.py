"""Generalised advantage estimation (Schulman et al. 2016, (16)), with the two ways to end kept apart."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float


def gae(
    reward: Float[Array, "time *batch"],
    value: Float[Array, "time *batch"],
    next_value: Float[Array, "time *batch"],
    terminated: Bool[Array, "time *#batch"],
    done: Bool[Array, "time *#batch"],
    gamma: Float[Array | float, ""],
    lam: Float[Array | float, ""],
) -> Float[Array, "time *batch"]:
    """Advantages: delta_t + gamma lam (1 - done_t) A_{t+1}, with delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t).

    Args:
        reward: of the slot.
        value: V of what was acted on.
        next_value: V of what truly followed, also where an episode was truncated: that is bootstrapped.
        terminated: the episode really ended in this slot: nothing follows.
        done: terminated or truncated: advantages do not flow across.
        gamma: discount.
        lam: lambda, 0 for one-step errors and 1 for whole returns.
    Returns:
        Advantages; value + advantage is the target of the critic.
    """
    delta = reward + gamma * jnp.where(terminated, 0, next_value) - value

    def back(following, slot):
        delta, done = slot
        advantage = delta + gamma * lam * jnp.where(done, 0, following)
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, jnp.broadcast_to(done, delta.shape)), reverse=True)[1]
