"""What a policy is worth in worlds that it was not trained in: `generalisation.py --train a.npz --held-out b.npz`.

On each system one policy is trained on the paper's own traffic ("paper"), one on the world files of `--train` together, each
in as many of the worlds side by side as any other, in the first seven tenths of their hours ("towns"). Both are judged on the
paper's traffic, in each world file in its later hours, and in the files of `--held-out`; fixed rules stand beside, all in the
same worlds. All worlds have as many servers as the paper, at the busiest places, so that policies see rows of one form; in
`twin_migration` both have twelve RSUs, and as its worlds share one region, "towns" is the first file alone, at all hours.
Without files it takes the recording that is shipped, and holds out its mirror image.

Trainings, of `--seeds` seeds each, are run folders under `--runs`, and rows that `generalisation-DEVICE.jsonl` holds already
are not made again: a second call goes on where the first was stopped. Rewards are per slot, with Student's intervals of 95 %
over the seeds, and of rules over the worlds. Writes that file and its `.md`.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from kept import Kept, made, markdown

import jaxvec
from jaxvec import policies
from jaxvec.bench import Row, machine, slug
from jaxvec.core.checkout import commit
from jaxvec.core.evaluation import evaluate, interval
from jaxvec.core.files import write_text
from jaxvec.core.params import for_other_worlds
from jaxvec.envs.isac_iov import IsacIov
from jaxvec.envs.urllc_vec import UrllcVec
from jaxvec.envs.v2x_offload import V2xOffload
from jaxvec.traces import World, load_world, moved, shipped
from jaxvec.training.run_folder import Run

SIZES: dict[str, dict[str, Any]] = {  # episodes are short; what is not said is the paper's
    "isac_iov": {"n_rsus": IsacIov.n_rsus, "horizon": 30},
    "dt_edge": {"horizon": 50},
    "v2x_offload": {"n_servers": V2xOffload.n_servers, "horizon": 30},
    "urllc_vec": {"n_bs": UrllcVec.n_bs, "horizon": 20},
    "twin_migration": {"n_rsu": 12},
}
LEARNER: dict[str, dict[str, Any]] = {  # of `apg`: where it starts from a rule, as in the league
    "v2x_offload": {"prior": "greedy"},
    "urllc_vec": {"prior": "nash_half"},
    "twin_migration": {"prior": "own_patient"},
}
ONE_WORLD = ("twin_migration",)  # whose worlds share one region
TRAIN_PART = 0.7  # of a world's start times, the first ones


class Place(NamedTuple):
    """Where policies are trained or judged: a name, an environment and its numbers."""

    name: str
    env: Any
    params: Any


def hours(params: Any, part: slice) -> Any:
    """The numbers with some of the start times, those of a fraction of the recording, each world its own; all hours where a
    region is drawn from instead."""
    if not hasattr(params, "trace_starts"):
        return params
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
    """Sizes that are the same in all places."""
    return {"n_vehicles": jaxvec.core.make.ENVIRONMENTS[env_id].n_vehicles} | SIZES[env_id]


def trained(place: Place, args: argparse.Namespace, folder: Path, n: int = 1) -> Run:
    """A training, of all seeds, in a place of n worlds; its run folder goes on if there is one."""
    settings = LEARNER.get(place.env.id, {}) if args.learner == "apg" else {}
    learner = jaxvec.learners.make(args.learner, place.env, n_worlds=args.worlds, **settings)
    params = for_other_worlds(place.params, n, args.worlds)
    rest: dict[str, Any] = {"num_seeds": args.seeds, "out": folder, "resume": True, "progress": False}
    jaxvec.train(learner, params, jax.random.key(0), args.updates, **rest)
    return jaxvec.load(folder)


def places_of(env_id: str, known: dict[str, World], held_out: dict[str, World]) -> list[Place]:
    """Where policies are judged: in the paper's traffic, in the later hours of known worlds, in those held out."""
    settings = settings_of(env_id)
    places = [Place("the paper's traffic", *jaxvec.make(env_id, **settings))]
    for name, world in (known | held_out).items():
        env, params = jaxvec.make(env_id, world=world, **settings)
        later = hours(params, slice(TRAIN_PART, 1.0)) if name in known else params
        when = "held out" if name not in known else "all hours" if env_id in ONE_WORLD else "later hours"
        places.append(Place(f"{name}, {when}", env, later))
    return places


