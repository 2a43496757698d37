"""The system `twin_migration`; see `jaxvec.envs.twin_migration.env`.

Its rooms, as every system's: `params` (sizes, numbers, state), `slot` (the phases), `observation` (what is seen, written and
read), `info` (what is told of a slot), `env` (spaces, draws, the order of phases). Besides: `scene` (what there is before anybody
acts) and `zscores` (means and deviations that the reward needs, of another region).
"""

from jaxvec.envs.twin_migration.env import TwinMigration
from jaxvec.envs.twin_migration.zscores import calibrate

__all__ = ["TwinMigration", "calibrate"]
