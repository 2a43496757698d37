"""How wide texts are, so that they do not touch."""

from functools import cache, lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

FONT = "DejaVu Sans"
DPI = 100
POINT = 72 / DPI  # points per pixel


@cache
def _renderer() -> RendererAgg:
    """That of the painter, which rounds letters to whole pixels."""
    return FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a text of a size, both [pixel]."""
    font = FontProperties(family=FONT, size=size * POINT, weight="bold" if bold else "normal")
    return float(_renderer().get_text_width_height_descent(text, font, ismath=False)[0])


def fitted(text: str, size: float, room: float, bold: bool = False) -> str:
    """A text, or as much of it as there is room for, with an ellipsis."""
    if text_width(text, size, bold) <= room:
        return text
    for n in range(len(text) - 1, 0, -1):
        short = text[:n].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
        if text_width(short, size, bold) <= room:
            return short
    return ""


def wrapped(text: str, size: float, room: float, bold: bool = False) -> list[str]:
    """A text in lines that have room, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return [fitted(line, size, room, bold) for line in lines]
