"""Digests of what the package computes, so that a change that should change no number can prove it.

    python scripts/digests.py before.json                          everything; what the file holds already is skipped
    python scripts/digests.py before.json --only env rules --env isac_iov      some of it
    python scripts/digests.py before.json --only figures           quick figures of the papers, which take longest
    python scripts/digests.py --compare before.json after.json     every difference, status 1 if there is one

A digest is 16 hex digits of the SHA-256 of an array's type, shape and bytes, and after it the mean size of its entries, which
tells a difference in rounding from a real one. Digests hold on one kind of machine and one version of JAX: make both files on
the same. Sections:

    env         state, observation, reward, flags, info and `joint` of slots with random actions, of every environment, preset and
                some switches; wrappers; gradients through a slot
    rules       actions and rewards of every fixed policy, and their metrics over an episode
    counts      kernels and bytes of the compiled step, with the compiler's own flags
    learner     two updates of every learner on every environment, and of variants: leaves of state, metrics and actions, WITHOUT
                their names. A combination that is refused says so
    quantum, forecast, in_context    circuits, forecasters and policies from cases, with their gradients or fits
    figures     the quick figures of every paper: what is drawn, what each run found, verdicts

Where names of the package have changed since a file was made, adapt `NAMES OF THE PACKAGE` below and nothing else. A leaf of
another name but the same digest is reported as renamed, and is no difference.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

USER = dict(os.environ)  # flags as they were, for the counts
os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"}
if "--count" not in sys.argv:  # compile fast rather than well, as tests/conftest.py
    flags = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
    flags += ["--xla_cpu_use_fusion_emitters=false"] if version("jaxlib").startswith("0.10.") else []
    os.environ["XLA_FLAGS"] = " ".join(flags)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"digests-{os.getuid()}"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxvec  # noqa: E402

WORLDS, SLOTS, KEY = 8, 6, jax.random.key(17)

# NAMES OF THE PACKAGE: whatever is imported from it, and names of settings. To be adapted when they move.

env_ids, make = jaxvec.env_ids, jaxvec.make  # make(env_id, preset=None, **settings) -> env, params


def presets(env_id):
    """Names of an environment's presets."""
    from jaxvec.core.make import ENVIRONMENTS

    return list(ENVIRONMENTS[env_id].presets)


def for_worlds(params):
    """Parameters of one world as `reset` and `step` of a batch take them."""
    from jaxvec.core.params import world_params

    return world_params(params)


def random_policy(env):
    """`policy(key, obs) -> action`."""
    from jaxvec import policies

    return policies.random(env)


def fixed_policies(env, params):
    """Name -> policy."""
    from jaxvec import policies

    return policies.fixed(env, params)


def episode_metrics(env, policies, params):
    """Policy -> metric -> `(worlds,)`."""
    from jaxvec.core.evaluation import evaluate

    return evaluate(env, policies, KEY, params, WORLDS)


def wrapped(env):
    """Name -> the environment in each wrapper of the core."""
    from jaxvec.core.wrappers import auto_reset, episode_statistics, one_agent

    return {"auto_reset": auto_reset(episode_statistics(env)), "one_agent": one_agent(env)}


def counted(env, params):
    """Kernels and bytes of a slot as compiled, in 1024 worlds."""
    from jaxvec.bench import compiled_step

    row = compiled_step(env, params, 1024)
    return {name: row[name] for name in ("kernels_per_step", "bytes_per_step")}


def parts(state, ts):
    """What is known after a slot, by name: arrays, or trees of them."""
    flags = {"terminated": ts.terminated, "truncated": ts.truncated}
    final = {} if ts.final_obs is None else {"final_obs": ts.final_obs}
    return {"state": state, "obs": ts.obs, "reward": ts.reward, "flags": flags, "info": ts.info, **final}


def without_info(ts):
    """A timestep of the same structure after a reset and after a slot."""
    return ts.replace(info={})


