"""What vehicles of `isac_iov` see of their tasks, themselves and the RSUs: declared once, written by `observe`, read by `see`.

Scales given as numbers do not follow swept parameters.

Throughout:
    sizes: sizes and switches.
    params: the numbers.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxvec.core.observation import Block, Encoded, Layout
from jaxvec.core.types import Observation
from jaxvec.envs import mobility
from jaxvec.envs.isac_iov.params import Params, Sizes, State
from jaxvec.envs.isac_iov.slot import locate, n_present

GROUP = "vehicle"


def _two_lanes_m(params: Params) -> Any:
    """width of two lanes; with `rsu_pos_m` road_length_m"""
    return 2 * params.lane_width_m if params.rsu_pos_m is None else params.road_length_m


def layout(sizes: Sizes) -> dict[str, Layout]:
    """The blocks of a vehicle's row, 14 + 4K entries; the last 3 + K are the twin's, (40), and 0 without it.

    Returns:
        By group.
    """
    k = sizes.n_rsus
    blocks = (
        Block("task_bits", None, "bit", "own task", 3e6),
        Block("instr_bits", None, "bit", "instruction that may stand for its data", 3e4),
        Block("work_cpb", None, "cycle/bit", "work of the task", 2000.0),
        Block("align_cpb", None, "cycle/bit", "work of transforming an RSU's view into its input", 500.0),
        Block("veh_cpu_hz", None, "Hz", "own CPU", 3e9),
        Block("x_m", None, "m", "place along the road", "road_length_m"),
        Block("y_m", None, "m", "place across it, from the centre line", _two_lanes_m),
        Block("velocity_mps", None, "m/s", "velocity along the road", 16.0),
        Block("t_max_s", None, "s", "deadline", 1.0),
        Block("q_loc_cycles", None, "cycle", "own queue", "q_loc_ref_cycles"),
        Block("v_energy_j", None, "J", "energy queue, per vehicle on the road", "energy_ref_j"),
        Block(
            "dx_m",
            k,
            "m",
            "offset along the road, per RSU; with `rsu_pos_m` the distance, negative to the west",
            "road_length_m",
        ),
        Block("covered", k, "-", "1 where an RSU covers the vehicle, else 0"),
        Block("free_hz", k, "Hz", "processor of an RSU that the twin leaves", 20e9),
        Block("q_rsu_cycles", k, "cycle", "queue of an RSU as the twin shows it", "q_rsu_ref_cycles"),
        Block("q_rsu_part", None, "-", "sum of the entries `q_rsu_cycles`, divided by K"),
        Block("q_rsu_mean", None, "-", "mean of the entries `q_rsu_cycles`"),
        Block("q_rsu_max", None, "-", "largest of the entries `q_rsu_cycles`"),
    )
    return {GROUP: Layout(blocks)}


def observe(sizes: Sizes, state: State, params: Params) -> Observation:
    """What is seen; all entries are of order 1, rows of absent vehicles are 0.

    Args:
        state: at the start of the slot.
    Returns:
        Rows `(I, 14 + 4K)`; `Observation.world` `(I(14 + 4K),)` has them one after the other.
    """
    place, blocks = locate(sizes, state, params), layout(sizes)[GROUP]
    shown_cycles = state.q_rsu_cycles * (1 + params.twin_queue_err * state.twin_err)
    q_rsu = blocks.block("q_rsu_cycles").encode(shown_cycles, params) * sizes.dt_enabled
    q_rsu_mean = jnp.mean(q_rsu, 0)
    energy_scale_j = blocks.block("v_energy_j").scale_of(params) * n_present(state)  # so that one division does it
    values = {
        "task_bits": state.task_bits,
        "instr_bits": state.instr_bits,
        "work_cpb": state.work_cpb,
        "align_cpb": state.align_cpb,
        "veh_cpu_hz": state.veh_cpu_hz,
        "x_m": state.x_m,
        "y_m": state.y_m,
        "velocity_mps": state.velocity_mps,
        "t_max_s": params.t_max_s,
        "q_loc_cycles": state.q_loc_cycles,
        "v_energy_j": Encoded(state.v_energy_j / energy_scale_j),
        "dx_m": place.dx_m if params.rsu_pos_m is None else jnp.where(place.dx_m < 0, -1, 1) * place.ground_m,
        "covered": place.covered,
        "free_hz": params.rsu_free_hz,
        "q_rsu_cycles": Encoded(q_rsu),
        "q_rsu_part": q_rsu_mean,
        "q_rsu_mean": q_rsu_mean,
        "q_rsu_max": jnp.max(q_rsu, 0),
    }
    rows, active = blocks.write(values, params, state.x_m.shape), {}
    if mobility.MODELS[sizes.mobility].absent or params.present is not None:
        rows, active = jnp.where(state.present[:, None], rows, 0), {GROUP: state.present}
    return Observation(agents={GROUP: rows}, world=rows.reshape(-1, *rows.shape[2:]), active=active)


class Seen(NamedTuple):
    """What is seen, in SI units.

    Attributes:
        work_cycles: `(I,)`, work of the whole task [cycle].
        veh_cpu_hz: `(I,)`, own CPU [Hz].
        q_loc_cycles: `(I,)`, own backlog [cycle].
        dx_m: `(I, K)`, offset of each RSU along the road; with `rsu_pos_m` the distance, negative to the west [m].
        covered: bool `(I, K)`, which RSUs reach the vehicle.
        free_hz: `(I, K)`, what the twin leaves of an RSU's processor [Hz].
        q_rsu_cycles: `(I, K)`, backlog of the RSUs as the twin shows it; 0 without it [cycle].
    """

    work_cycles: Array
    veh_cpu_hz: Array
    q_loc_cycles: Array
    dx_m: Array
    covered: Array
    free_hz: Array
    q_rsu_cycles: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation.

    Args:
        obs: as `observe` gives it.
    """
    rows, blocks = obs.agents[GROUP], layout(sizes)[GROUP]

    def read(name: str) -> Array:
        return blocks.read(rows, name, params)

    return Seen(
        work_cycles=blocks.block("work_cpb").decode(read("task_bits") * blocks.entries(rows, "work_cpb"), params),
        veh_cpu_hz=read("veh_cpu_hz"),
        q_loc_cycles=read("q_loc_cycles"),
        dx_m=read("dx_m"),
        covered=blocks.entries(rows, "covered") > 0,
        free_hz=read("free_hz"),
        q_rsu_cycles=read("q_rsu_cycles"),
    )
