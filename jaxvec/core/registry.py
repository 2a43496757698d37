"""Things by name, and a door for those that are not ours: `jaxvec.register`.

To add something to the package write its file and add a line to its table; from outside, call `jaxvec.register` with it.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Generic, TypeVar

from jaxvec.core.errors import suggest

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name. An entry is the thing itself, or where it is, "module:name", imported when asked for.

    Args:
        kind: what they are, for messages.
        entries: those of the package.
    """

    def __init__(self, kind: str, entries: dict[str, T | str]):
        self.kind, self._own, self._others = kind, dict(entries), dict[str, T | str]()

    def __iter__(self) -> Iterator[str]:
        return iter((*self._own, *self._others))

    def __len__(self) -> int:
        return len(self._own) + len(self._others)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._others

    def items(self) -> Iterator[tuple[str, T]]:
        """Names and things, those of the package first."""
        return ((name, self[name]) for name in self)

    def __getitem__(self, name: str) -> T:
        """The thing of this name.

        Raises:
            ValueError: there is none; the message lists those there are and names the closest.
        """
        if name not in self:
            raise ValueError(suggest(self.kind, name, self))
        entry = self._own[name] if name in self._own else self._others[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            return getattr(import_module(module), attribute)
        return entry

    def register(self, name: str, thing: T | str) -> None:
        """Add a thing, or replace one that was added before.

        Args:
            name: a Python identifier that the package does not use.
            thing: the thing, or where it is, "module:name".
        Raises:
            ValueError: the name is no identifier, or belongs to the package; a text is not "module:name".
        """
        if not name.isidentifier():
            raise ValueError(f"the name of {self.kind} must be a Python identifier, not {name!r}")
        if name in self._own:
            raise ValueError(f"{self.kind} {name!r} belongs to the package; choose another name")
        if isinstance(thing, str) and (":" not in thing or not all(thing.split(":", 1))):
            raise ValueError(f'{self.kind} {name!r} must be the thing itself or "module:name", not {thing!r}')
        self._others[name] = thing


KINDS = {
    "environment": "jaxvec.core.make:ENVIRONMENTS",
    "pathloss": "jaxvec.physics.pathloss:MODELS",
    "mobility": "jaxvec.envs.mobility:MODELS",
    "learner": "jaxvec.learners:LEARNERS",
    "forecaster": "jaxvec.forecast.networks:FORECASTERS",
}
"""What can be registered, and where its registry is."""


def register(name: str, thing: Any, kind: str = "environment") -> None:
    """Make a thing of your own known by name, as those of the package are: to `make`, `jaxvec.load`, the command line.

    Args:
        name: a Python identifier that the package does not use; of an environment, its `id`.
        thing: the thing, or where it is, "module:name", to be imported when asked for:
            of an "environment" the class, see `jaxvec.core.environment`;
            of a "pathloss" a function `model(link, params) -> loss_db`, see `jaxvec.physics.pathloss`;
            of a "mobility" an object of the signature `jaxvec.envs.mobility.Mobility`;
            of a "learner" a function `make(env, **settings) -> Learner`, see `jaxvec.learners`;
            of a "forecaster" a `jaxvec.forecast.Forecaster`.
        kind: which of these it is.
    Raises:
        ValueError: the kind is unknown, the name is taken by the package or no identifier, or an environment's `id` differs.
    """
    if kind not in KINDS:
        raise ValueError(suggest("kind", kind, KINDS))
    if kind == "environment" and not isinstance(thing, str) and getattr(thing, "id", name) != name:
        raise ValueError(f"the environment's id is {thing.id!r}, so it cannot be registered as {name!r}")
    module, attribute = KINDS[kind].split(":")
    getattr(import_module(module), attribute).register(name, thing)
