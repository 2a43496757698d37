"""Means and deviations of what the reward of `twin_migration` is made of, of a region of one's own."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core import rng
from jaxvec.core.rollout import Slot, rollout
from jaxvec.core.spaces import Discrete
from jaxvec.core.types import Observation
from jaxvec.core.weights import weighted_mean
from jaxvec.envs.twin_migration.env import TwinMigration
from jaxvec.envs.twin_migration.observation import GROUP
from jaxvec.envs.twin_migration.params import Params


def calibrate(env: TwinMigration, params: Params, key: Array, episodes: int = 256) -> dict[str, Array]:
    """Means and deviations of latency, load and variance under random choices that the mask allows, for the Z-scores of (22).

    Over all slots of all vehicles on their way. Pure; jit it with `env` and `episodes` static.

    Args:
        env: its mask is used even where it is switched off.
        params: of train days.
        key: of worlds and choices.
        episodes: worlds, an episode each.
    Returns:
        Six numbers `()` for `params.replace(**...)`: `lat_mean_s`, `lat_std_s`, `load_mean_bits`...
    """
    env = dataclasses.replace(env, use_mask=True)

    def policy(key: Array, obs: Observation) -> Any:
        u = rng.uniforms(key, {"server": (env.n_vehicles,)})["server"]
        return {GROUP: {"server": Discrete(env.n_servers).from_uniform(u, obs.mask[GROUP]["server"])}}

    def select(slot: Slot) -> tuple[Array, dict[str, Array]]:
        info = slot.ts.info
        values = {"lat_{}_s": info["t_sum"], "load_{}_bits": info["own_load"], "var_{}_mb2": info["load_var_mb2"]}
        return info["vehicle_active"], values

    weight, values = rollout(env, policy, key, params, episodes, select=select)
    numbers: dict[str, Array] = {}
    for name, x in values.items():
        x = jnp.broadcast_to(x if x.ndim == weight.ndim else x[:, None], weight.shape)
        mean = weighted_mean(x, weight)
        variance = weighted_mean((x - mean) ** 2, weight)
        numbers |= {name.format("mean"): mean, name.format("std"): jnp.sqrt(variance)}
    return numbers
