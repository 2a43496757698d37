"""Who the quantum paper compares."""

from dataclasses import replace
from typing import Any

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.series import Series
from jaxvec.papers.urllc_vec.nash import Gapped

SETTINGS = {"epochs": 4, "minibatches": 4, "hidden": (64, 64), "free_std": True, "activation": "tanh"}
HYPER = {"gamma": 0.5, "learning_rate": 1e-3, "epsilon": 0.2, "entropy_weight": 0.01, "entropy_weight_end": 0.0}
TOLD, LAST, NOTHING = ({"twin_mode": mode} for mode in ("lstm", "hold", "none"))
TEAM, OWN = (
    {"reward_mix": 1.0},
    {"reward_mix": 0.0},
)  # the sum (63), or each agent's own reward: the preset `own_rewards`
LOCAL = "local_spread"  # the best rule of what an agent sees by itself

RULES = {
    name: Series(f"{name} (rule)", rule=name) for name in ("random", "greedy", "spread", LOCAL, "nash", "nash_half")
}
OWN_RULES = tuple(Series(f"{name}, own rewards (rule)", rule=name, numbers=OWN) for name in ("random", LOCAL))


def ppo(name: str, learner: str, twin: Any, *, own: bool = False, **fields: Any) -> Series:
    """A learner of PPO's kind.

    Args:
        name: in the figure.
        learner: its name.
        twin: what it is told, as a size.
        own: it learns from each agent's own reward, and is measured by it.
        fields: of `Series`, beside these.
    """
    watch = None if "wrap" in fields else Gapped  # one agent for all has other actions
    common: dict[str, Any] = {
        "watch": watch,
        "settings": SETTINGS,
        "hyper": HYPER,
        "sampled": True,
        "sizes": twin,
        **fields,
    }
    if own:
        return Series(name, learner, numbers=OWN, marks=(OWN_RULES[1].name,), **common)
    return Series(name, learner, numbers=TEAM, marks=(RULES[LOCAL].name,), judged_by="team_reward", **common)


QMARL, MATCHED, MAPPO = (
    ppo(name, learner, TOLD) for name, learner in (("QMARL", "qmarl"), ("matched", "mappo_matched"), ("MAPPO", "mappo"))
)
MADDPG = Series(
    "MADDPG",
    "maddpg",
    settings={"capacity": 8192},
    hyper={"gamma": 0.5},
    sizes=TOLD,
    numbers=TEAM,
    marks=(RULES[LOCAL].name,),
    judged_by="team_reward",
)
NO_LSTM, NO_TWIN = ppo("no LSTM", "qmarl", LAST), ppo("no twin", "qmarl", NOTHING)
MATCHED_LAST, MAPPO_LAST = ppo("matched, no LSTM", "mappo_matched", LAST), ppo("MAPPO, no LSTM", "mappo", LAST)
SINGLE = ppo("single agent", "qmarl", TOLD, wrap=one_agent)
QMARL_OWN, MAPPO_OWN = (ppo(f"{x.name}, own rewards", x.learner, TOLD, own=True) for x in (QMARL, MAPPO))
MATCHED_OWN = ppo("matched, own rewards", "mappo_matched", TOLD, own=True)
QMARL_FAR = ppo("QMARL, discount 0.99", "qmarl", TOLD, hyper=HYPER | {"gamma": 0.99})
APG = Series(
    "apg from local_spread",
    "apg",
    settings={"prior": LOCAL},
    marks=(RULES[LOCAL].name,),
    judged_by="team_reward",
)
BOUND = Series("bound", bound=True)

LEARNED = (QMARL, MATCHED, MAPPO, MADDPG, NO_LSTM, NO_TWIN, SINGLE)
ASIDE = (QMARL_OWN, MATCHED_OWN, MAPPO_OWN, QMARL_FAR)
# what learners are measured by
MARKS = (APG, BOUND, *(replace(RULES[name], watch=Gapped) for name in ("random", LOCAL, "nash", "nash_half")))


def among(vehicles: int) -> Series:
    """Best responses among so many vehicles."""
    return Series(f"nash, {vehicles} vehicles", rule="nash", sizes={"n_vehicles": vehicles})


FEW, MANY = among(2), among(8)
