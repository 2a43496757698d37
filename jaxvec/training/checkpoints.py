"""Checkpoints of a learner's state, by Orbax."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from jaxvec.training.config import ConfigError


class Checkpoints:
    """The last two states of a run, written whole or not at all (Orbax); keys are stored as their words, of generator `impl`."""

    def __init__(self, path: Path, impl: str):
        self._impl = impl
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager((path / "checkpoints").absolute(), options=options)

    @property
    def latest(self) -> int | None:
        """The update of the newest state, None if there is none."""
        return self._manager.latest_step()

    def save(self, update: int, state: Any) -> None:
        """Write the state after so many updates."""
        self._manager.save(update, args=ocp.args.StandardSave(_without_keys(state)))

    def restore(self, template: Any) -> Any:
        """The newest state; `template` has its structure, shapes and types.

        Raises:
            ConfigError: there is none, or it has other shapes.
        """
        if self.latest is None:
            raise ConfigError(f"{self._manager.directory}: no checkpoint in it")
        shapes = jax.eval_shape(_without_keys, template)
        try:
            stored = self._manager.restore(self.latest, args=ocp.args.StandardRestore(shapes))
        except (ValueError, KeyError, OSError, FileNotFoundError) as error:
            raise ConfigError(
                f"{self._manager.directory}: checkpoint {self.latest} cannot be restored: {error}"
            ) from None

        def with_keys(like: Any, x: Any) -> Any:
            return jax.random.wrap_key_data(x, impl=self._impl) if _is_key(like) else x

        return jax.tree.map(with_keys, template, stored)

    def close(self) -> None:
        """Release the folder."""
        self._manager.close()


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _without_keys(state: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, state)
