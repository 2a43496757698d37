"""What vehicles and nodes of `urllc_vec` see, and the links they may use: declared once, written by `observe`, read by `see`.

Every row ends with the twin, and `Observation.world` begins with it. In rows it is the last measurement that has arrived
("hold", and "lstm", where `Observation.aux["history"]` (H, F) has the last H, for a learner that forecasts), or zeros ("none");
in the world it is the last measurement without delay.

Throughout:
    sizes: sizes and switches.
    state: at the start of the slot, with its links and tasks.
    params: the numbers.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvec.core.environment import Options
from jaxvec.core.layout import lift
from jaxvec.core.observation import Block, Encoded, Layout
from jaxvec.core.presence import mean_of_present, of_present
from jaxvec.core.types import Observation
from jaxvec.envs import mobility
from jaxvec.envs.urllc_vec.links import node_power_max_w
from jaxvec.envs.urllc_vec.next_slot import vehicles
from jaxvec.envs.urllc_vec.params import Params, Sizes, State, split_nodes, stack_nodes
from jaxvec.envs.urllc_vec.slot import available_hz
from jaxvec.physics.mobility import bearing

PLACE = Layout((Block("place_m", 3, "m", "x and y from the centre, and height", (1500.0, 1500.0, 75.0)),))
COURSE = Layout(
    (
        Block("speed_mps", None, "m/s", "speed", 50.0),
        Block("cos_heading", None, "-", "cosine of the direction on the ground, 0 along x"),
        Block("sin_heading", None, "-", "its sine"),
        Block("climb_rad", None, "rad", "way up, negative down", "phi_max_rad"),
    )
)
"""Of whoever may move; of a BS zeros."""
FEATURES = {
    "cpu": "twin_cpu_hz",
    "backlog": "twin_backlog_cycles",
    "load": "twin_load_cycles",
    "task": "twin_task_bits",
}


def told(sizes: Sizes) -> Layout:
    """What a twin is told of a slot, F entries."""
    n = sizes.n_nodes
    return Layout(
        (
            Block("twin_cpu_hz", n, "Hz", "twin: speed that each node's processor has", "f_max_hz"),
            Block("twin_backlog_cycles", n, "cycle", "twin: what was left at each node", "slot_cycles"),
            Block("twin_load_cycles", n, "cycle", "twin: what each node took", "slot_cycles"),
            Block("twin_task_bits", sizes.n_vehicles, "bit", "twin: task of each vehicle", "task_max_bits"),
        )
    )


def layout(sizes: Sizes) -> dict[str, Layout]:
    """Of a vehicle's row, 8 + 2N + 3J + F entries; of a node's, 10 + V + N + F; and of the world, F + VN."""
    v, n, j = sizes.n_vehicles, sizes.n_nodes, sizes.n_subtasks
    snr: Any = {"unit": "dB", "scale": 30.0, "clip": (-1.0, 2.0)}
    vehicle = Layout(
        (
            Block("snr_db", n, doc="estimated SNR to each node at full power", **snr),
            Block("loss_db", n, "dB", "path loss to each node", 100.0, curve="less_one"),
            Block("cycles_per_bit", j, "cycle/bit", "work of each subtask", 330.0 * 1.2),
            Block("urgency", j, "-", "urgency of each subtask"),
            Block("weight", j, "-", "product of the weights of work and size in each subtask's priority"),
            Block("task_bits", 1, "bit", "task", "task_max_bits"),
        )
    )
    node = Layout(
        (
            Block("snr_db", v, doc="estimated SNR from each vehicle at full power", **snr),
            Block("relay_snr_db", n, doc="SNR to each node at full power", **snr),
            Block("cpu_hz", None, "Hz", "speed that the processor has in this slot", "f_max_hz"),
            Block("backlog_cycles", None, "cycle", "what is left of the slots before", "slot_cycles"),
            Block("task_mean_bits", None, "bit", "mean of all tasks", "task_max_bits"),
        )
    )
    twin, links = (
        told(sizes),
        Layout((Block("snr_db", (v, n), doc="estimated SNR of each vehicle to each node", **snr),)),
    )
    row = {"vehicle": PLACE + COURSE + vehicle + twin, "uav": PLACE + COURSE + node + twin}
    return row | {"bs": row["uav"], "world": twin + links}


def options(sizes: Sizes) -> dict[str, dict[str, Options]]:
    """What is seen of each node as a subtask's target, and as the one to forward to: links, and what the twin tells of it."""
    rows, j = layout(sizes), sizes.n_subtasks
    kinds = np.repeat([0, 1], [sizes.n_bs, sizes.n_uavs])
    told_of = ("twin_cpu_hz", "twin_backlog_cycles", "twin_load_cycles")

    def nodes(row: Layout, links: tuple[str, ...], scale: tuple[float, ...], **more: Any) -> Options:
        columns = np.stack([row.columns(name) for name in (*links, *told_of)], 1)
        return Options(columns, (*scale, 1.0, 1.0, 4.0), kinds, totals=(columns.shape[1] - 1,), ranks=(0,), **more)

    row, node = rows["vehicle"], rows["bs"]
    work = np.stack([row.columns(name) for name in ("cycles_per_bit", "urgency", "weight")], 1).reshape(j, 3)
    own = [int(node.columns(name).item()) for name in ("cpu_hz", "backlog_cycles", "task_mean_bits")]
    target = nodes(row, ("snr_db", "loss_db"), (1.0, 1.0), items=work, context=(int(row.columns("task_bits").item()),))
    forward = nodes(node, ("relay_snr_db",), (1.0,), context=tuple(own))
    return {"vehicle": {"target": target}, "uav": {"forward": forward}, "bs": {"forward": forward}}


