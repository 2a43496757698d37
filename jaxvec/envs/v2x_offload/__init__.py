"""The system `v2x_offload`; see `jaxvec.envs.v2x_offload.env`."""

from jaxvec.envs.v2x_offload.env import V2xOffload

__all__ = ["V2xOffload"]
