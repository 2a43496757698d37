"""What holds for every public function of the package: one case each, and a function without a case fails."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from beartype import beartype
from jaxtyping import TypeCheckError, jaxtyped

import jaxvec.physics
from jaxvec.physics import (
    _safe,
    computing,
    fading,
    geometry,
    lyapunov,
    mobility,
    pathloss,
    queues,
    rate,
    table,
    tasks,
    units,
)

VEHICLES, RSUS, WORLDS = 4, 3, 5
RADIO = SimpleNamespace(
    carrier_hz=3.5e9,
    wavelength_m=0.0857,
    pathloss_exponent=2.5,
    breakpoint_m=100.0,
    gain_at_1m_db=-38.4,
    gain_slope_db=21.0,
    pathloss_const_db=128.1,
    pathloss_slope_db=37.6,
)
_rng = np.random.default_rng(0)


def between(low, high, *entities):
    return _rng.uniform(low, high, (*entities, WORLDS)).astype(np.float32)


NODE, LINK = (VEHICLES,), (VEHICLES, RSUS)
GEOMETRY = pathloss.Link(
    distance_2d_m=between(10, 900, *LINK),
    distance_3d_m=between(10, 900, *LINK),
    tx_height_m=between(1.5, 3, VEHICLES, 1),
    rx_height_m=between(5, 15, 1, RSUS),
)
PLACED = GEOMETRY._replace(
    site=_rng.integers(0, RSUS, (*LINK, WORLDS), dtype=np.int32), x_m=between(0, 90, *LINK), y_m=between(0, 60, *LINK)
)
RADIO.channel = table.ChannelTable(
    loss_db=_rng.uniform(60, 120, (RSUS, 6, 9)).astype(np.float32),
    in_sight=_rng.integers(0, 2, (RSUS, 6, 9)).astype(np.float32),
    corner_m=_rng.uniform(-9, 9, (RSUS, 2)).astype(np.float32),
    step_m=np.float32([10, 12]),
    site_m=np.zeros((RSUS, 3), np.float32),
    height_m=np.float32(1.5),
    decade_db=np.float32([40, 21]),
    share_in_sight=np.float32(0.5),
)
UNIT = between(0.01, 0.99, *LINK)
TASKS = (6,)


def integers(high, *entities):
    return _rng.integers(0, high, (*entities, WORLDS), dtype=np.int32)


# function, arguments with the world axis last, keyword arguments shared by all worlds
CASES = [
    (_safe.root, [between(0, 9, *LINK)], {}),
    (units.db_to_linear, [between(-90, 30, *LINK)], {}),
    (units.linear_to_db, [between(0.1, 9, *LINK)], {}),
    (units.dbm_to_w, [between(-90, 30, *LINK)], {}),
    (units.w_to_dbm, [between(0.1, 9, *LINK)], {}),
    (geometry.offsets, [between(0, 700, VEHICLES), between(0, 700, RSUS)], {}),
    (geometry.offsets, [between(0, 700, VEHICLES)], {"b": np.float32([200, 350, 500])}),
    (geometry.norm_m, [between(-9, 9, *LINK), between(-9, 9, VEHICLES, 1), between(9, 9)], {}),
    (geometry.within, [between(0, 400, *LINK)], {"range_m": 200.0}),
    *[
        (
            hav,
            [
                between(-0.1, 0.1, *LINK),
                between(-0.1, 0.1, *LINK),
                between(0.5, 1, VEHICLES, 1),
                between(0.5, 1, 1, RSUS),
            ],
            {},
        )
        for hav in (geometry.haversine, geometry.haversine_as_printed)
    ],
    (geometry.on_sphere, [between(-0.1, 0.1, *NODE), between(-0.1, 0.1, *NODE)], {"lat_rad": 0.7}),
    (geometry.arc_m, [UNIT], {"radius_m": 6.4e6}),
    (mobility.drive_m, [between(0, 700, *NODE), between(-16, 16, *NODE)], {"slot_s": 9.0, "road_length_m": 700.0}),
    (mobility.step_m, [between(0, 100, VEHICLES, 2), between(-7, 7, *NODE)], {"distance_m": 15.0}),
    (mobility.reflect, [between(-20, 120, VEHICLES, 2), between(-7, 7, *NODE)], {"side_m": 100.0}),
    (
        mobility.interpolate_rows,
        [],
        {
            "table": np.float32(_rng.normal(size=(6, 8))),
            "row": _rng.integers(0, 6, (VEHICLES, WORLDS), dtype=np.int32),
            "position": between(-1, 9, *NODE),
        },
    ),
    (mobility.bearing, [between(0, 9, VEHICLES, 3), between(0, 9, VEHICLES, 3)], {"climb_max_rad": 0.2}),
    (
        mobility.waypoint_step,
        [between(0, 90, VEHICLES, 3), between(0, 90, VEHICLES, 3), between(10, 50, *NODE)],
        {"slot_s": 1.0, "climb_max_rad": 0.2},
    ),
    (
        mobility.along_loop,
        [],
        {"corner_m": np.float32(_rng.normal(size=(VEHICLES, 4, 2))), "along_m": between(-9, 9, *NODE)},
    ),
    (mobility.grid_xy, [], {"n": 5, "half_width_m": between(500, 1000)}),
    (mobility.box_m, [], {"half_width_m": between(500, 1000), "low_m": 50.0, "high_m": 120.0, "rank": 0}),
    (mobility.in_box_m, [(between(-9, 0, 1, 3), between(1, 9, 1, 3)), between(0.01, 0.99, VEHICLES, 3)], {}),
    *[(model, [GEOMETRY], {"radio": RADIO}) for _, model in pathloss.MODELS.items()],
    *[(model, [PLACED], {"radio": RADIO}) for model in (table.table, table.umi_by_sight, table.uma_by_sight)],
    (table.in_sight, [PLACED], {"radio": RADIO}),
    (
        table.bilinear,
        [],
        {
            **{name: getattr(RADIO.channel, name) for name in ("corner_m", "step_m")},
            **{"grid": RADIO.channel.loss_db, "site": PLACED.site, "x_m": PLACED.x_m, "y_m": PLACED.y_m},
        },
    ),
    (table.outside, [PLACED], {"channel": RADIO.channel}),
    (pathloss.los_probability, [between(1, 900, *LINK), between(18, 200, 1, RSUS), between(63, 900)], {}),
    (pathloss.uma_av_los_d1_p1, [between(5, 150, *NODE)], {}),
    (fading.rayleigh_power, [UNIT], {}),
    (fading.standard_normal, [UNIT], {}),
    (fading.phasor, [UNIT], {}),
    (fading.rician_coeff, [UNIT, between(0.01, 0.99, *LINK, 8), between(0, 9)], {"axis": 2}),
    (
        fading.steering_vector,
        [integers(4, 1, 1, 4), between(-3, 3, *LINK, 1)],
        {"spacing_m": 0.005, "wavelength_m": 0.009},
    ),
    (fading.bounded_csi_error, [UNIT, between(0.01, 0.99, *LINK)], {"variance": 0.05}),
    (
        fading.combined_power,
        [(between(-1, 1, *LINK), between(-1, 1, *LINK)), (between(-1, 1, *LINK), between(-1, 1, *LINK))],
        {"axis": 1},
    ),
    (fading.jakes_correlation, [between(0, 50, *NODE)], {"slot_s": 0.01, "wavelength_m": 0.15}),
    (fading.doppler_shift_hz, [between(0, 50, *NODE), between(-3, 3, *NODE)], {"wavelength_m": 0.009}),
    (rate.snr, [between(0.1, 1, *LINK), UNIT, between(1e-9, 1e-7, *LINK)], {"noise_w": 1e-13}),
    (rate.shannon_bps, [between(1e5, 2e7, *LINK), between(0, 1e3, *LINK)], {}),
    (rate.qfunc_inv, [UNIT], {}),
    (rate.channel_dispersion, [between(0, 1e3, *LINK)], {}),
    (
        rate.finite_blocklength_bps,
        [between(1e5, 2e7, *LINK), between(0, 1e2, *LINK)],
        {"blocklength": 100.0, "error_prob": 1e-6},
    ),
    (computing.time_s, [between(0, 6e9, *LINK), between(1e9, 2e10, 1, RSUS)], {}),
    (
        computing.energy_j,
        [],
        {"kappa": 1e-26, "frequency_hz": between(2e9, 3e9, *NODE), "cycles": between(0, 6e9, *NODE)},
    ),
    (computing.fit_to_budget, [UNIT], {"axis": 0}),
    (computing.fit_to_budget, [UNIT], {"axis": (0, 1)}),
    (
        computing.cpu_available_hz,
        [between(-3, 3, *NODE)],
        {"f_min_hz": 1e9, "f_max_hz": 1e10, "deviation_var": 0.1},
    ),
    (computing.at_node, [between(0, 9, *NODE), integers(VEHICLES, *TASKS)], {}),
    (computing.sum_at_node, [between(0, 9, *TASKS), integers(VEHICLES, *TASKS)], {"n": VEHICLES}),
    (
        computing.weighted_share,
        [between(0.1, 1, *TASKS), integers(2, *TASKS), integers(2, *TASKS).astype(bool)],
        {},
    ),
    (
        computing.admit_prefix,
        [
            between(0, 1, *TASKS),
            between(1, 9, *TASKS),
            integers(2, *TASKS),
            integers(2, *TASKS).astype(bool),
            between(0, 3, 2),
            between(5, 20, 2),
        ],
        {},
    ),
    (queues.update, [between(0, 9, *NODE), between(0, 5, *NODE), between(0, 5, *NODE)], {}),
    (queues.serve_bounded, [between(0, 9, *NODE), between(3, 6, *NODE), between(0, 5, *NODE)], {}),
    (queues.little_wait_s, [between(0, 9, *NODE), between(0, 5, *NODE), between(0, 5, *NODE)], {"slot_s": 0.5}),
    (lyapunov.virtual_queue, [between(0, 9, *NODE), between(-9, 9, *NODE)], {}),
    (lyapunov.drift_bound, [between(0, 9, *NODE), between(0, 5, *NODE), between(0, 5, *NODE)], {}),
    (lyapunov.drift_exact, [between(0, 9, *NODE), between(0, 9, *NODE)], {}),
    (lyapunov.drift_plus_penalty, [], {"v": 5.0, "penalty": between(0, 9), "drift": between(-9, 9)}),
    (tasks.uniform, [UNIT], {"low": 1e6, "high": 3e6}),
    (tasks.ar1, [between(-3, 3, *NODE)], {"rho": 0.9, "normal": between(-3, 3, *NODE)}),
    (tasks.subtask_priority, [between(0.1, 1, *LINK) for _ in range(5)] + [between(0, 1, VEHICLES, 3)], {}),
    (tasks.qos, [between(0.001, 0.05, *LINK), between(0, 40, *LINK)], {"w_l": 0.7, "w_e": 0.3}),
    (tasks.qos_percent, [between(-50, 300, *LINK)], {"q_min": 60.0, "q_max": 200.0}),
]
PER_WORLD_KEYWORDS = (
    "row",
    "position",
    "frequency_hz",
    "cycles",
    "penalty",
    "drift",
    "half_width_m",
    "normal",
    "along_m",
    "site",
    "x_m",
    "y_m",
)
TRUTH_VALUES = (geometry.within, computing.admit_prefix, table.outside)  # which have no gradient
each_case = pytest.mark.parametrize(("function", "args", "kwargs"), CASES, ids=lambda x: getattr(x, "__name__", ""))


def arrays(function, args, kwargs):
    """The function of the case's per-world arrays alone (type-checked), and these arrays."""
    checked = jaxtyped(typechecker=beartype)(function)
    varying = {name: value for name, value in kwargs.items() if name in PER_WORLD_KEYWORDS}
    shared = {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in kwargs.items()
        if name not in PER_WORLD_KEYWORDS
    }
    return lambda batch: checked(*batch[0], **batch[1], **shared), jax.tree.map(jnp.asarray, (args, varying))


