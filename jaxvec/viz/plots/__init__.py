"""Results as plots: how learning went, how policies compare, how fast it runs. The suffix of the file decides: .png or .svg."""

from jaxvec.viz.plots.contest import comparison
from jaxvec.viz.plots.learning import learning_curve
from jaxvec.viz.plots.lines import Line, panels
from jaxvec.viz.plots.maps import world_map
from jaxvec.viz.plots.speed import throughput
from jaxvec.viz.plots.style import apart, name_lines, new_figure, with_error

__all__ = [
    "Line",
    "apart",
    "comparison",
    "learning_curve",
    "name_lines",
    "new_figure",
    "panels",
    "throughput",
    "with_error",
    "world_map",
]
