"""Path loss and LOS probability of TR 38.901 against Sionna's, in a table that scripts/sionna_reference.py makes."""

from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.physics import geometry, pathloss

TABLE = np.genfromtxt(
    Path(__file__).parent / "sionna_uma.csv", delimiter=",", names=True, skip_header=3, dtype=None, encoding="utf-8"
)
HEIGHT_BS_M, HEIGHT_UT_M = {"uma": 25.0, "umi": 10.0}, 1.5
LOS_RANGES_M = {"uma": (18.0, 63.0), "umi": (18.0, 36.0)}  # TR 38.901 Table 7.4.2-1

each_scenario = pytest.mark.parametrize("name", list(HEIGHT_BS_M))


def rows(name):
    return TABLE[TABLE["scenario"] == name]


def losses_db(name):
    """In and out of sight, at the rows of the table."""
    table, height_m = rows(name), HEIGHT_BS_M[name]
    ground_m = jnp.asarray(table["distance_2d_m"], float)
    link = pathloss.Link(ground_m, geometry.norm_m(ground_m, height_m - HEIGHT_UT_M), HEIGHT_UT_M, height_m)
    radio = SimpleNamespace(carrier_hz=jnp.asarray(table["carrier_ghz"], float) * 1e9)
    return [pathloss.MODELS[f"{name}_{sight}"](link, radio) for sight in ("los", "nlos")]


def test_the_table_is_whole():
    assert {name: len(rows(name)) for name in HEIGHT_BS_M} == {"uma": 60, "umi": 60}


@each_scenario
def test_losses_are_sionnas(name, monkeypatch):
    # Sionna takes light at its exact speed where note 1 of the standard's table says 3e8 m/s
    monkeypatch.setattr(pathloss, "_LIGHT_SPEED_3GPP_MPS", pathloss._LIGHT_SPEED_MPS)
    los_db, nlos_db = losses_db(name)
    np.testing.assert_allclose(los_db, rows(name)["los_db"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(nlos_db, rows(name)["nlos_db"], rtol=0, atol=1e-3)


@each_scenario
def test_with_the_standards_speed_of_light_only_losses_beyond_the_breakpoint_differ(name):
    # by (40 - slope) log10(3e8 / 299792458) = 0.0054 (UMa, slope 22) or 0.0057 dB (UMi, 21): the breakpoint is closer
    table = rows(name)
    breakpoint_m = 4 * (HEIGHT_BS_M[name] - 1) * (HEIGHT_UT_M - 1) * table["carrier_ghz"] * 1e9 / 299_792_458.0
    beyond = table["distance_2d_m"] > breakpoint_m
    los_db, nlos_db = losses_db(name)
    np.testing.assert_allclose(los_db[~beyond], table["los_db"][~beyond], rtol=0, atol=1e-3)
    difference_db = los_db[beyond] - table["los_db"][beyond]
    np.testing.assert_allclose(difference_db, {"uma": 0.0054, "umi": 0.0057}[name], rtol=0, atol=2e-4)
    np.testing.assert_allclose(nlos_db, table["nlos_db"], rtol=0, atol=1e-3)


@each_scenario
def test_los_probabilities_are_sionnas(name):
    table = rows(name)
    probability = pathloss.los_probability(jnp.asarray(table["distance_2d_m"], float), *LOS_RANGES_M[name])
    np.testing.assert_allclose(probability, table["los_probability"], rtol=0, atol=1e-4)