@each_case
def test_worlds_last_equals_a_loop_over_worlds_and_shapes_are_as_annotated(function, args, kwargs):
    call, batch = arrays(function, args, kwargs)
    together = call(batch)
    alone = [call(jax.tree.map(lambda x, w=w: x[..., w], batch)) for w in range(WORLDS)]
    jax.tree.map(
        lambda all_worlds, *each: np.testing.assert_allclose(
            all_worlds, np.stack(each, -1), rtol=1e-6, atol=1e-7 * float(np.max(np.abs(all_worlds)))
        ),  # one rounding of the largest number, because sums may cancel
        together,
        *alone,
    )
    assert all(x.dtype in (jnp.float32, jnp.bool_) for x in jax.tree.leaves(together))


@each_case
def test_gradients_are_finite_and_equal_under_jit(function, args, kwargs):
    call, batch = arrays(function, args, kwargs)
    if function in TRUTH_VALUES:
        return

    def total(batch):
        return sum(jnp.sum(x) for x in jax.tree.leaves(call(batch)))

    gradient = jax.grad(total, allow_int=True)
    floats = [g for g in jax.tree.leaves(gradient(batch)) if g.dtype == jnp.float32]
    assert floats
    assert all(np.isfinite(g).all() for g in floats)
    np.testing.assert_allclose(jax.jit(total)(batch), total(batch), rtol=1e-5)


