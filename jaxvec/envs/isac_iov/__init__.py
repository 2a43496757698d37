"""The system `isac_iov`; see `jaxvec.envs.isac_iov.env`.

Its rooms, as every system's: `params` (sizes, numbers, state), `slot` (the phases), `observation` (what is seen, written and
read), `info` (what is told of a slot), `env` (spaces, draws, the order of phases).
"""

from jaxvec.envs.isac_iov.env import IsacIov

__all__ = ["IsacIov"]
