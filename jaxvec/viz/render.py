"""An episode recorded, and drawn as an image, an animation, or a page that plays it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array
from PIL import Image

from jaxvec.core.environment import Environment
from jaxvec.core.files import replacing, target
from jaxvec.core.rollout import Policy, Slot, rollout
from jaxvec.viz import theme
from jaxvec.viz.draw import storyboard
from jaxvec.viz.items import Storyboard
from jaxvec.viz.layout import TALL
from jaxvec.viz.paint import frames
from jaxvec.viz.player import page
from jaxvec.viz.scene import scenes

SUFFIXES = (".gif", ".html", ".png")
SUBFRAMES = 3


def record(env: Environment, policy: Policy, key: Array, params: Any, episode: int = 0) -> Slot:
    """One episode of one world, slot by slot.

    Args:
        policy: `policy(key, obs) -> action`.
        key: the world's and the policy's chance; world 0 of `jaxvec.core.rollout.rollout` under the same key.
        params: of one world.
        episode: which episode of this world.
    Returns:
        A `Slot` of NumPy arrays, `(horizon, ...)`.
    """
    run = jax.jit(lambda key, params: rollout(env, policy, key, params, 1, episode=episode))
    return jax.tree.map(lambda x: np.asarray(x)[..., 0], run(key, params))


def render(
    env: Environment,
    params: Any,
    slots: Slot,
    path: str | os.PathLike[str],
    *,
    fps: float = 10.0,
    policy_name: str = "",
    at: int | Sequence[int] | None = None,
) -> Path:
    """Draw a recorded episode; a file that exists is replaced, and only by a whole one.

    Args:
        params: those it was recorded with.
        slots: from `record`.
        path: `.gif`, an animation with three frames per slot; `.html`, a page that plays the episode, complete in itself;
            `.png`, an image of one slot or, of several, one below the other.
        fps: frames per second; a slot takes `3 / fps` seconds.
        policy_name: shown on the picture.
        at: the slots of a `.png`; by default the one in the middle.
    Returns:
        `path`.
    Raises:
        ValueError: another suffix, no such folder, no such slot, or `fps` is not positive.
    """
    path = target(path, SUFFIXES)
    if not fps > 0:
        raise ValueError(f"fps must be positive, not {fps!r}")
    shown = scenes(env, params, slots)
    n = len(shown)
    chosen = [n // 2] if at is None else [at] if isinstance(at, int) else list(at)
    if not chosen or not all(0 <= t < n for t in chosen):
        raise ValueError(f"at: the episode has slots 0 to {n - 1}, not {at!r}")
    board = storyboard(shown, policy_name)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".gif":
            _gif(board, temporary, fps)
        elif path.suffix.lower() == ".html":
            temporary.write_text(page(board, storyboard(shown, policy_name, TALL), SUBFRAMES / fps), encoding="utf-8")
        else:
            sheet = np.concatenate(list(frames(board, [(t, 0.5) for t in chosen], scale=2.0)))
            Image.fromarray(sheet).save(temporary, optimize=True)
    return path


def _gif(board: Storyboard, path: Path, fps: float) -> None:
    moments = [(t, i / SUBFRAMES) for t in range(len(board.sheets)) for i in range(SUBFRAMES)]
    flat = in_one_palette(list(frames(board, moments)))
    duration = max(20, round(1000 / fps / 10) * 10)  # hundredths of a second; players slow down below two
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=duration, loop=0, optimize=False, disposal=1)


def in_one_palette(images: Sequence[np.ndarray]) -> list[Image.Image]:
    """Images in one palette of 256 colours, the theme's among them, undithered: flat colours stay, and compress well.

    Args:
        images: of our style, uint8 `(height, width, 3)` each.
    Returns:
        The images.
    """
    palette = _palette(images[:: max(1, len(images) // 6)])
    flat = [Image.fromarray(indices) for indices in _nearest(images, palette)]
    for image in flat:
        image.putpalette(palette.tobytes())
    return flat


def _palette(images: Sequence[np.ndarray]) -> np.ndarray:
    """The theme's colours as they are, and what else the images need for their soft edges: uint8 `(256, 3)`."""
    exact = np.array([theme.rgb(colour) for colour in theme.colours()], np.uint8)
    some = Image.fromarray(np.concatenate(images)).quantize(256 - len(exact), method=Image.Quantize.MEDIANCUT)
    others = np.array(some.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(exact)] = exact
    palette[len(exact) :][: len(others)] = others[: 256 - len(exact)]
    return palette


def _nearest(images: Sequence[np.ndarray], palette: np.ndarray) -> Iterator[np.ndarray]:
    """The nearest entry of the palette at each pixel; Pillow's own search is approximate and stains flat areas."""
    known = np.full(1 << 24, -1, np.int16)
    for image in images:
        colours = image.astype(np.int32) @ (1 << 16, 1 << 8, 1)
        new = np.unique(colours[known[colours] < 0])
        rgb = np.stack([new >> 16, new >> 8 & 255, new & 255], 1)
        known[new] = np.argmin(((rgb[:, None] - palette.astype(np.int32)) ** 2).sum(2), 1)
        yield known[colours].astype(np.uint8)
