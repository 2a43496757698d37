"""The sizes, numbers and state of `urllc_vec`, and nodes by group."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxvec.core.params import ON_OFF, count, data, number, size, switch
from jaxvec.envs import mobility
from jaxvec.envs.limits import (
    ANTENNA_M,
    AWAY_M,
    BAND_HZ,
    BITS,
    CPU_HZ,
    CYCLES_PER_BIT,
    ENERGY_J,
    EXPONENT,
    FACTOR,
    HEIGHT_M,
    LENGTH_M,
    LIGHT_MPS,
    NO_CYCLES,
    NOISE_W,
    PART,
    POWER_W,
    SLOT_S,
    SPEED_MPS,
    TASK_BITS,
    TIME_S,
    WEIGHT,
    from_table,
    moves,
)
from jaxvec.envs.urllc_vec.mixtures import ANTENNAS, BREAKPOINT, GROUND, PRINTED
from jaxvec.physics import pathloss, table
from jaxvec.physics.table import ChannelTable
from jaxvec.traces import Replay

GROUPS = ("vehicle", "uav", "bs")


class Params(struct.PyTreeNode):
    """The numbers of `urllc_vec` (Tables II and III of the paper; "chosen" where they give none)."""

    # radio
    slot_s: float = number(0.02, "s", "length of a slot (Table II)", SLOT_S)
    wavelength_m: float = number(0.009, "m", "of the carrier, 33 GHz (Table II)", (1e-5, 300.0))
    light_speed_mps: float = number(3e8, "m/s", "(Table II)", LIGHT_MPS)
    antenna_spacing_m: float = number(0.005, "m", "between the antennas of a BS (Table II)", (0.0, 1e3))
    bandwidth_hz: float = number(1e7, "Hz", "of every link (Table II)", BAND_HZ)
    noise_w: float = number(1e-12, "W", "noise power: -90 dBm (Table II)", NOISE_W)
    p_max_vehicle_w: float = number(1.0, "W", "largest transmit power of a vehicle: 30 dBm (Table II)", POWER_W)
    p_max_bs_w: float = number(10.0, "W", "of a BS: 10 dBW (Table II)", POWER_W)
    p_max_uav_w: float = number(1.0, "W", "of a UAV: 0 dBW (Table II)", POWER_W)
    p_floor_frac: float = number(0.01, "-", "least power, as a part of the largest (chosen: 20 dB)", PART)
    antenna_gain_bs_db: float = number(25.0, "dB", "of a BS's panel (chosen, calibrated on Table III)", (-100.0, 100.0))
    antenna_gain_uav_db: float = number(
        14.0, "dB", "of a UAV's panel (chosen, calibrated on Table III)", (-100.0, 100.0)
    )
    antenna_gain_vehicle_db: float = number(0.0, "dB", "of a vehicle (chosen)", (-100.0, 100.0))
    bs_antenna_height_m: float = number(25.0, "m", "of a BS, in path losses only (Table III)", ANTENNA_M, only=ANTENNAS)
    ut_antenna_height_m: float = number(
        1.5, "m", "of a vehicle, in path losses only (Table III)", ANTENNA_M, only=ANTENNAS
    )
    breakpoint_m: float = number(
        100.0,
        "m",
        "breakpoint of the UMa path loss (Table III)",
        LENGTH_M,
        only=BREAKPOINT,
    )
    min_distance_m: float = number(10.0, "m", "anything closer counts as this far (limit of (16))", LENGTH_M)
    los_v2b_d1_m: float = number(18.0, "m", "V-B links: always in sight up to here (TR 38.901)", LENGTH_M, only=GROUND)
    los_v2b_p1_m: float = number(63.0, "m", "V-B links: fall of the LoS probability (TR 38.901)", LENGTH_M, only=GROUND)
    los_air_d1_m: float = number(100.0, "m", "the same of the air's links, as printed (29)", LENGTH_M, only=PRINTED)
    los_air_p1_m: float = number(63.0, "m", "the same of the air's links, as printed (29)", LENGTH_M, only=PRINTED)
    los_resample_prob: float = number(
        0.02, "-", "chance per slot that what stands in a link's way changes (chosen)", PART
    )
    pathloss_exponent_min: float = number(
        2.25, "-", "of free space, lowest (Table II)", EXPONENT, up_to="pathloss_exponent_max"
    )
    pathloss_exponent_max: float = number(2.75, "-", "of free space, highest (Table II)", EXPONENT)
    rician_k: float = number(6.0, "-", "Rician factor (below (24))", (0.0, 1e6))
    csi_error_var: float = number(0.05, "-", "variance of the channel estimate's error (below (12))", (0.0, 10.0))
    blocklength_symbols: float = number(100.0, "symbol", "length of a packet (Table II)", (1.0, 1e9))
    decode_error_prob: float = number(1e-6, "-", "chance that a packet cannot be decoded (Table II)", (1e-12, 0.5))
    rate_min_bps: float = number(1e7, "bit/s", "least rate of a usable link (Table II, C8)", (0.0, 1e13))
    codec_s_per_symbol: float = number(
        0.0, "s", "coding and decoding per hop (chosen; 3.275e-6 has Fig. 7's slope)", (0.0, 1e3)
    )
    # processors and their energy
    f_max_hz: float = number(1e10, "Hz", "fastest processor of a node (Table II)", CPU_HZ)
    f_min_hz: float = number(1e9, "Hz", "slowest (chosen: a tenth)", CPU_HZ, up_to="f_max_hz")
    f_ref_hz: float = number(1e10, "Hz", "at which `energy_per_cycle_j` holds (chosen)", CPU_HZ)
    cpu_dev_var: float = number(0.1, "-", "variance of a processor's deviation (4)", (0.0, 10.0))
    cpu_dev_corr: float = number(0.9, "-", "its correlation over a slot (chosen; 0: none, the literal (4))", PART)
    twin_cpu_error_hz: float = number(
        1.5e8, "Hz", "bound of the twin's error in processor speeds (Table II)", (0.0, 1e13)
    )
    capacity_cycles: float = number(
        2.7e8, "cycle", "what may be sent to a node in a slot (Table II, C3, C4)", NO_CYCLES
    )
    energy_per_cycle_j: float = number(1e-6, "J/cycle", "(Table II)", (0.0, 1.0))
    cpu_energy_exponent: float = number(
        2.0, "-", "of the speed in the energy per cycle (chosen; 0 is the paper)", (0.0, 4.0)
    )
    e_max_node_j: float = number(33.2, "J", "energy budget of a node per slot (Table II)", ENERGY_J)
    e_max_vehicle_slot_j: float = number(0.01, "J", "of a vehicle per slot (Table II: 0.5 J a second)", ENERGY_J)
    # tasks
    task_min_bits: float = number(1e5, "bit", "smallest task (chosen)", TASK_BITS, up_to="task_max_bits")
    task_max_bits: float = number(3e5, "bit", "largest task (chosen)", TASK_BITS)
    task_corr: float = number(0.8, "-", "correlation of sizes over a slot (chosen)", PART)
    bits_per_data_unit: float = number(
        1.0, "bit", "on the air per bit of a task; 8 reads the paper's tables as bytes", FACTOR
    )
    cycles_per_unit: float = number(330.0, "cycle/bit", "work of a task (Table II)", CYCLES_PER_BIT)
    cycles_spread: float = number(0.2, "-", "subtasks differ within this part of it (chosen)", PART)
    chi_min: float = number(0.05, "-", "least urgency (chosen)", PART, up_to="chi_max")
    chi_max: float = number(0.95, "-", "most (chosen)", PART)
    weight_min: float = number(0.5, "-", "least of the weights in priorities (chosen)", PART, up_to="weight_max")
    weight_max: float = number(1.0, "-", "most (chosen)", (1e-3, 1.0))
    split_floor: float = number(0.5, "-", "part of a task that is split equally (chosen)", PART)
    simplex_sharpness: float = number(4.0, "-", "of the softmax over splits and coefficients (chosen)", (0.0, 50.0))
    latency_target_s: float = number(0.01, "s", "(Table II)", TIME_S)
    latency_cap_s: float = number(0.05, "s", "later is dropped (chosen: five targets)", TIME_S)
    # places and motion; x and y within +-xy
    bs_xy_m: float = number(1000.0, "m", "square of the BSs (section VI)", AWAY_M)
    bs_z_min_m: float = number(40.0, "m", "lowest BS (section VI)", HEIGHT_M, up_to="bs_z_max_m")
    bs_z_max_m: float = number(60.0, "m", "highest (section VI)", HEIGHT_M)
    uav_xy_m: float = number(1500.0, "m", "square of the UAVs (section VI)", AWAY_M)
    uav_z_min_m: float = number(30.0, "m", "lowest UAV (section VI)", ANTENNA_M, up_to="uav_z_max_m")
    uav_z_max_m: float = number(75.0, "m", "highest (section VI)", ANTENNA_M)
    uav_speed_min_mps: float = number(10.0, "m/s", "slowest UAV (Table II)", SPEED_MPS, up_to="uav_speed_max_mps")
    uav_speed_max_mps: float = number(50.0, "m/s", "fastest (Table II)", SPEED_MPS)
    veh_xy_m: float = number(1250.0, "m", "square of the vehicles (section VI)", AWAY_M, only={"mobility": moves})
    veh_z_min_m: float = number(0.0, "m", "lowest street (section VI)", HEIGHT_M, up_to="veh_z_max_m")
    veh_z_max_m: float = number(20.0, "m", "highest (section VI)", HEIGHT_M, only={"mobility": moves})
    veh_speed_mps: float = number(20.0, "m/s", "speed of every vehicle (Table II)", SPEED_MPS, only={"mobility": moves})
    phi_max_rad: float = number(math.pi / 18, "rad", "steepest way up or down (Table II)", (1e-3, 1.5707))
    # objective
    w_l: float = number(0.7, "s", "weight of latency in the QoS (below (93))", (1e-6, 1e6))
    w_e: float = number(0.3, "1/J", "weight of energy in it (below (93))", (0.0, 1e6))
    q_min: float = number(60.0, "-", "least QoS (Table II)", (1e-6, 1e6), below="q_max")
    q_max: float = number(200.0, "-", "QoS that deserves 100 (chosen)", (1e-5, 1e6))
    lambda_e: float = number(0.5, "-", "weight of energy in the objective (38) (chosen)", WEIGHT)
    lambda_q: float = number(0.5, "-", "weight of QoS in it (chosen)", WEIGHT)
    om_l: float = number(0.5, "-", "weight of latency in a vehicle's reward (64) (chosen)", WEIGHT)
    om_e: float = number(0.2, "-", "of energy (chosen)", WEIGHT)
    om_q: float = number(0.3, "-", "of QoS (chosen)", WEIGHT)
    om_lat: float = number(0.5, "-", "incentive for latency (90) (chosen)", WEIGHT)
    om_ene: float = number(0.3, "-", "for energy (91) (chosen)", WEIGHT)
    om_qos: float = number(0.15, "-", "for QoS (92) (chosen)", WEIGHT)
    la_lat: float = number(0.5, "-", "penalty on latency (chosen)", WEIGHT)
    la_ene: float = number(0.3, "-", "on energy (chosen)", WEIGHT)
    la_qos: float = number(0.15, "-", "on QoS (chosen)", WEIGHT)
    zeta_tf: float = number(0.7, "-", "weight of the service in a node's reward (65) (chosen)", WEIGHT)
    zeta_e: float = number(0.3, "-", "of its energy (chosen)", WEIGHT)
    al_eta: float = number(0.5, "-", "weight of tasks in time (66) (chosen)", WEIGHT)
    al_l: float = number(0.3, "-", "of latency (chosen)", WEIGHT)
    al_lb: float = number(0.2, "-", "of load balance (chosen)", WEIGHT)
    be_td: float = number(0.4, "-", "weight of an even load (67) (chosen)", WEIGHT)
    be_ru: float = number(0.3, "-", "of utilisation (chosen)", WEIGHT)
    be_ql: float = number(0.3, "-", "of the queue (chosen)", WEIGHT)
    reward_mix: float = number(
        1.0,
        "-",
        "what agents learn from: 1, the team's reward (63), by which they are compared; 0, their own, a Nash game",
        PART,
    )
    delta_s_max: float = number(0.5, "-", "most that a share may change, C13 to C15 (Table II)", PART)
    variability_slope: float = number(10.0, "-", "steepness of its sigmoid (chosen)", (0.0, 1e4))
    d_max_units: float = number(1e6, "bit", "largest subtask, C20 (Table II)", BITS)
    bs_pos_m: Array | None = data("places of the BSs (B, 2), from the centre [m]; None: on a grid", ("bs", "axis"))
    present: Any = count("n_vehicles", "vehicle", "vehicles that are there, at most; None: all")
    trace: Replay | None = data("recorded vehicles, x and y from the centre, for mobility='trace'; a file of them")
    trace_starts: Array | None = data("which of the recording's start times may be chosen; None: all", ("choice",))

    channel: ChannelTable | None = data(
        "table of losses over places, for pathloss_v2b='table'; a file of one; None: of the default formula",
        only={"pathloss_v2b": from_table},
    )

    @property
    def carrier_hz(self) -> Any:
        """Carrier frequency [Hz]."""
        return self.light_speed_mps / self.wavelength_m

    @property
    def slot_cycles(self) -> Any:
        """What the fastest processor does in a slot [cycle], the unit of loads and backlogs."""
        return self.f_max_hz * self.slot_s


class Links(struct.PyTreeNode):
    """All links of a slot; `V` vehicles, `U` UAVs, `B` base stations, `N = B + U` nodes, BSs first.

    Attributes:
        loss_db: `(V, N)`, path loss [dB].
        beta: `(V, N)`, gain with antennas, before small-scale fading [-].
        fade: `(V, U)` each, estimated small-scale coefficient of UAVs, real and imaginary part [-].
        gain: `(V, N)`, estimated gain [-].
        relay: `(N, N)`, gain from node to node, 0 between BSs and on the diagonal [-].
        reach: bool `(V, N)`, usable; at least one of each vehicle.
        uncovered: bool `(V,)`, none would have been.
        relays: bool `(N, N)`, usable.
    """

    loss_db: Array
    beta: Array
    fade: tuple[Array, Array]
    gain: Array
    relay: Array
    reach: Array
    uncovered: Array
    relays: Array


class Tasks(struct.PyTreeNode):
    """What the vehicles ask for in a slot; `J` subtasks of each.

    Attributes:
        size_bits: `(V,)`, of the whole task [bit].
        cycles: `(V, J)`, work [cycle/bit].
        urgency: `(V, J)`, chi of (1) [-].
        cycles_weight, size_weight: `(V, J)`, weights of work and size in (1) [-].
    """

    size_bits: Array
    cycles: Array
    urgency: Array
    cycles_weight: Array
    size_weight: Array


def _path_losses(*own: str) -> tuple[str, ...]:
    """Names of path losses: those of the paper first, then pairs of models, then single models; see `links.models_of`."""
    single = pathloss.usable(Params)
    return tuple(dict.fromkeys((*own, *pathloss.los_pairs(single), *single)))


@dataclass(frozen=True)
class Sizes:
    """The sizes and switches of `urllc_vec`."""

    n_vehicles: int = size(8, "V, vehicles, each with a task per slot")
    n_uavs: int = size(10, "U, UAVs, nodes that fly")
    n_bs: int = size(4, "B, base stations (BSs), nodes on the ground")
    n_subtasks: int = size(4, "J, parts of a task, each sent to a node of its own")
    n_antennas: int = size(4, "M, antennas of a BS")
    n_nlos_paths: int = size(8, "scattered paths of a UAV's link beside the direct one")
    max_forwards: int = size(2, "how often a subtask may be sent on")
    horizon: int = size(50, "slots of an episode")
    twin_history_len: int = size(8, "H, measurements that a forecaster is given")
    twin_delay_slots: int = size(3, "slots until a measurement has arrived")
    pathloss_v2b: str = switch(
        "uma",
        lambda: _path_losses("uma", "okumura_hata"),
        "path loss of links between vehicles and BSs: uma is (16) to (20), okumura_hata (15); others as they are registered, "
        "NAME_los and NAME_nlos as NAME, mixed by line of sight",
    )
    pathloss_air: str = switch(
        "uma_av",
        lambda: tuple(name for name in _path_losses("uma_av", "free_space") if name not in table.MODELS),
        "path loss of links to UAVs: uma_av is (27) and (28), free_space (26) with an exponent of each link; others likewise",
    )
    los_air: str = switch(
        "tr36777", ("tr36777", "paper"), "chance of line of sight to a UAV, by its height, or (29) as printed"
    )
    v2b_rayleigh: bool = switch(False, ON_OFF, "links between vehicles and BSs have Rayleigh fading")
    mobility: str = switch(
        "waypoint",
        lambda: mobility.usable(Sizes, Params, absent=True),
        "how vehicles move, and whether they may leave; UAVs fly from waypoint to waypoint",
    )
    cpu_share: str = switch(
        "priority",
        ("priority", "equal", "none"),
        "subtasks share a processor by priority, or equally; none: each has all of it, the literal (5)",
    )
    enforce_coverage: bool = switch(True, ON_OFF, "a target out of reach is replaced by the best link")
    carry_backlog: bool = switch(True, ON_OFF, "work that is not done waits for the next slot; off: it is gone")
    twin_mode: str = switch(
        "hold",
        ("hold", "lstm", "none"),
        "the twin shows the last measurement that has arrived; lstm: and gives a learner the last H; none: nothing",
    )

    @property
    def n_nodes(self) -> int:
        """N, BSs and UAVs."""
        return self.n_bs + self.n_uavs

    @property
    def n_features(self) -> int:
        """F, what a twin is told of a slot."""
        return 3 * self.n_nodes + self.n_vehicles


def stack_nodes(of_group: Mapping[str, Any], axis: int = 0) -> Any:
    """What BSs and UAVs have, as what the nodes have: BSs first.

    Args:
        of_group: "bs" and "uav" to an array each, or to trees alike of arrays; other groups are left out.
        axis: of the nodes.
    Returns:
        An array, or a tree of arrays.
    """
    return jax.tree.map(lambda bs, uav: jnp.concatenate([bs, uav], axis), of_group["bs"], of_group["uav"])


def split_nodes(sizes: Sizes, of_nodes: Any, axis: int = 0) -> dict[str, Any]:
    """What the nodes have, as what UAVs and BSs have: the inverse of `stack_nodes`.

    Args:
        sizes: of the system.
        of_nodes: an array, or a tree of arrays.
        axis: of the nodes.
    Returns:
        "uav" and "bs" to an array each, or to a tree.
    """

    def part(rows: slice) -> Any:
        return jax.tree.map(lambda x: x[(slice(None),) * axis + (rows,)], of_nodes)

    return {"uav": part(slice(sizes.n_bs, None)), "bs": part(slice(sizes.n_bs))}


class State(struct.PyTreeNode):
    """One world. Latents of line of sight are uniform: a link is in sight while its latent is below the LoS probability.

    Attributes:
        t: int32 `()`, slots done.
        pos_bs, pos_u, pos_v: `(B, 3)`, `(U, 3)`, `(V, 3)`, places from the centre, and height [m].
        wp_u: `(U, 3)`, waypoints of the UAVs [m].
        velocity_v: of the mobility model: `(V,)` [m/s] or nothing.
        present: bool `(V,)`, on the map; None where vehicles never leave and all of them are there.
        track_v: its memory: waypoints `(V, 3)` [m], say.
        spd_u: `(U,)`, speeds of the UAVs [m/s].
        alpha_vu, alpha_ub, alpha_uu: `(V, U)`, `(U, B)`, `(U (U - 1) / 2,)` pair by pair, exponents of free space [-].
        los_vb, los_vu, los_ub: `(V, B)`, `(V, U)`, `(U, B)`, latents of line of sight [-].
        cpu_z: `(N,)`, standard normal, what the processors' speeds follow from [-].
        task_z: `(V,)`, standard normal, what the sizes of tasks follow from [-].
        backlog: `(N,)`, what is left of the slots before [cycle].
        prev_share: `(V, N)`, part of a vehicle's subtasks that were sent there in the last slot [-].
        measured: `(H + d - 1, F)`, what the twin has been told and will be, newest last, as entries [-].
        links, tasks: of the slot `t`, see `jaxvec.envs.urllc_vec.next_slot.begin`.
    """

    t: Array
    pos_bs: Array
    pos_u: Array
    wp_u: Array
    pos_v: Array
    velocity_v: Any
    track_v: Any
    spd_u: Array
    alpha_vu: Array
    alpha_ub: Array
    alpha_uu: Array
    los_vb: Array
    los_vu: Array
    los_ub: Array
    cpu_z: Array
    task_z: Array
    backlog: Array
    prev_share: Array
    measured: Array
    present: Any = None
    links: Links = struct.field(default=None)
    tasks: Tasks = struct.field(default=None)
