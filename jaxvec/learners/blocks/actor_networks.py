"""The actors' networks of all learners: those that a setting names, or the user's, and residuals on a prior."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.learners.blocks import flat
from jaxvec.learners.blocks.networks import Builder, Network, NetworkLike, as_builder, mlp, pooled
from jaxvec.learners.blocks.prior import residual
from jaxvec.learners.blocks.scorer import OutputsOf, scorers

MAIN = ("mlp", "scorer", "pooled")
"""Actors that every learner knows: an MLP of an agent's row; one small network that scores each option of a choice, see
`jaxvec.learners.blocks.scorer`; one of the own row and the mean of an encoding of all others', see `networks.pooled`."""


def actor_networks(
    name: str,
    env: Environment,
    spaces: Mapping[str, flat.Spaces],
    settings: Any,
    network: NetworkLike | None,
    outputs: OutputsOf,
    *,
    squashed: bool,
    deviations: bool,
    others: Mapping[str, Builder] | None = None,
    assemble: Callable[[Builder, flat.Spaces], Network] | None = None,
) -> Callable[[str], Network]:
    """The actor of each group, by the group's name.

    Args:
        name: of the learner, for messages.
        env: what it learns on.
        spaces: per group, in which networks act.
        settings: the learner's, of which `actor` names the network and `prior` what it is a residual on.
        network: in its place, see `jaxvec.learners.blocks.networks.as_builder`.
        outputs: how many an actor has for some components, and where they start.
        squashed: numbers are tanh of outputs.
        deviations: there are outputs for the deviations of numbers.
        others: builders of actors that only this learner knows, by name; those under a name of `MAIN` take its place.
        assemble: `assemble(build, spaces)`, in place of `build(outputs, bias=...)`.
    Raises:
        ValueError: an unknown actor, one that cannot serve the environment, or a setting for which it has no place.
        TypeError: `network` is neither a builder nor a Flax module.
    """
    s, prior, others = settings, settings.prior is not None, others or {}
    _check(name, env, s, network, tuple(others))
    out_gain = 0.0 if prior else 0.01

    def starting(of: flat.Spaces) -> tuple[int, tuple[float, ...]]:
        return outputs(flat.without_starts(of) if prior else dict(of))

    named: dict[str, Builder] = {
        "mlp": partial(mlp, s.hidden, activation=s.activation, out_gain=out_gain),
        "pooled": partial(pooled, s.hidden, activation=s.activation, out_gain=out_gain),
    } | dict(others)
    scored = scorers(env, s, name, starting, out_gain) if network is None and s.actor == "scorer" else None
    build = named.get(s.actor, named["mlp"]) if network is None else as_builder(network, out_gain=out_gain)

    def bare(group: str) -> Network:
        if scored:
            return scored(group)
        if assemble:
            return assemble(build, spaces[group])
        n_outputs, bias = starting(spaces[group])
        return build(n_outputs, bias=bias)

    def of_group(group: str) -> Network:
        if not prior:
            return bare(group)
        return residual(bare(group), spaces[group], logit=s.prior_logit, squashed=squashed, deviations=deviations)

    return of_group


def _check(name: str, env: Environment, s: Any, network: NetworkLike | None, others: tuple[str, ...]) -> None:
    """Refuse settings that do not fit each other."""
    known = dict.fromkeys((*MAIN, *others))
    if s.actor not in known:
        raise ValueError(f"{name}: unknown actor {s.actor!r}. Known: {', '.join(known)}")
    if network is not None:
        return
    if s.actor == "pooled" and env.takes_turns:
        raise ValueError(f"{name}: actor 'pooled' sees all agents at once, and those of {env.id} take turns")
    if s.actor == "pooled" and not s.share_parameters:
        raise ValueError(f"{name}: actor 'pooled' is one for all agents of a group: share_parameters=True")
    if s.prior is not None and s.actor not in MAIN:
        raise ValueError(
            f"{name}: actor {s.actor!r} does not start at zero, so that with a prior the first policy would not be it"
        )
