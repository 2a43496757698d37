"""`isac_iov` and its NumPy twin on the same numbers: random scenarios, random actions, one trajectory in each world.

The environment takes all worlds at once, the twin one world after the other. Each world has numbers of its own for every
parameter, so an agreement covers how each of them enters.
"""

from dataclasses import fields, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from reference import isac_iov as twin

from jaxvec.envs.isac_iov import GROUP
from jaxvec.envs.isac_iov_slot import Params, State

WORLDS = 12
SWITCHES = (
    "n_vehicles",
    "n_rsus",
    "horizon",
    "queue_window",
    "bandwidth_mode",
    "rsu_cpu_mode",
    "drift_form",
    "dt_enabled",
)
ARRAYS_OF_ONE_SIDE = {"present", "active"}  # in the environment's info; the twin has them in its state and parts


def numbers(rng, n_rsus):
    """One scenario: every number of the model away from its default."""
    default = twin.Config()
    names = [f.name for f in fields(twin.Config) if isinstance(getattr(default, f.name), float)]
    chosen = {name: getattr(default, name) * rng.uniform(0.8, 1.25) for name in names}
    for name in [n for n in names if n.endswith("_max") or "_max_" in n]:
        low = name.replace("_max", "_min")
        if low in chosen:
            chosen[low], chosen[name] = sorted((chosen[low], chosen[name]))
    return chosen | {
        "bandwidth_hz": 10 ** rng.uniform(6, 7.5),  # from where the instruction wins to where the data does
        "rsu_cpu_hz": rng.uniform(8e9, 25e9, n_rsus),
        "twin_cpu_hz": rng.uniform(1e9, 4e9, n_rsus),
        "split_cut": rng.uniform(0, 0.12),
        "share_floor": rng.uniform(0.01, 0.3),
        "rsu_bg_prob": rng.uniform(0, 0.6),
        "twin_queue_err": rng.uniform(0, 1),
        "violation_penalty": rng.uniform(0, 3),
        "energy_budget_j": rng.uniform(20, 250),
    }


def scenarios(env, seed):
    """Twin configurations, one per world, the first with the defaults; and the environment's parameters, `(W,)` leaves."""
    rng = np.random.default_rng(seed)
    switches = {name: getattr(env, name) for name in SWITCHES}
    configs = [twin.Config(**switches)]
    configs += [twin.Config(**switches, **numbers(rng, env.n_rsus)) for _ in range(WORLDS - 1)]
    leaves = {}
    for field in fields(Params):
        if hasattr(configs[0], field.name):
            values = [np.asarray(getattr(config, field.name)) for config in configs]
            shape = np.broadcast_shapes(*(value.shape for value in values))
            leaves[field.name] = np.stack([np.broadcast_to(value, shape) for value in values], -1)
    return configs, Params(**leaves)


def actions(rng, env, worlds=WORLDS):
    """Random actions of all worlds: some timid, some at the edges of the box, some beyond it."""
    width = rng.choice([0.3, 1.0, 1.5], worlds)
    return {
        name: rng.uniform(-1, 1, (env.n_vehicles, *box.shape, worlds)) * width
        for name, box in env.action_space[GROUP].items()
    }


def stack(draws):
    """Draws of single worlds to those of all, worlds last."""
    return {name: np.stack([d[name] for d in draws], -1) for name in draws[0]}


def world(tree, w):
    return jax.tree.map(lambda x: np.asarray(x)[..., w], tree)


@cache
def compiled(env):
    """`reset_from` and `step_from` of an environment; equal environments share them."""
    return jax.jit(env.reset_from), jax.jit(env.step_from)


