"""Limits that numbers of the same kind have in all environments, and which of them matter under which models.

Limits are wide: beyond what anybody measured, and such that with one number at its limit, and all others as they are,
whatever follows is finite in float32. A contract test tries every one of them.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec.envs import mobility
from jaxvec.physics import pathloss, table

PART = (0.0, 1.0)  # probabilities, correlations, loads, shares, weights of a mean
WEIGHT = (0.0, 1e4)  # in a sum, of what is of order 1
FACTOR = (1e-3, 1e3)  # by which something is multiplied
EXPONENT = (0.0, 10.0)
SLOT_S = (1e-4, 1e4)
TIME_S = (1e-6, 1e9)  # deadlines and caps; the most of a cap is "never"
DELAY_S = (0.0, 1e6)
LENGTH_M = (1e-1, 1e7)
AWAY_M = (0.0, 1e7)  # lengths that may be 0
HEIGHT_M = (0.0, 1e5)
ANTENNA_M = (1.1, 1e4)  # standard models know nothing at 1 m, the height of their environment, and below
SPEED_MPS = (0.0, 1e5)
LIGHT_MPS = (1e8, 4e8)
CARRIER_HZ = (1e6, 1e13)
BAND_HZ = (1.0, 1e13)
CPU_HZ = (1e3, 1e12)
SERVER_HZ = (1e3, 1e14)
POWER_W = (1e-9, 1e7)
NOISE_W = (1e-18, 1.0)
GAIN_DB = (-140.0, 60.0)
LOSS_DB = (-60.0, 300.0)
DB_SLOPE = (0.0, 60.0)  # per decade
BITS = (1.0, 1e12)
TASK_BITS = (1.0, 1e10)
NO_BITS = (0.0, 1e12)  # where there may be nothing
RATE_BPS = (1.0, 1e13)
CYCLES_PER_BIT = (1e-3, 1e8)
CYCLES = (1e3, 1e16)
NO_CYCLES = (0.0, 1e16)
KAPPA = (0.0, 1e-18)  # energy coefficient of a processor [W s^3]
ENERGY_J = (1e-3, 1e9)
NO_ENERGY_J = (0.0, 1e9)


def moves(name: str, choice: str, params_cls: type) -> bool:
    """Whether a mobility model reads a number.

    Args:
        name: of the number.
        choice: of the model.
        params_cls: class of the numbers; it plays no role here.
    """
    return name in mobility.MODELS[choice].numbers


def losses(name: str, choice: str, params_cls: type) -> bool:
    """Whether a path-loss model reads a number.

    Args:
        name: of the number.
        choice: of the model.
        params_cls: class of the numbers.
    """
    return name in reads(pathloss.MODELS[choice], params_cls)


def losses_by_height(name: str, choice: str, params_cls: type) -> bool:
    """Whether a path-loss model reads the heights of antennas.

    Args:
        name: of the number, a height.
        choice: of the model.
        params_cls: class of the numbers.
    """
    return bool({"tx_height_m", "rx_height_m"} & reads(pathloss.MODELS[choice], params_cls))


def losses_by_distance(name: str, choice: str, params_cls: type) -> bool:
    """Whether a path-loss model reads how far apart antennas are, of which their heights are a part.

    Args:
        name: of the number, a height.
        choice: of the model.
        params_cls: class of the numbers.
    """
    return bool({"distance_3d_m", "tx_height_m", "rx_height_m"} & reads(pathloss.MODELS[choice], params_cls))


def from_table(name: str, choice: str, params_cls: type) -> bool:
    """Whether a path-loss model looks into the table `channel`.

    Args:
        name: of the data; it plays no role here.
        choice: of the model.
        params_cls: class of the numbers; it plays no role here.
    """
    return choice in table.MODELS


@cache
def reads(model: Callable[[pathloss.Link, Any], Any], params_cls: type) -> frozenset[str]:
    """What a path-loss model computes with, of a link from a fixed transmitter to a known place.

    Args:
        model: one of `jaxvec.physics.pathloss.MODELS`.
        params_cls: class of the numbers.
    Returns:
        Names of fields of the link and of the numbers.
    """
    link = dict.fromkeys((name for name in pathloss.Link._fields if name != "site"), 1.0)
    numbers = {f.name: f.default for f in dataclasses.fields(params_cls) if "limits" in f.metadata}

    def loss(values: dict[str, Any]) -> Any:
        of_link = pathloss.Link(**{name: values[name] for name in link}, site=jnp.zeros((), int))
        given = {name: values[name] for name in numbers}
        return model(of_link, params_cls(**given, channel=table.stand_in()) if tabulated else params_cls(**given))

    values, tabulated = numbers | link, "channel" in {f.name for f in dataclasses.fields(params_cls)}
    jaxpr = jax.make_jaxpr(loss)(values).jaxpr
    used = {id(x) for equation in jaxpr.eqns for x in equation.invars}
    return frozenset(name for name, x in zip(sorted(values), jaxpr.invars, strict=True) if id(x) in used)
