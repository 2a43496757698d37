"""`twin_migration` and its float64 reference in NumPy, to be compared side by side, in a region that is made up for it."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from envs.side_by_side import WORLDS, Pair, together
from reference import twin_migration as reference

from jaxvec.envs.twin_migration.observation import GROUP
from jaxvec.envs.twin_migration.params import Params, State
from jaxvec.envs.twin_migration.slot import begin
from jaxvec.traces import Region

DEGREE_M = 111_202.0  # of latitude


@cache
def region(n_rsu, n_uav, horizon, seed=0):
    """RSUs in a square of 3 km, the last one absent; short trips through it; busy and idle stations; forecasts that err."""
    rng, n_trips, n_bins = np.random.default_rng(seed), 30, 40
    near = lambda *shape: rng.uniform(-1500, 1500, shape)  # noqa: E731
    walk_m = near(n_trips, 1, 2) / 2 + np.cumsum(rng.normal(0, 200, (n_trips, horizon, 2)), 1)
    length = rng.integers(max(horizon // 3, 1), horizon + 1, n_trips)
    last = np.minimum(np.arange(horizon), length[:, None] - 1)
    trips_deg = np.take_along_axis(walk_m, last[..., None], 1) / DEGREE_M
    flow = rng.integers(0, 900, (n_rsu, 1)) * rng.uniform(0.5, 1, (n_rsu, n_bins))
    present = np.arange(n_rsu) < max(n_rsu - 1, 1)
    single = np.float32
    return Region(
        lat0_deg=single(37.35),
        lon0_deg=single(-121.93),
        rsu_dlat_deg=single(near(n_rsu) / DEGREE_M),
        rsu_dlon_deg=single(near(n_rsu) / DEGREE_M),
        rsu_present=present,
        uav_wp_xy_m=single(near(n_uav, 4, 2)),
        traj_dlat_deg=single(trips_deg[..., 0]),
        traj_dlon_deg=single(trips_deg[..., 1]),
        traj_len=np.int32(length),
        flow=single(flow * present[:, None]),
        flow_pred=single(flow * present[:, None] * rng.uniform(0.7, 1.3, flow.shape)),
        start_bins=np.arange(8, 30, dtype=np.int32),
    )


def region_of(env):
    """The one of an environment's sizes."""
    return region(env.n_rsu, env.n_uav, env.horizon)


def switches(env):
    """The reference's."""
    return reference.Switches(**{name: getattr(env, name) for name in reference.Switches.__dataclass_fields__})


def numbers(rng):
    """One scenario: every number of the model away from its default, so that everything happens."""
    default = reference.Params()
    chosen = {name: getattr(default, name) * rng.uniform(0.7, 1.4) for name in vars(default)}
    return chosen | {
        "use_uav": float(rng.random() < 0.8),
        "use_satellite": float(rng.random() < 0.7),
        "earth_radius_m": default.earth_radius_m * rng.uniform(0.99, 1.01),
        "cpu_sat_hz": 10 ** rng.uniform(9.5, 11),
        "min_distance_m": 10 ** rng.uniform(0, 3),
        "noise_w": 10 ** rng.uniform(-12, -8),
        "sat_rate_bps": 10 ** rng.uniform(6, 8),
        "cache_bits": default.cache_bits * rng.uniform(0.3, 1.2),
        "warmup_slots": rng.uniform(0, 10),
        "latency_cap_s": 10 ** rng.uniform(1.3, 3),
        "bg_jitter_std": rng.uniform(0, 1),
        "failure_delay_s": rng.choice([0.0, 30.0]),
    }


class TwinMigrationPair(Pair):
    """A config is the reference's world: numbers, switches and the region."""

    Params, State, ReferenceState = Params, State, reference.State

    def configs(self, env, rng):
        world = partial(reference.World, switches=switches(env), region=region_of(env))
        return [world(reference.Params()), *(world(reference.Params(**numbers(rng))) for _ in range(WORLDS - 1))]

    def numbers(self, config):
        return config.params

    def scenarios(self, env, seed):
        configs, params = super().scenarios(env, seed)
        return configs, params.replace(cache_bits=np.asarray(params.cache_bits)[None])  # one for all servers of a world

    reset_draws = staticmethod(reference.sample_reset_draws)
    step_draws = staticmethod(reference.sample_step_draws)
    reset_from = staticmethod(reference.reset_with_draws)

    def step_from(self, state, action, draws, config):
        return reference.step_with_draws(state, action["server"], draws, config)

    def whole(self, action):
        return {GROUP: action}

    def to_env(self, draws):
        return {name: np.int32(x) if np.asarray(x).dtype.kind == "i" else x for name, x in draws.items()}

    def play(self, env, seed, slots, **data):
        return super().play(env, seed, slots, region=region_of(env), **data)

    def observed(self, env, ts, states, configs):
        obs, seen = ts.obs, [reference.observe(s, config) for s, config in zip(states, configs, strict=True)]
        ours = (obs.agents[GROUP], obs.world, obs.mask[GROUP]["server"], obs.active[GROUP])
        names = ("obs", "obs.world", "obs.mask", "obs.active")
        theirs = (together(x) for x in zip(*seen, strict=True))
        return {name: (np.asarray(a), b) for name, a, b in zip(names, ours, theirs, strict=True)}

    def batch(self, states, env, params):
        """With the scene of the slot, which follows."""
        whole = {f: together(getattr(s, f) for s in states) for f in reference.State.__dataclass_fields__}
        whole = {
            n: jnp.asarray(x, jnp.int32 if x.dtype.kind == "i" else jnp.result_type(float)) for n, x in whole.items()
        }
        return begun(env, State(**whole, scene=None), params)


begun = jax.jit(begin, static_argnums=0)
PAIR = TwinMigrationPair()
