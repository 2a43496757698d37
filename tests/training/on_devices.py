"""A process of four devices: trains on one, two and four of them, and prints what differs; see `test_devices`."""

import json
import sys
from collections import Counter
from pathlib import Path

import jax
import numpy as np
from learners.checks import KEY, small_env, small_learner

from jaxvec.bench_program import collectives
from jaxvec.core.devices import use_devices
from jaxvec.quantum import simulate
from jaxvec.training import train
from jaxvec.training.driver import compiled_chunk
from jaxvec.training.run_folder import init_seeds

WORLDS, UPDATES = 16, 5


def moved(learner, params, devices):
    """What a compiled update moves between devices: how many kinds of it, and the most bytes at once, by collective."""
    with use_devices(devices):
        state = jax.jit(lambda: init_seeds(learner, params, learner.hyper, KEY, 1))()
        text = compiled_chunk(learner, 1, 1, state).as_text()
    found, most = collectives(text), {}
    for kind, n_bytes, _ in found:
        most[kind] = max(most.get(kind, 0), n_bytes)
    return dict(Counter(kind for kind, _, _ in found)), most


def apart(one, other):
    """How far parameters are apart, as a part of the largest of their array: the most, and the share above 1e-5."""
    parts = np.concatenate([np.ravel(np.abs(a - b)) / np.max(np.abs(a)) for a, b in zip(one, other, strict=True)])
    return {"most": float(np.max(parts)), "share": float(np.mean(parts > 1e-5))}


def main(folder, env_id, *names):
    simulate._chunk = lambda n_qubits: 16  # so few samples go through in chunks, too, as those of a real training do
    env, params = small_env(env_id)
    found = {}
    for name in names:
        learner = small_learner(name, env, n_worlds=WORLDS)
        options = {"progress": False, "chunk": 5, "hyper": {"warmup": 0.0} if hasattr(learner.hyper, "warmup") else {}}
        results = {n: train(learner, params, KEY, UPDATES, devices=n, **options) for n in (1, 2, 4)}
        one, *others = [jax.tree.leaves(jax.tree.map(np.asarray, results[n].state.params)) for n in (1, 2, 4)]
        counts, most = moved(learner, params, jax.devices())
        forecaster = results[1].state.forecaster
        trained = results[1].state.params, forecaster and forecaster.params
        width = sum(x.size for x in jax.tree.leaves(trained))
        found[name] = {
            "apart": [apart(one, x) for x in others],
            "counts": counts,
            "most": most,
            "parameter_bytes": 4 * width,
        }
        used = len(jax.tree.leaves(results[4].state.params)[0].sharding.device_set)
        out = Path(folder) / name  # two updates on four devices, then the rest on two, and on four again
        for n, share in ((4, UPDATES - 1), (2, UPDATES)):
            train(learner, params, KEY, share, out=out / "moved", devices=n, resume=n == 2, **options | {"chunk": 1})
        again = train(
            learner, params, KEY, UPDATES, out=out / "moved", devices=2, resume=True, **options | {"chunk": 1}
        )
        for resume in (False, True):
            same = train(
                learner,
                params,
                KEY,
                UPDATES - (not resume),
                out=out / "same",
                devices=4,
                resume=resume,
                **options | {"chunk": 1},
            )
        hyper = {**options["hyper"], "anneal_updates": float(UPDATES - 1)}
        whole = train(learner, params, KEY, UPDATES, devices=4, **options | {"chunk": 1, "hyper": hyper})
        host = [jax.tree.leaves(jax.tree.map(np.asarray, x.state.params)) for x in (whole, again, same)]
        found[name] |= {
            "devices": used,
            "resumed_apart": apart(host[0], host[1]),
            "resumed_same": all(np.array_equal(a, b) for a, b in zip(host[0], host[2], strict=True)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
