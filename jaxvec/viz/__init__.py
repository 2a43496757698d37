"""Pictures: rendered episodes (GIF, a self-contained HTML player, PNG) and plots of results, all without a display.

    from jaxvec.viz import plots, render

    slots = render.record(env, policy, key, params)         render.render(env, params, slots, "episode.gif")
    plots.learning_curve(metrics, "learning.png")           plots.comparison(evaluate(...), "comparison.svg")

An environment is drawn by the function `scene` of the module `jaxvec.viz.scenes.<env.id>`; one without such a module is drawn
as the history of its scalar metrics.
"""
