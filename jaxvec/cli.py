"""The `jaxvec` command: list environments, train, evaluate, measure, compare, draw, reproduce, read traffic."""

import json as jsonlib
import shlex
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from jaxvec.core.make import ENVIRONMENTS, env_ids
from jaxvec.inspect_commands import envs, learners, metrics
from jaxvec.options import Count, CountFromZero, Entities, EntitiesFromZero, Minutes, Seed, refuse_beside
from jaxvec.reproduce_command import reproduce
from jaxvec.shell import Json, Register, Settings, import_modules
from jaxvec.shell import run as run_command
from jaxvec.train_command import train
from jaxvec.world_command import world


def evaluate(
    run: tyro.conf.Positional[Path],
    /,
    *,
    beside: tuple[Path, ...] = (),
    episodes: Count = 256,
    seed: Seed = 0,
    member: CountFromZero = 0,
    register: Register = (),
    json: Json = False,
) -> None:
    """A trained run against the environment's fixed policies, and other runs, paired on the same worlds.

    Examples:
        jaxvec evaluate runs/demo
        jaxvec evaluate runs/demo --beside runs/mappo --episodes 1024

    Args:
        run: run folder.
        beside: other runs on the same environment.
        episodes: worlds, one episode each.
        seed: of the worlds.
        member: which of the run's seeds.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead of a table.
    """
    import_modules(register)
    import jax

    from jaxvec import scoreboard
    from jaxvec.core.evaluation import evaluate as evaluate_policies
    from jaxvec.core.files import write_json
    from jaxvec.core.params import for_other_worlds
    from jaxvec.training import load
    from jaxvec.training.progress import Progress
    from jaxvec.viz import plots

    loaded = load(run)
    n_worlds = getattr(
        loaded.learner.settings, "n_worlds", 1
    )  # in which it was trained, with numbers of their own perhaps
    loaded = loaded._replace(params=for_other_worlds(loaded.params, n_worlds, episodes))
    env, name = loaded.learner.env, loaded.learner.name
    contestants, learned = scoreboard.contestants(loaded, beside, member)
    with closing(Progress(not json)) as progress:
        progress.start(f"{len(contestants)} policies in {episodes} episode{'s' * (episodes > 1)}")
        results = evaluate_policies(env, contestants, jax.random.key(seed), loaded.params, episodes)
    rows, learned_from = scoreboard.rows_of(results, contestants, learned), scoreboard.objective(env, loaded.params)
    record = {"episodes": episodes, "seed": seed, "learned_from": learned_from, "policies": scoreboard.plain(rows)}
    write_json(run / "evaluation.json", record)
    plots.comparison(results, run / "comparison.png")
    print(jsonlib.dumps(record) if json else scoreboard.text(rows, name, episodes, learned_from))


def bench(
    env: tyro.conf.Positional[tuple[str, ...]] = (),
    /,
    *,
    worlds: tuple[Count, ...] = (1, 64, 1024, 16384),
    train: tuple[str, ...] | None = None,
    repeats: Count = 5,
    out: Path | None = None,
    register: Register = (),
    json: Json = False,
) -> None:
    """World-steps per second with random actions, and in training, on the devices that there are; compile time apart.

    Examples:
        jaxvec bench
        jaxvec bench isac_iov --worlds 1024 16384 --train mappo --out rows.jsonl

    Args:
        env: environments, all if none is named.
        worlds: numbers of parallel worlds.
        train: measure training too, at each learner's own settings: of every learner, or of those that are named.
        repeats: timed repetitions, of which the median is taken.
        out: write the rows there as JSON lines as well.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead of a table.
    """
    import_modules(register)
    from jaxvec import bench as bench_module
    from jaxvec.core.files import check_writable

    if out is not None:
        check_writable(out)
    bench_module.all_cores()
    rows = bench_module.run(env or env_ids(), worlds, train=train, repeats=repeats, quiet=json)
    if out is not None:
        bench_module.write(rows, out)
    print(jsonlib.dumps({"rows": rows}) if json else bench_module.table(rows))


