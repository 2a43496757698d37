"""The sizes, numbers and state of `v2x_offload`."""

from dataclasses import dataclass
from typing import Any

from flax import struct
from jax import Array

from jaxvec.core.params import ON_OFF, count, data, number, size, switch
from jaxvec.envs import mobility
from jaxvec.envs.limits import (
    ANTENNA_M,
    AWAY_M,
    BAND_HZ,
    BITS,
    CARRIER_HZ,
    CPU_HZ,
    CYCLES_PER_BIT,
    ENERGY_J,
    EXPONENT,
    KAPPA,
    LENGTH_M,
    NOISE_W,
    PART,
    POWER_W,
    SLOT_S,
    SPEED_MPS,
    TASK_BITS,
    TIME_S,
    from_table,
    losses,
    losses_by_height,
    moves,
)
from jaxvec.physics import pathloss, units
from jaxvec.physics.table import ChannelTable
from jaxvec.traces import Replay


class Params(struct.PyTreeNode):
    """The numbers of `v2x_offload` (Table 1 of the paper; "chosen" where it gives none)."""

    slot_s: float = number(1.0, "s", "length of a slot: speeds apply once a slot (chosen)", SLOT_S)
    area_m: float = number(1000.0, "m", "side of the square (section 6)", LENGTH_M)
    es_pos_m: Array | None = data(
        "places of the servers (N, 2) [m]; None: a regular polygon at 0.3 of the side", ("server", "axis")
    )
    radius_m: float = number(500.0, "m", "reach of a radio link (Table 1)", AWAY_M)
    hard_radius: bool = number(True, "-", "no radio link at all beyond the reach (chosen)", flag=True)
    dist_min_m: float = number(10.0, "m", "anything closer counts as this far (chosen)", LENGTH_M)
    speed_mps: float = number(
        15.0, "m/s", "speed of every vehicle (Table 1, the middle value)", SPEED_MPS, only={"mobility": moves}
    )
    heading_sigma_rad: float = number(
        0.5, "rad", "change of heading in a slot (chosen, calibrated on Fig. 7)", (0.0, 100.0), only={"mobility": moves}
    )
    task_bits: float = number(100e3, "bit", "mean size of a task (Table 1)", TASK_BITS)
    task_spread: float = number(0.5, "-", "sizes are uniform within this part of the mean (chosen); 0: all equal", PART)
    cycles_per_bit: float = number(500.0, "cycle/bit", "work of a task (Table 1)", CYCLES_PER_BIT)
    cv_cpu_hz: float = number(2e9, "Hz", "CPU of a vehicle (Table 1)", CPU_HZ, axes=("vehicle",))
    es_cpu_hz: float = number(25e9, "Hz", "CPU pool of a server (Table 1)", CPU_HZ, axes=("server",))
    es_bandwidth_hz: float = number(20e6, "Hz", "uplink pool of a server (Table 1)", BAND_HZ, axes=("server",))
    cv_kappa: float = number(
        1e-27, "J s^2/cycle^3", "energy coefficient of a vehicle's CPU (chosen: the usual value)", KAPPA
    )
    es_kappa: float = number(1e-29, "J s^2/cycle^3", "energy coefficient of a server (chosen)", KAPPA, axes=("server",))
    tx_power_max_w: float = number(0.2, "W", "largest transmit power (Table 1)", POWER_W)
    noise_w: float = number(10**-11.3 * 1e-3, "W", "noise power, whatever the band: -113 dBm (Table 1)", NOISE_W)
    noise_psd_w_hz: float = number(
        0.0, "W/Hz", "noise per hertz on top of it (extension; thermal: 10^-20.4)", (0.0, 1e-3)
    )
    pathloss_ref: float = number(
        10**-0.81, "-", "channel gain at 1 m (the paper's reference [25])", (1e-15, 1e3), only={"pathloss": losses}
    )
    pathloss_exp: float = number(
        3.76, "-", "its exponent of the distance (the paper's reference [25])", EXPONENT, only={"pathloss": losses}
    )
    carrier_hz: float = number(
        2e9, "Hz", "carrier of the standard path-loss models", CARRIER_HZ, only={"pathloss": losses}
    )
    cv_height_m: float = number(
        1.5,
        "m",
        "antenna of a vehicle in the standard path-loss models",
        ANTENNA_M,
        only={"pathloss": losses_by_height},
    )
    es_height_m: float = number(
        10.0,
        "m",
        "antenna of a server in the standard path-loss models",
        ANTENNA_M,
        only={"pathloss": losses_by_height},
    )
    wired_factor_bit_m_s: float = number(5e10, "bit m/s", "of the wire: 96 Mbit/s over 520 m (chosen)", (1.0, 1e20))
    share_min: float = number(0.01, "-", "least share of a pool or of the power (chosen)", (1e-6, 1.0))
    deadline_s: float = number(0.1, "s", "latency counts up to here (chosen: the usual bound of V2X)", TIME_S)
    rate_floor_bps: float = number(1.0, "bit/s", "least rate, a guard", (1e-3, 1e13))
    cpu_floor_hz: float = number(1.0, "Hz", "least processor speed, a guard", (1e-3, 1e13))
    weight_latency: float = number(0.5, "-", "of latency against energy (chosen: equal)", PART)
    latency_ref_s: float = number(0.078, "s", "unit of latency: a 312 kbit task computed locally (chosen)", (1e-6, 1e6))
    energy_ref_j: float = number(0.624, "J", "unit of energy: a 312 kbit task computed locally (chosen)", ENERGY_J)
    reward_offset: float = number(
        1.0, "-", "reward of a task that costs nothing (chosen; 0 is the literal (23))", (-1e4, 1e4)
    )
    team_weight: float = number(
        1.0,
        "-",
        "without shared_reward, 1: everybody earns the mean (24); 0: everybody its own",
        PART,
        only={"shared_reward": (False,)},
    )
    local_dvfs: bool = number(False, "-", "the CPU share also slows down the vehicle's own CPU (extension)", flag=True)
    bg_load_mean: float = number(0.0, "-", "mean part of a server's CPU that is busy with others (extension)", PART)
    bg_load_std: float = number(0.0, "-", "its deviation (extension)", PART)
    bg_load_max: float = number(0.9, "-", "its largest value (extension)", (0.0, 0.999))
    twin_sync_every: int = number(1, "turn", "the twin is refreshed before every so many turns", (1, 10**6))
    twin_cpu_err: float = number(0.0, "-", "bound of the twin's relative error in free CPU (extension)", PART)
    twin_bw_err: float = number(0.0, "-", "bound of its relative error in free bandwidth (extension)", PART)
    split_temp: float = number(
        5.0, "-", "logit of a split action of 1 (partitioned tasks, chosen)", (0.0, 50.0), only={"partition": (True,)}
    )
    split_min: float = number(
        0.05, "-", "smaller parts are dropped (partitioned tasks, chosen)", PART, only={"partition": (True,)}
    )
    channel: ChannelTable | None = data(
        "table of losses over places, for pathloss='table'; a file of one; None: of the default formula",
        only={"pathloss": from_table},
    )
    present: Any = count("n_vehicles", "vehicle", "vehicles that are there, at most; None: all")
    trace: Replay | None = data("recorded vehicles, x and y from a corner, for mobility='trace'; a file of them")
    trace_starts: Array | None = data("which of the recording's start times may be chosen; None: all", ("choice",))
    obs_task_bits: float = number(200e3, "bit", "scale of tasks in observations", BITS)
    obs_dist_m: float = number(1000.0, "m", "scale of distances in observations", LENGTH_M)
    obs_cpu_hz: float = number(25e9, "Hz", "scale of free CPU in observations", CPU_HZ)
    obs_bandwidth_hz: float = number(20e6, "Hz", "scale of free bandwidth in observations", BAND_HZ)

    @property
    def gain_at_1m_db(self) -> Any:
        """The channel gain at one metre [dB], for `pathloss.log_distance`."""
        return units.linear_to_db(self.pathloss_ref)

    @property
    def gain_slope_db(self) -> Any:
        """Its fall [dB/decade]."""
        return 10.0 * self.pathloss_exp