def ask(env, policy, keys, state, ts, params):
    """The actions of a slot, and what the agents saw when they were asked."""
    memory = policy.memory(keys.shape) if hasattr(policy, "memory") else None
    say = policy if memory is None else lambda key, obs: policy(key, obs, memory)[0]
    action, turn = env.act(lambda key, obs: (say(key, obs), ()), keys, state, ts, params)
    return action, turn.obs


def learner_names():
    """All learners."""
    from jaxvec import learners

    return list(learners.LEARNERS)


def make_learner(name, env, **settings):
    """A learner, which has `init(key, params, hyper)`, `update(state) -> state, metrics` and `policy(state, greedy)`."""
    from jaxvec import learners

    return learners.make(name, env, **settings)


def hyper_of(learner, **numbers):
    """Hyper-parameters, some of them changed; no warm-up, so that every part learns at once."""
    numbers = {"warmup": 0.0, **numbers} if hasattr(learner.hyper, "warmup") else numbers
    return learner.hyper.replace(**numbers)


def trained(learner, params):
    """State and metrics of the driver's updates of two seeds."""
    result = jaxvec.train(learner, params, KEY, 2, num_seeds=2, progress=False)
    return result.state, result.metrics


def paper(env_id):
    """The paper of an environment, or None."""
    from jaxvec.papers import PAPERS

    if env_id not in PAPERS:
        return None
    return PAPERS[env_id]


def figure_numbers(paper):
    """Its figures."""
    return [figure.number for figure in paper.figures]


def figure_data(paper, number, folder):
    """Of a quick figure: lines by panel, runs (cell -> metrics and curves of each), verdicts by claim."""
    from jaxvec.papers.runner import Runner

    figure, budget = paper.figure(number), paper.quick
    runner = Runner(paper.env_id, budget, folder, eval_overrides=paper.eval_overrides)
    data = runner.data(figure.series_of(True), figure.points_of(True), budget.seeds)
    lines = {panel.title: [line._asdict() for line in panel.lines(data)] for panel in figure.panels}
    runs = {f"{name}, {x:g}": [(run.metrics, run.curves) for run in runs] for (name, x), runs in data.runs.items()}
    verdicts = {claim.name: tuple(claim.judged(data)) for claim in figure.claims}
    return lines, runs, verdicts


def circuit_networks():
    """Name -> `(init(key, x) -> params, apply(params, x) -> y)`, and the width of x."""
    from jaxvec.quantum import layered, network, qpn, strings

    words = (*strings(4, "Z"), *strings(4, "XY"))
    return {
        "reupload, scaled, plus": (network(layered(4, 3, scaled=True, plus=True), words), 4),
        "angle X, chain": (network(layered(4, 2, encoding="angle", axis="X", entangler="chain"), words), 4),
        "amplitude": (network(layered(4, 2, encoding="amplitude"), words), 16),
        "none, rotations ZY": (network(layered(3, 2, encoding="none", rotations="ZY"), strings(3, "Z")), 0),
        "probabilities": (network(layered(3, 2)), 3),
        "qpn": (qpn(5), 7),
        "qpn, amplitude, probs": (qpn(5, n_qubits=3, n_layers=2, encoding="amplitude", readout="probs"), 7),
        "qpn, classical": (qpn(5, n_qubits=3, n_layers=2, classical=True), 7),
    }


def circuit_states(x):
    """Prepared and run, shots, the state itself."""
    from jaxvec.quantum import amplitudes, layered, network, prepare, probabilities, run, sample, state

    circuit = layered(3, 2, scaled=True)
    params = network(circuit).init(KEY, x)
    shots = sample(KEY, network(circuit).apply(params, x), 50)
    ready = prepare(circuit, params)
    return {
        "shots": shots,
        "state": state(circuit, params, x),
        "run": run(circuit, ready, x, probabilities),
        "run in chunks": run(circuit, ready, x, amplitudes, chunk=2),
        "prepared": ready,
    }


def forecaster_networks():
    """Name -> `init(key, features)`, `apply(params, history)`, `loss(params, key, history, target)`."""
    from jaxvec.forecast import FORECASTERS, peephole_lstm

    others = {name: model for name, model in FORECASTERS.items() if name != "peephole_lstm"}
    return {"twin": peephole_lstm(width=8, layers=2), **others}


