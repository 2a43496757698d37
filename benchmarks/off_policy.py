"""Training speed of the off-policy learners, at a published setting and at the library's own: `python benchmarks/off_policy.py`.

The published setting is that of a PyTorch MADDPG for a sister system: 8 agents with an actor and a critic each (300, 100 wide),
one world, batches of 64, every agent updated in each slot; its authors' code makes 14 to 18 slots a second on a core like
these. The library's own setting is many worlds, shared networks, one gradient step per slot of all worlds. To see what bounds
each, the same programs run with batches of 4 (no matrix products to speak of: what is left is acting, optimiser and dispatch) and
without learning's look ahead.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax

from jaxvec import learners
from jaxvec.bench import Case, Row, compiled, machine, take_turns, write
from jaxvec.core.registry import make

PUBLISHED_SLOTS_PER_S = (14.0, 18.0)
PUBLISHED = {
    "hidden": (300, 100),
    "batch_size": 64,
    "n_worlds": 1,
    "share_parameters": False,
    "choices": "bins",
    "slots_per_update": 32,
    "capacity": 10_000,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "published setting": ("maddpg", PUBLISHED),
    "published setting, batches of 4": ("maddpg", PUBLISHED | {"batch_size": 4}),
    "published setting, shared networks": ("maddpg", PUBLISHED | {"share_parameters": True}),
    "maddpg": ("maddpg", {}),
    "maddpg, batches of 4": ("maddpg", {"batch_size": 4}),
    "ddpg": ("ddpg", {}),
    "matd3": ("matd3", {}),
    "sac": ("sac", {}),
    "masac": ("masac", {}),
}


def case(label: str, name: str, settings: dict[str, Any]) -> Case:
    """Updates of a learner with actors that learn from the first slot, looking ahead (gamma = 0.7)."""
    env, params = make("v2x_offload", n_vehicles=8)
    learner = learners.make(name, env, **settings)
    hyper = learner.hyper.replace(warmup=0.0, gamma=0.7)
    state = jax.jit(lambda key: learner.init(key, params, hyper))(jax.random.key(0))

    def updates(key: jax.Array, units: jax.Array, state: Any) -> Any:
        return jax.lax.fori_loop(0, units, lambda _, state: learner.update(state)[0], state)

    s = learner.settings
    row = {
        "what": "train",
        "series": label,
        "env": env.id,
        "learner": name,
        "worlds": s.n_worlds,
        "agents": sum(env.n_agents.values()),
        "gradient_steps_per_slot": s.gradient_steps / s.learn_every / s.n_worlds,
        "settings": str(s),
    }
    return compiled(row, learner.steps_per_update, updates, state)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/off_policy.jsonl"))
    args = parser.parse_args()
    rows: list[Row] = []
    for row in take_turns([case(label, *made) for label, made in CASES.items()], args.rounds, args.seconds):
        row["gradient_steps_per_s"] = row["steps_per_s"] * row["gradient_steps_per_slot"]
        if row["series"] == "published setting":
            row["times_published"] = [row["steps_per_s"] / speed for speed in PUBLISHED_SLOTS_PER_S]
        rows.append(machine() | row)
        print(
            f"{row['series']:36s}{row['steps_per_s']:10.1f} slots/s {row['gradient_steps_per_s']:8.1f} gradient steps/s",
            flush=True,
        )
    print(json.dumps({row["series"]: row.get("times_published") for row in rows[:1]}))
    write(rows, args.out)


if __name__ == "__main__":
    main()
