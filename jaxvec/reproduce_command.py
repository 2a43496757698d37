"""`jaxvec reproduce`: from the words of a command line to a paper's figures and verdicts."""

import json as jsonlib
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxvec.options import Count, Minutes, Slots
from jaxvec.shell import Json


def reproduce(
    env: tyro.conf.Positional[str],
    /,
    *,
    figure: str | None = None,
    seeds: Count | None = None,
    slots: Slots | None = None,
    quick: bool = False,
    together: bool = False,
    timing: bool = False,
    minutes: Minutes | None = None,
    series: tuple[str, ...] | None = None,
    out: Path | None = None,
    part: str | None = None,
    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    known: Path | None = None,
    ship: Path | None = None,
    json: Json = False,
) -> None:
    """The figures of an environment's paper: trained, drawn, and its claims judged one by one; interrupted, it goes on.

    Runs are kept in `OUT/runs`. `OUT/reproduce.jsonl` sums them up; see also benchmarks/results/reproduce-*.

    Examples:
        jaxvec reproduce isac_iov --quick
        jaxvec reproduce v2x_offload --minutes 60
        jaxvec reproduce v2x_offload --figure 6 --series DT-MADDPG 'apg from greedy' bound
        jaxvec reproduce v2x_offload --out /shared/v2x --part 2/8
        jaxvec reproduce v2x_offload --from reproductions/v2x_offload/reproduce.jsonl --out again

    Figures:
        isac_iov: 4, table3, 5, 6, 7, twin
        v2x_offload: 4, 5, 6, 7, 8, 9, contended
        urllc_vec: table3, 3, circuit, 4, 5, 6v, 6f, 6u, 6b, 7, 7codec, twin
        twin_migration: table2, 5, 6, 7, 7d, 8, 9, 10, 11, 12
        dt_edge: 3, 4, 5, 6, llm, table1

    Args:
        env: environment whose paper it is.
        figure: a single figure; all if not given.
        seeds: independent learners; the paper's module says how many if not given.
        slots: of training that each learner sees; likewise.
        quick: a look, in a minute or so per figure: tiny training, few places, two seeds.
        together: learners of all numbers of vehicles as one program, of the most: for a GPU, where compiling takes longest.
        timing: make it anew, and once more run by run, and say how long both took.
        minutes: of training; what would not end in time is left out, and the page says so. All if not given.
        series: learners and bounds, by their names in the figures, which alone are trained; all if not given.
        out: folder; reproductions/ENV if not given, or reproductions/ENV-quick.
        part: of several workers that share the folder, as 2/8: makes what is its own first and then helps; the last draws.
        source: a summary, from which figures and page are made again without training.
        known: a summary, as of benchmarks/results, whose runs need not be made again.
        ship: a folder to which the page, with small pictures, and the summary are written for others.
        json: print one JSON object instead of text.
    """
    how: dict[str, Any] = {"figure": figure, "seeds": seeds, "slots": slots, "minutes": minutes, "quick": quick}
    how |= {"together": together, "timing": timing, "part": part, "out": out, "source": source}
    _run(env, json, how | {"series": series, "known": known, "ship": ship})


def _run(env: str, json: bool, how: dict[str, Any]) -> None:
    """Reproduce, and print what is not printed on the way."""
    from jaxvec import bench as bench_module
    from jaxvec.papers import report
    from jaxvec.sharing import goes_on, left_to_others, part_of, stoppable

    how |= {"part": part_of(how["part"]), "out": how["out"] or report.folder_of(env, how["quick"])}
    how |= {"say": lambda _: None} if json else {}
    bench_module.all_cores()
    result = stoppable(partial(report.reproduce, env, **how), goes_on(how["out"]))
    if json:
        print(jsonlib.dumps(result))
    elif result.get("left"):
        print(left_to_others(result["left"]))
