"""MARL against one agent for all and fixed rules, with a twin that misjudges its server: Figs. 3 to 6 of the paper behind
`dt_edge`.

MARL is MADDPG, SARL a single DDPG agent that every vehicle uses by itself, with its own reward and view; actor and critic of
256-128-64. The bias is +0.5, 0 or -0.5 GHz (the figures say +-0.5), and each policy is trained for one value of it, which no
policy sees. `slot_optimum` is the best decision of a slot to within 0.001 and knows everything but the slot's future.
The paper prints no values, nor what is on the axes' ticks: claims are about orders. Most of them follow from the model, so fixed
rules decide them; those about learners are marked. MARL with a pooled critic, which sees the other vehicles as a set, and SARL as
one agent that decides for all are series of our own. The language model has the figure `llm` (`jaxvec.papers.dt_edge.deciders`;
more of it in `benchmarks/cases.py`), and `table1` is Table I, the reward (27) and the softmax actor as printed.
"""

from jaxvec.papers.checks import undecidable
from jaxvec.papers.dt_edge.figures import FIGURES
from jaxvec.papers.paper import Claim, Paper
from jaxvec.papers.series import Budget

PAPER = Paper(
    env_id="dt_edge",
    title="Task offloading and resource allocation in digital-twin edge computing",
    figures=FIGURES,
    full=Budget(slots=512_000, episodes=128, seeds=5),
    quick=Budget(
        slots=9_600,
        episodes=16,
        seeds=2,
        together=True,
        settings={
            **{"n_worlds": 16, "slots_per_update": 20, "gradient_steps": 1, "batch_size": 64, "capacity": 4096},
            **{"hidden": (64, 64)},
        },
    ),
    other_claims=(
        Claim("values", "absolute values of Figs. 3 to 6", undecidable("the paper prints none, nor ticks")),
        Claim(
            "reasoning",
            "the language model reasons about the cases",
            undecidable("no figure separates that from copying the nearest case"),
        ),
    ),
)
