"""A policy that does not learn, and whether one agent could follow it alone."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxvec.core.rng import check_key


@dataclass(frozen=True)
class Rule:
    """A fixed policy that says what it has to know: call it as any policy, `rule(key, obs) -> action`.

    A table of rules in a module of `jaxvec.policies` holds them as well, with functions of what is seen in place of policies.

    Attributes:
        decide: the policy `(key, obs) -> action`, see `jaxvec.core.rollout.Policy`.
        local: what an agent does follows from its own row of the observation and its own mask alone, so that a learner whose
            agents act by themselves knows as much; else the rule is central. In a table it may be a function of the
            environment, where that depends on what the environment shows.
        scores: of rules that weigh every option of a choice, and take the best: `(key, obs) ->` per group and component
            `(n, *shape, k, *batch)`, in units of which one is much, often those of the reward; None for other rules.
        meaning: what it does, in words; empty: the first sentence of the docstring of `decide`, see `meaning_of`.
    """

    decide: Callable[..., Any]
    local: bool | Callable[[Any], bool] = False
    scores: Callable[..., Any] | None = None
    meaning: str = ""

    def __call__(self, *arguments: Any) -> Any:
        """What `decide` says to these arguments."""
        return self.decide(*arguments)

    def policy(self, env: Any, decide: Callable[..., Any], scores: Callable[..., Any] | None = None) -> "Rule":
        """The rule of a table as a policy.

        Args:
            env: the environment in which it acts.
            decide: the policy that it becomes there, `(key, obs) -> action`.
            scores: what it then says of all options, see the class.
        """

        def asked(key: Any, *seen: Any) -> Any:
            check_key(key)
            return decide(key, *seen)

        return Rule(asked, self.local(env) if callable(self.local) else self.local, scores, meaning_of(self))


def meaning_of(policy: Any) -> str:
    """What a policy does: what its rule says, or the first sentence of the docstring of its function; empty of others.

    Args:
        policy: a rule, a function, or whatever else acts.
    """
    function = getattr(policy, "decide", policy)
    while isinstance(function, partial):
        function = function.func
    said = inspect.getdoc(function) if inspect.isfunction(function) else ""
    return getattr(policy, "meaning", "") or " ".join(re.split(r"(?<=\.)\s", said or "", maxsplit=1)[0].split())


def is_local(policy: Any) -> bool:
    """Whether a policy is known to decide for each agent by its own row and mask alone.

    Args:
        policy: a rule, or whatever else acts, of which nothing is known: False.
    """
    return getattr(policy, "local", False) is True
