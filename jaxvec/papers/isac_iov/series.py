"""Who the Ly-DTMAPPO paper compares."""

from jaxvec.papers.series import Series

REPLAY = {"capacity": 32_768, "pooled_critic": False}

DTMAPPO = Series("Ly-DTMAPPO", "mappo")
MAPPO = Series("Ly-MAPPO", "mappo", sizes={"dt_enabled": False})
MADDPG, MASAC = Series("Ly-MADDPG", "maddpg", settings=REPLAY), Series("Ly-MASAC", "masac", settings=REPLAY)
MATD3 = Series("Ly-MATD3", "matd3", settings=REPLAY)
LEARNED = (DTMAPPO, MAPPO, MADDPG, MASAC, MATD3)
ON_POLICY, OFF_POLICY = (DTMAPPO, MAPPO), (MADDPG, MASAC, MATD3)

NAMES = ["random", "all_local", "split_equal", "offload_equal", "nearest", "capacity", "waterfill", "waterfill_twin"]
RULES = {name: Series(f"{name} (rule)", rule=name) for name in NAMES}
