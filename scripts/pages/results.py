"""What pages say in numbers, read from benchmarks/results: a page asks for it by a line `<!-- results: NAME -->`.

NAME is a table of `TABLES`, or a Markdown file of that folder, which is put there whole: its title in bold, its headings a level
lower.
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import claims
from page_text import code, table

from jaxvec.papers.verdicts import CONTRADICTED, NOT_SHOWN

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
CORES, H200 = "2026-12-01-x86-64-2-cores", "2026-11-26-systems-nvidia-h200"
AGENTS = {
    "isac_iov": "5",
    "v2x_offload": "10, in turns",
    "dt_edge": "10",
    "twin_migration": "5, 95 servers",
    "urllc_vec": "22",
}
ASK = re.compile(r"^<!-- results: (\S+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """A page with what it asks for.

    Args:
        text: its Markdown.
    Raises:
        KeyError: there is no such table or file.
    """
    return ASK.sub(lambda ask: TABLES[ask[1]]() if ask[1] in TABLES else _file(ask[1]), text)


def _file(name: str) -> str:
    """A file's Markdown, its title in bold, its headings a level lower."""
    if not (FOLDER / name).is_file():
        raise KeyError(f"benchmarks/results has no {name}, and there is no such table: {', '.join(TABLES)}")
    text = re.sub(r"^# (.*)$", r"**\1**", (FOLDER / name).read_text(), flags=re.MULTILINE)
    return re.sub(r"^##", "###", text, flags=re.MULTILINE)


def pictures() -> dict[str, Path]:
    """Address -> file of every picture of results."""
    return {f"results/{path.name}": path for path in FOLDER.glob("*.png")}


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines.

    Args:
        name: without its ending.
    """
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def short(value: float) -> str:
    """A speed in two digits, or three before the point: 3.2 M, 161 k.

    Args:
        value: slots per second.
    """
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            digits = f"{value / size:#.2g}" if value / size < 100 else f"{value / size:.0f}"
            return digits.removesuffix(".") + unit
    return f"{value:.3g}"


def speed() -> str:
    """Slots per second of every system."""
    cores, gpu = rows(CORES), rows(H200)

    def of(source: Iterable[dict[str, Any]], series: str, worlds: int = 0) -> list[dict[str, Any]]:
        return [x for x in source if x.get("series") == series and worlds in (0, x["worlds"])]

    lines = []
    for env, agents in AGENTS.items():
        acting = f"{env}, random actions"
        most = max(of(gpu, acting), key=lambda x: x["worlds"])
        best = max(of(gpu, f"{env}, mappo"), key=lambda x: x["steps_per_s"])
        learners = [x for name in ("mappo", "maddpg", "qmarl", "apg") for x in of(cores, f"{env}, {name}")]
        lines.append(
            (
                code(env),
                agents,
                *(short(of(cores, acting, worlds)[0]["steps_per_s"]) for worlds in (64, 1024)),
                f"{short(most['steps_per_s'])}, {most['worlds']:,} worlds",
                ", ".join(f"{x['learner'].upper()} {short(x['steps_per_s'])}" for x in learners),
                f"{short(best['steps_per_s'])}, {best['worlds']:,} worlds",
            )
        )
    heads = (
        "slots per second",
        "agents",
        "two cores, 64 worlds",
        "1024 worlds",
        "H200",
        "training, two cores",
        "MAPPO, H200",
    )
    return table(heads, lines)


def league() -> str:
    """Who leads on each system: the best rules, the learners, the bound."""
    lines = []
    for system, (found, best) in leagues().items():
        entries = [row for row in found.values() if row["training"]]
        kinds = ("the best local rule", "the best rule")
        rules = [f"{code(best[kind])} {found[best[kind]]['reward']}" for kind in kinds]
        rules[1] = "the same" if rules[0] == rules[1] else rules[1]
        lines.append(
            (
                code(system),
                *rules,
                *("; ".join(_entry(x) for x in entries if _learner(x) == name) for name in ("mappo", "apg")),
                found["bound"]["reward"] if "bound" in found else "",
            )
        )
    return table(("system", "best local rule", "best rule", "MAPPO", "`apg`", "bound"), lines)


def leagues() -> dict[str, tuple[dict[str, dict[str, str]], dict[str, str]]]:
    """Of each system the rows of its league by policy, and which rules are the best; of what was played twice, the first."""
    systems = {}
    for section in re.split(r"^## ", (FOLDER / "league-x86-64-2-cores.md").read_text(), flags=re.MULTILINE)[1:]:
        system, *played = re.split(r"^`jaxvec league ", section, flags=re.MULTILINE)
        found: dict[str, dict[str, str]] = {}
        best: dict[str, str] = {}
        for text in played:
            if " --set " not in text.partition("`")[0]:
                for row in _league_rows(text, best):
                    found.setdefault(row["policy"], row)
        systems[system.split()[0]] = (found, best)
    return systems


def _league_rows(text: str, best: dict[str, str]) -> list[dict[str, str]]:
    """The rows of the first table of a league; which rules are the best is added to `best`."""
    head, _, *body = [
        [cell.strip() for cell in line[1:-1].split(" | ")]
        for line in text.partition("Rewards are per slot")[0].splitlines()
        if line.startswith("| ")
    ]
    for name in head:
        if rule := re.match(r"ahead of `(\w+)`, (the best (?:local )?rule)(, which is local)?", name):
            best.setdefault(rule[2], rule[1])
            if rule[3]:
                best.setdefault("the best local rule", rule[1])
    return [dict(zip(reversed(head), reversed(row), strict=True)) for row in body]  # of columns of one name the first


def _learner(row: dict[str, str]) -> str:
    """Who learns in a row of a league, wherever it begins."""
    return re.split(" from |, ", row["policy"])[0]


def _entry(row: dict[str, str]) -> str:
    """A learner's reward, when it is ahead of the best local rule, and how long it trained."""
    passed = row["passes it after"].partition(",")[0]
    when = {"never": "never ahead", "from the start": "ahead from the start"}.get(passed, f"ahead after {passed}")
    _, *origin = re.split(" from |, ", row["policy"])
    where = "" if not origin else f"{origin[0]}: " if "," in row["policy"] else f"from {code(origin[0])}: "
    return f"{where}{row['reward']}, {when} ({row['training'].partition(',')[0]})"


