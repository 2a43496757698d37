"""The sizes, numbers and state of `twin_migration`."""

from dataclasses import dataclass
from typing import Any

from flax import struct
from jax import Array

from jaxvec.core.params import ON_OFF, data, number, size, switch
from jaxvec.envs.limits import (
    ANTENNA_M,
    AWAY_M,
    BAND_HZ,
    BITS,
    CARRIER_HZ,
    CPU_HZ,
    CYCLES_PER_BIT,
    DELAY_S,
    EXPONENT,
    LENGTH_M,
    LIGHT_MPS,
    NO_BITS,
    NOISE_W,
    POWER_W,
    RATE_BPS,
    TIME_S,
    WEIGHT,
    from_table,
    losses,
    losses_by_height,
)
from jaxvec.physics import pathloss
from jaxvec.physics.table import ChannelTable
from jaxvec.traces import Region

MB = 8e6  # bit


class Params(struct.PyTreeNode):
    """The numbers of `twin_migration` (Table I and section VII of the paper; "chosen" where it gives none)."""

    use_uav: float = number(1.0, "-", "UAVs serve: 1, or 0 (Fig. 8)", flag=True)
    use_satellite: float = number(1.0, "-", "the satellite serves: 1, or 0 (Fig. 8)", flag=True)
    slot_s: float = number(30.0, "s", "length of a slot (VII-A)", (1e-3, 1e4))
    earth_radius_m: float = number(6_371_393.0, "m", "R (below (2))", (1e6, 1e8))
    light_speed_mps: float = number(3e8, "m/s", "c (below (3))", LIGHT_MPS, only={"pathloss": losses})
    gain_coeff: float = number(4.11, "-", "A, antenna gain (chosen: the usual value beside (3))", (1e-6, 1e6))
    carrier_hz: float = number(
        28e9, "Hz", "f (chosen: where carriers of 300 MHz exist)", CARRIER_HZ, only={"pathloss": losses}
    )
    pathloss_exponent: float = number(2.0, "-", "exponent of the distance in (3)", EXPONENT, only={"pathloss": losses})
    min_distance_m: float = number(10.0, "m", "anything closer counts as this far (chosen)", LENGTH_M)
    vehicle_height_m: float = number(
        1.5,
        "m",
        "antenna of a vehicle in the standard path-loss models",
        ANTENNA_M,
        only={"pathloss": losses_by_height},
    )
    rsu_height_m: float = number(
        10.0,
        "m",
        "antenna of an RSU in these; in distances it is on the ground, as in (2)",
        ANTENNA_M,
        only={"pathloss": losses_by_height},
    )
    bandwidth_up_hz: float = number(300e6, "Hz", "uplink of every vehicle (Table I)", BAND_HZ)
    bandwidth_down_hz: float = number(300e6, "Hz", "its downlink (Table I)", BAND_HZ)
    bandwidth_mig_hz: float = number(300e6, "Hz", "of a migration (chosen: the same)", BAND_HZ)
    vehicle_power_w: float = number(1.0, "W", "power of a vehicle (Table I, its 1000 W read as mW)", POWER_W)
    rsu_power_w: float = number(10.0, "W", "power of an RSU (chosen: 40 dBm, a micro cell)", POWER_W)
    uav_power_w: float = number(2.0, "W", "power of a UAV (chosen: 33 dBm)", POWER_W)
    noise_w: float = number(1e-11, "W", "noise (Table I, its 10 read as pW: 300 MHz, noise figure 9 dB)", NOISE_W)
    rsu_range_m: float = number(1200.0, "m", "longest link to an RSU (Table I)", AWAY_M)
    uav_range_m: float = number(1500.0, "m", "longest link to a UAV, in space (Table I)", AWAY_M)
    uav_altitude_m: float = number(50.0, "m", "height of the UAVs (Table I)", ANTENNA_M)
    uav_speed_mps: float = number(3.7, "m/s", "speed of the UAVs (VII-A)", (0.0, 1e3))
    sat_rate_bps: float = number(25e6, "bit/s", "of the satellite: up, down, migration (chosen)", RATE_BPS)
    vt_rate_bps: float = number(
        16e6, "bit/s", "data of a vehicle, up and down (VII-C: middle of its sweep)", (0.0, 1e13)
    )
    mig_bits: float = number(60 * MB, "bit", "data of a migration (Table I)", NO_BITS)
    bg_bits_per_vehicle: float = number(
        1.5 * MB, "bit", "background work per counted vehicle and slot (chosen)", NO_BITS
    )
    bg_jitter_std: float = number(
        0.1, "-", "relative deviation of a slot's count from the mean of its bin (chosen)", (0.0, 10.0)
    )
    uav_bg_fraction: float = number(0.5, "-", "background of a UAV, of that of the nearest RSU (chosen)", (0.0, 1e3))
    cycles_per_bit: float = number(1000.0, "cycle/bit", "e, work of all data (Table I)", CYCLES_PER_BIT)
    cpu_edge_hz: float = number(32e9, "Hz", "C_m, processor of an RSU or UAV (Table I)", CPU_HZ)
    cpu_sat_hz: float = number(80e9, "Hz", "C_s, processor of the satellite (Table I)", CPU_HZ)
    cache_bits: float = number(
        300 * MB,
        "bit",
        "L, what an RSU or UAV can hold in a slot (Table I); the satellite, the last server, holds all, and only scales by it",
        BITS,
        axes=("server",),
    )
    warmup_slots: float = number(
        10.0, "slot", "of background that fill the caches before the first slot (chosen)", (0.0, 1e6)
    )
    latency_cap_s: float = number(300.0, "s", "every latency counts up to here (chosen: ten slots)", TIME_S)
    failure_delay_s: float = number(
        30.0, "s", "a failed slot's data are late by this (chosen: a slot; 0 is literal (13))", DELAY_S
    )
    w_latency: float = number(2.0, "-", "w_T (Table I)", WEIGHT)
    w_load: float = number(1.0, "-", "w_s (Table I)", WEIGHT)
    w_loss: float = number(1.0, "-", "w_d (Table I)", WEIGHT)
    lat_mean_s: float = number(58.0, "s", "mean of latency in (22); see `calibrate`", DELAY_S)
    lat_std_s: float = number(17.0, "s", "its deviation", (1e-6, 1e6))
    load_mean_bits: float = number(
        180 * MB, "bit", "mean of the load of a vehicle's server in (22)", NO_BITS, only={"reward_load_term": ("load",)}
    )
    load_std_bits: float = number(60 * MB, "bit", "its deviation", BITS, only={"reward_load_term": ("load",)})
    var_mean_mb2: float = number(
        3250.0, "MB^2", "mean of the variance of loads in (21)", (0.0, 1e13), only={"reward_load_term": ("variance",)}
    )
    var_std_mb2: float = number(1250.0, "MB^2", "its deviation", (1e-6, 1e13), only={"reward_load_term": ("variance",)})
    obs_distance_m: float = number(5000.0, "m", "scale of distances in observations", LENGTH_M)
    channel: ChannelTable | None = data(
        "table of losses over places, for pathloss='table'; a file of one; None: of the default formula",
        only={"pathloss": from_table},
    )
    region: Region = data("RSUs, patrols, trips and counts; a file of them, or `city`, `rural:test` made up")

    @property
    def vt_bits(self) -> Any:
        """S_v: what a vehicle sends, and receives, in a slot [bit]."""
        return self.vt_rate_bps * self.slot_s

    @property
    def drain_edge_bits(self) -> Any:
        """What an RSU or UAV works off in a slot [bit]."""
        return self.cpu_edge_hz * self.slot_s / self.cycles_per_bit

    @property
    def drain_sat_bits(self) -> Any:
        """What the satellite works off in a slot [bit]."""
        return self.cpu_sat_hz * self.slot_s / self.cycles_per_bit

    @property
    def wavelength_m(self) -> Any:
        """c / f [m]."""
        return self.light_speed_mps / self.carrier_hz


