"""REINFORCE (Williams 1992) on the base of on-policy learners, as one would write it outside the package.

Returns to go, less what worlds and agents earn in the same slot in the mean, weigh the log-probabilities of what was done.
"""

import jax
import jax.numpy as jnp

from jaxvec.core.weights import weighted_mean
from jaxvec.learners.blocks import losses
from jaxvec.learners.blocks.gae import gae
from jaxvec.learners.blocks.metrics import by_group
from jaxvec.learners.on_policy import OnPolicy
from jaxvec.learners.on_policy_types import Hyper, Settings


class Reinforce(OnPolicy):
    """One gradient step per rollout."""

    def learn(self, state, rollout, hyper, key):
        def loss(params):
            total, metrics = 0.0, {}
            decided = self.evaluate(params["actor"], rollout.decisions, rollout.memory, hyper)
            for group, (log_prob, entropy) in decided.items():
                weight, reward = rollout.weight[group], rollout.reward[group]
                nothing = jnp.zeros_like(reward)  # no critic: with values of 0 and lambda 1, an advantage is a return
                ends = rollout.terminated[group], rollout.done[group]
                returns = gae(reward, nothing, nothing, *ends, hyper.gamma, 1.0)
                of_slot = jax.vmap(weighted_mean)(returns, weight)
                advantage = losses.standardise(returns - of_slot[:, None, None], weight)
                policy_loss = -weighted_mean(log_prob * advantage, weight)
                total += policy_loss - hyper.entropy_weight * weighted_mean(entropy, weight)
                metrics[group] = {"reinforce/policy_loss": policy_loss}
            return total, by_group(metrics)

        grad, metrics = jax.grad(loss, has_aux=True)(state.params)
        params, opt = self.descend(state.params, state.opt, grad, hyper)
        return state.replace(params=params, opt=opt), metrics


def reinforce(env, *, network=None, **settings):
    """REINFORCE, with parameters that all agents of a group share."""
    return Reinforce("reinforce", env, Settings(**settings), Hyper(), network).learner()
