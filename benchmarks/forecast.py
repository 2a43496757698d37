"""Training windows and forecasts per second of the networks that forecast workload: `python benchmarks/forecast.py`.

Training: epochs of Adam at the paper's batch over the windows of some servers, weights drawn anew each time, seeds side by side
in one program. Forecasts: of whole series, one server after another. Writes `forecast-DEVICE.jsonl` and `.md`.
"""

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec.bench import Case, Row, compiled, machine, slug, take_turns, write
from jaxvec.core.files import write_text
from jaxvec.forecast import FORECASTERS, Training, fit, forecasts

BINS = 2880  # ten days of each server
SEEDS = {"cpu": (1,), "gpu": (1, 5)}


def row(what: str, name: str, servers: int, seeds: int) -> Row:
    """What every row says."""
    series = f"{name}, {what}" + (f", {seeds} seeds" if seeds > 1 else "")
    return {"what": what, "series": series, "servers": servers, "seeds": seeds, "agents": 1}


def training(name: str, servers: int, seeds: int = 1, bins: int = BINS) -> Case:
    """Epochs; a step is a window of one seed."""
    how = Training(epochs=1)
    size, steps = how.windows(servers, bins)

    def epochs(key: jax.Array, units: jax.Array, series: jax.Array) -> Any:
        def loss(key: jax.Array) -> jax.Array:
            return jnp.sum(fit(FORECASTERS[name], key, series, bins, 0, how).train_loss)

        def losses(i: jax.Array, total: jax.Array) -> jax.Array:
            return total + jax.vmap(loss)(jax.random.split(jax.random.fold_in(key, i), seeds))

        return jax.lax.fori_loop(0, units, losses, jnp.zeros(seeds))

    about = row("train", name, servers, seeds) | {"batch_size": size}
    return compiled(about, seeds * size * steps, epochs, jax.random.normal(jax.random.key(0), (servers, bins)))


def forecasting(name: str, servers: int, bins: int = BINS) -> Case:
    """Forecasts of all series, each time of slightly other ones, so that none is left out."""
    lags = Training().lags
    params = FORECASTERS[name].init(jax.random.key(0), jnp.zeros((1, lags, 1)))

    def passes(key: jax.Array, units: jax.Array, series: jax.Array) -> Any:
        def mean(_: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.mean(forecasts(FORECASTERS[name], params, series + 1e-6 * before, lags))

        return jax.lax.fori_loop(0, units, mean, jnp.zeros(()))

    about = row("forecast", name, servers, 1)
    series = jax.random.normal(jax.random.key(0), (servers, bins))
    return compiled(about, servers * (bins - lags), passes, series)


def page(rows: list[Row]) -> str:
    """Speeds as Markdown."""
    unit = {"train": "windows of training", "forecast": "forecasts"}
    lines = ["| network | servers | seeds | per second | | range | compile s |", "|" + "---|" * 7]
    for row in rows:
        spread = f"{row['steps_per_s_low']:.3g} to {row['steps_per_s_high']:.3g}"
        name, speed = row["series"].partition(",")[0], f"{row['steps_per_s']:.3g}"
        cells = (name, row["servers"], row["seeds"], speed, unit[row["what"]], spread, f"{row['compile_s']:.1f}")
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    m = rows[0]
    return (
        f"{m['date']}, {m['device']}, {m['cores']} cores, {m['platform']}; jax {m['jax']}.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def main(arguments: list[str] | None = None) -> Path:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--networks", nargs="+", choices=FORECASTERS, default=list(FORECASTERS))
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--seeds", nargs="*", type=int, help="numbers of seeds side by side")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(arguments)
    seeds = SEEDS.get(jax.default_backend(), SEEDS["gpu"]) if args.seeds is None else args.seeds
    cases = [training(name, args.servers, n) for name in args.networks for n in seeds]
    cases += [forecasting(name, args.servers) for name in args.networks]
    rows = [machine() | found for found in take_turns(cases, args.rounds, args.seconds)]
    print(text := page(rows), flush=True)
    file = args.out / f"forecast-{slug(machine())}.jsonl"
    write(rows, file)
    write_text(file.with_suffix(".md"), text)
    return file


if __name__ == "__main__":
    main()
