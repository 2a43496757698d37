"""One frame of any environment in words that every painter understands: nodes, links and meters, in metres and units.

An environment's own module `jaxvec.viz.scenes.<env.id>` has `scene(env, params, state, action, info, reward, t) -> Scene`, given
NumPy arrays of one world in one slot. It says what there is to see, not how it looks. Without it, the scalar entries of
`info` become meters.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from jaxvec.core.environment import Environment
from jaxvec.core.rollout import Slot
from jaxvec.viz.theme import words
from jaxvec.viz.ways import Way, ways_of

MOST_METERS = 20


@dataclass(frozen=True)
class Node:
    """Something that has a place.

    Attributes:
        kind: how it looks: one of `jaxvec.viz.glyphs.GLYPHS`, or any other word (a disc).
        load: 1 is the limit: the colour of a vehicle, the dark part of a gauge. None: nothing to say.
        part: a second quantity: a vehicle's own part of its task, the light part of a gauge.
        text: a few words beside it.
        heading_rad: where it points, 0 along x.
        range_m: how far it reaches on the ground.
        trail: the number of a colour of `jaxvec.viz.colours.IDENTITY`: its way so far is drawn in it, and it moves however far.
        values: names and texts, shown on request.
    """

    x_m: float
    y_m: float
    kind: str
    label: str
    load: float | None = None
    part: float | None = None
    text: str = ""
    heading_rad: float = 0.0
    range_m: float | None = None
    trail: int | None = None
    present: bool = True
    values: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """Its name in full: "vehicle 3", "RSU 1"."""
        return self.label if self.label[:1].isalpha() else f"{self.kind} {self.label}"

    @property
    def drawn(self) -> bool:
        """It is there, and somewhere."""
        return self.present and math.isfinite(self.x_m) and math.isfinite(self.y_m)


@dataclass(frozen=True)
class Link:
    """From node `a` to node `b` (their indices); `kind` decides its style, `strength` in [0, 1] its width."""

    a: int
    b: int
    kind: str
    strength: float


@dataclass(frozen=True)
class Meter:
    """A number of the slot; over an episode it becomes a curve. `reference` is a line to compare it with, and its name."""

    label: str
    value: float
    unit: str = ""
    reference: float | None = None
    reference_label: str = ""


def percentage(label: str, part: Any) -> Meter:
    """A part of a whole, in percent."""
    return Meter(label, 100 * float(part), "%")


@dataclass(frozen=True)
class Road:
    """A straight road from one end of its centre line to the other."""

    x0_m: float
    y0_m: float
    x1_m: float
    y1_m: float
    width_m: float
    lanes: int = 2


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a `sign` and what it means.

    Attributes:
        sign: `load`, `part`, `gauge`, `range`, `reach`, `pin`, a kind of node of `jaxvec.viz.legend.SIGNS`, or a kind of link.
        text: what it means.
    """

    sign: str
    text: str


@dataclass(frozen=True)
class Scene:
    """One slot.

    Attributes:
        bounds_m: `(x0, y0, x1, y1)` of the map; None: no map, only meters.
        to_scale: both axes in the same scale; otherwise the map fills its place.
        ring: x is periodic: what leaves `ring_m = (x0, x1)` on one side comes back on the other.
        ways: plain pieces of street, see `jaxvec.viz.ways`; on maps to scale.
        captions: short texts at the top right, such as the policy's name.
    """

    title: str
    bounds_m: tuple[float, float, float, float] | None = None
    to_scale: bool = True
    ring_m: tuple[float, float] | None = None
    roads: tuple[Road, ...] = ()
    ways: tuple[Way, ...] = ()
    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    meters: tuple[Meter, ...] = ()
    keys: tuple[Key, ...] = ()
    captions: tuple[str, ...] = ()


def scenes(env: Environment, params: Any, slots: Slot) -> list[Scene]:
    """The scenes of a recorded episode, one per slot; recorded vehicles have streets, where the map is to scale.

    Args:
        params: of one world.
        slots: of one world, time first, as `jaxvec.viz.record` gives them.
    """
    draw = scene_function(env.id)
    slots = jax.tree.map(np.asarray, slots)
    frames, ways = [], ways_of(params)
    for t in range(len(slots.ts.truncated)):
        slot = jax.tree.map(lambda x, t=t: x[t], slots)
        frame = draw(env, params, slot.state, slot.action, slot.ts.info, slot.ts.reward, t)
        frames.append(dataclasses.replace(frame, ways=ways) if frame.bounds_m and frame.to_scale else frame)
    return frames


def scene_function(env_id: str) -> Callable[..., Scene]:
    """The environment's own, or `default_scene`."""
    module = f"jaxvec.viz.scenes.{env_id}"
    return import_module(module).scene if find_spec(module) else default_scene


def default_scene(
    env: Environment, params: Any, state: Any, action: Any, info: Mapping[str, Any], reward: Mapping[str, Any], t: int
) -> Scene:
    """The mean reward of each group and the scalar entries of `info`, in the order that the environment documents, as meters.

    There is room for 20; a caption tells of more.
    """
    meters = [
        Meter(f"reward, {group}" if len(reward) > 1 else "reward", float(x.mean())) for group, x in reward.items()
    ]
    known = [name for name in env.info_fields if name in info]
    for name in [*known, *(name for name in info if name not in known)]:
        if np.ndim(info[name]) == 0 and name != "reward":
            text, unit = words(name)
            meters.append(Meter(text, float(info[name]), env.info_fields.get(name, (unit, ""))[0]))
    more = () if len(meters) <= MOST_METERS else (f"{MOST_METERS} of {len(meters)} metrics",)
    return Scene(title=env.id, meters=tuple(meters[:MOST_METERS]), captions=more)


def moved(scene: Scene, following: Scene | None, before: Scene | None = None) -> Scene:
    """A scene at the end of its slot: everything as it was, but where the following scene finds it.

    On a ring the short way round is taken, beyond the end if need be. What jumps farther than a quarter of the map stays, unless
    it leaves a trail. After the last scene, nodes go on as they came from the one `before`, but for those.
    """
    if scene.bounds_m is None or (following or before) is None:
        return scene
    x0, y0, x1, y1 = scene.bounds_m
    far = max(x1 - x0, y1 - y0) / 4

    def step(a: Node, b: Node) -> tuple[float, float]:
        dx, dy = b.x_m - a.x_m, b.y_m - a.y_m
        if scene.ring_m:
            around = scene.ring_m[1] - scene.ring_m[0]
            dx = (dx + around / 2) % around - around / 2
        if a.trail is not None:
            return (dx, dy) if following else (0.0, 0.0)
        return (dx, dy) if math.hypot(dx, dy) < far else (0.0, 0.0)

    pairs = zip(scene.nodes, following.nodes, strict=False) if following else _reversed(before, scene)
    steps = [step(a, b) if a.label == b.label and a.drawn else (0.0, 0.0) for a, b in pairs]
    steps += [(0.0, 0.0)] * (len(scene.nodes) - len(steps))
    nodes = [
        dataclasses.replace(node, x_m=node.x_m + dx, y_m=node.y_m + dy)
        for node, (dx, dy) in zip(scene.nodes, steps, strict=True)
    ]
    return dataclasses.replace(scene, nodes=tuple(nodes))


def _reversed(before: Scene | None, scene: Scene) -> Sequence[tuple[Node, Node]]:
    return list(zip(before.nodes, scene.nodes, strict=False)) if before else []
