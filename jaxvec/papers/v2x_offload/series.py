"""Who the DT-MADDPG paper compares."""

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload.wrappers import RandomTarget, ServersOnly

SETTINGS = {"choices": "bins", "hidden": (64, 64), "capacity": 16_384}
APART = SETTINGS | {"share_parameters": False}
HYPER = {
    **{"gamma": 0.7, "critic_learning_rate": 1e-3, "actor_penalty": 1e-2, "warmup": 0.1},
    **dict.fromkeys(("actor_learning_rate", "actor_learning_rate_end"), 3e-4),
}
RATES = tuple(f"{part}_learning_rate{end}" for part in ("actor", "critic") for end in ("", "_end"))

DT_MADDPG = Series("DT-MADDPG", "maddpg", settings=APART, hyper=HYPER)
AMCS = Series("AMCS", "maddpg", settings=APART, hyper=HYPER, wrap=ServersOnly)
ROCS = Series("ROCS", "maddpg", settings=APART, hyper=HYPER, wrap=RandomTarget)
DDPG = Series("DDPG", "ddpg", settings=SETTINGS, hyper=HYPER, wrap=one_agent)
LIBRARY = Series("maddpg (library)", "maddpg", settings={"capacity": 16_384})
ALCS = Series("ALCS", rule="alcs")
AMCS_RULE, ROCS_RULE = Series("AMCS (rule)", rule="amcs"), Series("ROCS (rule)", rule="rocs")
GREEDY, RANDOM = Series("greedy (rule)", rule="greedy"), Series("random (rule)", rule="random")

TRAINED = (DT_MADDPG, AMCS, DDPG, ROCS)
RULES = (ALCS, AMCS_RULE, ROCS_RULE, GREEDY)
