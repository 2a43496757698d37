"""The system `urllc_vec`; see `jaxvec.envs.urllc_vec.env`.

Its rooms, as every system's: `params` (sizes, numbers, state), `slot` (the phases), `observation` (what is seen, written and
read), `info` (what is told of a slot), `env` (spaces, draws, the order of phases). Besides: `links` (losses, fading, gains, and
who can reach whom) and `next_slot` (how slots begin).
"""

from jaxvec.envs.urllc_vec.env import UrllcVec

__all__ = ["UrllcVec"]
