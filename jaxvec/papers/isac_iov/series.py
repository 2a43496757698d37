"""Who the Ly-DTMAPPO paper compares."""

from jaxvec.papers.series import Series

REPLAY = {"capacity": 32_768, "pooled_critic": False}
# The paper's own numbers: 1800 episodes of 30 slots, sixteen at a time (its batch of 512), 10 epochs, a rate that stays
PAPERS_OWN = {"n_worlds": 16, "rollout_length": 30, "epochs": 10, "minibatches": 1}
HYPER = {"gamma": 0.99}  # the paper's; the environment's own is shorter
PAPERS_HYPER = HYPER | {"learning_rate": 8e-5, "learning_rate_end": 8e-5, "gae_lambda": 0.95, "clip": 0.2}

NAMES = ["random", "all_local", "split_equal", "offload_equal", "nearest", "capacity", "waterfill", "waterfill_twin"]
RULES = {name: Series(f"{name} (rule)", rule=name) for name in NAMES}
TOLD, BLIND = (RULES["waterfill_twin"].name,), (RULES["waterfill"].name,)  # rules that see the RSUs' queues, and do not

DTMAPPO = Series("Ly-DTMAPPO", "mappo", hyper=HYPER, marks=TOLD)
MAPPO = Series("Ly-MAPPO", "mappo", hyper=HYPER, sizes={"dt_enabled": False}, marks=BLIND)
MADDPG = Series("Ly-MADDPG", "maddpg", settings=REPLAY, hyper=HYPER, marks=TOLD)
MASAC = Series("Ly-MASAC", "masac", settings=REPLAY, hyper=HYPER, marks=TOLD)
MATD3 = Series("Ly-MATD3", "matd3", settings=REPLAY, hyper=HYPER, marks=TOLD)
LITERAL = Series(
    "Ly-DTMAPPO, the paper's numbers", "mappo", settings=PAPERS_OWN, hyper=PAPERS_HYPER, slots=54_000, marks=TOLD
)
APG = Series("apg", "apg", marks=TOLD)
BOUND = Series("bound", bound=True)
LEARNED = (DTMAPPO, MAPPO, MADDPG, MASAC, MATD3)
ON_POLICY, OFF_POLICY = (DTMAPPO, MAPPO), (MADDPG, MASAC, MATD3)
MARKS = (APG, BOUND, RULES["random"], RULES["waterfill"], RULES["waterfill_twin"])
