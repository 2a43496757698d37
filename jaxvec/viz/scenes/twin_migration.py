"""`twin_migration`: the region to scale, servers in the colour of their load, the ways of vehicles and of their twins."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvec.envs.twin_migration import TwinMigration
from jaxvec.envs.twin_migration.observation import GROUP
from jaxvec.envs.twin_migration.params import MB, Params, State
from jaxvec.viz.scene import Key, Link, Meter, Node, Scene, percentage
from jaxvec.viz.theme import quantity

KEYS = (
    Key("cell", "RSU"),
    Key("load", "its load / cache"),
    Key("uav", "UAV"),
    Key("gauge", "its load (mark: cache)"),
    Key("way", "way of a vehicle, in its colour"),
    Key("twin", "its twin"),
    Key("twin way", "servers that the twin lived on"),
    Key("data", "data to and fro"),
    Key("pin", "drawn beside its place"),
)


def scene(
    env: TwinMigration, params: Params, state: State, action: Any, info: Mapping[str, Any], reward: Any, t: int
) -> Scene:
    """One slot: places at its start, where each twin is decided to be, what became of it."""
    to_m = _to_metres(params)
    rsu_m = to_m(params.region.rsu_dlat_deg, params.region.rsu_dlon_deg)
    trips_m = to_m(params.region.traj_dlat_deg[state.veh_traj], params.region.traj_dlon_deg[state.veh_traj])
    ground_m = np.concatenate([rsu_m, trips_m.reshape(-1, 2), np.asarray(params.region.uav_wp_xy_m).reshape(-1, 2)])
    (x0_m, y0_m), (x1_m, y1_m) = ground_m.min(0), ground_m.max(0)
    edge_m = 0.04 * max(x1_m - x0_m, y1_m - y0_m)
    sky_m = np.array([[x1_m - edge_m, y1_m + 1.6 * edge_m]])
    uav_m = to_m(*state.scene.uav_deg.T)
    places_m = np.concatenate([rsu_m, uav_m, sky_m])
    servers = _servers(env, params, info, places_m)
    twins = _twins(env, action, info, places_m, edge_m)
    return Scene(
        title="Vehicles' twins on roadside units, UAVs and a satellite",
        bounds_m=(x0_m - edge_m, y0_m - edge_m, x1_m + edge_m, y1_m + 3 * edge_m),
        nodes=(*servers, *_vehicles(params, state, action, info, servers, trips_m), *twins),
        links=_links(env, params, info, action),
        meters=_meters(params, info, reward),
        keys=KEYS,
    )


def _to_metres(params: Params) -> Any:
    """East and north of the anchor `(..., 2)` of offsets in degrees."""
    degree_m = np.radians(float(params.earth_radius_m))
    east = degree_m * np.cos(np.radians(float(params.region.lat0_deg)))
    return lambda dlat_deg, dlon_deg: np.stack([east * np.asarray(dlon_deg), degree_m * np.asarray(dlat_deg)], -1)


def _names(env: TwinMigration) -> list[str]:
    """Of the servers, in their order."""
    return [f"RSU {i + 1}" for i in range(env.n_rsu)] + [f"UAV {i + 1}" for i in range(env.n_uav)] + ["Satellite"]


def _servers(env: TwinMigration, params: Params, info: Mapping[str, Any], places_m: np.ndarray) -> tuple[Node, ...]:
    kinds = ["cell"] * env.n_rsu + ["uav"] * env.n_uav + ["satellite"]
    caches_bits = np.broadcast_to(params.cache_bits, env.n_servers)
    nodes = []
    for m, (label, kind) in enumerate(zip(_names(env), kinds, strict=True)):
        load, background = float(info["load"][m]), float(info["bg"][m])
        ground = kind != "satellite"  # whose cache has no end
        nodes.append(
            Node(
                x_m=float(places_m[m, 0]),
                y_m=float(places_m[m, 1]),
                kind=kind,
                label=label,
                load=load / float(caches_bits[m]) if ground else None,
                part=0.0 if kind == "uav" else None,
                present=bool(info["server_active"][m]),
                values=(
                    ("load", _mb(load)),
                    ("of it: twins", _mb(float(info["vt_in"][m]))),
                    ("background", _mb(background)),
                    ("worked off", _mb(float(info["processed"][m]))),
                    ("dropped", _mb(float(info["dropped"][m]))),
                ),
            )
        )
    return tuple(nodes)


def _vehicles(
    params: Params, state: State, action: Any, info: Mapping[str, Any], servers: tuple[Node, ...], trips_m: np.ndarray
) -> tuple[Node, ...]:
    nodes = []
    for i, way_m in enumerate(trips_m):
        now = int(np.clip(state.t - state.veh_start[i], 0, len(way_m) - 1))
        ahead_m = way_m[min(now + 1, len(way_m) - 1)] - way_m[max(now - 1, 0)]
        failed = "out of reach" if info["out_of_range"][i] else "overload" if info["overload"][i] else ""
        nodes.append(
            Node(
                x_m=float(way_m[now, 0]),
                y_m=float(way_m[now, 1]),
                kind="vehicle",
                label=str(i + 1),
                heading_rad=float(np.arctan2(ahead_m[1], ahead_m[0])),
                text=failed,
                trail=i,
                present=bool(info["vehicle_active"][i]),
                values=(
                    ("twin on", servers[int(action[GROUP]["server"][i])].label),
                    ("latency", quantity(float(info["t_sum"][i]), "s")),
                    ("of it: computing", quantity(float(info["t_cul"][i]), "s")),
                    ("migration", quantity(float(info["t_mig"][i]), "s")),
                    ("rate up", quantity(float(info["rate_up"][i]), "bit/s")),
                    ("migrations so far", str(int(info["episode_migrations"][i]))),
                    ("failed so far", f"{100 * float(info['episode_loss'][i]):.0f} %"),
                ),
            )
        )
    return tuple(nodes)


def _twins(
    env: TwinMigration, action: Any, info: Mapping[str, Any], places_m: np.ndarray, edge_m: float
) -> tuple[Node, ...]:
    """Each a little beside its server, in a direction of its own."""
    nodes, names = [], _names(env)
    for i, server in enumerate(action[GROUP]["server"]):
        turn = 2 * np.pi * i / env.n_vehicles
        x_m, y_m = places_m[server] + 0.45 * edge_m * np.array([np.cos(turn), np.sin(turn)])
        nodes.append(
            Node(
                x_m=float(x_m),
                y_m=float(y_m),
                kind="twin",
                label=f"twin {i + 1}",
                trail=i,
                present=bool(info["vehicle_active"][i] & info["served"][i]),
                values=(("on", names[int(server)]), ("its load", _mb(float(info["own_load"][i])))),
            )
        )
    return tuple(nodes)


def _links(env: TwinMigration, params: Params, info: Mapping[str, Any], action: Any) -> tuple[Link, ...]:
    first = env.n_servers
    fast_bps = 16 * float(params.vt_rate_bps)  # sent in a sixteenth of the slot: the full width
    return tuple(
        Link(first + i, int(action[GROUP]["server"][i]), "data", float(info["rate_up"][i]) / fast_bps)
        for i in np.flatnonzero(info["vehicle_active"] & info["served"]).tolist()
    )


def _meters(params: Params, info: Mapping[str, Any], reward: Any) -> tuple[Meter, ...]:
    on_way = info["vehicle_active"]
    mean = float(np.sum(on_way * reward[GROUP]) / max(np.sum(on_way), 1))
    return (
        Meter("Latency", float(info["latency_s"]), "s", float(params.slot_s), "slot"),
        Meter("Reward", mean),
        percentage("Failed services", info["packet_loss"]),
        percentage("Twins that migrate", info["migration_rate"]),
        Meter("Own server's load", float(info["own_load_mb"]), "MB", float(np.mean(params.cache_bits)) / MB, "cache"),
        Meter("Full servers", float(info["overloaded_servers"])),
    )


def _mb(bits: float) -> str:
    return f"{bits / MB:.0f} MB"
