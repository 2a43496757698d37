"""Who the quantum paper compares."""

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.series import Named, Series

SETTINGS = {"epochs": 4, "minibatches": 4, "hidden": (64, 64), "free_std": True, "activation": "tanh"}
HYPER = {"gamma": 0.5, "learning_rate": 1e-3, "epsilon": 0.2, "entropy_weight": 0.01, "entropy_weight_end": 0.0}
TOLD, LAST, NOTHING = ({"twin_mode": mode} for mode in ("lstm", "hold", "none"))
OWN = {"reward_mix": 0.0}  # the paper's agents learn from their own rewards: the preset `own_rewards`
PPO: Named = {"settings": SETTINGS, "hyper": HYPER, "numbers": OWN, "sampled": True}

QMARL = Series("QMARL", "qmarl", sizes=TOLD, **PPO)
MATCHED = Series("matched", "mappo_matched", sizes=TOLD, **PPO)
MAPPO = Series("MAPPO", "mappo", sizes=TOLD, **PPO)
MADDPG = Series("MADDPG", "maddpg", settings={"capacity": 8192}, hyper={"gamma": 0.5}, sizes=TOLD, numbers=OWN)
NO_LSTM = Series("no LSTM", "qmarl", sizes=LAST, **PPO)
MATCHED_LAST = Series("matched, no LSTM", "mappo_matched", sizes=LAST, **PPO)
MAPPO_LAST = Series("MAPPO, no LSTM", "mappo", sizes=LAST, **PPO)
NO_TWIN = Series("no twin", "qmarl", sizes=NOTHING, **PPO)
SINGLE = Series("single agent", "qmarl", sizes=TOLD, wrap=one_agent, **PPO)
LEARNED = (QMARL, MATCHED, MAPPO, MADDPG, NO_LSTM, NO_TWIN, SINGLE)
RULES = {name: Series(f"{name} (rule)", rule=name) for name in ("random", "greedy", "spread", "nash", "nash_half")}
MARKS = (RULES["random"], RULES["nash"], RULES["nash_half"])  # what learners are measured by


def among(vehicles: int) -> Series:
    """Best responses among so many vehicles."""
    return Series(f"nash, {vehicles} vehicles", rule="nash", sizes={"n_vehicles": vehicles})


FEW, MANY = among(2), among(8)
