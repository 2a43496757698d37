"""DT-MADDPG against AMCS, ROCS, ALCS and DDPG: Figs. 4 to 9 of the paper behind `v2x_offload`, and what it claims.

The paper's learners are MADDPG and DDPG as it describes them: networks of 64-64, a network per vehicle, targets as bins of a
number, a discount of 0.7, a critic's rate of 1e-3. AMCS and ROCS are trained too (its Fig. 5 shows their curves): DT-MADDPG whose
target is one of the servers, or is drawn by chance. DDPG is a single agent that decides for all from the opening of a slot.
"maddpg (library)" is the learner as this library has it: one network for all vehicles, targets as choices, no discount of a
future that no action reaches. Dashed lines are fixed rules. The operating point of Figs. 4 and 5 is not stated; it is
`v2x_offload` by default: 10 vehicles, 100 kbit, 25 GHz, 15 m/s.

"The paper's numbers" is DT-MADDPG as the paper trains it: one world, 50 episodes of 100 slots, a rate of 1e-3 for both. Where
its actors get stuck at computing locally, no verdict is taken from it (`jaxvec.papers.convergence`). The figure "contended" is
none of the paper's: forty vehicles at slower servers, where the choice between own CPU and servers matters.
"""

from jaxvec.papers.checks import undecidable
from jaxvec.papers.paper import Claim, Paper
from jaxvec.papers.series import Budget
from jaxvec.papers.v2x_offload.figures import FIGURES

PAPER = Paper(
    env_id="v2x_offload",
    title="DT-MADDPG: task offloading in a cloud-edge-vehicle system with a digital twin",
    figures=FIGURES,
    full=Budget(slots=409_600, episodes=256, seeds=5),
    quick=Budget(
        slots=10_240,
        episodes=32,
        seeds=2,
        together=True,
        settings={"n_worlds": 16, "slots_per_update": 16, "batch_size": 64, "capacity": 4096},
    ),
    other_claims=(
        Claim(
            "C15",
            "keeping the twin costs less than 1 kbit per slot",
            undecidable("the twin's own traffic is in no equation"),
        ),
        Claim(
            "C17",
            "T-cost and E-cost in absolute numbers (Figs. 8 and 9)",
            undecidable("the paper prints no values, only bars"),
        ),
    ),
)
