"""The system `urllc_vec`; see `jaxvec.envs.urllc_vec.env`."""

from jaxvec.envs.urllc_vec.env import UrllcVec

__all__ = ["UrllcVec"]