class Scene(struct.PyTreeNode):
    """What is to be seen at the start of a slot, before anybody acts: it follows from the rest of the state.

    Attributes:
        veh_active: bool `(V,)`, on its way.
        server_active: bool `(M,)`, there in this slot.
        uav_deg: `(U, 2)`, latitude and longitude from the anchor [degree].
        near: int32 `(U,)`, the RSU nearest to each UAV.
        dist: `(V, M - 1)`, to RSUs and UAVs (2) [m].
        in_range: bool `(V, M)`, the server reaches the vehicle.
        feasible: bool `(V, M)`, and has room for its twin (23), without the fallback.
    """

    veh_active: Array
    server_active: Array
    uav_deg: Array
    near: Array
    dist: Array
    in_range: Array
    feasible: Array


@dataclass(frozen=True)
class Sizes:
    """The sizes and switches of `twin_migration`."""

    n_vehicles: int = size(5, "V, vehicles, each with a twin")
    n_rsu: int = size(84, "N, roadside units, as many as the region has sites")
    n_uav: int = size(10, "U, UAVs, as many as the region has patrols")
    horizon: int = size(60, "slots of an episode")
    slots_per_bin: int = size(10, "slots that share a count of the ordinary traffic")
    haversine: str = switch("correct", ("correct", "paper"), "distances by the haversine formula, or by (1) as printed")
    overload_rule: str = switch(
        "monotone",
        ("monotone", "paper"),
        "what is beyond a cache is worked off after it and pays the satellite's link, or costs nothing, (9) as printed",
    )
    migration_adds_load: bool = switch(
        True, ON_OFF, "a twin that arrives adds its data to its server's load; off: it does not, as in (8a)"
    )
    reward_load_term: str = switch(
        "load", ("load", "variance"), "the reward counts the load of the own server (22), or the variance of all (21)"
    )
    workload_info: str = switch(
        "predicted",
        ("predicted", "last", "none", "actual"),
        "what agents know of ordinary traffic: a forecast, the count before, nothing, or the count itself",
    )
    obs_prev_server: bool = switch(True, ON_OFF, "vehicles see where their twin is; off: they do not, as in (19)")
    obs_vehicle_id: bool = switch(
        False,
        ON_OFF,
        "vehicles see their own number, so that those who see the same may choose apart; off: they do not, as in (19)",
    )
    obs_twins: bool = switch(
        False,
        ON_OFF,
        "vehicles see what other twins bring where they are, in turns those of whoever comes later; off: not, as in (19)",
    )
    use_mask: bool = switch(True, ON_OFF, "servers out of reach, or too full, are masked (23); off: only absent ones")
    turns: bool = switch(
        False,
        ON_OFF,
        "vehicles decide one after the other and see the twins placed before in the slot; off: all at once",
    )
    fading: str = switch("none", ("none", "rayleigh"), "small-scale fading of links to RSUs and UAVs")
    pathloss: str = switch(
        "power_law", lambda: pathloss.usable(Params), "path-loss model of links to RSUs and UAVs; power_law is (3)"
    )
    vehicle_schedule: str = switch(
        "static", ("static", "dynamic"), "all vehicles start at once, or two of them later (VII-C5)"
    )
    uav_schedule: str = switch(
        "static", ("static", "dynamic"), "all UAVs serve throughout, or five come later and six leave early (VII-C5)"
    )

    @property
    def n_servers(self) -> int:
        """M: RSUs, UAVs, and the satellite, in this order."""
        return self.n_rsu + self.n_uav + 1