def feature_blocks(sizes: Sizes) -> dict[str, slice]:
    """Where speeds, backlogs and loads of the nodes and sizes of the tasks stand in what a twin is told.

    Returns:
        By name, see `FEATURES`.
    """
    columns = {name: told(sizes).columns(block) for name, block in FEATURES.items()}
    return {name: slice(int(of.min()), int(of.max()) + 1) for name, of in columns.items()}


def features(sizes: Sizes, speed_hz: Array, backlog: Array, load: Array, size_bits: Array, params: Params) -> Array:
    """What a twin is told of a slot, as entries.

    Args:
        speed_hz: `(N,)`, that each node's processor has [Hz].
        backlog: `(N,)`, what was left at each node [cycle].
        load: `(N,)`, what each node took [cycle].
        size_bits: `(V,)`, task of each vehicle [bit].
    Returns:
        `(F,)` [-].
    """
    values = dict(zip(FEATURES.values(), (speed_hz, backlog, load, size_bits), strict=True))
    return told(sizes).write_world(values, params, load.shape[1:])


def snr_db(gain: Array, power_w: Array | float, params: Params) -> Array:
    """SNR of links at a power; of no link at all, far below what is seen.

    Args:
        gain: of any shape [-].
        power_w: of the senders; broadcasts with the gains [W].
    Returns:
        Of the broadcast shape [dB].
    """
    return 10 * jnp.log10(jnp.maximum(power_w * gain / params.noise_w, 1e-30))


def observe(sizes: Sizes, state: State, params: Params) -> Observation:
    """What everybody sees at the start of a slot, and the masks of usable links."""
    rows, told_now, batch = layout(sizes), state.measured[-1], state.t.shape
    latest = state.measured[sizes.twin_history_len - 1]
    twin = {told(sizes): (jnp.zeros_like(latest) if sizes.twin_mode == "none" else latest)[None]}

    motion = mobility.MODELS[sizes.mobility].course(vehicles(state), sizes, params)
    seen = rows["vehicle"].encode(of_vehicles(state, params), params)  # entries that others see as well
    drive = COURSE.write(motion._asdict(), params, motion.speed_mps.shape)
    vehicle = rows["vehicle"].write(seen, params, drive.shape[:1] + batch, placed(state.pos_v, drive, params) | twin)

    motion = mobility.Course(state.spd_u, *bearing(state.pos_u, state.wp_u, params.phi_max_rad))
    fly = COURSE.write(motion._asdict(), params, motion.speed_mps.shape)
    stand = jnp.zeros((sizes.n_bs, COURSE.size, *batch))
    nodes_m, moves = stack_nodes({"bs": (state.pos_bs, stand), "uav": (state.pos_u, fly)})
    snr, task = (of_present(state.present, seen[name].entries) for name in ("snr_db", "task_bits"))
    node = of_nodes(sizes, state, params) | {
        "snr_db": Encoded(jnp.swapaxes(snr, 0, 1)),
        "task_mean_bits": Encoded(mean_of_present(state.present, task)),
    }
    nodes = rows["bs"].write(node, params, moves.shape[:1] + batch, placed(nodes_m, moves, params) | twin)
    return Observation(
        agents={"vehicle": of_present(state.present, vehicle), **split_nodes(sizes, nodes)},
        active={} if state.present is None else {"vehicle": state.present},
        world=rows["world"].write_world({"snr_db": Encoded(snr)}, params, batch, {told(sizes): told_now}),
        mask=usable_links(sizes, state),
        aux={"history": state.measured[: sizes.twin_history_len]} if sizes.twin_mode == "lstm" else {},
    )


