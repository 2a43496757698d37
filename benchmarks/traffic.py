"""What recorded traffic costs: `python benchmarks/traffic.py`.

Rollouts of random actions in every system whose vehicles move by a model, with its own mobility and with one recording
(`mobility="trace"`), in turns: slots per second of both, and the ratio of their times round by round. A ratio of 1.3 says that
the recording makes a slot last 1.3 times as long. `twin_migration`, whose vehicles drive on
trips anyway, is not among them. Writes `traffic-DEVICE.jsonl` and `.md`.
"""

import argparse
import dataclasses
from pathlib import Path
from statistics import median
from typing import Any

from jaxvec import make
from jaxvec.bench import Case, Row, env_case, machine, slug, take_turns, write
from jaxvec.core.files import write_text

SYSTEMS = ("isac_iov", "dt_edge", "v2x_offload", "urllc_vec")


def cases(env_id: str, worlds: int, settings: dict[str, Any]) -> list[Case]:
    """A system's rollouts with its own mobility, and with the recording."""
    pair = []
    for mobility, more in (("own", {}), ("trace", {"mobility": "trace"})):
        env, params = make(env_id, **settings, **more)
        timed = env_case(env, params, worlds)
        pair.append(dataclasses.replace(timed, row=timed.row | {"mobility": mobility}))
    return pair


def main(arguments: list[str] | None = None) -> Path:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--worlds", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    here, rows = machine(), []
    for env_id in args.systems:
        for worlds in args.worlds:
            rows += [here | row for row in take_turns(cases(env_id, worlds, {}), args.rounds, args.seconds)]
            print(page(rows[-2:]), flush=True)
    file = args.out / f"traffic-{slug(here)}.jsonl"
    write(rows, file)
    write_text(file.with_suffix(".md"), page(rows))
    print(page(rows))
    return file


def page(rows: list[Row]) -> str:
    """As Markdown."""
    lines = ["| system | worlds | own, slots/s | recorded, slots/s | ratio of times | range |", "|" + "---|" * 6]
    for own, trace in zip(rows[::2], rows[1::2], strict=True):
        ratios = [a / b for a, b in zip(own["by_round"], trace["by_round"], strict=True)]
        speeds = f"{own['steps_per_s']:.3g} | {trace['steps_per_s']:.3g}"
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(f"| `{own['env']}` | {own['worlds']} | {speeds} | {median(ratios):.2f} | {spread} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