class State(struct.PyTreeNode):
    """A world of V vehicles, N RSUs, U UAVs, M = N + U + 1 servers.

    Attributes:
        t: int32 `()`, slots done.
        start_bin: int32 `()`, bin of the counts in which the episode began.
        veh_traj: int32 `(V,)`, trip.
        veh_start: int32 `(V,)`, slot in which it begins.
        prev: int32 `(V,)`, server of the twin, -1: none yet.
        queue: `(M,)`, what the caches hold [bit].
        uav_phase_m: `(U,)`, where on its loop each UAV begins [m].
        uav_on: int32 `(U,)`, first slot in which it serves.
        uav_off: int32 `(U,)`, first slot in which it does not any more.
        fails: int32 `(V,)`, slots that failed so far.
        active_slots: int32 `(V,)`, slots on its way so far.
        migrations: int32 `(V,)`, slots in which the twin moved so far.
        scene: of the slot `t`, see `jaxvec.envs.twin_migration.slot.begin`.
    """

    t: Array
    start_bin: Array
    veh_traj: Array
    veh_start: Array
    prev: Array
    queue: Array
    uav_phase_m: Array
    uav_on: Array
    uav_off: Array
    fails: Array
    active_slots: Array
    migrations: Array
    scene: Scene = struct.field(default=None)
