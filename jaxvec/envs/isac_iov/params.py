"""The sizes, numbers and state of `isac_iov`."""

from dataclasses import dataclass
from typing import Any

from flax import struct
from jax import Array

from jaxvec.core.params import ON_OFF, data, number, size, switch
from jaxvec.envs import mobility
from jaxvec.physics import pathloss
from jaxvec.traces import Trace


class Params(struct.PyTreeNode):
    """The numbers of `isac_iov` (Table II and section VII of the paper; "chosen" where it gives none)."""

    slot_s: float = number(1.0, "s", "length of a slot (Table II)", positive=True)
    road_length_m: float = number(700.0, "m", "length of the road (VII-A)", positive=True)
    lane_width_m: float = number(3.75, "m", "width of a lane (Table II)", positive=True)
    rsu_spacing_m: float = number(150.0, "m", "distance between neighbouring RSUs (Table II)")
    rsu_lateral_m: float = number(9.375, "m", "distance of the RSUs from the centre line (VII-A)")
    rsu_height_m: float = number(
        10.0, "m", "height of the RSU antennas; in distances the vehicles' are on the ground (Table II)"
    )
    rsu_range_m: float = number(200.0, "m", "ground distance that an RSU covers (Table II)")
    speed_min_mps: float = number(12.0, "m/s", "slowest vehicle (Table II)")
    speed_max_mps: float = number(16.0, "m/s", "fastest vehicle (Table II)")
    bandwidth_hz: float = number(20e6, "Hz", "the whole band (Table II)", positive=True)
    noise_w: float = number(1e-13, "W", "noise power, whatever the share of the band (Table II)", positive=True)
    tx_power_w: float = number(1.0, "W", "transmit power, spent on every link at once (Table II)", positive=True)
    sensing_gain: float = number(1.5, "-", "Theta, what sensing adds to the rate (Table II)")
    gain_at_1m_db: float = number(-38.4, "dB", "channel gain at one metre (below (1))")
    gain_slope_db: float = number(21.0, "dB/decade", "its fall with distance (below (1))")
    carrier_hz: float = number(
        2e9, "Hz", "carrier of the standard path-loss models; the paper's gain is UMi LOS at 2 GHz"
    )
    vehicle_height_m: float = number(1.5, "m", "antenna height of a vehicle in the standard path-loss models")
    task_bits_min: float = number(1e6, "bit", "smallest task (Table II)")
    task_bits_max: float = number(3e6, "bit", "largest task (Table II)")
    instr_bits_min: float = number(1e4, "bit", "shortest instruction (chosen: 1 % of the data)")
    instr_bits_max: float = number(3e4, "bit", "longest instruction (chosen: 1 % of the data)")
    work_cpb_min: float = number(1500.0, "cycle/bit", "lightest task (Table II)")
    work_cpb_max: float = number(2000.0, "cycle/bit", "heaviest task (Table II)")
    align_cpb_min: float = number(100.0, "cycle/bit", "least coordinate transformation (Table II)")
    align_cpb_max: float = number(500.0, "cycle/bit", "most coordinate transformation (Table II)")
    t_max_s: float = number(1.0, "s", "deadline of C8 (chosen: one slot)")
    veh_cpu_min_hz: float = number(2e9, "Hz", "slowest vehicle CPU (Table II)", positive=True)
    veh_cpu_max_hz: float = number(3e9, "Hz", "fastest vehicle CPU (Table II)")
    rsu_cpu_hz: float = number(20e9, "Hz", "processor of an RSU (Table II)", axes=("rsu",))
    twin_cpu_hz: float = number(2e9, "Hz", "what the twin takes of it (chosen: a tenth)", axes=("rsu",))
    kappa_veh: float = number(1e-26, "W s^3", "energy coefficient of a vehicle CPU (Table II)")
    kappa_rsu: float = number(1e-28, "W s^3", "energy coefficient of an RSU (Table II)")
    lyapunov_v: float = number(5.0, "-", "V, the weight of the cost against the drift (Table II)")
    cost_weight: float = number(0.6, "-", "alpha, the weight of latency against energy (VII-C3)")
    energy_budget_j: float = number(40.0, "J", "energy budget per vehicle and slot (chosen: binding, satisfiable)")
    energy_ref_j: float = number(1000.0, "J", "unit of energy in the objective", positive=True)
    q_loc_ref_cycles: float = number(2.5e9, "cycle", "unit of a vehicle's queue: a slot of its CPU", positive=True)
    q_rsu_ref_cycles: float = number(18e9, "cycle", "unit of an RSU's queue: a slot of its processor", positive=True)
    q_loc_init_max_cycles: float = number(2.5e9, "cycle", "largest initial backlog of a vehicle (chosen)")
    q_rsu_init_max_cycles: float = number(18e9, "cycle", "largest initial backlog of an RSU (chosen)")
    split_logit_scale: float = number(3.0, "-", "logit of a split action of 1 (chosen)")
    split_cut: float = number(0.05, "-", "parts below this are dropped (chosen)")
    share_floor: float = number(0.05, "-", "smallest request of an active link (chosen)")
    rsu_bg_prob: float = number(0.0, "-", "chance of background work at an RSU in a slot (extension, off)")
    rsu_bg_max_cycles: float = number(36e9, "cycle", "largest background work")
    twin_queue_err: float = number(0.0, "-", "relative error of the twin's backlogs (extension, off)")
    violation_penalty: float = number(0.0, "-", "reward lost per share of late tasks (extension, off)")
    trace: Trace | None = data("recorded vehicles, for mobility='trace'")
    trace_starts_s: Array | None = data("times [s] of the recording at which an episode may begin")

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
