"""Who the paper behind `dt_edge` compares: learners and rules, each at every bias of the twin."""

from typing import Any

from jaxvec.papers.series import Series, among

BIASES_HZ = {"+0.5 GHz": 0.5e9, "0": 0.0, "-0.5 GHz": -0.5e9}
PLUS, ZERO, MINUS = BIASES_HZ

SETTINGS = {
    **{"hidden": (256, 128, 64), "n_worlds": 256, "slots_per_update": 20, "gradient_steps": 4},
    **{"batch_size": 256, "capacity": 204_800, "pooled_critic": False},
}
HYPER = {
    **{"gamma": 0.95, "tau": 0.01, "critic_learning_rate": 1e-3, "actor_learning_rate": 2e-4},
    **{"max_grad_norm": 1.0, "exploration_end": 0.05},
}
RULES = ("local", "offload_equal", "greedy_latency", "local_threshold", "slot_optimum", "starve")


def named(policy: str, bias: str) -> str:
    """The series of a policy at a bias."""
    return f"{policy} ({bias})"


def at_every_bias(policy: str, **fields: Any) -> tuple[Series, ...]:
    """A series of a policy for each bias; `fields` are those of `Series`."""
    return tuple(Series(named(policy, b), numbers={"cpu_bias_mean_hz": hz}, **fields) for b, hz in BIASES_HZ.items())


LEARNED = (
    *at_every_bias("MARL", learner="maddpg", settings=SETTINGS, hyper=HYPER),
    *at_every_bias("SARL", learner="ddpg", settings=SETTINGS, hyper=HYPER, sizes={"shared_reward": False}),
)
SERIES = (*LEARNED, *(series for rule in RULES for series in at_every_bias(rule, rule=rule)))
POINTS = among("n_vehicles", range(4, 11))
