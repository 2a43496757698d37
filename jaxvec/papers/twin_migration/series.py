"""Who the DM-MAPPO paper compares, and where."""

from typing import Any

from jaxvec.papers.series import Named, Series
from jaxvec.papers.twin_migration.forecasts import forecaster
from jaxvec.papers.twin_migration.wrappers import Watched

MB = 8e6  # bit
PPO = {
    **{"actor": "scorer", "n_worlds": 32, "epochs": 4, "minibatches": 4},
    **{"hidden": (256, 256), "activation": "tanh"},
}
SAC = {
    **{"actor": "scorer", "n_worlds": 32, "slots_per_update": 60, "learn_every": 4, "gradient_steps": 2},
    **{"hidden": (256, 256), "batch_size": 256, "capacity": 16_384},
}
PPO_HYPER = {"learning_rate": 1e-3, "learning_rate_end": 0.0, "entropy_weight": 0.01, "entropy_weight_end": 0.01}
SAC_HYPER = {
    **dict.fromkeys((f"{part}_learning_rate{end}" for part in ("actor", "critic") for end in ("", "_end")), 3e-4),
    **{"tau": 0.005, "entropy_choice": 0.5, "entropy_choice_end": 0.5},
}
BLIND = {"workload_info": "none"}
FREE = {"use_mask": False}


OWN = "own_patient"  # the best rule of what a vehicle sees by itself


def ppo(name: str, marks: str = f"{OWN} (rule)", **sizes: Any) -> Series:
    """MAPPO in some setting, measured by a rule in the same."""
    return Series(name, "mappo", settings=PPO, hyper=PPO_HYPER, sizes=sizes, wrap=Watched, marks=(marks,))


def sac(name: str, marks: str = f"{OWN} (rule)", **sizes: Any) -> Series:
    """MASAC in some setting, measured by a rule in the same."""
    return Series(name, "masac", settings=SAC, hyper=SAC_HYPER, sizes=sizes, wrap=Watched, marks=(marks,))


def rule(name: str, rule: str, **sizes: Any) -> Series:
    """A rule in some setting."""
    return Series(name, rule=rule, sizes=sizes, wrap=Watched)


DM_MAPPO, MASAC = ppo("DM-MAPPO"), sac("MASAC")
GREEDY, RANDOM = rule("Greedy", "greedy"), rule("Random", "random")
MYOPIC, STICKY = rule("myopic (rule)", "myopic"), rule("sticky (rule)", "sticky")
OWN_RULE = rule(f"{OWN} (rule)", OWN)
APG = Series("apg, in turns", "apg", settings={"prior": OWN}, sizes={"turns": True}, marks=(OWN_RULE.name,))
BOUND = Series("bound", bound=True)
MARKS = (APG, BOUND, MYOPIC, OWN_RULE)
FOUR = (DM_MAPPO, MASAC, GREEDY, RANDOM)
OWN_BLIND = rule("own_patient w.o. prediction (rule)", OWN, **BLIND)
WITHOUT_PREDICTION = (
    ppo("DM-MAPPO w.o. prediction", OWN_BLIND.name, **BLIND),
    sac("MASAC w.o. prediction", OWN_BLIND.name, **BLIND),
    rule("Greedy w.o. prediction", "greedy", **BLIND),
    rule("Random w.o. prediction", "random", **BLIND),
)
OWN_FREE = rule("own_patient, no mask (rule)", OWN, **FREE)
UNMASKED = (
    ppo("MAPPO, no mask", OWN_FREE.name, **FREE),
    sac("MASAC, no mask", OWN_FREE.name, **FREE),
    rule("Greedy, no mask", "greedy", **FREE),
    rule("Random, no mask", "random", **FREE),
)
UNMASKED_MYOPIC = rule("myopic, no mask (rule)", "myopic", **FREE)
# The literal information structure of Algorithm 2: a critic of each vehicle's own observation
LITERAL = Series(
    "Algorithm 2 as printed",
    "ippo",
    settings=PPO,
    hyper=PPO_HYPER,
    wrap=Watched,
    marks=(OWN_RULE.name,),
)

# Of Table II

TABLE2 = {  # RMSE, MAE, error rate, R^2
    "LSTM-Transformer": (0.671, 20.417, 0.06814, 0.925),
    "CNN-GRU": (0.812, 27.802, 0.09451, 0.865),
    "LSTM": (0.877, 25.330, 0.08741, 0.884),
    "GRU": (0.916, 29.466, 0.09843, 0.851),
    "CNN-LSTM": (0.917, 29.461, 0.09796, 0.855),
}
SCORES = ("rmse", "mae", "error_rate", "r2")
OURS, *OTHERS = (Series(name, run_fn=forecaster(name.lower().replace("-", "_"))) for name in TABLE2)
NAIVE = tuple(
    Series(name, run_fn=forecaster(predictor))
    for name, predictor in (("persistence", "persistence"), ("AR(6)", "ar6"), ("week before", "weekly"))
)
NETWORKS = (OURS, *OTHERS)

# Of Fig. 8

AREAS = ("city", "city, no UAV", "city, no satellite", "rural", "rural, no UAV", "rural, no satellite")
WITHOUT: tuple[Named, ...] = ({}, {"use_uav": 0.0}, {"use_satellite": 0.0})
CITY, NO_UAV, NO_SATELLITE, RURAL, _, RURAL_NO_SATELLITE = (float(i) for i in range(6))
