"""Pictures: rendered episodes (GIF, a self-contained HTML player, PNG) and plots of results, all without a display.

    slots = viz.record(env, policy, key, params)            viz.render(env, params, slots, "episode.gif")
    viz.learning_curve(metrics, "learning.png")             viz.comparison(evaluate(...), "comparison.svg")

An environment is drawn by the function `scene` of the module `jaxvec.viz.scenes.<env.id>`; one without such a module is drawn
as the history of its scalar metrics.
"""

from jaxvec.viz.plots import comparison, learning_curve, throughput
from jaxvec.viz.render import record, render

__all__ = ["comparison", "learning_curve", "record", "render", "throughput"]
