"""Environments that the adapters are tried on: small, and the same in all tests, so that they share what is compiled."""

import jaxvec

SMALL = {
    "isac_iov": {"horizon": 6},
    "v2x_offload": {"horizon": 6, "n_vehicles": 4, "shuffle_order": True},
    "urllc_vec": {
        "n_vehicles": 3,
        "n_uavs": 2,
        "n_bs": 1,
        "n_subtasks": 2,
        "n_antennas": 1,
        "n_nlos_paths": 1,
        "horizon": 6,
    },
    "twin_migration": {"horizon": 6, "n_vehicles": 3},
    "dt_edge": {"horizon": 6},
}
SYSTEMS = tuple((env_id, {}) for env_id in SMALL if env_id != "twin_migration")
COME_AND_GO = (
    ("isac_iov", {"preset": "traffic", "horizon": 12}),
    ("twin_migration", {"preset": "dynamic", "turns": True, "n_vehicles": 4, "horizon": 12}),
)
"""Presets with vehicles that come and go; the second one stands for `twin_migration` altogether."""
TURNS = (("v2x_offload", {}), COME_AND_GO[1])


def small(env_id, preset=None, **settings):
    """An environment and its numbers."""
    return jaxvec.make(env_id, preset=preset, **{**SMALL[env_id], **settings})
