"""Environments that the adapters are tried on: small, and the same in all tests, so that they share what is compiled."""

import jaxvec

SMALL = {
    "isac_iov": {"horizon": 6},
    "v2x_offload": {"horizon": 6, "n_vehicles": 4},
    "urllc_vec": {
        "n_vehicles": 3,
        "n_uavs": 2,
        "n_bs": 1,
        "n_subtasks": 2,
        "n_antennas": 1,
        "n_nlos_paths": 1,
        "horizon": 6,
    },
    "twin_migration": {"horizon": 6},
    "dt_edge": {"horizon": 6},
}
COME_AND_GO = (("isac_iov", "traffic"), ("twin_migration", "dynamic"))
"""Presets with vehicles that come and go."""


def small(env_id, preset=None, **settings):
    """An environment and its numbers."""
    return jaxvec.make(env_id, preset=preset, **{**SMALL[env_id], **settings})
