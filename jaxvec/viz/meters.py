"""Cards of numbers: what it is, its value now, its curve over the episode, and what to compare it with."""

import numpy as np

from jaxvec.viz import theme
from jaxvec.viz.items import Disc, Item, Path, Text, box
from jaxvec.viz.layout import Rect
from jaxvec.viz.measure import fitted, text_width
from jaxvec.viz.scene import Meter

PAD, LABEL, VALUE, SMALL, APART = 12.0, 11.0, 16.0, 9.5, 8.0


class Card:
    """A meter of an episode at its place.

    Args:
        meter: of the first slot.
        rect: its place.
        values: over the episode `(slots,)`.
    """

    def __init__(self, meter: Meter, rect: Rect, values: np.ndarray):
        self._meter, self._rect, self._values = meter, rect, values
        finite = np.abs(values[np.isfinite(values)])
        size = float(finite.max(initial=0.0))
        whole = size < 1e3 and np.array_equal(values, np.round(values))
        self._texts = [theme.quantity(float(value), meter.unit, None if whole else size) for value in values]
        self._compared = "" if meter.reference is None else self._reference()
        self._points, self._level = self._curve()

    def _reference(self) -> str:
        return f"{self._meter.reference_label} {theme.quantity(self._meter.reference or 0.0, self._meter.unit)}".strip()

    @property
    def _row(self) -> int:
        """Which row has room for the reference: that of the value, that of the label, or one of its own."""
        room = self._rect.w - 2 * PAD - APART - text_width(self._compared, SMALL)
        if not self._compared or max(text_width(text, VALUE, bold=True) for text in self._texts) <= room:
            return 1
        return 0 if text_width(self._meter.label, LABEL) <= room else 2

    def _curve(self) -> tuple[np.ndarray, float | None]:
        """Pixels of the curve, and of the reference."""
        rect, values, reference = self._rect, self._values, self._meter.reference
        known = np.append(values, np.nan if reference is None else reference)
        known = known[np.isfinite(known)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
        if high - low <= 1e-6 * max(abs(high), abs(low)):
            low, high = low - 1, high + 1
        top, bottom = rect.y + (66 if self._row == 2 else 56), rect.y + rect.h - 12
        y = bottom - (values - low) / (high - low) * (bottom - top)
        x = rect.x + PAD + (rect.w - 2 * PAD) * (np.arange(len(values)) / max(len(values) - 1, 1))
        level = None if reference is None else bottom - (reference - low) / (high - low) * (bottom - top)
        return np.stack([x, y], 1), level

    def backdrop(self) -> list[Item]:
        """What never changes."""
        rect = self._rect
        label = fitted(self._meter.label, LABEL, rect.w - 2 * PAD)
        items: list[Item] = [
            Path(box(*rect, 6), fill=theme.PANEL, closed=True),
            Text(((rect.x + PAD, rect.y + 16),), label, LABEL, theme.MUTED),
        ]
        items += [Path(run, stroke="#b9c2cc", width=1.3) for run in _runs(self._points)]
        if self._level is not None:
            ends = ((rect.x + PAD, self._level), (rect.x + rect.w - PAD, self._level))
            items.append(Path(ends, stroke=theme.LATE, width=1, dash=(3, 3)))
            y = rect.y + (16, 38, 56)[self._row]
            items.append(Text(((rect.x + rect.w - PAD, y),), self._compared, SMALL, theme.LATE, "end"))
        return items

    def now(self, t: int) -> list[Item]:
        """What a slot shows."""
        rect, (x, y) = self._rect, self._points[t]
        items: list[Item] = [Text(((rect.x + PAD, rect.y + 37),), self._texts[t], VALUE, theme.INK, bold=True)]
        items += [Path(run, stroke=theme.SERIES[0], width=2) for run in _runs(self._points[: t + 1])]
        if np.isfinite(y):
            items.append(Disc(((float(x), float(y)),), 3.6, theme.SERIES[0], theme.PANEL, 1.2))
        return items


def _runs(points: np.ndarray) -> list[tuple[tuple[float, float], ...]]:
    """Stretches of finite points."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if np.isfinite(y):
            runs[-1].append((float(x), float(y)))
        elif runs[-1]:
            runs.append([])
    return [tuple(run) for run in runs if len(run) > 1]
