"""The system `v2x_offload`; see `jaxvec.envs.v2x_offload.env`.

Its rooms, as every system's: `params` (sizes, numbers, state), `slot` (the phases), `observation` (what is seen, written and
read), `info` (what is told of a slot), `env` (spaces, draws, the order of phases).
"""

from jaxvec.envs.v2x_offload.env import V2xOffload

__all__ = ["V2xOffload"]
