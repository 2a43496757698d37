"""The sizes, numbers and state of `dt_edge`."""

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
    CARRIER_HZ,
    CYCLES_PER_BIT,
    DB_SLOPE,
    LENGTH_M,
    LIGHT_MPS,
    LOSS_DB,
    NOISE_W,
    POWER_W,
    RATE_BPS,
    SERVER_HZ,
    SLOT_S,
    SPEED_MPS,
    TASK_BITS,
    TIME_S,
    WEIGHT,
    from_table,
    losses,
    losses_by_distance,
    moves,
)
from jaxvec.physics import pathloss
from jaxvec.physics.table import ChannelTable
from jaxvec.traces import Replay


class Params(struct.PyTreeNode):
    """The numbers of `dt_edge` (Table I of the paper; "chosen" where it gives none)."""

    slot_s: float = number(0.1, "s", "length of a slot (chosen: the deadline)", SLOT_S)
    bandwidth_hz: float = number(20e6, "Hz", "uplink band w (Table I)", BAND_HZ)
    tx_power_w: float = number(0.2, "W", "transmit power p (Table I)", POWER_W)
    noise_w: float = number(1e-14, "W", "noise power: -110 dBm (Table I)", NOISE_W)
    carrier_hz: float = number(2e9, "Hz", "carrier f_c (Table I)", CARRIER_HZ)
    light_speed_mps: float = number(3e8, "m/s", "speed of light (Table I)", LIGHT_MPS)
    pathloss_const_db: float = number(128.1, "dB", "path loss at 1 km, below (3)", LOSS_DB, only={"pathloss": losses})
    pathloss_slope_db: float = number(
        37.6, "dB", "path loss per decade of distance, below (3)", DB_SLOPE, only={"pathloss": losses}
    )
    shadow_std_db: float = number(
        8.0, "dB", "deviation of shadowing (chosen: 3GPP's for links to base stations)", (0.0, 30.0)
    )
    shadow_decorr_m: float = number(50.0, "m", "way over which shadowing is forgotten (chosen: 3GPP)", LENGTH_M)
    road_half_length_m: float = number(500.0, "m", "from the mast to either end of the road (chosen)", LENGTH_M)
    lane_offset_m: float = number(
        8.0, "m", "from the mast to the first lane (chosen)", AWAY_M, only={"mobility": moves}
    )
    lane_width_m: float = number(3.75, "m", "width of a lane (chosen)", AWAY_M, only={"mobility": moves})
    bs_height_m: float = number(
        10.0, "m", "antenna of the base station (chosen)", ANTENNA_M, only={"pathloss": losses_by_distance}
    )
    vehicle_height_m: float = number(
        1.5, "m", "antenna of a vehicle (chosen: 3GPP)", ANTENNA_M, only={"pathloss": losses_by_distance}
    )
    speed_min_mps: float = number(10.0, "m/s", "lowest speed (Table I)", SPEED_MPS, up_to="speed_max_mps")
    speed_max_mps: float = number(15.0, "m/s", "highest speed (Table I)", SPEED_MPS)
    task_bits_min: float = number(0.8e6, "bit", "smallest task (Table I times 100)", TASK_BITS, up_to="task_bits_max")
    task_bits_max: float = number(1.2e6, "bit", "largest task (Table I times 100)", TASK_BITS)
    cycles_per_bit: float = number(
        312.5, "cycle/bit", "work c_k (Table I divided by 100)", CYCLES_PER_BIT, axes=("type",)
    )
    t_max_s: float = number(0.1, "s", "deadline T_k (chosen)", TIME_S, axes=("type",))
    latency_cap_s: float = number(0.5, "s", "a task is given up after that (chosen: 5 deadlines)", TIME_S)
    vehicle_cpu_hz: float = number(5e9, "Hz", "CPU of a vehicle f_v (Table I)", (1e6, 1e12))
    server_cpu_hz: float = number(400e9, "Hz", "CPU of the server f_E (Table I)", SERVER_HZ)
    server_cores: float = number(10.0, "-", "its cores N_E (Table I)", (1.0, 1e6))
    kappa_vehicle: float = number(1e-28, "W s^3", "energy coefficient of vehicles (Table I)", (1e-32, 1e-20))
    kappa_server: float = number(
        1.5625e-32, "W s^3", "energy coefficient of a core (Table I times N_E^3)", (0.0, 1e-24)
    )
    cpu_bias_mean_hz: float = number(
        0.5e9, "Hz", "by what the twin underrates a stream's CPU, mean (Figs. 3 to 6)", (-1e13, 1e13)
    )
    cpu_bias_halfwidth_hz: float = number(0.0, "Hz", "and how far from the mean it may be (extension)", (0.0, 1e13))
    cpu_eff_min_hz: float = number(1e8, "Hz", "least speed of a stream, a guard for (8) (chosen)", (1.0, 1e13))
    rate_min_bps: float = number(1e3, "bit/s", "least rate, a guard (chosen)", RATE_BPS)
    alpha_min: float = number(
        0.005, "-", "least share of the server (the smallest printed one)", (1e-6, 1.0), up_to="alpha_max"
    )
    alpha_max: float = number(0.25, "-", "largest share that may be asked for (chosen)", (1e-6, 1.0))
    energy_weight: float = number(
        0.25, "-", "of energy, in units of all tasks computed locally (chosen)", WEIGHT, only={"reward_mode": ("p2",)}
    )
    beta: float = number(1.0, "-", "weight of the drift (Table I)", WEIGHT, only={"reward_mode": ("p2",)})
    eta_capacity: float = number(
        1.0,
        "-",
        "weight of an idle server in the printed reward (27) (chosen)",
        WEIGHT,
        only={"reward_mode": ("eq27",)},
    )
    channel: ChannelTable | None = data(
        "table of losses over places, for pathloss='table'; a file of one; None: of the default formula",
        only={"pathloss": from_table},
    )
    present: Any = count("n_vehicles", "vehicle", "vehicles that are there, at most; None: all")
    trace: Replay | None = data("recorded vehicles, x and y from the mast, for mobility='trace'; a file of them")
    trace_starts: Array | None = data("which of the recording's start times may be chosen; None: all", ("choice",))

    @property
    def task_bits_mean(self) -> Any:
        """Mean size [bit]."""
        return 0.5 * (self.task_bits_min + self.task_bits_max)

    @property
    def edge_full_power_w(self) -> Any:
        """Of the whole server, (15): N_E cores of f_E / N_E each."""
        core_hz = self.server_cpu_hz / self.server_cores
        return self.server_cores * (self.kappa_server * core_hz * core_hz * core_hz)


