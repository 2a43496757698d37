"""Who the DT-MADDPG paper compares."""

from jaxvec.core.wrappers import one_agent
from jaxvec.papers.series import Series
from jaxvec.papers.v2x_offload.wrappers import RandomTarget, ServersOnly

SETTINGS = {"choices": "bins", "hidden": (64, 64), "capacity": 16_384, "batch_size": 256}
APART = SETTINGS | {"share_parameters": False}
HYPER = {
    **{"gamma": 0.7, "critic_learning_rate": 1e-3, "actor_penalty": 1e-2, "warmup": 0.1, "exploration_end": 0.05},
    **dict.fromkeys(("actor_learning_rate", "actor_learning_rate_end"), 3e-4),
}
RATES = tuple(f"{part}_learning_rate{end}" for part in ("actor", "critic") for end in ("", "_end"))
# The paper's own numbers: a world, an update a slot, 50 episodes of 100 slots of which the first ten are random, one rate
PAPERS_OWN = APART | {"n_worlds": 1, "slots_per_update": 1}
PAPERS_HYPER = {"gamma": 0.7, "actor_penalty": 0.0, "warmup": 0.2} | dict.fromkeys(RATES, 1e-3)

ALCS = Series("ALCS", rule="alcs")
AMCS_RULE, ROCS_RULE = Series("AMCS (rule)", rule="amcs"), Series("ROCS (rule)", rule="rocs")
GREEDY, RANDOM = Series("greedy (rule)", rule="greedy"), Series("random (rule)", rule="random")

# Every vehicle sees what `greedy` does; AMCS may not stay, ROCS may not choose, and DDPG decides before the twin is refreshed.
DT_MADDPG = Series("DT-MADDPG", "maddpg", settings=APART, hyper=HYPER, marks=(GREEDY.name,))
AMCS = Series("AMCS", "maddpg", settings=APART, hyper=HYPER, wrap=ServersOnly, marks=(AMCS_RULE.name,))
ROCS = Series("ROCS", "maddpg", settings=APART, hyper=HYPER, wrap=RandomTarget, marks=(ROCS_RULE.name,))
DDPG = Series("DDPG", "ddpg", settings=SETTINGS, hyper=HYPER, wrap=one_agent, marks=(ALCS.name,))
LITERAL = Series(
    "DT-MADDPG, the paper's numbers",
    "maddpg",
    settings=PAPERS_OWN,
    hyper=PAPERS_HYPER,
    slots=5_000,
    marks=(GREEDY.name,),
)
LIBRARY = Series("maddpg (library)", "maddpg", settings={"capacity": 16_384}, marks=(GREEDY.name,))
APG = Series("apg from greedy", "apg", settings={"prior": "greedy"}, marks=(GREEDY.name,))
BOUND = Series("bound", bound=True)

TRAINED = (DT_MADDPG, AMCS, DDPG, ROCS)
RULES = (ALCS, AMCS_RULE, ROCS_RULE, GREEDY)
MARKS = (APG, BOUND, *RULES, RANDOM)
