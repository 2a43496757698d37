"""Who takes part in the league of a system, and in which worlds: the one place where that is said."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxvec import learners
from jaxvec.core.environment import Environment
from jaxvec.core.errors import suggest
from jaxvec.core.make import ENVIRONMENTS, make
from jaxvec.core.rule import is_local
from jaxvec.learners.base import Learner
from jaxvec.policies import fixed
from jaxvec.settings import known, parse
from jaxvec.training.driver import scheduled

Named = Mapping[str, Any]
NONE: Named = MappingProxyType({})


class Entry(NamedTuple):
    """A learner that takes part.

    Attributes:
        name: in the table.
        learner: one of `jaxvec.learners.LEARNERS`.
        settings: of the learner, where they are not its defaults.
        env: of the environment, where they are not those of the league.
    """

    name: str
    learner: str
    settings: Named = NONE
    env: Named = NONE


FROM = " from "


def beginning(learner: str, rule: str) -> Entry:
    """A learner that begins as a rule.

    Args:
        learner: its name.
        rule: its name, see `jaxvec.policies.fixed`.
    """
    return Entry(f"{learner}{FROM}{rule}", learner, {"prior": rule})


SAMPLED = ("mappo", "ippo", "maddpg", "masac")
"""Learners at their defaults that take part everywhere."""

APG = Entry("apg", "apg")
VALUED = Entry("apg, with a value", "apg", {"bootstrap": True})
ENTRIES: dict[str, tuple[Entry, ...]] = {
    "isac_iov": (APG, VALUED, beginning("apg", "waterfill_twin")),
    "v2x_offload": (
        APG,
        beginning("apg", "greedy"),
        Entry("apg, told who comes later", "apg", {"prior": "greedy"}, {"obs_later": True}),
    ),
    "dt_edge": (APG, VALUED, beginning("apg", "local_threshold")),
    "urllc_vec": (APG, beginning("apg", "local_spread"), beginning("apg", "nash_half")),
    "twin_migration": (
        APG,
        beginning("apg", "own_patient"),
        Entry("apg, all at once", "apg", {"prior": "own_patient"}, {"turns": False}),
    ),
}
"""Per system those that take part beside `SAMPLED`; of a system that is not here, `APG`."""

WORLDS_OF: dict[str, Named] = {
    "twin_migration": {"turns": True, "obs_vehicle_id": True, "obs_twins": True, "region": "city"}
}
"""Per system the settings of the environment in its league, where they are not its defaults."""

JUDGED_IN: dict[str, Named] = {"twin_migration": {"region": "city:test"}}
"""Per system what differs in the worlds that judge: days in which nobody learned."""

EXTRAS: dict[str, dict[str, str]] = {
    "urllc_vec": {
        "reward_vehicle": "vehicles' own reward",
        "reward_uav": "UAVs' own reward",
        "reward_bs": "BSs' own reward",
        "violation_rate": "part of subtasks that are late",
        "energy_total_j": "energy of all subtasks [J]",
    }
}
"""Per system what its page shows beside the reward: entries of `Timestep.info`, and their words."""


def entries_of(env_id: str, names: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Those who take part.

    Args:
        env_id: the system.
        names: of entries of the system; of learners, which take part at their defaults; "LEARNER from RULE", which begins as a
            rule; none: all entries that the system has.
    Raises:
        ValueError: an unknown name; or one that is there twice.
    """
    ours = {entry.name: entry for entry in ENTRIES.get(env_id, (APG,))}
    if not names:
        return (*(Entry(name, name) for name in SAMPLED), *ours.values())
    for name in names:
        if name.partition(FROM)[0] not in learners.LEARNERS and name not in ours:
            raise ValueError(suggest("learner", name, {*ours, *learners.LEARNERS}))
        if names.count(name) > 1:
            raise ValueError(f"learner {name!r} is named twice")
    return tuple(ours[name] if name in ours else _entry(name) for name in names)


def _entry(name: str) -> Entry:
    """An entry by a name that no system has: a learner at its defaults, or from a rule."""
    learner, begins, rule = name.partition(FROM)
    return beginning(learner, rule) if begins else Entry(name, name)


class Worlds(NamedTuple):
    """An environment with its numbers.

    Attributes:
        env: sizes and switches.
        params: numbers in training.
        judged: those in the worlds that judge.
    """

    env: Environment
    params: Any
    judged: Any


class Contest(NamedTuple):
    """What is compared where.

    Attributes:
        env_id: the system.
        entries: who learns.
        changes: per part ("env", "params", "learner", "hyper") what the user wants otherwise.
    """

    env_id: str
    entries: tuple[Entry, ...]
    changes: Mapping[str, Named]

    def worlds(self, entry: Entry | None = None) -> Worlds:
        """The environment of an entry.

        Args:
            entry: whose; None: of rules and of the bound.
        Raises:
            ValueError: the worlds that judge are of other sizes.
        """
        wanted = {**self.changes["env"], **self.changes["params"]}
        training = {**WORLDS_OF.get(self.env_id, {}), **wanted, **env_of(entry)}
        judging = {**JUDGED_IN.get(self.env_id, {}), **wanted}
        env, params = make(self.env_id, **training)
        other, judged = make(
            self.env_id, **{**training, **{n: x for n, x in judging.items() if n not in env_of(entry)}}
        )
        if other != env:
            raise ValueError(
                f"{self.env_id}: the worlds that judge may have other numbers than training, not other sizes"
            )
        return Worlds(env, params, judged)

    def learner(self, entry: Entry) -> Learner:
        """The learner of an entry; of the changes it takes those that it has.

        Args:
            entry: which.
        Raises:
            ValueError: a bad setting.
        """
        has = known(self.env_id, entry.learner)["learner"]
        changes = {name: x for name, x in self.changes["learner"].items() if name in has}
        return learners.make(entry.learner, self.worlds(entry).env, **{**changes, **entry.settings})

    def hyper(self, learner: Learner, updates: int) -> Any:
        """Its hyper-parameters, with schedules that last exactly for its training.

        Args:
            learner: whose.
            updates: of its training.
        """
        changes = {name: x for name, x in self.changes["hyper"].items() if hasattr(learner.hyper, name)}
        return scheduled(learner.hyper, updates).replace(**changes)

    def knows(self, entry: Entry) -> str:
        """What the policy of an entry decides by: the agents' own rows, or everything.

        Args:
            entry: which.
        """
        settings = {**self.changes["learner"], **entry.settings}
        worlds = self.worlds(entry)
        prior = settings.get("prior")
        local = prior is None or is_local(fixed(worlds.env, worlds.params)[prior])
        return "own row" if local and settings.get("actor") != "pooled" else "everything"


def env_of(entry: Entry | None) -> Named:
    """Settings of the environment that are an entry's own.

    Args:
        entry: which; None has none.
    """
    return entry.env if entry else NONE


def contest(env_id: str, names: Sequence[str] = (), pairs: Iterable[str] = ()) -> Contest:
    """A contest by names.

    Args:
        env_id: the system.
        names: as of `entries_of`.
        pairs: `name=value`: sizes and numbers of the environment; settings and hyper-parameters of learners, for those that
            have them.
    Raises:
        ValueError: an unknown system, entry or setting, or a bad value.
    """
    ENVIRONMENTS[env_id]
    entries = entries_of(env_id, names)
    fields: dict[str, dict[str, Any]] = {}
    for learner in sorted({entry.learner for entry in entries}):
        for part, of_part in known(env_id, learner).items():
            fields[part] = {**fields.get(part, {}), **of_part}
    return Contest(env_id, entries, parse(pairs, fields))
