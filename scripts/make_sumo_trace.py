"""Simulates a two-way, four-lane road in SUMO and writes the trace that comes with the package.

The road is straight, 700 m long, with two lanes of 3.75 m in each direction. An approach at either end, which is not
recorded, lets cars settle into traffic before they are seen. Needs SUMO: pip install 'jaxvec[sumo]'.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from jaxvec.traces import RecordError, Trace, read_fcd, save

ROAD_M = 700.0
LANE_M = 3.75
CAR_M = 4.5
APPROACH_M = 300.0
WARM_UP_S = 180.0  # from an empty road to steady traffic; the slowest car takes 110 s over road and approaches
STEP_S = 0.5  # of the simulation
LIMIT_MPS = 14.0  # about 50 km/h
SPEED_FACTOR = "normc(1,0.07,0.86,1.14)"  # desired speed over the limit: 12 to 16 m/s
LANE_CHANGE_S = 3.0
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "jaxvec" / "traces" / "data" / "road_700m.npz"

NODES = f"""<nodes>
    <node id="west" x="{-APPROACH_M}" y="0"/>
    <node id="east" x="{ROAD_M + APPROACH_M}" y="0"/>
</nodes>
"""

# SUMO drives on the right and numbers lanes from the right: eastbound ones lie south of the centre line.
EDGES = f"""<edges>
    <edge id="eastbound" from="west" to="east" numLanes="2" speed="{LIMIT_MPS}" width="{LANE_M}"/>
    <edge id="westbound" from="east" to="west" numLanes="2" speed="{LIMIT_MPS}" width="{LANE_M}"/>
</edges>
"""

# SUMO records a car that touches the area with any part, at the place of its front bumper: short of either end by a
# car, the area yields 0 <= x <= 700.
RECORDED = f"""<additional>
    <poly id="road" shape="{CAR_M},-10 {ROAD_M - CAR_M},-10 {ROAD_M - CAR_M},10 {CAR_M},10"/>
</additional>
"""

ROUTES = f"""<routes>
    <vType id="car" vClass="passenger" length="{CAR_M}" minGap="2.5" accel="2.6" decel="4.5" sigma="0.5"
           speedFactor="{SPEED_FACTOR}" lcKeepRight="0.3" lcSpeedGain="2"/>
    <flow id="east" type="car" from="eastbound" to="eastbound" begin="0" end="{{end_s}}" period="exp({{per_s}})"
          departLane="random" departSpeed="desired" departPos="base"/>
    <flow id="west" type="car" from="westbound" to="westbound" begin="0" end="{{end_s}}" period="exp({{per_s}})"
          departLane="random" departSpeed="desired" departPos="base"/>
