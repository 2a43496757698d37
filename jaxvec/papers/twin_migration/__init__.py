"""DM-MAPPO against MASAC, greedy and random migration: Table II and Figs. 5 to 12 of the paper behind `twin_migration`.

DM-MAPPO is MAPPO under the mask, MAPPO the same without; both, and MASAC, have the actor that scores each server from what is
seen of it. All see as many slots of training, which the paper does not say, on the first days of made-up counts (28 days, 84
RSUs), and everybody is tested on the last ones. Rewards are in units of one set of Z-scores, so that settings can be compared;
the paper's percentages of such a reward, and its latencies in milliseconds, have no counterpart. Agents "w.o. prediction" see no
workload at all. "Algorithm 2 as printed" has critics of a vehicle's own observation; the rest of its print is read as slips.
`myopic` and `sticky` are rules of our own: what one slot's reasoning, or staying, is worth.

Made-up counts are Poisson, whose floor every trained network reaches: the order of Table II can only be judged on real ones, see
`jaxvec.papers.twin_migration.forecasts.scored`.
"""

from jaxvec.papers.checks import undecidable
from jaxvec.papers.paper import Claim, Paper
from jaxvec.papers.series import Budget, Named
from jaxvec.papers.twin_migration.figures import FIGURES


def on_last_days(settings: Named) -> Named:
    """Training is on the first days of a region, evaluation on the last; a region of one's own has no other days."""
    region = settings.get("region", "city")
    return {"region": f"{region}:test"} if isinstance(region, str) else {}


PAPER = Paper(
    env_id="twin_migration",
    title="DM-MAPPO: routes of vehicle twins over roadside units, UAVs and a satellite, with forecasts of workload",
    figures=FIGURES,
    full=Budget(slots=230_400, episodes=256, seeds=5),
    quick=Budget(
        slots=960,
        episodes=8,
        seeds=2,
        settings={
            **{"n_worlds": 4, "epochs": 1, "minibatches": 2, "hidden": (16,), "scorer_hidden": (8,)},
            **{"slots_per_update": 60, "learn_every": 20, "gradient_steps": 1, "batch_size": 32, "capacity": 512},
            **{"forecast_epochs": 1, "forecast_rsus": 4},
        },
    ),
    other_claims=(
        Claim(
            "minutes",
            "the LSTM-Transformer trains in four minutes",
            undecidable("of its own machine; the seconds of ours are with the figures"),
        ),
    ),
    eval_overrides=on_last_days,
)