def league(
    env: tyro.conf.Positional[str],
    /,
    *,
    minutes: Minutes | None = None,
    updates: Count | None = None,
    seeds: Count = 5,
    learners: tuple[str, ...] = (),
    worlds: Count = 256,
    judged: Count | None = None,
    bounded: CountFromZero | None = None,
    seed: Seed = 0,
    out: Path | None = None,
    part: str | None = None,
    set: Settings = (),
    register: Register = (),
    json: Json = False,
) -> None:
    """Rules, learners and the clairvoyant bound in the same worlds, with a table and a picture; interrupted, it goes on.

    Examples:
        jaxvec league isac_iov
        jaxvec league v2x_offload --minutes 30 --learners mappo 'apg from greedy'

    Args:
        env: the environment (see `jaxvec envs`).
        minutes: of training, of all learners and seeds together, 10 if not given; compiling, judging and the bound come on top.
        updates: of each learner, in place of minutes.
        seeds: of each learner, trained side by side.
        learners: who takes part: learners at their defaults, or from any rule, as "apg from greedy"; all entries that the
            environment has if not given.
        worlds: in which everybody is evaluated, an episode each.
        judged: of these the first that judge in training; 64, or all, if not given.
        bounded: of these the first for which the bound is sought, 64, or all, if not given; 0 leaves it out.
        seed: of the training.
        out: folder; leagues/ENV if not given.
        part: of several workers that share the folder, as 2/8: plays what is its own first and then helps; the last of them, or
            the command without it, has the table of all.
        set: sizes and numbers of the environment, and settings and hyper-parameters of the learners that have them, by name.
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead of the page.
    """
    import_modules(register)
    from jaxvec.league import league as play
    from jaxvec.sharing import goes_on, left_to_others, part_of, stoppable

    budget = _budget(minutes, judged, bounded, updates=updates, seeds=seeds, worlds=worlds, seed=seed)
    folder, command = out or Path("leagues") / env, shlex.join(["jaxvec", *sys.argv[1:]])
    how: dict[str, Any] = {"budget": budget, "part": part_of(part), "command": command, "progress": not json}
    summary = stoppable(partial(play, env, folder, names=learners, pairs=set, **how), goes_on(folder))
    if json:
        print(jsonlib.dumps({"out": str(folder), **summary}))
        return
    print((folder / "league.md").read_text() if "rows" in summary else f"{folder}: the rules are not played yet")
    if summary.get("left"):
        print(left_to_others(summary["left"]))


def _budget(minutes: float | None, judged: int | None, bounded: int | None, **others: Any) -> Any:
    """What a league may spend; refuses options that contradict each other."""
    from jaxvec.league import Budget

    if minutes is not None and others["updates"] is not None:
        raise ValueError("give --minutes or --updates, not both")
    for option, value in (("judged", judged), ("bounded", bounded)):
        if value is not None and value > others["worlds"]:
            raise ValueError(f"--{option} {value} is more than there are --worlds, {others['worlds']}")
    wanted: dict[str, Any] = {"minutes": minutes, "judged": judged, "bounded": bounded}
    return Budget(**others, **{name: x for name, x in wanted.items() if x is not None})


def render(
    what: tyro.conf.Positional[str],
    /,
    *,
    policy: str | None = None,
    preset: str | None = None,
    set: Settings = (),
    seed: Seed = 0,
    out: Path | None = None,
    register: Register = (),
    json: Json = False,
) -> None:
    """Draw an episode: of a trained run, or of an environment under a fixed policy; of several worlds, in the first.

    Examples:
        jaxvec render runs/demo
        jaxvec render dt_edge --policy slot_optimum --out episode.html

    Args:
        what: run folder or environment.
        policy: a fixed policy's name; the learned one of a run, and random on an environment, if not given.
        preset: a named configuration of the environment.
        set: sizes and numbers of the environment by name.
        seed: of the world.
        out: .gif, .html or .png; episode.gif if not given (in the run folder).
        register: modules of your own, which register environments, models or learners when imported (see jaxvec.register).
        json: print one JSON object instead of text.
    """
    import_modules(register)
    import jax

    from jaxvec import policies, viz
    from jaxvec.core.errors import suggest
    from jaxvec.training.progress import Progress
    from jaxvec.viz.render import SUFFIXES, target

    env, params, learned = _drawn(what, preset, set)
    known = {**learned, **policies.fixed(env, params)}
    name = policy or next(iter(learned), "random")
    file = out or (Path(what) if learned else Path()) / "episode.gif"
    if name not in known:
        raise ValueError(suggest("policy", name, known))
    target(file, SUFFIXES)
    with closing(Progress(not json)) as progress:
        progress.start(f"an episode of {what} under {name}")
        slots = viz.record(env, known[name], jax.random.key(seed), params)
        progress.write(f"{file}: drawing {env.horizon} slots ...")
        viz.render(env, params, slots, file, policy_name=name)
    print(jsonlib.dumps({"out": str(file), "policy": name}) if json else str(file))


