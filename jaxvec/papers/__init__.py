"""The papers that the environments come from: their figures as experiments, their statements as checks.

The layers, each built on those before it: `series` (who is compared, where, what is spent), `runs` (what is kept on disk),
`data` (the runs of a figure), `programs` and `runner` (how runs are made), `verdicts` (from findings to verdicts), `checks` (from
data to findings), `convergence` (whether a learner has learned), `panels` (from data to lines), `paper` (figures, claims,
papers), `summary` (what is kept of runs to judge and draw again), `pages` and `shipping` (the page of verdicts), `report`
(`jaxvec reproduce`).

Every paper is a folder of the same rooms: `series.py`, who is compared under the paper's names; `checks.py`, what decides its
claims; `figures.py`, its figures, each in ONE place with who is compared, at which points, what is drawn and what is claimed;
and `__init__.py`, what it is about and its `PAPER`, with what is spent.

To add a figure: write it into `FIGURES` of the paper's `figures.py`, and nowhere else,

    Figure(
        "8",  # as in `jaxvec reproduce ENV --figure 8`; a word where the paper has no such figure
        "Costs and the servers' frequency",
        "CPU of a server [GHz]",  # the axis
        (GREEDY, RANDOM),  # of series.py, or Series("my learner", "mappo", sizes={...}, hyper={...})
        tuple(SweepPoint(float(f), numbers={"es_cpu_hz": f * 1e9}) for f in (5, 15, 25)),
        (Panel("reward", over_axis("reward")),),  # metrics are those of `jaxvec envs ENV`
        (Claim("C11", "faster servers earn more", lambda data: rises(data, GREEDY.name, "reward"), Margin(0.01)),),
    )

An axis that is a number of vehicles has the points `among("n_vehicles", (4, 7, 10))` of `series`, which rules share a program at.
`over_axis` is of `panels`, `rises` of `checks`, and `Margin` of `verdicts`: the least difference that matters. A learner has
`marks`, rules that know no more than it does, in the same figure. A check of more than a line goes to the paper's own
`checks.py`. Names of claims are unique within a paper. `tests/papers` sets up every series of every figure at every point, draws
every panel and judges every claim on made-up data.

To add a paper: write its folder, and add a line to `PAPERS`.
"""

from jaxvec.core.registry import Registry
from jaxvec.papers.paper import Paper

PAPERS: Registry[Paper] = Registry(
    "paper of environment",
    {
        "isac_iov": "jaxvec.papers.isac_iov:PAPER",
        "v2x_offload": "jaxvec.papers.v2x_offload:PAPER",
        "urllc_vec": "jaxvec.papers.urllc_vec:PAPER",
        "twin_migration": "jaxvec.papers.twin_migration:PAPER",
        "dt_edge": "jaxvec.papers.dt_edge:PAPER",
    },
)