def play(env, seed, slots, **data):
    """Both simulators through the same trajectories; `data` goes into the parameters (a recording).

    Yields:
        After the reset and after each slot: the configurations, the environment's state and timestep, and per world the
        twin's state, reward and info (None after the reset).
    """
    rng = np.random.default_rng(seed + 1)
    configs, params = scenarios(env, seed)
    params = params.replace(**data)
    reset, step = compiled(env)
    draws = [twin.reset_draws(rng, config) for config in configs]
    drawn = stack(draws)
    if env.mobility == "trace":
        keys = jax.random.split(jax.random.key(seed), WORLDS)
        drawn |= {name: x for name, x in env.draw_reset(keys, params).items() if name in ("start_s", "row")}
    state, ts = reset(drawn, params)
    theirs = [
        (twin.reset_from(d | replayed(env, state, w), config), None, None)
        for w, (d, config) in enumerate(zip(draws, configs, strict=True))
    ]
    yield configs, state, ts, theirs
    for _ in range(slots):
        action = actions(rng, env)
        draws = [twin.step_draws(rng, config) for config in configs]
        state, ts = step(state, {GROUP: action}, stack(draws), params)
        theirs = [
            twin.step_from(theirs[w][0], world(action, w), draws[w] | replayed(env, state, w, "next_"), config)
            for w, config in enumerate(configs)
        ]
        yield configs, state, ts, theirs


def replayed(env, state, w, prefix=""):
    """Where recorded vehicles are, as draws of the twin; nothing on the road, where the twin moves them itself."""
    names = ("x_m", "y_m", "velocity_mps", "present") if env.mobility == "trace" else ()
    return {prefix + name: np.asarray(getattr(state, name))[..., w] for name in names}


def differences(env, configs, state, ts, theirs):
    """Every quantity of both sides, name -> (environment's, twin's), worlds last."""
    states = [s for s, _, _ in theirs]
    together = lambda values: np.stack([np.asarray(v) for v in values], -1)  # noqa: E731
    present = together(s.present for s in states)
    pairs = {}
    for field in fields(twin.State):
        expected = together(getattr(s, field.name) for s in states)
        if field.name in ("task_bits", "instr_bits"):
            expected = np.where(present, expected, 0)  # nobody's task: the environment says 0
        pairs[f"state.{field.name}"] = np.asarray(getattr(state, field.name)), expected
    seen = together(twin.observe(s, config) for s, config in zip(states, configs, strict=True))
    pairs["obs"] = np.asarray(ts.obs.agents[GROUP]), seen
    pairs["obs.world"] = np.asarray(ts.obs.world), seen.reshape(env.world_size, -1)
    if theirs[0][2] is not None:
        rewards = together(r for _, r, _ in theirs)
        pairs["reward"] = np.asarray(ts.reward[GROUP]), np.broadcast_to(rewards, (env.n_vehicles, len(theirs)))
        for name in set(env.info_fields) - ARRAYS_OF_ONE_SIDE:
            pairs[f"info.{name}"] = np.asarray(ts.info[name]), together(i[name] for _, _, i in theirs)
        pairs["info.active"] = np.asarray(ts.info["active"]), together(i["ell_rsu"] > 0 for _, _, i in theirs)
    return pairs


def batch(states):
    """States of the twin as one of the environment's, worlds last, in the float type of the moment."""
    leaves = {f.name: np.stack([np.asarray(getattr(s, f.name)) for s in states], -1) for f in fields(twin.State)}
    leaves = {n: jnp.asarray(x, jnp.result_type(float) if x.dtype.kind == "f" else None) for n, x in leaves.items()}
    return State(**leaves | {"t": leaves["t"].astype(jnp.int32)}, track=None)


def rounded(tree):
    """Floats rounded to float32, in float64."""
    return jax.tree.map(lambda x: np.float64(np.float32(x)) if np.asarray(x).dtype.kind == "f" else x, tree)


def rounded_fields(record):
    """The same for a configuration or a state of the twin."""
    floats = {f.name: getattr(record, f.name) for f in fields(record)}
    return replace(record, **{n: rounded(x) for n, x in floats.items() if np.asarray(x).dtype.kind == "f"})