</routes>
"""


class SumoError(RuntimeError):
    """SUMO is missing, or one of its programs failed."""


def program(name: str) -> str:
    """Path of a program of SUMO: that of the Python package, or one on the PATH.

    Raises:
        SumoError: there is none.
    """
    try:
        import sumo

        path = shutil.which(name, path=os.path.join(sumo.SUMO_HOME, "bin"))
    except ImportError:
        path = None
    path = path or shutil.which(name)
    if not path:
        raise SumoError(f"SUMO's program {name!r} is not installed; try: pip install 'jaxvec[sumo]'")
    return path


def call(*command: str) -> str:
    """Output of a command.

    Raises:
        SumoError: it failed; the message holds what it printed.
    """
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SumoError(f"{Path(command[0]).name} failed ({done.returncode}):\n{done.stderr or done.stdout}")
    return done.stdout


def check_times(seconds: float, vehicles_per_hour: float, dt_s: float, step_s: float) -> None:
    """Refuse times of a record that SUMO cannot make. Arguments as of `make`.

    Args:
        step_s: of the simulation [s].
    Raises:
        ValueError: an argument is out of range.
    """
    if not all(0 < value < math.inf for value in (seconds, vehicles_per_hour, dt_s)):
        raise ValueError("seconds, vehicles_per_hour and dt_s must be positive and finite")
    if dt_s % step_s:
        raise ValueError(f"dt_s = {dt_s} s is not a multiple of the simulation's step, {step_s} s")


def simulate(seconds: float, seed: int, vehicles_per_hour: float, dt_s: float) -> Trace:
    """The road in SUMO, from the end of the warm-up on. Arguments and errors as of `make`."""
    netconvert, sumo = program("netconvert"), program("sumo")
    end_s = WARM_UP_S + seconds
    offline = ("--xml-validation", "never")
    with tempfile.TemporaryDirectory() as folder:
        file = {
            name: os.path.join(folder, name) for name in ("nodes", "edges", "routes", "recorded", "net.xml", "fcd.xml")
        }
        routes = ROUTES.format(end_s=end_s, per_s=vehicles_per_hour / 3600.0)
        for name, text in (("nodes", NODES), ("edges", EDGES), ("routes", routes), ("recorded", RECORDED)):
            Path(file[name]).write_text(text, encoding="utf-8")
        call(
            netconvert, *offline, "--node-files", file["nodes"], "--edge-files", file["edges"],
            "--output-file", file["net.xml"], "--no-turnarounds", "--offset.disable-normalization",
            "--precision", "3",
        )  # fmt: skip
        call(
            sumo, *offline, "--xml-validation.net", "never", "--xml-validation.routes", "never",
            "--net-file", file["net.xml"], "--route-files", file["routes"], "--seed", str(seed),
            "--step-length", str(STEP_S), "--end", str(end_s + STEP_S), "--lanechange.duration", str(LANE_CHANGE_S),
            "--fcd-output", file["fcd.xml"], "--fcd-output.attributes", "id,x,y,speed,angle", "--precision", "3",
            "--additional-files", file["recorded"], "--fcd-output.filter-shapes", "road",
            "--device.fcd.begin", str(WARM_UP_S), "--device.fcd.period", str(dt_s),
            "--no-step-log", "--no-warnings",
        )  # fmt: skip
        return read_fcd(file["fcd.xml"], dt_s=dt_s, origin_s=WARM_UP_S)


def make(
    out: str | os.PathLike[str],
    seconds: float = 600.0,
    seed: int = 0,
    vehicles_per_hour: float = 550.0,
    dt_s: float = 1.0,
) -> Trace:
    """Simulates the road and writes its trace.

    x_m runs from 0 to 700, y_m = 0 is the centre line, and lane centres lie at y = (lane - 1.5) * 3.75 m: lanes 0 and
    1 drive towards +x, 2 and 3 towards -x. Time 0 is the end of the warm-up.

    Args:
        out: npz file to write.
        seconds: length of the record [s].
        seed: of SUMO's random numbers; the same seed, settings and SUMO version give the same record.
        vehicles_per_hour: mean arrivals in each direction [1/h], in exponential intervals.
        dt_s: time between samples, a multiple of the simulation's step of 0.5 s [s].
    Returns:
        The trace written.
    Raises:
        SumoError: SUMO is missing or failed.
        RecordError: the record holds no vehicle.
        ValueError: an argument is out of range.
        OSError: the file cannot be written.
    """
    check_times(seconds, vehicles_per_hour, dt_s, STEP_S)
    trace = simulate(seconds, seed, vehicles_per_hour, dt_s)
    version = call(program("sumo"), "--version").splitlines()[0].strip()
    save(
        trace,
        out,
        {
            "title": "straight two-way four-lane road, 700 m, passenger cars",
            "made_by": "scripts/make_sumo_trace.py",
            "sumo": version,
            "seed": seed,
            "seconds": seconds,
            "vehicles_per_hour_and_direction": vehicles_per_hour,
            "dt_s": dt_s,
            "simulation_step_s": STEP_S,
            "warm_up_s": WARM_UP_S,
            "road_m": ROAD_M,
            "approach_m": APPROACH_M,
            "lane_m": LANE_M,
            "speed_limit_mps": LIMIT_MPS,
            "speed_factor": SPEED_FACTOR,
            "lane_change_s": LANE_CHANGE_S,
        },
    )
    return trace


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="npz file to write (the shipped one)")
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the record [s] (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of SUMO's random numbers (%(default)s)")
    parser.add_argument(
        "--vehicles-per-hour", type=float, default=550.0, help="mean arrivals in each direction [1/h] (%(default)s)"
    )
    parser.add_argument("--dt", type=float, default=1.0, help="time between samples [s] (%(default)s)")
    args = parser.parse_args(argv)
    try:
        trace = make(args.out, args.seconds, args.seed, args.vehicles_per_hour, args.dt)
    except (SumoError, RecordError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    visits_s = np.asarray(trace.n_samples) * float(trace.dt_s)
    print(
        f"{args.out}: {trace.x_m.shape[0]} vehicles, {visits_s.sum() / args.seconds:.1f} present on average, "
        f"{os.path.getsize(args.out) / 1000:.0f} kB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
