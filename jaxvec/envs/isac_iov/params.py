"""The sizes, numbers and state of `isac_iov`."""

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
    CPU_HZ,
    CYCLES,
    CYCLES_PER_BIT,
    DB_SLOPE,
    FACTOR,
    GAIN_DB,
    KAPPA,
    LENGTH_M,
    NO_BITS,
    NO_CYCLES,
    NO_ENERGY_J,
    NOISE_W,
    PART,
    POWER_W,
    SLOT_S,
    SPEED_MPS,
    TASK_BITS,
    TIME_S,
    WEIGHT,
    from_table,
    losses,
    losses_by_distance,
    losses_by_height,
    moves,
)
from jaxvec.physics import pathloss
from jaxvec.physics.table import ChannelTable
from jaxvec.traces import Replay


class Params(struct.PyTreeNode):
    """The numbers of `isac_iov` (Table II and section VII of the paper; "chosen" where it gives none)."""

    slot_s: float = number(1.0, "s", "length of a slot (Table II)", SLOT_S)
    road_length_m: float = number(700.0, "m", "length of the road (VII-A)", LENGTH_M)
    lane_width_m: float = number(3.75, "m", "width of a lane (Table II)", LENGTH_M)
    rsu_spacing_m: float = number(150.0, "m", "distance between neighbouring RSUs (Table II)", AWAY_M)
    rsu_lateral_m: float = number(9.375, "m", "distance of the RSUs from the centre line (VII-A)", (-1e6, 1e6))
    rsu_height_m: float = number(
        10.0,
        "m",
        "height of the RSU antennas; in distances the vehicles' are on the ground (Table II)",
        ANTENNA_M,
        only={"pathloss": losses_by_distance},
    )
    rsu_range_m: float = number(200.0, "m", "ground distance that an RSU covers (Table II)", AWAY_M)
    speed_min_mps: float = number(
        12.0, "m/s", "slowest vehicle (Table II)", SPEED_MPS, up_to="speed_max_mps", only={"mobility": moves}
    )
    speed_max_mps: float = number(16.0, "m/s", "fastest vehicle (Table II)", SPEED_MPS, only={"mobility": moves})
    bandwidth_hz: float = number(20e6, "Hz", "the whole band (Table II)", BAND_HZ)
    noise_w: float = number(1e-13, "W", "noise power, whatever the share of the band (Table II)", NOISE_W)
    tx_power_w: float = number(1.0, "W", "transmit power, spent on every link at once (Table II)", POWER_W)
    sensing_gain: float = number(1.5, "-", "Theta, what sensing adds to the rate (Table II)", FACTOR)
    gain_at_1m_db: float = number(
        -38.4, "dB", "channel gain at one metre (below (1))", GAIN_DB, only={"pathloss": losses}
    )
    gain_slope_db: float = number(
        21.0, "dB/decade", "its fall with distance (below (1))", DB_SLOPE, only={"pathloss": losses}
    )
    carrier_hz: float = number(
        2e9,
        "Hz",
        "carrier of the standard path-loss models; the paper's gain is UMi LOS at 2 GHz",
        CARRIER_HZ,
        only={"pathloss": losses},
    )
    vehicle_height_m: float = number(
        1.5,
        "m",
        "antenna height of a vehicle in the standard path-loss models",
        ANTENNA_M,
        only={"pathloss": losses_by_height},
    )
    task_bits_min: float = number(1e6, "bit", "smallest task (Table II)", TASK_BITS, up_to="task_bits_max")
    task_bits_max: float = number(3e6, "bit", "largest task (Table II)", TASK_BITS)
    instr_bits_min: float = number(
        1e4, "bit", "shortest instruction (chosen: 1 % of the data)", NO_BITS, up_to="instr_bits_max"
    )
    instr_bits_max: float = number(3e4, "bit", "longest instruction (chosen: 1 % of the data)", NO_BITS)
    work_cpb_min: float = number(1500.0, "cycle/bit", "lightest task (Table II)", CYCLES_PER_BIT, up_to="work_cpb_max")
    work_cpb_max: float = number(2000.0, "cycle/bit", "heaviest task (Table II)", CYCLES_PER_BIT)
    align_cpb_min: float = number(
        100.0, "cycle/bit", "least coordinate transformation (Table II)", (0.0, 1e8), up_to="align_cpb_max"
    )
    align_cpb_max: float = number(500.0, "cycle/bit", "most coordinate transformation (Table II)", (0.0, 1e8))
    t_max_s: float = number(1.0, "s", "deadline of C8 (chosen: one slot)", TIME_S)
    veh_cpu_min_hz: float = number(2e9, "Hz", "slowest vehicle CPU (Table II)", CPU_HZ, up_to="veh_cpu_max_hz")
    veh_cpu_max_hz: float = number(3e9, "Hz", "fastest vehicle CPU (Table II)", CPU_HZ)
    rsu_cpu_hz: float = number(20e9, "Hz", "processor of an RSU (Table II)", CPU_HZ, axes=("rsu",))
    twin_cpu_hz: float = number(
        2e9, "Hz", "what the twin takes of it (chosen: a tenth)", (0.0, 1e13), below="rsu_cpu_hz", axes=("rsu",)
    )
    kappa_veh: float = number(1e-26, "W s^3", "energy coefficient of a vehicle CPU (Table II)", KAPPA)
    kappa_rsu: float = number(1e-28, "W s^3", "energy coefficient of an RSU (Table II)", KAPPA)
    lyapunov_v: float = number(5.0, "-", "V, the weight of the cost against the drift (Table II)", WEIGHT)
    cost_weight: float = number(0.6, "-", "alpha, the weight of latency against energy (VII-C3)", PART)
    energy_budget_j: float = number(
        40.0, "J", "energy budget per vehicle and slot (chosen: binding, satisfiable)", NO_ENERGY_J
    )
    energy_ref_j: float = number(1000.0, "J", "unit of energy in the objective", (1.0, 1e9))
    q_loc_ref_cycles: float = number(2.5e9, "cycle", "unit of a vehicle's queue: a slot of its CPU", CYCLES)
    q_rsu_ref_cycles: float = number(18e9, "cycle", "unit of an RSU's queue: a slot of its processor", CYCLES)
    q_loc_init_max_cycles: float = number(2.5e9, "cycle", "largest initial backlog of a vehicle (chosen)", NO_CYCLES)
    q_rsu_init_max_cycles: float = number(18e9, "cycle", "largest initial backlog of an RSU (chosen)", NO_CYCLES)
    split_logit_scale: float = number(3.0, "-", "logit of a split action of 1 (chosen)", (0.0, 50.0))
    split_cut: float = number(0.05, "-", "parts below this are dropped (chosen)", PART)
    share_floor: float = number(0.05, "-", "smallest request of an active link (chosen)", (1e-6, 1.0))
    rsu_bg_prob: float = number(0.0, "-", "chance of background work at an RSU in a slot (extension, off)", PART)
    rsu_bg_max_cycles: float = number(36e9, "cycle", "largest background work", NO_CYCLES)
    twin_queue_err: float = number(
        0.0, "-", "relative error of the twin's backlogs (extension, off)", PART, only={"dt_enabled": (True,)}
    )
    violation_penalty: float = number(0.0, "-", "reward lost per share of late tasks (extension, off)", WEIGHT)
    present: Any = count("n_vehicles", "vehicle", "vehicles that are there, at most; None: all")
    channel: ChannelTable | None = data(
        "table of losses over places, for pathloss='table'; a file of one; None: of the default formula",
        only={"pathloss": from_table},
    )
    rsu_pos_m: Array | None = data(
        "places of the RSUs (K, 2), x and y as vehicles have them [m]; None: the row along the road", ("rsu", "axis")
    )
    trace: Replay | None = data(
        "recorded vehicles, x from the western end of the road and y from its centre line, for mobility='trace'; a file of them"
    )
    trace_starts: Array | None = data("which of the recording's start times may be chosen; None: all", ("choice",))

    @property
    def rsu_free_hz(self) -> Any:
        """An RSU's processor after the twin's share [Hz]."""
        return self.rsu_cpu_hz - self.twin_cpu_hz