def judge(
    env_id: str, args: argparse.Namespace, known: dict[str, World], held_out: dict[str, World], kept: Kept
) -> None:
    """What the policies and the rules are worth in every place that has no row yet."""
    known = dict(list(known.items())[:1]) if env_id in ONE_WORLD else known
    here = machine() | {"commit": commit(), "command": args.command}
    what = f"{env_id} {args.learner} {args.updates} {args.seeds}"
    places = places_of(env_id, known, held_out)
    paper, missing = places[0], [place for place in places if f"{what} {place.name}" not in kept]
    if not missing:
        return
    towns = Place("towns", *jaxvec.make(env_id, world=list(known.values()), **settings_of(env_id)))
    towns = towns._replace(params=hours(towns.params, slice(0.0, TRAIN_PART)))
    folder = args.runs / f"{env_id}-{args.learner}-{args.updates}"
    learned = {
        "paper": trained(paper, args, folder.with_name(f"{folder.name}-paper")),
        "towns": trained(towns, args, folder.with_name(f"{folder.name}-towns"), len(known)),
    }
    for place in missing:
        seeds = {
            f"{name} {i}": run.policy(i, params=place.params)
            for name, run in learned.items()
            for i in range(args.seeds)
        }
        rules = dict(policies.fixed(place.env, place.params))
        scores = evaluate(place.env, seeds | rules, jax.random.key(1), place.params, args.episodes)
        reward = {name: np.asarray(of["reward"]) for name, of in scores.items()}
        worth = {name: [float(reward[f"{name} {i}"].mean()) for i in range(args.seeds)] for name in learned}
        row: Row = here | {"system": env_id, "place": place.name, "learner": args.learner, "updates": args.updates}
        row |= {name: str(interval(np.asarray(of_each))) for name, of_each in worth.items()}
        row |= {"difference": str(interval(np.subtract(worth["paper"], worth["towns"])))}
        row |= {"rules": {name: float(reward[name].mean()) for name in rules}}
        best = max(rules, key=row["rules"].__getitem__)
        kept.add(f"{what} {place.name}", row | {"best_rule": f"`{best}` {interval(reward[best])}"})


def page(rows: list[Row]) -> str:
    """As Markdown: how rows were made; the policies, the difference of their means in the same worlds, and the best rule."""
    trained = " and ".join(dict.fromkeys(f"{row['learner']}, {row['updates']} updates" for row in rows))
    lines = ["system | judged in | trained on the paper's traffic | trained in towns | difference | best rule"]
    keys = ("place", "paper", "towns", "difference", "best_rule")
    lines += [" | ".join([f"`{row['system']}`", *(row[key] for key in keys)]) for row in rows]
    return f"{made(rows)} · {trained}\n\n{markdown(lines)}\n"


def main(arguments: list[str] | None = None) -> Path:
    """Train, judge, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--train", type=Path, nargs="+", default=[], help="world files to train in, together")
    parser.add_argument("--held-out", type=Path, nargs="+", default=[], help="world files to judge in alone")
    parser.add_argument("--learner", default="apg")
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=256)
    parser.add_argument("--runs", type=Path, default=Path("runs/generalisation"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    words = [Path(word).name if word.endswith(".npz") else word for word in arguments or sys.argv[1:]]
    args.command = shlex.join(["python", "benchmarks/generalisation.py", *words])
    known = {path.stem: load_world(path) for path in args.train}
    held_out = {path.stem: load_world(path) for path in args.held_out}
    if not known:
        road, mirrored = shipped_worlds()
        known, held_out = {"road_700m": road}, {"road_700m mirrored": mirrored} | held_out
    kept = Kept(args.out / f"generalisation-{slug(machine())}.jsonl")
    for env_id in args.systems:
        judge(env_id, args, known, held_out, kept)
    write_text(kept.path.with_suffix(".md"), page(kept.rows))
    print(page(kept.rows))
    return kept.path


if __name__ == "__main__":
    main()
