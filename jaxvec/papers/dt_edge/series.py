"""Who the paper behind `dt_edge` compares: learners and rules, each at every bias of the twin."""

from typing import Any

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.dt_edge.wrappers import JointSoftmax
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
RULES = ("random", "local", "offload_equal", "greedy_latency", "local_threshold", "slot_optimum", "starve")
TABLE1 = {
    **{"task_bits_min": 8e3, "task_bits_max": 12e3, "cycles_per_bit": 31250.0, "kappa_server": 1.5625e-35},
}


def named(policy: str, bias: str) -> str:
    """The series of a policy at a bias."""
    return f"{policy} ({bias})"


def at_bias(policy: str, bias: str, **fields: Any) -> Series:
    """A series of a policy at a bias; `fields` are those of `Series`. A learner is measured by the best rule of a row."""
    marks = (named("local_threshold", bias),) if "learner" in fields else ()
    return Series(named(policy, bias), numbers={"cpu_bias_mean_hz": BIASES_HZ[bias]}, marks=marks, **fields)


def at_every_bias(policy: str, **fields: Any) -> tuple[Series, ...]:
    """A series of a policy for each bias; `fields` are those of `Series`."""
    return tuple(at_bias(policy, bias, **fields) for bias in BIASES_HZ)


POOLED, GLOBAL = "MARL, pooled critic", "SARL, one agent for all"
LEARNED = (
    *at_every_bias("MARL", learner="maddpg", settings=SETTINGS, hyper=HYPER),
    *at_every_bias("SARL", learner="ddpg", settings=SETTINGS, hyper=HYPER, sizes={"shared_reward": False}),
    *at_every_bias(POOLED, learner="maddpg", settings=SETTINGS | {"pooled_critic": True}, hyper=HYPER),
)
# of others one sign of the bias is enough: the claims are about it
ALSO = (
    at_bias(GLOBAL, PLUS, learner="ddpg", settings=SETTINGS, hyper=HYPER, wrap=one_agent),
    at_bias("apg", PLUS, learner="apg", settings={"prior": "local_threshold"}),
    at_bias("bound", PLUS, bound=True),
)
SERIES = (*LEARNED, *ALSO, *(series for rule in RULES for series in at_every_bias(rule, rule=rule)))
POINTS = among("n_vehicles", range(4, 11))

# Table I as printed, with the reward (27) and the actor of IV-A: no bias is told, and none is set
PRINTED: dict[str, Any] = {"sizes": {"bandwidth_shared": False, "reward_mode": "eq27"}, "numbers": TABLE1}
LITERAL = Series("MARL as printed", "maddpg", settings=SETTINGS, hyper=HYPER, wrap=JointSoftmax, **PRINTED)
LITERAL_RULES = tuple(Series(f"{rule}, as printed", rule=rule, **PRINTED) for rule in ("random", "offload_equal"))
