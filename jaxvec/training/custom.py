"""What a run has that is not the package's: environments, learners and networks of one's own, and how they are known again."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.core.params import world_params
from jaxvec.core.rollout import world_keys
from jaxvec.learners.base import Learner

SHOWN = 8  # outputs that are kept of each array
TOLERANCE = 1e-3  # between machines, relative to the largest output


def class_path(thing: Any) -> str:
    """Where a thing's class is, "module:Class"."""
    cls = type(thing)
    return f"{cls.__module__}:{cls.__qualname__}"


def same_class(path: str, other: str) -> bool:
    """Whether two of `class_path` are of one class; one that was defined in a script or notebook may have moved to a module."""
    (module, name), (other_module, other_name) = (p.partition(":")[::2] for p in (path, other))
    return name == other_name and (module == other_module or "__main__" in (module, other_module))


def networks_record(learner: Learner, params: Any) -> dict[str, Any]:
    """How networks of one's own can be known again: the structure of their parameters, and what they say on fixed inputs.

    Args:
        learner: `learner.custom` says which of its networks are the user's.
        params: the environment's.
    Returns:
        Per such network, a digest of names, shapes and types of its parameters as `structure`, and some of its outputs with
        parameters and observations from fixed keys as `outputs`; empty where all networks are the package's.
    """
    networks = learner.networks
    if not learner.custom or networks is None:
        return {}
    n_worlds = learner.settings.n_worlds

    def say(key: jax.Array) -> tuple[Any, Any]:
        state = learner.init(key, params)
        worlds = world_keys(jax.random.fold_in(key, 1), n_worlds)
        obs = learner.env.reset(worlds, world_params(params))[1].obs
        return networks(state, obs)

    parameters, outputs = jax.jit(say)(jax.random.key(0))
    return {
        part: {
            "structure": _structure(parameters[part]),
            "outputs": [_some(x) for x in jax.tree.leaves(outputs[part])],
        }
        for part in learner.custom
    }


def differences_of_networks(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """In words, why the networks at hand are not those of a run, from both `networks_record`s; empty if they are."""
    lines = []
    for part in sorted({*mine, *theirs}):
        if part not in mine:
            lines.append(f"the run has a {part} of its own: give it, {part}=...")
        elif part not in theirs:
            lines.append(f"the run has the package's own {part}: leave out {part}=...")
        elif mine[part]["structure"] != theirs[part]["structure"]:
            lines.append(f"the {part} has other parameters than the run's")
        elif not _close(mine[part]["outputs"], theirs[part]["outputs"]):
            lines.append(f"the {part} has the parameters of the run's, but says something else")
    return lines


def _structure(tree: Any) -> str:
    """A digest of names, shapes and types."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    text = "\n".join(f"{jax.tree_util.keystr(path)} {x.shape} {jnp.result_type(x)}" for path, x in leaves)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _some(x: Any) -> list[float]:
    """A few numbers of an array, evenly spread, and its mean size."""
    flat = np.asarray(x, float).ravel()
    where = np.linspace(0, flat.size - 1, min(SHOWN, flat.size)).astype(int)
    return [float(f"{number:.6g}") for number in (*flat[where], np.mean(np.abs(flat)))]


def _close(mine: list[list[float]], theirs: list[list[float]]) -> bool:
    return len(mine) == len(theirs) and all(
        len(a) == len(b) and np.allclose(a, b, rtol=0, atol=TOLERANCE * max(np.max(np.abs(b)), 1e-12))
        for a, b in zip(mine, theirs, strict=True)
    )
