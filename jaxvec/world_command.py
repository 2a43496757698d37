"""The command that makes a world of traffic files: vehicles, an area, streets, and places for roadside units."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxvec.options import Entities, Metres, Seconds, Seed, refuse_beside
from jaxvec.shell import Flag, Json

Words = Annotated[tuple[str, ...], tyro.conf.arg(metavar="DATASET|NAME=VALUE ...")]
LARGE_BYTES = 50_000_000  # of a recording that is kept once it is read


def world(
    *,
    out: Path,
    fcd: Path | None = None,
    table: Path | None = None,
    columns: Words = (),
    net: Path | None = None,
    rsus: Entities | None = None,
    place: str | None = None,
    places: Path | None = None,
    reach_m: Metres = 250.0,
    dt_s: Seconds = 1.0,
    begin: str | None = None,
    end: str | None = None,
    area: tuple[float, float, float, float] | None = None,
    seed: Seed = 0,
    strict: Flag = False,
    cache: Path | None = None,
    picture: Path | None = None,
    json: Json = False,
) -> None:
    """A world of traffic files of your own: vehicles, streets, roadside units. Then, in every system: --set world=OUT.

    Examples:
        jaxvec world --fcd town.fcd.xml --net town.net.xml --rsus 12 --out town.npz --picture town.png
        jaxvec world --table porto.csv --columns porto --begin 2013-07-01T08:00 --end 2013-07-01T20:00 --dt-s 15 --out porto.npz
        jaxvec world --table cars.csv --columns id=car time=t x=x y=y --places masts.csv --out cars.npz

    Args:
        out: npz file to write.
        fcd: recording of SUMO, floating-car data as XML, CSV or Parquet, in metres or degrees.
        table: in its place a table of trajectories, CSV or Parquet, or a folder of them.
        columns: of the table: porto, ngsim, highd or tdrive, or id=, time=, x=, y= (or longitude=, latitude=) and their names.
        net: SUMO's net of the recording, for streets, junctions and the projection of degrees.
        rsus: roadside units that a rule places, 12 if not given.
        place: the rule: coverage (most traffic in reach, if not given), kmeans (near all traffic), grid, or junctions of the net.
        places: in place of a rule a CSV of places, with columns x and y, or longitude and latitude.
        reach_m: of a roadside unit, for coverage, junctions and the picture.
        dt_s: time between samples; a recording with rarer ones needs a larger one.
        begin: from which time on, in seconds, as a time of day or as a date.
        end: up to which time.
        area: least x and y, largest x and y taken, in the file's units: of degrees west, south, east, north.
        seed: of kmeans.
        strict: refuse bad rows instead of counting them.
        cache: folder for what was read; of large files the user's own if not given.
        picture: also draw streets, traffic and places there, .png or .svg.
        json: print one JSON object instead of text.
    """
    from jaxvec.traces import build_world, save_world

    _check_files(out, picture, places, rsus=rsus, place=place)
    built, provenance = build_world(
        fcd=fcd, table=table, columns=columns or None, net=net, places=places, n_places=rsus, rule=place, reach_m=reach_m,
        seed=seed, dt_s=dt_s, begin=begin, end=end, area=area, strict=strict, cache=cache or _cache_of(fcd or table),
    )  # fmt: skip
    save_world(built, out, provenance)
    if picture is not None:
        _draw(built, picture, reach_m, out.stem)
    _print(built, provenance, out, picture, json)


def _draw(built: Any, picture: Path, reach_m: float, title: str) -> None:
    """The map."""
    from jaxvec.viz.plots import world_map

    world_map(built, picture, reach_m=reach_m, title=title)


def _check_files(out: Path, picture: Path | None, places: Path | None, **rule: Any) -> None:
    """Refuse names that cannot be written, and options that would be ignored."""
    from jaxvec.core.files import target

    target(out, (".npz",), "world")
    if picture is not None:
        target(picture, (".png", ".svg"))
    if places is not None:
        refuse_beside("--places is the list of all places: leave the rule out", **rule)


def _print(built: Any, provenance: dict[str, Any], out: Path, picture: Path | None, json: bool) -> None:
    """What a world holds."""
    from jaxvec.traces import Report
    from jaxvec.traces.build_world import summary

    held = summary(built)
    if json:
        print(jsonlib.dumps({"out": str(out), "holds": held} | provenance))
        return
    report = Report(**provenance["recording"]["samples"])
    print("\n".join([f"{out}: {report}", *_lines(held, report), *([str(picture)] if picture else [])]))


def _lines(held: dict[str, float], report: Any) -> list[str]:
    """What a world holds, in words."""
    lines = [
        f"  vehicles  {held['vehicles']} visits in {held['seconds']:g} s, a sample each {held['dt_s']:g} s",
        f"  at a time {held['present_least']} to {held['present_most']} vehicles, {held['present_mean']:.1f} on average",
        f"  area      {held['width_m']:g} m to the east, {held['height_m']:g} m to the north",
        f"  places    {held['places']}",
        f"  streets   {held['streets']} pieces",
    ]
    if report.anchor_deg:
        lines.append("  origin    latitude {:.5f}, longitude {:.5f}; {}".format(*report.anchor_deg, report.projection))
    return lines


def _cache_of(path: Path | None) -> Path | None:
    """The user's own folder, for a file that takes long to read."""
    from jaxvec.core import cache

    if path is None or not path.is_file() or path.stat().st_size < LARGE_BYTES:
        return None
    folder = cache.location()
    return None if folder is None else folder.parent / "traffic"
