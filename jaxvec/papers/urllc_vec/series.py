"""Who the quantum paper compares."""

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.series import Series

SETTINGS = {"epochs": 4, "minibatches": 4, "hidden": (64, 64), "free_std": True, "activation": "tanh"}
HYPER = {"gamma": 0.5, "learning_rate": 1e-3, "epsilon": 0.2, "entropy_weight": 0.01, "entropy_weight_end": 0.0}
TOLD, LAST, NOTHING = ({"twin_mode": mode} for mode in ("lstm", "hold", "none"))

QMARL = Series("QMARL", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MATCHED = Series("matched", "mappo_matched", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MAPPO = Series("MAPPO", "mappo", settings=SETTINGS, hyper=HYPER, sizes=TOLD, sampled=True)
MADDPG = Series("MADDPG", "maddpg", settings={"capacity": 8192}, hyper={"gamma": 0.5}, sizes=TOLD)
NO_LSTM = Series("no LSTM", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
MATCHED_LAST = Series("matched, no LSTM", "mappo_matched", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
MAPPO_LAST = Series("MAPPO, no LSTM", "mappo", settings=SETTINGS, hyper=HYPER, sizes=LAST, sampled=True)
NO_TWIN = Series("no twin", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=NOTHING, sampled=True)
SINGLE = Series("single agent", "qmarl", settings=SETTINGS, hyper=HYPER, sizes=TOLD, wrap=one_agent, sampled=True)
LEARNED = (QMARL, MATCHED, MAPPO, MADDPG, NO_LSTM, NO_TWIN, SINGLE)
RULES = {name: Series(f"{name} (rule)", rule=name) for name in ("random", "greedy", "spread", "nash", "nash_half")}
MARKS = (RULES["random"], RULES["nash"], RULES["nash_half"])  # what learners are measured by


def among(vehicles: int) -> Series:
    """Best responses among so many vehicles."""
    return Series(f"nash, {vehicles} vehicles", rule="nash", sizes={"n_vehicles": vehicles})


FEW, MANY = among(2), among(8)
