"""What the actors of on-policy learners can be besides: recurrent, quantum, with deviations of their own."""

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxvec.core.environment import Environment
from jaxvec.learners.blocks import heads
from jaxvec.learners.blocks.actor_networks import actor_networks
from jaxvec.learners.blocks.circuits import circuit_builder
from jaxvec.learners.blocks.networks import Network, NetworkLike, mlp
from jaxvec.learners.blocks.scorer import OutputsOf
from jaxvec.learners.on_policy_types import Settings


def on_policy_actors(
    name: str, env: Environment, s: Settings, network: NetworkLike | None, outputs: OutputsOf, deviations: bool
) -> Callable[[str], Network]:
    """The actor of each group, by the group's name; see `jaxvec.learners.blocks.actor_networks`.

    Args:
        name: of the learner, for messages.
        env: what it learns on.
        s: its settings.
        network: of one's own, in place of the actor that `s.actor` names.
        outputs: of an actor, see `jaxvec.learners.on_policy.OnPolicy.actor_outputs`.
        deviations: there are outputs for the deviations of numbers.
    Raises:
        ValueError: see `actor_networks`; or `gru` or `free_std` for an actor that has no place for it.
        TypeError: `network` is neither a builder nor a Flax module.
    """
    what = "a network of your own" if network is not None else f"actor {s.actor!r}"
    if s.gru and (network is not None or s.actor != "mlp"):
        raise ValueError(f"{name}: gru is a layer of actor 'mlp': with {what} it must be 0")
    if s.free_std and network is None and s.actor == "scorer":
        raise ValueError(f"{name}: free_std is for actors whose outputs are one vector: with {what} it must be off")
    circuit: dict[str, Any] = {
        "n_qubits": s.n_qubits,
        "n_layers": s.n_circuit_layers,
        "encoding": s.encoding,
        "readout": s.readout,
    }
    out_gain = 0.01 if s.prior is None else 0.0
    return actor_networks(
        name,
        env,
        env.action_space,
        s,
        network,
        outputs,
        squashed=False,
        deviations=deviations,
        others={
            "mlp": partial(mlp, s.hidden, activation=s.activation, out_gain=out_gain, gru=s.gru),
            "circuit": circuit_builder(**circuit),
            "matched": circuit_builder(**circuit, classical=True),
        },
        assemble=heads.free_std if s.free_std else None,
    )