@dataclass(frozen=True)
class Sizes:
    """The sizes and switches of `dt_edge`."""

    n_vehicles: int = size(10, "N, vehicles")
    n_types: int = size(3, "K, types of tasks, and queues at the server")
    horizon: int = size(100, "slots of an episode")
    n_lanes: int = size(3, "lanes, which vehicles take in turn")
    bandwidth_shared: bool = switch(True, ON_OFF, "vehicles share the band; off: each has all of it, the printed (2)")
    latency_combine: str = switch(
        "sum", ("sum", "max"), "local and remote part of a task follow one another (10), or run side by side"
    )
    queue_wait: bool = switch(False, ON_OFF, "a task waits for the queue that it enters")
    reward_mode: str = switch("p2", ("p2", "eq27"), "quality less energy and drift, or the printed reward (27)")
    drift_mode: str = switch("exact", ("exact", "bound"), "the drift that came about, or its literal bound (24a)")
    shared_reward: bool = switch(
        True, ON_OFF, "all vehicles learn from the mean of their rewards; off: each from its own"
    )
    pathloss: str = switch("macro", lambda: pathloss.usable(Params), "path-loss model of the links to the mast")
    mobility: str = switch(
        "passing", lambda: mobility.usable(Sizes, Params, absent=True), "how vehicles move, and whether they may leave"
    )


class State(struct.PyTreeNode):
    """A world at the start of a slot; its tasks and channel are those that the slot's decisions are about.

    Attributes:
        t: int32 `()`, slots done.
        x_m, y_m: `(N,)`, along the road and across it, both from the mast [m].
        velocity_mps: `(N,)`, along the road; of recorded traffic along x [m/s].
        track: the memory of the mobility model.
        shadow_db: `(N,)`, loss by shadowing [dB].
        fading_re, fading_im: `(N,)`, real and imaginary part of the coefficient of Rayleigh fading, of mean power 1 [-].
        fading_corr: `(N,)`, of fading with itself a slot later, J0 of (4), see `fading.jakes_correlation` [-].
        shadow_corr: `(N,)`, of shadowing with itself a slot later [-].
        task_bits: `(N, K)`, size of each task; 0 of an absent vehicle [bit].
        queue_bits: `(K,)`, backlog of the server per type [bit].
        cpu_bias_hz: `(N, K)`, by what the twin underrates the CPU of each stream [Hz].
        present: bool `(N,)`, on the map; None where vehicles never leave.
    """

    t: Array
    x_m: Array
    y_m: Array
    velocity_mps: Array
    track: Any
    shadow_db: Array
    fading_re: Array
    fading_im: Array
    fading_corr: Array
    shadow_corr: Array
    task_bits: Array
    queue_bits: Array
    cpu_bias_hz: Array
    present: Any = None