def fitted(model, series):
    """Parameters and losses of a fit of a forecaster to series `(server, time)`."""
    from jaxvec.forecast import Training, fit

    how = Training(epochs=2, batch_size=64, learning_rate=3e-3)
    return fit(model, KEY, series, 300, 60, how)


def count_forecasts(counts):
    """Name -> forecasts of counts `(station, bin)`."""
    from jaxvec.forecast import Training
    from jaxvec.forecast.counts import NAIVE, accuracy, learned, predict

    how, n_train = Training(epochs=1, batch_size=256), 7 * 288
    found = {name: predict(counts, name) for name in NAIVE}
    found["learned"] = learned(counts, n_train, "gru", (0, 1), how)
    found["learned, each its own"] = learned(counts, n_train, "gru", how=how, shared=False)
    return {name: (x, tuple(accuracy(counts, x))) for name, x in found.items()}


def cases(rule="local_threshold", better="greedy_latency"):
    """Cases of `dt_edge`, what is fitted to them, and the policies that decide from them with an environment to be asked in."""
    from jaxvec.policies.in_context import clone, transformer
    from jaxvec.policies.in_context import dt_edge as of
    from jaxvec.policies.in_context.fitting import Training

    env, params = make("dt_edge", n_vehicles=4, horizon=3)
    rules, how = fixed_policies(env, params), {"n_worlds": 4, "every": 1, "capacity": 16}
    library = of.collect(env, params, rules[rule], KEY, source="a rule", drop=0.0, **how)
    solved = of.solved(env, params, rules[rule], rules[better], KEY, **how)
    model = transformer.Transformer(k=3, width=16, blocks=1, heads=2, inner=32)
    steps = Training(20, batch_size=32, learning_rate=1e-3)
    taught = transformer.lessons([solved], model.k, of.metric(env))
    reads = transformer.fit(model, KEY, taught, steps)
    copies = clone.fit(KEY, of.in_unit(env, params, library), steps)
    told = {"model": model, "transformer_params": reads.params, "clone_params": copies.params}
    found = {"library": library.cases, "solved": solved, "lessons": taught, "transformer": reads, "clone": copies}
    return found, (env, params, of.policies(env, params, library, **told))


SWITCHES = {  # beside the presets, at the sizes of `SMALL`
    "isac_iov": {
        "exact": {"drift_form": "exact", "rsu_cpu_mode": "common"},
        **{name: {"pathloss": name} for name in ("free_space", "umi_los", "umi_nlos", "uma_nlos", "okumura_hata")},
    },
    "v2x_offload": {"shuffled": {"shuffle_order": True, "shared_reward": False, "pathloss": "uma_los"}},
    "urllc_vec": {
        "hold": {"twin_mode": "hold"},
        "none": {"twin_mode": "none", "carry_backlog": False, "cpu_share": "none", "enforce_coverage": False},
        "okumura": {"pathloss_v2b": "okumura_hata", "los_air": "paper", "cpu_share": "equal"},
        "free": {"pathloss_air": "free_space", "v2b_rayleigh": True, "n_antennas": 2, "n_nlos_paths": 2},
    },
    "twin_migration": {
        "actual": {"workload_info": "actual", "fading": "rayleigh", "reward_load_term": "variance"},
        "last": {"workload_info": "last", "region": "rural:test"},
    },
    "dt_edge": {"max": {"latency_combine": "max", "drift_mode": "bound", "shared_reward": False, "queue_wait": True}},
}
SMALL = {
    "isac_iov": {"n_vehicles": 2, "n_rsus": 2, "horizon": 4},
    "v2x_offload": {"n_vehicles": 2, "n_servers": 2, "horizon": 4},
    "dt_edge": {"n_vehicles": 2, "n_types": 2, "horizon": 4},
    "twin_migration": {"n_vehicles": 2, "n_rsu": 60, "n_uav": 1, "horizon": 4},
    "urllc_vec": {
        **{"n_vehicles": 2, "n_uavs": 2, "n_bs": 1, "n_subtasks": 2, "n_antennas": 1, "n_nlos_paths": 1, "horizon": 4},
        **{"max_forwards": 1, "twin_history_len": 2, "twin_delay_slots": 1},
    },
}
COUNTED = {  # where the default sizes take long to compile
    "urllc_vec": {
        "n_vehicles": 3,
        "n_uavs": 2,
        "n_bs": 1,
        "n_subtasks": 2,
        "n_antennas": 1,
        "n_nlos_paths": 1,
        "horizon": 6,
    },
    "twin_migration": {"horizon": 20},
}
COUNTED_PRESETS = {"isac_iov": ["traffic"]}
ON = {"n_worlds": 4, "epochs": 1, "minibatches": 2, "hidden": (8,), "forecaster_steps": 2, "forecaster_batch": 8}
CIRCUIT = {"n_qubits": 2, "n_circuit_layers": 1}
OFF = {"n_worlds": 4, "slots_per_update": 4, "batch_size": 8, "capacity": 32, "hidden": (8,), "forecaster_batch": 8}
ON_POLICY = ("ippo", "mappo", "mappo_matched", "qmarl")


