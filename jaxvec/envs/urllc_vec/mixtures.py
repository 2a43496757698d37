"""Path losses of `urllc_vec` by name, which may be mixtures, and which numbers matter under which of them."""

from jaxvec.envs.limits import losses, losses_by_height
from jaxvec.physics import pathloss

BREAKPOINT_AS_PRINTED = {"uma": ("uma_los_fixed", "uma_nlos_fixed")}
"""Mixtures of the paper, (16) to (20): their models with and without line of sight."""
BY_UAV_HEIGHT = ("uma_av", "free_space")  # of links to UAVs: these know no other height


def mixed(name: str) -> tuple[str, ...]:
    """The path-loss models behind a name.

    A mixture NAME is of NAME_los and NAME_nlos; "uma" is the paper's, whose breakpoint is a number.

    Args:
        name: of a model, or of a mixture.
    Returns:
        Name of the model in line of sight, and of the one where it is blocked; of a single model, its name.
    """
    if name in BREAKPOINT_AS_PRINTED:
        return BREAKPOINT_AS_PRINTED[name]
    return (name,) if name in pathloss.MODELS else (f"{name}_los", f"{name}_nlos")


def _in_sight_or_not(name: str, choice: str, params_cls: type) -> bool:
    return len(mixed(choice)) > 1


def _breakpoint(name: str, choice: str, params_cls: type) -> bool:
    return any(losses(name, model, params_cls) for model in mixed(choice))


def _heights(name: str, choice: str, params_cls: type) -> bool:
    return any(losses_by_height(name, model, params_cls) for model in mixed(choice))


def _heights_in_air(name: str, choice: str, params_cls: type) -> bool:
    return choice not in BY_UAV_HEIGHT and _heights(name, choice, params_cls)


GROUND = {"pathloss_v2b": _in_sight_or_not}
BREAKPOINT = {"pathloss_v2b": _breakpoint, "pathloss_air": _breakpoint}
ANTENNAS = {"pathloss_v2b": _heights, "pathloss_air": _heights_in_air}
PRINTED = {"los_air": ("paper",)}
