"""`twin_migration` with more metrics, which the claims of the DM-MAPPO paper need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxvec.core.types import Timestep
from jaxvec.core.wrappers import Wrapper
from jaxvec.envs.twin_migration import TwinMigration

GROUP = "vehicle"
WATCHED = {
    "unreachable": ("-", "share of vehicles without any RSU or UAV in reach"),
    "loss_meeting": ("-", "share whose server is overloaded after two twins or more arrived there in this slot"),
    "sat_needless": ("-", "share of twins on the satellite although an RSU or UAV was feasible"),
}


@dataclass(frozen=True)
class Watched(Wrapper):
    """`twin_migration` with more metrics: means over the vehicles on their way, as its own."""

    env: TwinMigration

    @property
    def info_fields(self) -> Mapping[str, tuple[str, str]]:  # type: ignore[override]
        """The environment's, and `WATCHED`."""
        return {**self.env.info_fields, **WATCHED}

    def reset(self, key: Array, params: Any) -> tuple[Any, Timestep]:
        """The environment's."""
        return self.env.reset(key, params)

    def step(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Timestep]:
        """The environment's, watched."""
        after, ts = self.env.step(key, state, action, params)
        scene, info, server = state.scene, ts.info, action[GROUP]["server"]
        arrives = info["served"] & (info["migrate"] | (state.prev < 0))
        company = jnp.sum(arrives[None] & (server[None] == server[:, None]), 1)
        elsewhere = jnp.any(scene.feasible[:, :-1], 1)
        watched = {
            "unreachable": ~jnp.any(scene.in_range[:, :-1], 1),
            "loss_meeting": info["overload"] & (company >= 2),
            "sat_needless": info["served"] & (server == self.env.n_servers - 1) & elsewhere,
        }
        active = scene.veh_active
        n_active = jnp.maximum(jnp.sum(active, 0), 1)
        shares = {name: jnp.sum(active & x, 0) / n_active for name, x in watched.items()}
        return after, ts.replace(info=info | shares)