def sizes_of(name):
    """Small settings of a learner."""
    return ON | (CIRCUIT if name in ("qmarl", "mappo_matched") else {}) if name in ON_POLICY else OFF


LSTM, SCORER, OWN = {"twin_mode": "lstm"}, {"actor": "scorer"}, {"share_parameters": False}
NORMAL, BINS, TRAFFIC = {"normalise_observations": True}, {"choices": "bins"}, {"mobility": "trace"}
VARIANTS = [  # name, learner, environment, its settings, the learner's, hyper-parameters
    ("gru", "mappo", "isac_iov", {}, {"gru": 8}, {}),
    ("gru", "ippo", "v2x_offload", {}, {"gru": 8}, {}),
    ("gru, continuing", "mappo", "isac_iov", {}, {"gru": 8, "rollout_length": 3}, {}),
    ("free_std", "mappo", "isac_iov", {}, {"free_std": True, "activation": "tanh"}, {}),
    ("continuing", "ippo", "isac_iov", {}, {"rollout_length": 3}, {}),
    ("continuing", "mappo", "v2x_offload", {}, {"rollout_length": 3}, {}),
    ("continuing", "mappo", "urllc_vec", LSTM, {"rollout_length": 3}, {}),
    ("scorer", "mappo", "twin_migration", {}, SCORER, {}),
    ("scorer", "masac", "twin_migration", {}, SCORER, {}),
    *[("own", name, "isac_iov", {}, OWN, {}) for name in ("mappo", "maddpg", "matd3", "masac")],
    ("own", "mappo", "urllc_vec", {}, OWN, {}),
    *[("normal", name, "isac_iov", {}, NORMAL, {}) for name in ("mappo", "maddpg", "masac")],
    ("plain values", "mappo", "isac_iov", {}, {"normalise_values": False}, {}),
    *[("lstm", name, "urllc_vec", LSTM, {}, {}) for name in ("ippo", "mappo", "qmarl", "maddpg", "masac")],
    *[("bins", name, "v2x_offload", {}, BINS, {}) for name in ("maddpg", "masac")],
    *[("traffic", name, "isac_iov", TRAFFIC, {}, {}) for name in ("mappo", "maddpg", "masac")],
    *[("dynamic", name, "twin_migration", {"vehicle_schedule": "dynamic"}, {}, {}) for name in ("mappo", "masac")],
    ("amplitude", "qmarl", "isac_iov", {}, {"encoding": "amplitude", "readout": "probs"}, {}),
    ("delayed", "matd3", "isac_iov", {}, {"policy_delay": 2, "gradient_steps": 2, "learn_every": 2}, {}),
    ("epsilon", "mappo", "v2x_offload", {}, {}, {"epsilon": 0.3, "entropy_weight": 0.01, "anneal_updates": 2.0}),
    ("warm-up", "masac", "isac_iov", {}, {}, {"warmup": 0.03}),
]

