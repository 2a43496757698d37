"""A run folder, with `config.json` (everything to repeat it), `params.npz`, `metrics.jsonl` and `checkpoints/`, read back."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import learners
from jaxvec.core.buffers import settled
from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.core.params import world_params
from jaxvec.core.rollout import Policy
from jaxvec.learners.base import Learner
from jaxvec.training.checkpoints import Checkpoints
from jaxvec.training.config import ConfigError, check_fields, differences, digest, plain, read_config, read_params
from jaxvec.training.custom import class_path, differences_of_networks, networks_record, same_class


class Parts(NamedTuple):
    """What a run was made from: its configuration, learner, parameters, hyper-parameters and key."""

    config: dict[str, Any]
    learner: Learner
    params: Any
    hyper: Any
    key: jax.Array


class Run(NamedTuple):
    """A trained run, read back.

    Attributes:
        path: its folder.
        config: its `config.json`.
        learner, params, hyper: what it was made from.
        state: the learner's state of the last checkpoint that can be read; with several seeds every leaf has a leading axis.
        update: how many updates that state has seen.
    """

    path: Path
    config: dict[str, Any]
    learner: Learner
    params: Any
    hyper: Any
    state: Any
    update: int

    @property
    def env(self) -> Environment:
        """The environment that it learned on."""
        return self.learner.env

    def policy(self, member: int = 0, greedy: bool = True, *, params: Any = None) -> Policy:
        """The policy of one of the seeds, `policy(key, obs) -> action`.

        Args:
            member: which seed.
            greedy: the best that it knows; else sampled, as in training.
            params: numbers of the worlds in which it will act, which a prior may know; None: those that it learned with.
        Raises:
            ValueError: there is no such seed.
        """
        state = member_of(self.state, self.config["train"]["num_seeds"], member)
        if params is not None and hasattr(state, "env_params"):
            state = state.replace(env_params=jax.tree.map(jnp.asarray, world_params(params)))
        return self.learner.policy(state, greedy)


def member_of(state: Any, num_seeds: int, member: int) -> Any:
    """The state of one seed.

    Raises:
        ValueError: there is no such seed.
    """
    if not 0 <= member < num_seeds:
        raise ValueError(f"member {member} does not exist: the run has {num_seeds} (0 to {num_seeds - 1})")
    return state if num_seeds == 1 else jax.tree.map(lambda x: x[member], state)


def rebuild(path: Path, *, env: Environment | None = None, network: Any = None, critic: Any = None) -> Parts:
    """What a run folder was made from.

    Args:
        path: the folder.
        env: the environment, where it is wrapped or cannot be made from its id.
        network, critic: networks of one's own, where the run has them.
    Raises:
        ConfigError: the folder is not a run; it names what this version does not know; its environment, learner or networks are
            others than those at hand. The message says which, and what to do.
    """
    config = read_config(path)
    file = path / "config.json"
    try:
        env = _environment(config["env"], env)
        networks = {name: x for name, x in (("network", network), ("critic", critic)) if x is not None}
        learner = _learner(config["learner"], env, networks)
        hyper = learner.hyper.replace(**config["learner"]["hyper"])
        key = _key(config["train"]["key"], config["train"]["impl"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ConfigError(f"{file}: cannot be rebuilt: {error}") from None
    params = read_params(path, env.blank_params(), config["env"]["params"])
    recorded = config["learner"]["custom"]
    missing = [name for name in recorded if name not in learner.custom]
    lines = (
        differences_of_networks({}, recorded)
        if missing
        else differences_of_networks(networks_record(learner, params), recorded)
    )
    if lines:
        raise ConfigError(f"{file}: {'; '.join(lines)}")
    return Parts(config, learner, params, hyper, key)


def _key(words: list[Any], impl: str) -> jax.Array:
    """The key of a run."""
    try:
        if np.ndim(words) == 1:
            return jax.random.wrap_key_data(jnp.asarray(np.asarray(words, np.uint32)), impl=impl)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"train.key, {words}, is no key of the generator train.impl, {impl!r}")


def _environment(recorded: dict[str, Any], env: Environment | None) -> Environment:
    """The environment of a run: the one at hand if it fits, else made from its id."""
    where = recorded["class"]
    if env is None:
        if recorded["id"] not in ENVIRONMENTS:
            raise ValueError(
                f"environment {recorded['id']!r} of {where} is not registered: import its module and "
                f"jaxvec.register({recorded['id']!r}, ...), or give --register {where.split(':')[0]}"
            )
        cls: Any = ENVIRONMENTS[recorded["id"]]
        registered = f"{cls.__module__}:{cls.__qualname__}"
        if not same_class(registered, where):
            raise ValueError(
                f"the run's environment {recorded['id']!r} was {where}, not {registered}; give it, env=..."
            )
        check_fields("env.sizes", recorded["sizes"], cls)
        return cls(**recorded["sizes"])
    if not same_class(class_path(env), where):
        raise ValueError(f"the run's environment was {where}, not {class_path(env)}")
    given: Any = env
    lines = differences(plain(dataclasses.asdict(given)), recorded["sizes"])
    if lines:
        raise ValueError(f"the run's environment was of other sizes: {'; '.join(lines)}")
    return env


def _learner(recorded: dict[str, Any], env: Environment, networks: dict[str, Any]) -> Learner:
    """The learner of a run, whose settings and hyper-parameters are looked at before anything is made of them."""
    name = recorded["name"]
    if name not in learners.LEARNERS:
        raise ValueError(
            f"learner {name!r} is not registered: import its module and "
            f'jaxvec.register({name!r}, ..., kind="learner"), or give --register MODULE'
        )
    settings = {n: tuple(x) if isinstance(x, list) else x for n, x in recorded["settings"].items()}
    usual: Any = _usual(name, env, networks)
    if usual is not None:
        check_fields("learner.settings", recorded["settings"], usual.settings)
        _check_numbers(recorded["hyper"], usual.hyper)
    return learners.make(name, env, **networks, **settings)


def _check_numbers(recorded: dict[str, Any], hyper: Any) -> None:
    """Refuse hyper-parameters that there are not, or that are no numbers."""
    for name, value in recorded.items():
        if name not in vars(hyper):
            raise ValueError(suggest("field of learner.hyper", name, vars(hyper)))
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in numbers):
            raise ValueError(f"learner.hyper.{name} must be a number, or a list of them, not {value!r}")


def _usual(name: str, env: Environment, networks: dict[str, Any]) -> Learner | None:
    """The learner at its default settings; None of one that cannot be on this environment."""
    try:
        return learners.make(name, env, **networks)
    except (TypeError, ValueError):
        return None


def load(path: str | Path, *, env: Environment | None = None, network: Any = None, critic: Any = None) -> Run:
    """A run folder, with the state of its last checkpoint: `run.env`, `run.params`, `run.learner`, `run.state`, `run.policy()`.

    An environment or learner of your own must be registered before, see `jaxvec.register`; a network of your own is given here,
    as it was given to the learner.

    Args:
        path: the folder that `jaxvec.train(..., out=...)` or `jaxvec train --out` wrote.
        env: the environment, where it is wrapped or not registered.
        network, critic: networks of your own, where the run has them.
    Raises:
        ConfigError: it is not a run folder, its files do not fit each other, or environment, learner or networks are others than
            those that it was made with; the message says which and why.
    """
    path = Path(path)
    config, learner, params, hyper, key = rebuild(path, env=env, network=network, critic=critic)
    template = jax.eval_shape(lambda: init_seeds(learner, params, hyper, key, config["train"]["num_seeds"]))
    update, state, damaged = Checkpoints(path, config["train"]["impl"], digest(config)).restore(template)
    if damaged:
        warnings.warn(damaged, stacklevel=2)
    return Run(path, config, learner, params, hyper, state, update)


def on_same(run: Run, first: Run) -> Run:
    """A run, made on the same environment with the same numbers as another.

    Args:
        run: to be compared with `first`.
        first: of another learner, say.
    Raises:
        ValueError: it was not; the message names what differs.
    """
    if lines := differences(run.config["env"], first.config["env"]):
        raise ValueError(f"{run.path} was made on another environment than {first.path}: {'; '.join(lines)}")
    return run


def init_seeds(learner: Learner, params: Any, hyper: Any, key: jax.Array, num_seeds: int) -> Any:
    """Fresh states: one, or several with a leading axis of seeds; a learner of one's own may begin with numbers of Python."""

    def init(key: jax.Array) -> Any:
        return settled(learner.init(key, params, hyper))

    return init(key) if num_seeds == 1 else jax.vmap(init)(jax.random.split(key, num_seeds))
