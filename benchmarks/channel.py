"""What a table of the channel costs against a formula: `python benchmarks/channel.py`.

Slots per second of `v2x_offload` with random actions, path loss by a formula of few operations (`log_distance`), by one of many
(`uma_nlos`), and by a table of the first. All in turns, in the same worlds. Writes `channel-DEVICE.jsonl` and `.md`.
"""

import argparse
from pathlib import Path

from kept import markdown

from jaxvec import make
from jaxvec.bench import Row, env_case, machine, slug, take_turns, write
from jaxvec.core.files import write_text

MODELS = ("log_distance", "uma_nlos", "table")


def page(rows: list[Row]) -> str:
    """As Markdown; a ratio is the median of the rounds' ratios."""
    first, lines = rows[0], ["path loss | slots/s | range | slots/s over log_distance | compile s"]
    for row in rows:
        ratios = sorted(a / b for a, b in zip(row["by_round"], first["by_round"], strict=True))
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        ratio = f"{ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        lines.append(f"{row['pathloss']} | {row['steps_per_s']:.3g} | {spread} | {ratio} | {row['compile_s']:.1f}")
    return f"{first['worlds']} worlds.\n\n{markdown(lines)}\n"


def main(arguments: list[str] | None = None) -> Path:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    cases = []
    for name in MODELS:
        env, params = make("v2x_offload", pathloss=name)
        points = list(params.channel.loss_db.shape) if name == "table" else None
        case = env_case(env, params, args.worlds, label=name)
        cases.append(case)
        case.row.update(pathloss=name, table_points=points)
    here = machine()
    rows = [here | row for row in take_turns(cases, args.rounds, args.seconds)]
    file = args.out / f"channel-{slug(here)}.jsonl"
    write(rows, file)
    write_text(file.with_suffix(".md"), page(rows))
    print(page(rows))
    return file


if __name__ == "__main__":
    main()
