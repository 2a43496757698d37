"""The tables of `gpu.py`."""

from collections.abc import Sequence

from kept import Row, markdown

GOALS = {"env": 3e8, "urllc_vec": 1e8, "twin_migration": 1e8, "train": 1e7}  # agent-steps per second
KERNEL_S = 4e-6


def page(rows: Sequence[Row], left: int, rounds: str) -> str:
    """Everything as Markdown.

    Args:
        rows: that were kept.
        left: jobs that are not done.
        rounds: of what speeds are medians.
    """
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault("circuit" if row["what"] == "quantum" else row["what"], []).append(row)
    dates = sorted({row["date"] for row in rows})
    machines = dict.fromkeys(f"{x['device']}, {x['cores']} cores; jax {x['jax']}, python {x['python']}" for x in rows)
    tables = {
        "Environments": environments(kinds),
        "Kernels of a slot": slots(kinds.get("step", [])),
        "Training": training(kinds.get("train", [])),
        "Start": starts(kinds.get("start", [])),
        "Circuits": circuits(kinds.get("circuit", [])),
        "What failed": markdown(["what | why", *(f"{x['key']} | {x['why']}" for x in kinds.get("failure", []))]),
    }
    device = rows[0]["device"] if rows else "no device"
    copied = [f"{x['bytes_per_s'] / 1e9:.0f} GB/s" for x in kinds.get("bandwidth", [])]
    parts = [
        f"# {device}, {' to '.join(dict.fromkeys((dates[0], dates[-1]))) if dates else 'never'}",
        f"{'; '.join(machines)}. A copy moves {', '.join(copied) or '?'}. Medians of {rounds}, one "
        "program at a time, while others were compiled if there were threads for it. "
        f"{left} measurements are left to later calls. More than 100 % of the bandwidth stayed in a cache.",
    ]
    parts += [f"## {title}\n\n{table}" for title, table in tables.items() if table.count("\n") > 1]
    return "\n\n".join(parts) + "\n"


def environments(kinds: dict[str, list[Row]]) -> str:
    """Speeds, goals, kernels, and the distance from the bandwidth."""
    steps = {row["env"]: row for row in kinds.get("step", [])}
    copied = next((row["bytes_per_s"] for row in kinds.get("bandwidth", [])), float("nan"))
    head = "environment | worlds | slots/s | range | agent-steps/s | of the goal | compile s | kernels a slot"
    lines = [f"{head} | us a kernel | slot, ms | of the bandwidth | x floor of bytes"]
    for x in sorted(kinds.get("env", []), key=lambda row: (row["env"], row["worlds"])):
        counted, slot_s = steps.get(x["env"]), x["worlds"] / x["steps_per_s"]
        goal = GOALS.get(x["env"], GOALS["env"])
        cells = [*speed(x), f"{x['agent_steps_per_s'] / goal:.2g}", f"{x['compile_s']:.1f}"]
        if counted:
            n, moved, floor = (counted[f"{w}_per_step"] for w in ("kernel_runs", "moved_bytes", "floor_bytes"))
            cells += [f"{n}", f"{1e6 * slot_s / n:.2f}", f"{1e3 * slot_s:.3g}"]
            cells += [f"{x['steps_per_s'] * moved / copied:.0%}", f"{copied / floor / x['steps_per_s']:.1f}"]
        lines.append(" | ".join([*cells, *[""] * (12 - len(cells))]))
    return markdown(lines)


def slots(rows: Sequence[Row]) -> str:
    """Kernels of a compiled slot, those of loops as often as they run, and what they and its bytes cost."""
    lines = [
        "environment | worlds | kernels | at 4 us each, ms | bytes a world | of these cross its border | FLOPs a world"
    ]
    for x in rows:
        cells = (x["env"], x["worlds"], x["kernel_runs_per_step"], f"{1e3 * KERNEL_S * x['kernel_runs_per_step']:.2f}")
        moved = (x[f"{name}_per_step"] for name in ("moved_bytes", "floor_bytes", "flops"))
        lines.append(" | ".join([*map(str, cells), *(f"{n:.0f}" for n in moved)]))
    return markdown(lines)


def speed(row: Row) -> list[str]:
    """What ran where, and how fast."""
    between = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
    numbers = (f"{row['steps_per_s']:.3g}", between, f"{row['agent_steps_per_s']:.3g}")
    return [row["series"].removesuffix(", random actions"), str(row["worlds"]), *numbers]


def training(rows: Sequence[Row]) -> str:
    """Every number of worlds that was tried; the fastest of a learner is marked."""
    best: dict[str, Row] = {}
    for row in rows:
        best[row["series"]] = max(best.get(row["series"], row), row, key=lambda x: x["agent_steps_per_s"])
    head = (
        "environment, learner | worlds | slots/s | range | agent-steps/s | of the goal | compile s | kernels an update"
    )
    lines = [f"{head} | us a kernel | FLOP/s | fastest"]
    for x in sorted(rows, key=lambda row: (row["series"], row["worlds"])):
        update_s = x["slots_per_update"] / x["steps_per_s"]
        cells = [
            *speed(x),
            f"{x['agent_steps_per_s'] / GOALS['train']:.2g}",
            f"{x['compile_s']:.1f}",
            f"{x['kernels']}",
        ]
        cells += [f"{1e6 * update_s / x['kernels']:.2f}", f"{x['flops'] / update_s:.3g}"]
        lines.append(" | ".join([*cells, "yes" if x is best[x["series"]] else ""]))
    return markdown(lines)


def starts(rows: Sequence[Row]) -> str:
    """From the start of a process to the end of its first update."""
    head = "environment | learner | with an empty cache, s | with a full one, s"
    return markdown([head, *(f"{x['env']} | {x['learner']} | {x['cold_s']:.1f} | {x['warm_s']:.1f}" for x in rows)])


def circuits(rows: Sequence[Row]) -> str:
    """The quantum layer."""
    lines = ["qubits | layers | samples | timed | samples/s | ms | compile s"]
    for x in rows:
        cells = (x["qubits"], x["layers"], x["worlds"], x["timed"], f"{x['steps_per_s']:.3g}")
        took = f"{1e3 * x['worlds'] / x['steps_per_s']:.3g} | {x['compile_s']:.1f}"
        lines.append(" | ".join([*map(str, cells), took]))
    return markdown(lines)