# Digests


def digest(x):
    """Of an array: type, shape and bytes; then the mean size of its entries."""
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    x = np.ascontiguousarray(x)
    head = hashlib.sha256(f"{x.dtype} {np.shape(x)} ".encode() + x.tobytes()).hexdigest()[:16]
    return f"{head} {np.mean(np.abs(x.astype(float))):.7g}" if x.dtype.kind in "fiub" and x.size else head


def named(tree):
    """Digests of all leaves by name."""
    return {jax.tree_util.keystr(path, simple=True, separator="/"): digest(x) for path, x in leaves(tree)}


def leaves(tree):
    """Paths and leaves."""
    return jax.tree_util.tree_leaves_with_path(tree)


def nameless(tree):
    """Digests of all leaves in the order of the digests: `leaves`, and all of them as one."""
    sizes = [digest(x) for _, x in leaves(tree)]
    several = sorted(x.split()[0] for x in sizes)
    total = sum(sorted(1 - 1 / (1 + float(x.split()[1])) for x in sizes if " " in x))  # no large number hides others
    together = hashlib.sha256(" ".join(several).encode()).hexdigest()[:16]
    return {"digest": f"{together} {total:.8g}", "leaves": ",".join(several)}


def stacked(trees):
    """Trees of the same structure as one."""
    host = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x  # noqa: E731
    return jax.tree.map(lambda *x: np.stack([np.asarray(host(one)) for one in x]), *trees)


# Sections: each is tasks `(name, what it makes)`


class Play:
    """A few slots of an environment in `WORLDS` worlds; step and reset are compiled once."""

    def __init__(self, env, params):
        self.env, self.params = env, for_worlds(params)
        self.reset, self.step = jax.jit(env.reset), jax.jit(env.step)

    def keys(self, t):
        """Of all worlds in a slot."""
        return jax.vmap(lambda w: jax.random.fold_in(jax.random.fold_in(KEY, w), t))(jnp.arange(WORLDS))

    def slots(self, policy, n=SLOTS):
        """What is known after the reset, what after each slot, the actions, and what was seen."""
        act = jax.jit(lambda *arguments: ask(self.env, policy, *arguments))
        state, ts = self.reset(self.keys(0), self.params)
        first, after, actions, seen = parts(state, ts), [], [], []
        for t in range(1, n + 1):
            action, obs = act(self.keys(2 * t), state, without_info(ts), self.params)
            state, ts = self.step(self.keys(2 * t + 1), state, action, self.params)
            after, actions, seen = [*after, parts(state, ts)], [*actions, action], [*seen, obs]
        return first, stacked(after), stacked(actions), stacked(seen)


def of_slots(env, params):
    """All that random actions lead to."""
    play = Play(env, params)
    first, after, actions, seen = play.slots(random_policy(env))
    joint = stacked([env.joint(jax.tree.map(lambda x, t=t: x[t], after["obs"])) for t in range(SLOTS)])
    everything = {"params": params, "reset": first, "after": after, "action": actions, "seen": seen, "joint": joint}
    return {name: named(tree) for name, tree in everything.items()}


def of_gradients(env, params):
    """Of the rewards of a slot, with respect to actions, state and parameters, where they are numbers."""
    play = Play(env, params)
    state, ts = play.reset(play.keys(0), play.params)
    action, _ = ask(env, random_policy(env), play.keys(1), state, ts, play.params)
    flat, structure = jax.tree.flatten((state, action, play.params))
    smooth = [i for i, x in enumerate(flat) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]

    def total(numbers):
        full = list(flat)
        for i, x in zip(smooth, numbers, strict=True):
            full[i] = x
        state, action, params = jax.tree.unflatten(structure, full)
        return sum(jnp.sum(x) for x in env.step(play.keys(2), state, action, params)[1].reward.values())

    found = jax.jit(jax.grad(total))([jnp.asarray(flat[i]) for i in smooth])
    full = [jnp.zeros(0)] * len(flat)
    for i, x in zip(smooth, found, strict=True):
        full[i] = x
    return dict(zip(("state", "action", "params"), map(named, jax.tree.unflatten(structure, full)), strict=True))