def _drawn(what: str, preset: str | None, pairs: tuple[str, ...]) -> tuple[Any, Any, dict[str, Any]]:
    """What `render` draws: the environment, the numbers of its first world, and the learned policy of a run by its name."""
    from jaxvec.core.make import make
    from jaxvec.core.params import params_of_one
    from jaxvec.settings import fields_of, parse
    from jaxvec.training import load

    if what and Path(what).is_dir():
        words = f"{what} is a run, drawn in its own world: give --policy, --seed or --out"
        refuse_beside(words, preset=preset, set=pairs)
        run = load(what)
        params = params_of_one(run.params)
        return run.env, params, {run.learner.name: run.policy(params=params)}
    if "/" in what:
        raise ValueError(f"{what}: there is no such run folder")
    cls = ENVIRONMENTS[what]
    chosen = parse(pairs, {"env": {"world": None, **fields_of(cls)}, "params": fields_of(cls.params_cls)})
    env, params = make(what, preset=preset, **chosen["env"], **chosen["params"])
    return env, params_of_one(params), {}


def traces(
    out: tyro.conf.Positional[Path],
    /,
    *,
    tdrive: Path | None = None,
    fcd: Path | None = None,
    pems: Path | None = None,
    metadata: Path | None = None,
    area: str | None = None,
    n_rsu: Entities = 84,
    n_uav: EntitiesFromZero = 10,
    horizon: Entities = 60,
    split: str = "train",
    predictor: str = "ar6",
    seed: Seed = 0,
    strict: bool = False,
    cache: Path | None = None,
    json: Json = False,
) -> None:
    """A region for twin_migration, of traffic files of your own; what is not given is made up. Then: --set region=OUT.

    Examples:
        jaxvec traces town.npz --fcd town.xml --pems counts --metadata stations.txt

    Args:
        out: npz file to write.
        tdrive: T-Drive files of taxis, or the folder of them, for the trips.
        fcd: in their place a SUMO recording, floating-car data in metres.
        pems: PeMS Station 5-Minute files, or the folder of them, for roadside units and counts.
        metadata: PeMS station metadata.
        area: city or rural, of what is made up; city if not given.
        n_rsu: roadside units of the arrays; those missing are padding.
        n_uav: UAVs.
        horizon: slots of an episode.
        split: train, validation or test, the days in which episodes begin.
        predictor: forecasts of counts, ar6, persistence, weekly, or a network such as lstm_transformer, which is trained.
        seed: of what is made up.
        strict: refuse bad rows instead of counting them.
        cache: folder for what was read, so that the same files need not be read again.
        json: print one JSON object instead of text.
    """
    from jaxvec.core.files import target
    from jaxvec.traces import Report, build_region, save_region

    target(out, (".npz",), "region")
    _check_files(tdrive, fcd, pems, cache=cache, strict=strict, area=area)
    region, provenance = build_region(
        tdrive=tdrive, fcd=fcd, pems=pems, metadata=metadata, area=area or "city", n_rsu=n_rsu, n_uav=n_uav, horizon=horizon,
        split=split, predictor=predictor, seed=seed, strict=strict, cache=cache,
    )  # fmt: skip
    save_region(region, out, provenance)
    sizes = {"rsus": int(region.rsu_present.sum()), "trips": len(region.traj_len), "days": region.flow.shape[1] // 288}
    if json:
        print(jsonlib.dumps({"out": str(out), "sizes": sizes} | provenance))
        return
    print(f"{out}: {', '.join(f'{n} {what}' for what, n in sizes.items())}")
    for part in ("trips", "sites"):
        print(f"{part}: {provenance[part]['from']}")
        reports = {name: x for name, x in provenance[part].items() if name in ("samples", "metadata", "counts")}
        print("".join(f"  {name}: {Report(**report)}\n" for name, report in reports.items()), end="")


def _check_files(
    tdrive: Path | None, fcd: Path | None, pems: Path | None, *, cache: Path | None, strict: bool, area: str | None
) -> None:
    """Refuse options of `traces` that have no effect on what it reads."""
    if cache is not None and (tdrive, pems) == (None, None):
        raise ValueError("--cache keeps what is read of --tdrive or --pems: give one of them, or no cache")
    if strict and (tdrive, fcd, pems) == (None, None, None):
        raise ValueError("--strict is about rows of --tdrive, --fcd or --pems: give one of them, or no --strict")
    if area is not None and pems is not None and (tdrive, fcd) != (None, None):
        raise ValueError("--area is about what is made up, but trips and sites are of files: leave it out")


COMMANDS: dict[str, Callable[..., None]] = {
    "envs": envs,
    "learners": learners,
    "train": train,
    "evaluate": evaluate,
    "metrics": metrics,
    "bench": bench,
    "league": league,
    "render": render,
    "reproduce": reproduce,
    "traces": traces,
    "world": world,
}


def main(args: list[str] | None = None) -> None:
    """Run the command of these words, or of the command line; see `jaxvec.shell.run`."""
    run_command(COMMANDS, __doc__ or "", sys.argv[1:] if args is None else args)


if __name__ == "__main__":
    main()
