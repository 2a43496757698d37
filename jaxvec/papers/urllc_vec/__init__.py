"""Quantum policies against MAPPO and MADDPG in an edge network with short packets: Figs. 3 to 7 and Table III of the paper behind
`urllc_vec`, and the question that it leaves open: is a circuit better than a classical layer of its size?

QMARL is PPO whose actors are quantum policy networks, "matched" the same with a dense layer in the circuit's place (126
parameters for 96), MAPPO with an MLP of 64-64. All have central critics, an LSTM twin that learns beside them, uniform choices
mixed in for the first 40 % of training, and as many slots of it. They learn what they are compared by, the team's reward (63);
"own rewards" are the same that learn each from its own, and "discount 0.99" is QMARL at the paper's discount, where the others
have 0.5. "No LSTM" is QMARL that is told the last measurement, "no twin" QMARL that is told nothing, "single agent" one circuit
that decides for all. After training they draw their actions as in it: vehicles that all choose the best link get in each
other's way. The paper trains 1000 episodes, and prints neither rates nor batches: those here let MAPPO learn, the same for all.

Fig. 3 is drawn over episodes seen by all worlds together. Fig. 4 is the mean over an episode rather than its tenth slot. The
claims on Figs. 6 and 7 are about the model: fixed rules decide them.

`jaxvec.papers.urllc_vec.nash` says how far what is learned is from an equilibrium, which Algorithm 3 looks for in every step.
Algorithm 2 as printed is not there, as its parts do not go together: see docs/elements.md.
"""

from jaxvec.papers.checks import undecidable
from jaxvec.papers.paper import Claim, Paper
from jaxvec.papers.series import Budget
from jaxvec.papers.urllc_vec.figures import FIGURES

PAPER = Paper(
    env_id="urllc_vec",
    title="Quantum DRL: task offloading with short packets, a digital twin and an LSTM",
    figures=FIGURES,
    full=Budget(
        slots=320_000,
        episodes=64,
        seeds=3,
        settings={"n_worlds": 8, "forecaster_steps": 1, "forecaster_batch": 512},
    ),
    quick=Budget(
        slots=4_000,
        episodes=8,
        seeds=2,
        settings={
            **{"n_worlds": 8, "n_qubits": 3, "n_circuit_layers": 1, "forecaster_steps": 1, "forecaster_batch": 64},
            **{"slots_per_update": 50, "batch_size": 32, "capacity": 1024},
        },
    ),
    other_claims=(
        Claim("10", "100 against 85.25: +17.30 %", undecidable("of which scenario is not said")),
        Claim(
            "18",
            "quantum computing saves training time",
            undecidable("a simulated circuit only costs time; wall times are with the runs"),
        ),
    ),
)