def env_tasks(env_id):
    """Presets, switches, wrappers, gradients."""
    for preset in (None, *presets(env_id)):
        yield f"preset {preset or 'none'}", lambda preset=preset: of_slots(*make(env_id, preset=preset))
    for name, settings in SWITCHES.get(env_id, {}).items():
        yield f"switch {name}", lambda settings=settings: of_slots(*make(env_id, **{**SMALL[env_id], **settings}))
    small, params = make(env_id, **SMALL[env_id])
    for name, env in wrapped(small).items():
        yield f"wrapper {name}", lambda env=env: of_slots(env, params)
    yield "gradient", lambda: of_gradients(small, params)


def rules_tasks(env_id):
    """Every fixed policy."""

    def slots():
        env, params = make(env_id)
        play, found = Play(env, params), {}
        for name, policy in fixed_policies(env, params).items():
            _, after, actions, _ = play.slots(policy)
            found[name] = {"action": named(actions), "reward": named(after["reward"])}
        return found

    def episode():
        env, params = make(env_id, horizon=SLOTS)
        return named(episode_metrics(env, fixed_policies(env, params), params))

    yield "slots", slots
    yield "episode", episode


def learner_tasks(env_id):
    """Every learner, and variants."""
    several = [("", name, {}, {}, {}) for name in learner_names()]
    several += [(variant, name, *rest) for variant, name, where, *rest in VARIANTS if where == env_id]
    for variant, name, sizes, settings, numbers in several:
        arguments = name, SMALL[env_id] | sizes, settings, numbers
        yield f"{name} {variant}".strip(), lambda arguments=arguments: two_updates(env_id, *arguments)
    for name in ("mappo", "maddpg"):
        yield f"{name} one agent", lambda name=name: two_updates(env_id, name, SMALL[env_id], {}, {}, "one_agent")
        yield f"{name} driver", lambda name=name: driven(env_id, name)


def two_updates(env_id, name, sizes, settings, numbers, wrapper=None):
    """State and metrics of two updates, and what the policy does then."""
    env, params = make(env_id, **sizes)
    env = env if wrapper is None else wrapped(env)[wrapper]
    try:
        learner = make_learner(name, env, **{**sizes_of(name), **settings})
    except ValueError:
        return "refused"
    state = jax.jit(lambda key: learner.init(key, params, hyper_of(learner, **numbers)))(KEY)
    update, metrics = jax.jit(learner.update), []
    for _ in range(2):
        state, found = update(state)
        metrics.append(found)
    play = Play(env, params)

    @jax.jit
    def decide(state, keys):
        world, ts = env.reset(keys, play.params)
        policies = [learner.policy(state, greedy) for greedy in (True, False)]
        return [ask(env, policy, keys, world, ts, play.params)[0] for policy in policies]

    found = {"state": state, "metrics": metrics, "action": decide(state, play.keys(0))}
    return {part: nameless(tree) for part, tree in found.items()}


def driven(env_id, name):
    """The same through the driver, of two seeds."""
    env, params = make(env_id, **SMALL[env_id])
    state, metrics = trained(make_learner(name, env, **sizes_of(name)), params)
    return {"state": nameless(state), "metrics": nameless(metrics)}


def counts_tasks(env_id):
    """Each in a process of its own, whose flags are the user's."""
    for preset in (None, *COUNTED_PRESETS.get(env_id, [])):
        yield f"preset {preset or 'none'}", lambda preset=preset: count_apart(env_id, preset)


