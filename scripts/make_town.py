"""Simulates a small town in SUMO and writes the world that comes with the package.

The town is about a kilometre wide: a grid of streets that was pulled out of shape, with traffic lights where the busier of them
cross. Cars drive from one street to the next, several errands each, so that most stay for ten minutes or more. Roadside units
stand at junctions, each where the most traffic is in reach that no other reaches. Needs SUMO: pip install 'jaxvec[sumo]'.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from make_sumo_trace import SumoError, call, check_times, program

from jaxvec.traces import RecordError, World, build_world, save_world
from jaxvec.traces.build_world import summary

BLOCKS = 7, 6  # streets to the north and to the east
BLOCK_M = 170.0, 190.0
PULLED_M = 18.0  # standard deviation of a crossing's place
LIMIT_MPS = 13.89
ERRANDS = 3, 8  # of a car
WARM_UP_S = 900.0  # from empty streets to steady traffic
STEP_S = 1.0  # of the simulation
POSITION_M, SPEED_MPS = 0.5, 0.5  # to which the record is rounded, so that it is small
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "jaxvec" / "traces" / "data" / "town_1km.npz"


def trips(net: Path, seed: int, end_s: float, vehicles_per_hour: float) -> str:
    """Cars as SUMO reads them: exponential intervals, a street to begin with, some to pass, one to end at."""
    edges = [edge for edge in ElementTree.parse(net).getroot().iter("edge") if edge.get("function") != "internal"]
    names, rng = sorted(str(edge.get("id")) for edge in edges), np.random.default_rng(seed)
    lines, time_s = (
        ["<routes>", '<vType id="car" vClass="passenger" sigma="0" speedFactor="normc(1,0.1,0.7,1.2)"/>'],
        0.0,
    )
    while (time_s := time_s + rng.exponential(3600.0 / vehicles_per_hour)) < end_s:
        stops = rng.choice(names, int(rng.integers(*ERRANDS, endpoint=True)) + 1, replace=False)
        lines.append(
            f'<trip id="car{len(lines) - 2}" type="car" depart="{time_s:.2f}" departLane="best" departSpeed="max" '
            f'from="{stops[0]}" to="{stops[-1]}" via="{" ".join(stops[1:-1])}"/>'
        )
    return "\n".join([*lines, "</routes>"])


def simulate(folder: Path, seconds: float, seed: int, vehicles_per_hour: float, dt_s: float) -> tuple[Path, Path]:
    """The net and the recording of the town, from the end of the warm-up on. Arguments and errors as of `make`."""
    net, routes, fcd = folder / "town.net.xml", folder / "town.rou.xml", folder / "town.fcd.xml"
    pulled = f"normc(0,{PULLED_M},{-2 * PULLED_M},{2 * PULLED_M})"
    call(
        program("netgenerate"), "--xml-validation", "never", "--grid", "--seed", str(seed), "--output-file", str(net),
        "--grid.x-number", str(BLOCKS[0]), "--grid.y-number", str(BLOCKS[1]),
        "--grid.x-length", str(BLOCK_M[0]), "--grid.y-length", str(BLOCK_M[1]),
        "--perturb-x", pulled, "--perturb-y", pulled, "--default.speed", str(LIMIT_MPS), "--tls.guess", "--no-turnarounds",
    )  # fmt: skip
    end_s = WARM_UP_S + seconds
    routes.write_text(trips(net, seed, end_s, vehicles_per_hour), encoding="utf-8")
    call(
        program("sumo"), "--xml-validation", "never", "--xml-validation.net", "never", "--xml-validation.routes", "never",
        "--net-file", str(net), "--route-files", str(routes), "--seed", str(seed), "--step-length", str(STEP_S),
        "--end", str(end_s + STEP_S), "--fcd-output", str(fcd), "--fcd-output.attributes", "id,x,y,speed,angle",
        "--device.fcd.begin", str(WARM_UP_S), "--device.fcd.period", str(dt_s), "--device.rerouting.probability", "1",
        "--time-to-teleport", "-1", "--no-step-log", "--no-warnings",
    )  # fmt: skip
    return net, fcd


def rounded(world: World) -> World:
    """With positions and velocities that take few bytes in a file."""
    steps = {"x_m": POSITION_M, "y_m": POSITION_M, "vx_mps": SPEED_MPS, "vy_mps": SPEED_MPS}
    arrays = {name: np.round(getattr(world.trace, name) / step) * np.float32(step) for name, step in steps.items()}
    return world.replace(trace=world.trace.replace(**{name: array + np.float32(0) for name, array in arrays.items()}))


def make(
    out: str | os.PathLike[str],
    seconds: float = 4200.0,
    seed: int = 0,
    vehicles_per_hour: float = 480.0,
    dt_s: float = 2.0,
    n_places: int = 12,
) -> World:
    """Simulates the town and writes its world.

    Args:
        out: npz file to write.
        seconds: length of the record [s].
        seed: of streets, trips and SUMO's random numbers; the same seed, settings and SUMO version give the same record.
        vehicles_per_hour: cars that set out [1/h].
        dt_s: time between samples, a multiple of the simulation's step of 1 s [s].
        n_places: roadside units.
    Returns:
        The world written.
    Raises:
        SumoError: SUMO is missing or failed.
        RecordError: the record holds no vehicle.
        ValueError: an argument is out of range.
        OSError: the file cannot be written.
    """
    check_times(seconds, vehicles_per_hour, dt_s, STEP_S)
    with tempfile.TemporaryDirectory() as folder:
        net, fcd = simulate(Path(folder), seconds, seed, vehicles_per_hour, dt_s)
        world, provenance = build_world(fcd=fcd, net=net, n_places=n_places, rule="coverage", dt_s=dt_s)
    world = rounded(world)
    settings: dict[str, Any] = {
        "title": "a town of about a square kilometre, passenger cars",
        "made_by": "scripts/make_town.py",
        "sumo": call(program("sumo"), "--version").splitlines()[0].strip(),
        "seed": seed,
        "seconds": seconds,
        "vehicles_per_hour": vehicles_per_hour,
        "dt_s": dt_s,
        "simulation_step_s": STEP_S,
        "warm_up_s": WARM_UP_S,
        "blocks": BLOCKS,
        "block_m": BLOCK_M,
        "pulled_m": PULLED_M,
        "speed_limit_mps": LIMIT_MPS,
        "errands": ERRANDS,
        "rounded_to": {"position_m": POSITION_M, "speed_mps": SPEED_MPS},
        "places": provenance["places"],
    }
    save_world(world, out, settings)
    return world


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="npz file to write (the shipped one)")
    parser.add_argument("--seconds", type=float, default=4200.0, help="length of the record [s] (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of streets, trips and SUMO (%(default)s)")
    parser.add_argument("--vehicles-per-hour", type=float, default=480.0, help="cars that set out [1/h] (%(default)s)")
    parser.add_argument("--dt", type=float, default=2.0, help="time between samples [s] (%(default)s)")
    parser.add_argument("--places", type=int, default=12, help="roadside units (%(default)s)")
    args = parser.parse_args(argv)
    try:
        world = make(args.out, args.seconds, args.seed, args.vehicles_per_hour, args.dt, args.places)
    except (SumoError, RecordError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    held = summary(world)
    print(
        f"{args.out}: {held['vehicles']} vehicles, {held['present_mean']:.1f} present on average "
        f"({held['present_least']} to {held['present_most']}), {os.path.getsize(args.out) / 1000:.0f} kB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
