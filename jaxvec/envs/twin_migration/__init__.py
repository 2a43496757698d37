"""The system `twin_migration`; see `jaxvec.envs.twin_migration.env`."""

from jaxvec.envs.twin_migration.env import TwinMigration

__all__ = ["TwinMigration"]