def placed(place_m: Array, course: Array, params: Params) -> dict[Layout, Array]:
    """Rows of places, and given rows of courses.

    Args:
        place_m: `(n, 3)`, x and y from the centre, and height [m].
        course: `(n, 4)`, entries.
    Returns:
        By layout, entries.
    """
    return {PLACE: PLACE.write({"place_m": place_m}, params, place_m[:, 0].shape), COURSE: course}


def of_vehicles(state: State, params: Params) -> dict[str, Any]:
    """What vehicles see of their links and tasks, by name of the block."""
    asked = state.tasks
    return {
        "snr_db": snr_db(state.links.gain, params.p_max_vehicle_w, params),
        "loss_db": state.links.loss_db,
        "cycles_per_bit": asked.cycles,
        "urgency": asked.urgency,
        "weight": asked.cycles_weight * asked.size_weight,
        "task_bits": asked.size_bits[:, None],
    }


def of_nodes(sizes: Sizes, state: State, params: Params) -> dict[str, Any]:
    """What nodes see of one another and of themselves, likewise."""
    power_w = node_power_max_w(sizes, params, state.t.ndim)[:, None]
    return {
        "relay_snr_db": snr_db(state.links.relay, power_w, params),
        "cpu_hz": available_hz(state, params),
        "backlog_cycles": state.backlog,
    }


def usable_links(sizes: Sizes, state: State) -> dict[str, dict[str, Array]]:
    """Masks: nodes that vehicles reach, for each subtask (V, J, N), all of an absent one; whom a node may forward to (n, N),
    itself if nobody."""
    reach, relays = of_present(state.present, state.links.reach, True), state.links.relays
    target = jnp.broadcast_to(reach[:, None], (len(reach), sizes.n_subtasks, *reach.shape[1:]))
    alone = ~jnp.any(relays, 1, keepdims=True)
    forward = relays | (alone & lift(np.eye(sizes.n_nodes, dtype=bool), state.t.ndim))
    return {"vehicle": {"target": target}, **split_nodes(sizes, {"forward": forward})}


class Seen(NamedTuple):
    """Observations in SI units, of everybody; V vehicles, J subtasks, K = V J, N nodes.

    Attributes:
        gain: `(V, N)`, estimated gain [-].
        reach: bool `(V, N)`, usable.
        relays: bool `(N, N)`, usable.
        bits: `(V,)`, of each subtask [bit].
        cycles: `(K,)`, work [cycle].
        cpu_hz: `(N,)`, speed that the processor has [Hz].
        backlog: `(N,)`, what is left of the slots before [cycle].
        relay_gain: `(N, N)`, of each node to the others, as the node sees it [-].
        task_bits: `(N, 1)`, mean of all tasks, as each node sees it [bit].
        told_hz: `(N, N)`, speeds of all processors, as each node's twin tells them [Hz].
        told_backlog: `(N, N)`, likewise what was left [cycle].
        told_load: `(N, N)`, likewise what was taken [cycle].
    """

    gain: Array
    reach: Array
    relays: Array
    bits: Array
    cycles: Array
    cpu_hz: Array
    backlog: Array
    relay_gain: Array
    task_bits: Array
    told_hz: Array
    told_backlog: Array
    told_load: Array


def see(sizes: Sizes, obs: Observation, params: Params) -> Seen:
    """Undo the scaling of an observation of everybody; gains are cut at the ends of their entries' range.

    Args:
        obs: as `observe` gives it.
    """
    row, of_node, nodes = layout(sizes)["vehicle"], layout(sizes)["bs"], stack_nodes(obs.agents)
    rows, forward = obs.agents["vehicle"], stack_nodes(obs.mask)["forward"]
    snr = 10.0 ** (row.read(rows, "snr_db", params) / 10)
    bits = row.block("task_bits").decode(row.entries(rows, "task_bits")[:, 0], params) / sizes.n_subtasks
    cycles = row.read(rows, "cycles_per_bit", params) * bits[:, None]
    power_w = node_power_max_w(sizes, params, forward.ndim - 2)[:, None]

    def read(name: str) -> Array:
        return of_node.read(nodes, name, params)

    return Seen(
        gain=snr * params.noise_w / params.p_max_vehicle_w,
        reach=obs.mask["vehicle"]["target"][:, 0],
        relays=forward & ~lift(jnp.eye(sizes.n_nodes, dtype=bool), forward.ndim - 2),
        bits=bits,
        cycles=cycles.reshape(-1, *cycles.shape[2:]),
        cpu_hz=read("cpu_hz"),
        backlog=read("backlog_cycles"),
        relay_gain=10.0 ** (read("relay_snr_db") / 10) * params.noise_w / power_w,
        task_bits=read("task_mean_bits")[:, None],
        told_hz=read("twin_cpu_hz"),
        told_backlog=read("twin_backlog_cycles"),
        told_load=read("twin_load_cycles"),
    )