@dataclass(frozen=True)
class Sizes:
    """The sizes and switches of `isac_iov`."""

    n_vehicles: int = size(5, "I, vehicles")
    n_rsus: int = size(3, "K, roadside units (RSUs), in a row along the road")
    horizon: int = size(30, "slots of an episode")
    queue_window: int = size(5, "m, slots over which Little's law (18) takes its means")
    bandwidth_mode: str = switch(
        "system",
        ("system", "per_vehicle"),
        "one band that all vehicles share; or, literal C4, each vehicle has all of it",
    )
    rsu_cpu_mode: str = switch(
        "shared",
        ("shared", "common"),
        "an RSU's processor is divided among its vehicles; or, literal (10), (13), (17), one speed that all of them get",
    )
    drift_form: str = switch(
        "bound",
        ("bound", "exact"),
        "drift of the queues in the reward: its literal bound (44), or the one that came about",
    )
    dt_enabled: bool = switch(
        True, ON_OFF, "vehicles see the twin's view of the RSUs' backlogs; off: these entries are 0"
    )
    mobility: str = switch(
        "road", lambda: mobility.usable(Sizes, Params, absent=True), "how vehicles move, and whether they may leave"
    )
    pathloss: str = switch("log_distance", lambda: pathloss.usable(Params), "path-loss model of the links to the RSUs")


class State(struct.PyTreeNode):
    """A world of `I` vehicles and `K` RSUs at the start of a slot; its tasks are those that the slot's decisions are about.

    Attributes:
        t: int32 `()`, slots done.
        x_m: `(I,)`, along the road, from its western end [m].
        y_m: `(I,)`, across it, from the centre line [m].
        velocity_mps: `(I,)`, along it, east positive [m/s].
        present: bool `(I,)`, on the road.
        veh_cpu_hz: `(I,)`, a vehicle's CPU [Hz].
        work_cpb: `(I,)`, work of the tasks [cycle/bit].
        align_cpb: `(I,)`, work of transforming an RSU's view into the input of a task [cycle/bit].
        task_bits: `(I,)`, data of the task; 0 of an absent vehicle [bit].
        instr_bits: `(I,)`, instruction that may stand for the data; 0 of an absent vehicle [bit].
        q_loc_cycles: `(I,)`, backlog of a vehicle [cycle].
        q_rsu_cycles: `(K,)`, backlog of an RSU [cycle].
        v_energy_j: `()`, energy queue (27) of all vehicles [J].
        hist_loc: `(m - 1, 3, I)`, m = queue_window: backlog at a slot's start, arrivals, departures; oldest slot first [cycle].
        hist_rsu: `(m - 1, 3, K)`, likewise of the RSUs [cycle].
        twin_err: `(K,)`, error of the twin's backlogs, -1 to 1 times `twin_queue_err` [-].
        track: the memory of the mobility model.
    """

    t: Array
    x_m: Array
    y_m: Array
    velocity_mps: Array
    present: Array
    veh_cpu_hz: Array
    work_cpb: Array
    align_cpb: Array
    task_bits: Array
    instr_bits: Array
    q_loc_cycles: Array
    q_rsu_cycles: Array
    v_energy_j: Array
    hist_loc: Array
    hist_rsu: Array
    twin_err: Array
    track: Any
