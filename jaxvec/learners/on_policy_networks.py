"""The actors' networks of on-policy learners: those that a setting names, or the user's."""

from collections.abc import Callable
from functools import partial

from jaxvec.core.environment import Environment
from jaxvec.learners.blocks import flat, heads
from jaxvec.learners.blocks.circuits import circuit_builder
from jaxvec.learners.blocks.networks import Builder, Network, NetworkLike, as_builder, mlp, pooled
from jaxvec.learners.blocks.prior import residual
from jaxvec.learners.blocks.scorer import OutputsOf, scorers
from jaxvec.learners.on_policy_types import ACTORS, Settings


def actor_networks(
    name: str, env: Environment, s: Settings, network: NetworkLike | None, outputs: OutputsOf, deviations: bool
) -> Callable[[str], Network]:
    """The actor of each group, by the group's name.

    Args:
        name: of the learner, for messages.
        env: what it learns on.
        s: its settings, of which `actor` names the network and `prior` what it is a residual on.
        network: in its place, see `jaxvec.learners.blocks.networks.as_builder`.
        outputs: of an actor, see `jaxvec.learners.on_policy.OnPolicy.actor_outputs`.
        deviations: there are outputs for the deviations of numbers.
    Raises:
        ValueError: an unknown actor, one that cannot serve the environment, or a setting for which it has no place.
        TypeError: `network` is neither a builder nor a Flax module.
    """
    _check(name, env, s, network)
    out_gain = 0.01 if s.prior is None else 0.0

    def starting(spaces: flat.Spaces) -> tuple[int, tuple[float, ...]]:
        return outputs(dict(spaces) if s.prior is None else flat.without_starts(spaces))

    scored = scorers(env, s, name, starting, out_gain) if network is None and s.actor == "scorer" else None
    build = _built_in(s, out_gain) if network is None else as_builder(network, out_gain=out_gain)

    def bare(group: str) -> Network:
        spaces = env.action_space[group]
        if scored:
            return scored(group)
        if s.free_std:
            return heads.free_std(build, spaces)
        n_outputs, bias = starting(spaces)
        return build(n_outputs, bias=bias)

    def of_group(group: str) -> Network:
        if s.prior is None:
            return bare(group)
        spaces = env.action_space[group]
        return residual(bare(group), spaces, logit=s.prior_logit, squashed=False, deviations=deviations)

    return of_group


def _check(name: str, env: Environment, s: Settings, network: NetworkLike | None) -> None:
    """Refuse settings that do not fit each other."""
    if s.actor not in ACTORS:
        raise ValueError(f"{name}: unknown actor {s.actor!r}. Known: {', '.join(ACTORS)}")
    what = "a network of your own" if network is not None else f"actor {s.actor!r}"
    if s.gru and (network is not None or s.actor != "mlp"):
        raise ValueError(f"{name}: gru is a layer of actor 'mlp': with {what} it must be 0")
    if s.free_std and network is None and s.actor == "scorer":
        raise ValueError(f"{name}: free_std is for actors whose outputs are one vector: with {what} it must be off")
    if s.prior is not None and network is None and s.actor in ("circuit", "matched"):
        raise ValueError(
            f"{name}: {what} does not start at zero, so that with a prior the first policy would not be it"
        )
    if env.takes_turns and network is None and s.actor == "pooled":
        raise ValueError(f"{name}: {what} sees all agents at once, and those of {env.id} take turns")


def _built_in(s: Settings, out_gain: float) -> Builder:
    """The builder that `actor` names."""
    if s.actor == "pooled":
        return partial(pooled, s.hidden, activation=s.activation, out_gain=out_gain)
    if s.actor in ("mlp", "scorer"):
        return partial(mlp, s.hidden, activation=s.activation, out_gain=out_gain, gru=s.gru)
    return circuit_builder(
        n_qubits=s.n_qubits,
        n_layers=s.n_circuit_layers,
        encoding=s.encoding,
        readout=s.readout,
        classical=s.actor == "matched",
    )
