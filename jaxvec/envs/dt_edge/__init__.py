"""The system `dt_edge`; see `jaxvec.envs.dt_edge.env`.

Its rooms, as every system's: `params` (sizes, numbers, state), `slot` (the phases), `observation` (what is seen, written and
read), `info` (what is told of a slot), `env` (spaces, draws, the order of phases).
"""

from jaxvec.envs.dt_edge.env import DtEdge

__all__ = ["DtEdge"]
