"""The actors' networks of on-policy learners: those that a setting names, or the user's."""

from collections.abc import Callable
from functools import partial

from jaxvec.core.environment import Environment
from jaxvec.learners.blocks import heads
from jaxvec.learners.blocks.circuits import circuit_builder
from jaxvec.learners.blocks.networks import Builder, Network, NetworkLike, as_builder, mlp
from jaxvec.learners.blocks.scorer import scorers
from jaxvec.learners.on_policy_types import ACTORS, Settings


def actor_networks(
    name: str,
    env: Environment,
    s: Settings,
    network: NetworkLike | None,
    outputs: Callable[[heads.Spaces], tuple[int, tuple[float, ...]]],
) -> Callable[[str], Network]:
    """The actor of each group, by the group's name.

    Args:
        name: of the learner, for messages.
        env: what it learns on.
        s: its settings, of which `actor` names the network.
        network: in its place, see `jaxvec.learners.blocks.networks.as_builder`.
        outputs: of an actor, see `jaxvec.learners.on_policy.OnPolicy.actor_outputs`.
    Raises:
        ValueError: an unknown actor, one that cannot serve the environment, or `gru` for one that has no such layer. TypeError:
            `network` is neither a builder nor a Flax module.
    """
    if s.actor not in ACTORS:
        raise ValueError(f"{name}: unknown actor {s.actor!r}. Known: {', '.join(ACTORS)}")
    if s.gru and (network is not None or s.actor != "mlp"):
        what = "a network of your own" if network is not None else f"actor {s.actor!r}"
        raise ValueError(f"{name}: gru is a layer of actor 'mlp': with {what} it must be 0")
    if network is None and s.actor == "server_scorer":
        return scorers(env, s, name)
    build = _built_in(s) if network is None else as_builder(network, out_gain=0.01)

    def of_group(group: str) -> Network:
        spaces = env.action_space[group]
        if s.free_std:
            return heads.free_std(build, spaces)
        n_outputs, bias = outputs(spaces)
        return build(n_outputs, bias=bias)

    return of_group


def _built_in(s: Settings) -> Builder:
    """The builder that `actor` names."""
    if s.actor == "mlp":
        return partial(mlp, s.hidden, activation=s.activation, out_gain=0.01, gru=s.gru)
    return circuit_builder(
        n_qubits=s.n_qubits,
        n_layers=s.n_circuit_layers,
        encoding=s.encoding,
        readout=s.readout,
        classical=s.actor == "matched",
    )