def public_functions():
    for info in pkgutil.iter_modules(jaxvec.physics.__path__):
        module = importlib.import_module(f"jaxvec.physics.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield function


def test_every_public_function_has_a_case():
    other = {
        "placed",
        "stand_in",
        "usable",
        "sum_over_tasks",
        "los_pairs",
    }  # of a class, of a function, of names: no arrays to check
    assert {f.__qualname__ for f in public_functions()} - other == {f.__qualname__ for f, *_ in CASES}


@pytest.mark.parametrize("function", list(public_functions()), ids=lambda f: f.__name__)
def test_every_public_function_documents_each_argument(function):
    words = inspect.getdoc(function)
    section = words.partition("Args:")[2]
    assert [name for name in inspect.signature(function).parameters if f"{name}:" not in section] == []
    assert "Returns:" in words


def test_annotations_are_enforced_by_the_check_above():
    checked = jaxtyped(typechecker=beartype)(geometry.offsets)
    with pytest.raises(TypeCheckError):
        checked(jnp.zeros((2, 4)), jnp.zeros((3, 5)))  # 4 worlds and 5 worlds
    with pytest.raises(TypeCheckError):
        jaxtyped(typechecker=beartype)(tasks.uniform)(jnp.zeros(3, jnp.int32), 0.0, 1.0)


@pytest.mark.slow
def test_importing_touches_no_device():
    # with a platform that does not exist, the first array built would raise
    names = [f"jaxvec.physics.{info.name}" for info in pkgutil.iter_modules(jaxvec.physics.__path__)]
    environment = {**os.environ, "JAX_PLATFORMS": "no_such_platform", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], env=environment, check=True)