@dataclass(frozen=True)
class Sizes:
    """The sizes and switches of `v2x_offload`."""

    n_vehicles: int = size(10, "M, vehicles")
    n_servers: int = size(3, "N, edge servers")
    horizon: int = size(100, "slots of an episode")
    partition: bool = switch(
        False, ON_OFF, "a task may be split over the own CPU and all servers; off: one of them does it"
    )
    boundary: str = switch(
        "reflect",
        ("reflect", "open"),
        "borders of the square reflect vehicles, or let them drift out of reach (Fig. 7)",
    )
    shuffle_order: bool = switch(False, ON_OFF, "the order of turns is drawn in every slot; off: it is always the same")
    obs_later: bool = switch(
        False, ON_OFF, "vehicles see how many of those yet to decide hear each server best, and the sum of their tasks"
    )
    shared_reward: bool = switch(
        True,
        ON_OFF,
        "all vehicles learn from the mean reward (24); off: each from a mixture with its own, see `team_weight`",
    )
    mobility: str = switch(
        "heading", lambda: mobility.usable(Sizes, Params, absent=True), "how vehicles move, and whether they may leave"
    )
    pathloss: str = switch(
        "log_distance", lambda: pathloss.usable(Params), "path-loss model of the links to the servers"
    )


class State(struct.PyTreeNode):
    """A world of `M` vehicles and `N` servers. All but what moves belongs to the slot about to be played.

    Attributes:
        t: int32 `()`, slots done.
        pos_m: `(M, 2)`, from a corner of the square [m].
        velocity_mps: `(M,)`, speed, of recorded traffic velocity along x [m/s]; None if all always drive at `speed_mps`.
        track: the memory of the mobility model: of "heading", headings `(M,)` [rad].
        task_bits: `(M,)`, size of each task; 0 of an absent vehicle [bit].
        fade: `(M, N)`, power gain of Rayleigh fading [-].
        bg_load: `(N,)`, part of each server's CPU that is busy with others [-].
        twin_bias: `(2, N)`, relative error of the twin: of CPU, of bandwidth [-].
        order: int32 `(M,)`, who acts in which turn; where that is drawn, absent vehicles come last.
        present: bool `(M,)`, on the map; None where vehicles never leave.
    """

    t: Array
    pos_m: Array
    velocity_mps: Any
    track: Any
    task_bits: Array
    fade: Array
    bg_load: Array
    twin_bias: Array
    order: Array
    present: Any = None
