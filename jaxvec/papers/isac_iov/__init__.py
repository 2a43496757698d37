"""Ly-DTMAPPO against Ly-MAPPO, Ly-MADDPG, Ly-MATD3 and Ly-MASAC: Figs. 4 to 7 and Table III of the paper behind `isac_iov`.

All are this library's learners at their own settings, on the same environment, with as many slots of training. Ly-DTMAPPO is
MAPPO that sees the twin's view of the RSUs' queues; Ly-MAPPO is the same without. The others have the twin, as in the paper.
Fig. 5 is drawn over training, the mean over vehicles. "Steady" and "converged" are those of `jaxvec.papers.checks`; the
coefficient of variation is that of an episode's mean reward after training. Dashed lines are fixed rules. The figure "twin"
is none of the paper's: it asks what the twin is worth where the RSUs have other work to do. "The paper's numbers" is Ly-DTMAPPO
as the paper trains it: 1800 episodes, 10 epochs, a rate of 8e-5.

Not there: the twin as a predictor of load, as an RSU's next queue follows from what is seen; and the complexity (50) over
vehicles, which `jaxvec bench --set n_vehicles=N` says.
"""

from jaxvec.papers.checks import undecidable
from jaxvec.papers.isac_iov.figures import FIGURES
from jaxvec.papers.paper import Claim, Paper
from jaxvec.papers.series import Budget

PAPER = Paper(
    env_id="isac_iov",
    title="Ly-DTMAPPO: task offloading in an ISAC-enabled Internet of vehicles with a digital twin",
    figures=FIGURES,
    full=Budget(slots=768_000, episodes=256, seeds=5),
    quick=Budget(
        slots=11_520,
        episodes=32,
        seeds=2,
        together=True,
        settings={"n_worlds": 32, "slots_per_update": 8, "batch_size": 64, "capacity": 4096, "epochs": 1},
    ),
    other_claims=(
        Claim(
            "N1",
            "the absolute values of the curves, and their percentages",
            undecidable("constants are missing in the paper, and it shows a single seed"),
        ),
    ),
)