def count_apart(env_id, preset):
    """Ask another process."""
    command = [sys.executable, __file__, "--count", env_id, *([preset] if preset else [])]
    done = subprocess.run(command, env=USER, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def count(env_id, preset=None):
    """That other process."""
    print(json.dumps(counted(*make(env_id, preset=preset, **COUNTED.get(env_id, {})))))


def figures_tasks(env_id, folder):
    """The quick figures of a paper; runs that several share are made once, in the folder."""
    found = paper(env_id)
    for number in figure_numbers(found) if found else ():
        yield f"figure {number}", lambda number=number: of_figure(found, number, folder / env_id)


def of_figure(found, number, folder):
    """What is drawn by panel and line, what runs found without the names of metrics, and verdicts as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    panels, runs, verdicts = figure_data(found, number, folder)
    drawn = {}
    for title, lines in panels.items():
        for line in lines:
            arrays = {name: np.asarray(list(x)) for name, x in line.items() if name not in ("name", "kind")}
            drawn[f"{title}: {line['name']} ({line['kind']})"] = named(arrays)
    return {
        "drawn": drawn,
        "runs": {point: nameless(several) for point, several in runs.items()},
        "verdicts": {claim: " | ".join(map(str, verdict)) for claim, verdict in verdicts.items()},
    }


def quantum_tasks():
    """Circuits: outputs and gradients."""

    def one(net, width):
        init, apply = net
        x = jax.random.normal(KEY, (5, width))
        params = init(KEY, x)
        value, grads = jax.value_and_grad(lambda params, x: jnp.sum(jnp.sin(apply(params, x))), (0, 1))(params, x)
        return named({"params": params, "y": apply(params, x), "value": value, "grads": grads})

    for name, (net, width) in circuit_networks().items():
        yield name, lambda net=net, width=width: one(net, width)
    yield "states", lambda: named(circuit_states(jax.random.normal(KEY, (5, 3))))


def forecast_tasks():
    """Forecasters: loss, gradient, fit; forecasts of counts."""
    rng = np.random.default_rng(2)
    x = np.zeros((3, 10 * 288))
    for t in range(2, x.shape[1]):
        x[:, t] = 0.2 * x[:, t - 1] + 0.6 * x[:, t - 2] + rng.normal(size=3)
    counts = np.maximum(np.array([[100.0], [300.0], [50.0]]) + np.array([[10.0], [30.0], [5.0]]) * x, 0)
    series = jnp.asarray(x[:, :400], jnp.float32)

    def one(model):
        history = jax.random.normal(KEY, (4, 6, 2))
        params = model.init(KEY, history)
        loss, grads = jax.jit(jax.value_and_grad(model.loss))(params, KEY, history, history[:, 0])
        said = jax.jit(model.apply)(params, history)
        return named({"params": params, "said": said, "loss": loss, "grads": grads, "fit": fitted(model, series)})

    for name, model in forecaster_networks().items():
        yield name, lambda model=model: one(model)
    yield "counts", lambda: named(count_forecasts(counts))


def in_context_tasks():
    """Policies from cases."""

    def run():
        found, (env, params, policies) = cases()
        play = Play(env, params)
        slots = {name: play.slots(policy, 2) for name, policy in policies.items()}
        acts = {name: {"action": actions, "reward": after["reward"]} for name, (_, after, actions, _) in slots.items()}
        return named(found) | {name: named(tree) for name, tree in acts.items()}

    yield "dt_edge", run


# Running and comparing

BY_ENV = {"env": env_tasks, "rules": rules_tasks, "counts": counts_tasks, "learner": learner_tasks}
APART = {"quantum": quantum_tasks, "forecast": forecast_tasks, "in_context": in_context_tasks}
SECTIONS = (*BY_ENV, *APART, "figures")
DIGEST = re.compile(r"[0-9a-f]{16}( \S+)?")
SLOWEST_LAST = ("isac_iov", "v2x_offload", "dt_edge", "twin_migration", "urllc_vec")


def tasks(section, envs, folder):
    """Of a section, `(name, what it makes)`."""
    if section in APART:
        yield from APART[section]()
        return
    make_tasks = BY_ENV.get(section, lambda env_id: figures_tasks(env_id, folder))
    for env_id in envs:
        for name, run in make_tasks(env_id):
            yield f"{env_id}: {name}", run


def known(file):
    """What a file holds."""
    return json.loads(file.read_text()) if file.exists() else {}


def write(file, results):
    """All at once, so that a killed run leaves a whole file."""
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    part.replace(file)


def fill(file, sections, envs, again):
    """Every task that the file lacks; one that fails is said and left out.

    Returns:
        How many failed.
    """
    results, failed = known(file), 0
    folder = file.with_suffix(".runs")
    for section in sections:
        for env_id in envs if section == "figures" else ():
            if again or not any(name.startswith(f"{env_id}: ") for name in results.get("figures", {})):
                shutil.rmtree(folder / env_id, ignore_errors=True)  # of another package, perhaps
        for name, run in tasks(section, envs, folder):
            if name in results.get(section, {}) and not again:
                continue
            started = time.perf_counter()
            try:
                found = run()
            except Exception as error:
                failed += 1
                print(f"{section}, {name}: FAILED, {type(error).__name__}: {error}", flush=True)
                continue
            took = round(time.perf_counter() - started, 1)
            results.setdefault(section, {})[name] = found
            results.setdefault("seconds", {}).setdefault(section, {})[name] = took
            results["about"] = {name: version(name) for name in ("jax", "jaxlib", "numpy")} | {"cores": os.cpu_count()}
            write(file, results)
            print(f"{section}, {name}: {took} s", flush=True)
            jax.clear_caches()
    return failed


def flat(tree, path=()):
    """Digests by path."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {p: x for name, branch in tree.items() for p, x in flat(branch, (*path, name)).items()}


def differ(a, b):
    """Of digests, what stands before the mean size counts."""
    if isinstance(a, str) and isinstance(b, str) and DIGEST.fullmatch(a) and DIGEST.fullmatch(b):
        return a[:16] != b[:16]
    return a != b


def short(a, b):
    """Two values beside each other; of lists of leaves, how many are only in one."""
    if "," in str(a) and set(str(a)) <= set("0123456789abcdef,"):
        first, second = Counter(a.split(",")), Counter(str(b).split(","))
        lost, new = (first - second).total(), (second - first).total()
        return f"{lost} of {first.total()} leaves are gone, {new} are new"
    return f"{a} -> {b}"


def compare(before, after, sections, envs):
    """Print every difference by key; a digest that is there under another name is no difference.

    Returns:
        How many there are.
    """
    files, differences = [known(Path(file)) for file in (before, after)], 0
    for section in sections:
        if not all(section in file for file in files):
            print(f"{section}: not in both files, not compared")
            continue
        ours = lambda task: section in APART or task.split(": ")[0] in envs  # noqa: B023, E731
        a, b = ({p: x for p, x in flat(file[section]).items() if ours(p[0])} for file in files)
        lines = [
            f"{short(a[p], b[p])} at {' / '.join(p)}"
            for p in sorted(a.keys() & b.keys())
            if (b[p] > a[p] if section == "counts" else differ(a[p], b[p]))
        ]
        gone, new = sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())
        for path in gone:
            same = next((p for p in new if not differ(a[path], b[p])), None)
            if same is None:
                lines.append(f"only in the first: {' / '.join(path)}")
                continue
            new.remove(same)
            print(f"{section}: renamed: {' / '.join(path)} -> {' / '.join(same)}")
        lines += [f"only in the second: {' / '.join(path)}" for path in new]
        for line in lines:
            print(f"{section}: {line}")
        print(f"{section}: {len(a.keys() & b.keys())} compared, {len(lines)} differences")
        differences += len(lines)
    return differences


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument(
        "--env", nargs="+", choices=env_ids(), metavar="ID", help="leaves sections without one as they are"
    )
    parser.add_argument("--again", action="store_true", help="make what the file holds again")
    parser.add_argument("--compare", nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--count", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    envs = given.env or sorted(env_ids(), key=lambda name: (*SLOWEST_LAST, name).index(name))
    if given.count:
        count(*given.count)
    elif given.compare:
        sys.exit(compare(*given.compare, given.only, envs) > 0)
    elif given.out is None:
        parser.error("name a file, or two with --compare")
    else:
        print(f"of {jaxvec.__file__}", flush=True)
        sys.exit(fill(given.out, given.only, envs, given.again) > 0)


if __name__ == "__main__":
    main()