def circuits_in_training() -> str:
    """Slots per second on `urllc_vec` with circuits, and without."""
    lines = [
        (x["series"], f"{x['worlds']}", short(x["steps_per_s"]), f"{x['compile_s']:.0f}", _memory(x))
        for x in rows("circuits-x86-64-2-cores")
    ]
    return table(("what", "worlds", "slots/s", "compile s", "memory of a world"), lines)


def _memory(row: dict[str, Any]) -> str:
    return f"{row['temp_bytes'] / row['worlds'] / 1e6:.2g} MB"


def circuit_speed() -> str:
    """How many times as long other simulators of circuits take."""
    kinds = {
        "reupload": "inputs in every layer",
        "angle": "inputs in the first layer",
        "amplitude": "inputs as amplitudes",
    }
    found: dict[tuple[Any, ...], dict[tuple[str, str], float]] = {}
    text = (FOLDER / "2026-11-27-quantum-x86-64-2-cores.md").read_text()
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if len(cells) >= 8 and cells[0].isdigit():
            qubits, inputs, batch, timed, program, ms, _, _, *times = cells
            value = times[0].strip(" |") if times and times[0].strip(" |") else ms
            found.setdefault((int(qubits), inputs, int(batch)), {})[(timed, program)] = float(value)
    lines = []
    for (qubits, inputs, batch), x in found.items():
        cells = [f"{qubits}, {batch:,}, {kinds[inputs]}"]
        for timed in ("forward", "value and gradient"):
            cells += [f"{x[timed, program]:.3g}" for program in ("jaxvec", "TensorCircuit-ng", "PennyLane")]
        lines.append(cells)
    heads = ("qubits, batch, inputs", "forward, ms", "TensorCircuit-ng", "PennyLane")
    return table((*heads, "value and gradient, ms", "TensorCircuit-ng", "PennyLane"), lines)


def off_policy() -> str:
    """Slots and gradient steps per second of off-policy learners on the two cores."""
    lines = [
        (x["series"], f"{x['worlds']}", f"{x['seeds']}", short(x["steps_per_s"]), short(x["gradient_steps_per_s"]))
        for x in rows("off_policy-x86-64-2-cores")
        if "steps_per_s" in x
    ]
    return table(("what", "worlds", "seeds", "slots/s", "gradient steps/s"), lines)


def twin() -> str:
    """What the twin is worth to MAPPO on `isac_iov`."""
    told = json.loads((FOLDER / "twin.json").read_text())
    lines = []
    for load, words in (("default", "the paper's load"), ("background", "with other work at the RSUs")):
        x = told[load]
        means = [f"{sum(x[which]) / len(x[which]):.3f}" for which in ("with twin", "without twin")]
        lines.append((words, *means, f"{x['difference'][0]:+.3f} ± {x['difference'][1]:.3f}"))
    return table(("load", "MAPPO that sees the backlogs", "MAPPO that does not", "difference"), lines)


TABLES: dict[str, Callable[[], str]] = {
    "league": league,
    "speed": speed,
    "circuits_in_training": circuits_in_training,
    "circuit_speed": circuit_speed,
    "off_policy": off_policy,
    "twin": twin,
    "claims_by_outcome": lambda: claims.by_outcome(FOLDER),
    "claims_contradicted": lambda: claims.with_outcome(FOLDER, CONTRADICTED),
    "claims_not_shown": lambda: claims.with_outcome(FOLDER, NOT_SHOWN),
    "claims_of_circuits": lambda: claims.of_circuits(FOLDER),
}
