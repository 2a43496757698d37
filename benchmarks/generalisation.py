"""What a policy is worth in worlds that it was not trained in: `generalisation.py --train a.npz --held-out b.npz`.

On each system one policy is trained on the paper's own traffic ("paper"), one on the world files of `--train` together, each
in as many of the worlds side by side as any other, in the first seven tenths of their hours ("towns"). Both are judged on the
paper's traffic, in each world file in its later hours, and in the files of `--held-out`; fixed rules stand beside, all in the
same worlds. All worlds have as many servers as the paper, at the busiest places, so that policies see rows of one form.
Without files it takes the recording that is shipped, and holds out its mirror image.

Trainings are run folders under `--runs`: a second call goes on where the first was stopped. Writes `generalisation-DEVICE.json`
and `.md`.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxvec
from jaxvec import policies
from jaxvec.bench import machine, slug
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.files import write_json, write_text
from jaxvec.core.params import for_other_worlds
from jaxvec.core.rollout import Policy
from jaxvec.traces import World, load_world, moved, shipped

SERVERS = {"isac_iov": "n_rsus", "dt_edge": None, "v2x_offload": "n_servers", "urllc_vec": "n_bs"}
TRAIN_PART = 0.7  # of a world's start times, the first ones
HORIZON = {"isac_iov": 30, "dt_edge": 50, "v2x_offload": 30, "urllc_vec": 20}


class Place(NamedTuple):
    """Where policies are trained or judged: a name, an environment and its numbers."""

    name: str
    env: Any
    params: Any


def hours(params: Any, part: slice) -> Any:
    """The numbers with some of the start times, those of a fraction of the recording; each world its own."""
    of_world = params.trace_starts
    starts = np.arange(len(params.trace.starts_s)) if of_world is None else of_world
    first, last = (round(len(starts) * x) for x in (part.start, part.stop))
    return params.replace(trace_starts=starts[first : max(last, first + 1)])


def shipped_worlds() -> tuple[World, World]:
    """The shipped recording as a world with places along its road, and its mirror image."""
    road = shipped()
    west = road.replace(x_m=np.float32(700) - road.x_m, vx_mps=-road.vx_mps)
    places_m = np.float32([[200, 9.375], [350, 9.375], [500, 9.375], [600, 9.375]])

    def world(trace: Any, places_m: np.ndarray) -> World:
        corners_m = np.float32([[0, -350], [700, 350]])
        return World(trace, corners_m, *places_m.T, np.zeros((0, 4), np.float32), np.float32([np.nan, np.nan]))

    return world(road, places_m), world(moved(west, 0, 20), places_m * np.float32([1, -1]))


def settings_of(env_id: str) -> dict[str, Any]:
    """Sizes that are the same in all places: the paper's, with short episodes."""
    cls = jaxvec.core.make.ENVIRONMENTS[env_id]
    size = SERVERS[env_id]
    return {"n_vehicles": cls.n_vehicles, "horizon": HORIZON[env_id]} | ({size: getattr(cls, size)} if size else {})


def trained(place: Place, args: argparse.Namespace, folder: Path, n: int = 1) -> Policy:
    """A policy of a place of n worlds, from its run folder if there is one."""
    learner = jaxvec.learners.make(args.learner, place.env, n_worlds=args.worlds)
    params = for_other_worlds(place.params, n, args.worlds)
    result = jaxvec.train(learner, params, jax.random.key(0), args.updates, out=folder, resume=True, progress=False)
    return result.policy()


def rows_of(env_id: str, args: argparse.Namespace, known: dict[str, World], held_out: dict[str, World]) -> list[Any]:
    """What the two policies and the rules are worth in every place."""
    settings = settings_of(env_id)
    paper = Place("the paper's traffic", *jaxvec.make(env_id, **settings))
    towns = Place("towns", *jaxvec.make(env_id, world=list(known.values()), **settings))
    towns = towns._replace(params=hours(towns.params, slice(0.0, TRAIN_PART)))
    folder = args.runs / f"{env_id}-{args.learner}-{args.updates}"
    learned = {
        "trained on the paper's traffic": trained(paper, args, folder.with_name(f"{folder.name}-paper")),
        "trained in towns": trained(towns, args, folder.with_name(f"{folder.name}-towns"), len(known)),
    }
    places = [paper]
    for name, world in (known | held_out).items():
        env, params = jaxvec.make(env_id, world=world, **settings)
        later = hours(params, slice(TRAIN_PART, 1.0)) if name in known else params
        places.append(Place(f"{name}, {'later hours' if name in known else 'held out'}", env, later))
    rows = []
    for place in places:
        everyone = learned | dict(policies.fixed(place.env, place.params))
        scores = evaluate(place.env, everyone, jax.random.key(1), place.params, args.episodes)
        difference = np.subtract(*(scores[name]["reward"] for name in learned))
        row = {"system": env_id, "place": place.name, "paper minus towns": str(interval(difference))}
        row |= {"reward": {name: str(interval(of["reward"])) for name, of in scores.items()}}
        row |= {"mean": {name: float(of["reward"].mean()) for name, of in scores.items()}}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def page(rows: list[Any]) -> str:
    """As Markdown: the two policies, their paired difference, and the best rule."""
    titles = ("system", "judged in", "trained on the paper's traffic", "trained in towns", "difference", "best rule")
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for row in rows:
        learned = titles[2:4]
        rule = max((name for name in row["mean"] if name not in learned), key=row["mean"].__getitem__)
        cells = [f"`{row['system']}`", row["place"], *(row["reward"][name] for name in learned)]
        cells += [row["paper minus towns"], f"`{rule}` {row['reward'][rule]}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> Path:
    """Train, judge, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=tuple(SERVERS), default=["isac_iov", "dt_edge", "v2x_offload"])
    parser.add_argument("--train", type=Path, nargs="+", default=[], help="world files to train in, together")
    parser.add_argument("--held-out", type=Path, nargs="+", default=[], help="world files to judge in alone")
    parser.add_argument("--learner", default="apg")
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--runs", type=Path, default=Path("runs/generalisation"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    known = {path.stem: load_world(path) for path in args.train}
    held_out = {path.stem: load_world(path) for path in args.held_out}
    if not known:
        road, mirrored = shipped_worlds()
        known, held_out = {"road_700m": road}, {"road_700m mirrored": mirrored} | held_out
    here = machine()
    rows = [row for env_id in args.systems for row in rows_of(env_id, args, known, held_out)]
    file = args.out / f"generalisation-{slug(here)}.json"
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(file, {**here, "learner": args.learner, "updates": args.updates, "rows": rows})
    write_text(file.with_suffix(".md"), page(rows))
    print(page(rows))
    return file


if __name__ == "__main__":
    main()
