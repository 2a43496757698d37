"""Plots of results: valid files, the same every time, and clear words about what cannot be shown."""

import itertools
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from jaxvec.traces import load_world
from jaxvec.viz import plots
from jaxvec.viz.colours import colour_of
from jaxvec.viz.plots import learning

RNG = np.random.default_rng(0)
UPDATES, SEEDS = 20, 4
METRICS = {
    "update": np.arange(1, UPDATES + 1),
    "steps": np.arange(1, UPDATES + 1) * 7680,
    "reward": RNG.normal(size=(UPDATES, SEEDS)).cumsum(0),
    "latency_max_s": RNG.random((UPDATES, SEEDS)),
    "latency_mean_s": RNG.random((UPDATES, SEEDS)),
    "energy_mean_j": RNG.random((UPDATES, SEEDS)),
    "constant": np.ones((UPDATES, SEEDS)),
    "ppo/kl": RNG.random((UPDATES, SEEDS)),
}
RESULTS = {name: {"reward": RNG.normal(mean, 1, 50)} for name, mean in (("b", -2), ("c", 0), ("a", -1))}
ROWS = [
    {"series": series, "worlds": worlds, "steps_per_s": speed * worlds}
    for series, speed in (("one", 1e3), ("two", 2e3))
    for worlds in (256, 1, 16)
]
PLOTS = {
    "learning": lambda path: plots.learning_curve(METRICS, path, baselines={"random": -3.0, "rule": 1.0}, x="steps"),
    "comparison": lambda path: plots.comparison(RESULTS, path),
    "throughput": lambda path: plots.throughput(ROWS, path),
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that plots write."""
    figures = []
    write = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), write(self, *a, **k))[1])
    return figures


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_files_are_valid_and_always_the_same(plot, suffix, tmp_path):
    files = [PLOTS[plot](tmp_path / f"{name}{suffix}") for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    if suffix == ".png":
        with Image.open(files[0]) as image:
            image.verify()
            assert min(image.size) > 200
    else:
        assert ET.parse(files[0]).getroot().tag.endswith("svg")
    assert sorted(tmp_path.iterdir()) == files


def test_no_window_system_is_touched(tmp_path):
    PLOTS["comparison"](tmp_path / "a.png")
    assert "matplotlib.pyplot" not in sys.modules


def test_a_learning_curve_has_mean_band_seeds_and_baselines(drawn, tmp_path):
    PLOTS["learning"](tmp_path / "a.png")
    main, *small = drawn[0].axes
    lines = main.get_lines()
    mean = METRICS["reward"].mean(1)
    assert sum(np.array_equal(line.get_ydata(), mean) for line in lines) == 1
    for seed in range(SEEDS):
        assert any(np.array_equal(line.get_ydata(), METRICS["reward"][:, seed]) for line in lines)
    np.testing.assert_array_equal(lines[0].get_xdata(), METRICS["steps"])
    low = main.collections[0].get_paths()[0].vertices[1 : UPDATES + 1, 1]
    half = 3.182446 * METRICS["reward"].std(1, ddof=1) / np.sqrt(SEEDS)  # Student's t for three degrees of freedom
    np.testing.assert_allclose(low, mean - half, rtol=1e-6)
    assert {text.get_text().split()[0] for text in main.texts} >= {"random", "rule"}
    assert [axes.get_ylabel() for axes in small] == ["latency mean [s]", "energy mean [J]", "latency max [s]"]


def test_one_seed_and_one_update_are_enough(drawn, tmp_path):
    plots.learning_curve({"reward": [1.0, 2.0, 4.0]}, tmp_path / "a.png")
    plots.learning_curve({"reward": [1.0], "cost": [2.0]}, tmp_path / "b.png", panels=["cost"])
    assert [len(figure.axes) for figure in drawn] == [1, 2]
    np.testing.assert_array_equal(drawn[0].axes[0].get_lines()[0].get_xdata(), [1, 2, 3])


def test_pieces_of_an_episode_are_averaged_over_it(drawn, tmp_path):
    """Rewards that go up and down with the piece of the episode, all worlds alike, say nothing of learning."""
    up_and_down = np.tile([-2.0, -1.4, -1.1], 20)
    for episode in (3, 1, 100):
        plots.learning_curve({"reward": up_and_down, "update": np.arange(60)}, tmp_path / "a.png", episode=episode)
    flat, raw, short = (figure.axes[0].get_lines()[0].get_ydata() for figure in drawn)
    np.testing.assert_allclose(flat[:3], [-2.0, -1.7, -1.5])
    np.testing.assert_allclose(flat[2:], -1.5)
    np.testing.assert_array_equal(raw, up_and_down)
    assert short[-1] == pytest.approx(-1.5)
    labels = [figure.axes[0].get_xlabel().partition(" · ")[2] for figure in drawn]
    assert labels == ["each point the last 3, an episode", "", "each point the last 100, an episode"]


def test_a_comparison_is_sorted_says_its_numbers_and_pairs_its_worlds(drawn, tmp_path):
    plots.comparison(RESULTS, tmp_path / "a.png")
    left, right = drawn[0].axes
    labels = left.get_yticklabels()
    assert [label.get_text() for label in labels] == ["b", "a", "c"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "normal"], "the first is the reference"
    best = RESULTS["c"]["reward"]
    half = 2.009575 * best.std(ddof=1) / np.sqrt(50)
    assert left.texts[-1].get_text() == f"{best.mean():.2f} ± {half:.2f}".replace("-", "\N{MINUS SIGN}")
    ahead = best - RESULTS["b"]["reward"]
    half = 2.009575 * ahead.std(ddof=1) / np.sqrt(50)
    assert right.texts[-1].get_text() == f"+{ahead.mean():.2f} ± {half:.2f}"
    assert right.get_xlabel() == "difference from b, world by world"


def test_differences_are_world_by_world(drawn, tmp_path):
    """Worlds that differ by 100 hide a difference of 1 unless they are paired."""
    worlds = np.array([0.0, 100.0, 200.0])
    plots.comparison({"mine": {"reward": worlds}, "rule": {"reward": worlds - [1, 1, 2]}}, tmp_path / "a.png")
    # mean -4/3, deviation sqrt(1/3), t = 4.302653: half-width 4.302653 sqrt(1/3) / sqrt(3) = 1.43
    assert drawn[0].axes[1].texts[0].get_text() == "\N{MINUS SIGN}1.3 ± 1.4"


@pytest.mark.parametrize(
    ("metric", "top"),
    [("reward", "b"), ("latency_mean_s", "a"), ("env/drop_rate", "a"), ("qos", "b"), ("violation_rate", "a")],
)
def test_the_best_is_at_the_top_also_where_less_is_better(drawn, tmp_path, metric, top):
    plots.comparison({"a": {metric: [1.0, 1.1]}, "b": {metric: [2.0, 2.1]}}, tmp_path / "a.png", metric)
    axes = drawn[0].axes[0]
    assert axes.get_yticklabels()[-1].get_text() == top
    assert ("lower is better" in axes.get_xlabel()) == (top == "a")


def test_one_outlier_does_not_squeeze_the_others(drawn, tmp_path):
    near = {
        name: {"reward": RNG.normal(mean, 0.1, 40)}
        for name, mean in (("a", -1.0), ("b", -1.2), ("c", -1.5), ("d", -1.4))
    }
    plots.comparison({**near, "far": {"reward": RNG.normal(-50, 1, 40)}}, tmp_path / "a.png")
    for axes in drawn[0].axes:
        low, high = axes.get_xlim()
        assert high - low < 2
        arrows = [line for line in axes.get_lines() if line.get_marker() in ("<", ">")]
        assert [(line.get_marker(), list(line.get_ydata())) for line in arrows] == [("<", [0])]
        assert axes.texts[0].get_text().startswith(("\N{MINUS SIGN}50", "\N{MINUS SIGN}49"))


def test_a_single_episode_has_no_interval(drawn, tmp_path):
    plots.comparison({"a": {"cost": [2.5]}, "b": {"cost": [3.0]}}, tmp_path / "a.png", metric="cost")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["3", "2.5"]


def test_throughput_is_logarithmic_and_named_at_the_lines(drawn, tmp_path):
    PLOTS["throughput"](tmp_path / "a.png")
    axes = drawn[0].axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in axes.texts] == ["one", "two"]
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), [1, 16, 256])


def test_names_beside_lines_do_not_overlap():
    places = plots.apart(np.array([0.0, 0.01, 0.02, 0.5, 0.98, 0.99]), 0.1, 0.0, 1.0)
    assert (np.diff(places) >= 0.1 - 1e-9).all()
    assert places[0] >= 0
    assert places[-1] <= 1
    assert places[3] == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: plots.learning_curve(METRICS, p / "a.pdf"), r"\.png, \.svg, not '\.pdf'"),
        (lambda p: plots.learning_curve({"cost": [1.0]}, p / "a.png"), "no metric 'reward'; known: cost"),
        (lambda p: plots.learning_curve({"reward": [1.0]}, p / "a.png", x="steps"), "no metric 'steps'"),
        (lambda p: plots.learning_curve({"reward": []}, p / "a.png"), "no updates"),
        (lambda p: plots.learning_curve({"reward": np.zeros((1, 2, 3))}, p / "a.png"), r"not \(1, 2, 3\)"),
        (lambda p: plots.comparison({}, p / "a.png"), "no policies"),
        (lambda p: plots.comparison(RESULTS, p / "a.png", metric="cost"), "b has no metric 'cost'; known: reward"),
        (lambda p: plots.comparison(RESULTS, p / "a.png", reference="d"), "no policy 'd'; known: b, c, a"),
        (lambda p: plots.comparison({**RESULTS, "d": {"reward": [1.0]}}, p / "a.png"), "same worlds"),
        (lambda p: plots.throughput([], p / "a.png"), "no rows"),
        (lambda p: plots.throughput([{"series": "a", "worlds": 1}], p / "a.png"), "lacks steps_per_s"),
        (lambda p: plots.throughput([{"series": "a", "worlds": 0, "steps_per_s": 1}], p / "a.png"), "above zero"),
    ],
)
def test_what_cannot_be_shown_is_said(call, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_text("before")

    def fail(figure, path, **settings):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        PLOTS["comparison"](file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def telling(*names):
    metrics = {"reward": np.arange(3.0), **{name: np.arange(3.0) ** (2 + i) for i, name in enumerate(names)}}
    return learning._telling({name: learning._by_seed(name, x) for name, x in metrics.items()})


def test_panels_show_totals_before_their_parts():
    assert telling("env/latency_mean_s", "env/energy_mean_j", "ppo/kl", "update") == [
        "env/latency_mean_s",
        "env/energy_mean_j",
    ]
    parts = ["r_cost", "energy_local_j", "energy_tx_j", "latency_up_s", "latency_fwd_s"]
    totals = ["cost_mean", "latency_mean_s", "energy_mean_j", "violation_rate"]
    assert telling(*parts, *totals) == totals
    assert telling("energy_local_j", "energy_edge_j", "energy_sys_j", "tx_latency_mean_s", "latency_mean_s")[:2] == [
        "latency_mean_s",
        "energy_sys_j",
    ]
    assert telling("packet_loss", "loss_range", "latency_up_s", "latency_s")[:2] == ["latency_s", "packet_loss"]


def test_what_is_the_reward_again_has_no_panel():
    same = learning._by_seed("", np.arange(3.0))
    assert learning._telling({"reward": same, "team_reward": same, "team_reward_half": same / 2}) == [
        "team_reward_half"
    ]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 1500])
def test_updates_are_ticked_at_whole_numbers(drawn, tmp_path, n):
    plots.learning_curve({"reward": np.arange(n) + 0.0, "cost": -np.arange(n)}, tmp_path / "a.png", panels=["cost"])
    for axes in drawn[0].axes:
        ticks = axes.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
        assert len(ticks) >= 1


def test_a_learning_curve_says_what_it_is_of_and_has_its_colour(drawn, tmp_path):
    for name in ("apg", "mappo"):
        plots.learning_curve({"reward": [1.0, 2.0]}, tmp_path / "a.png", title=f"first: {name} on dt_edge")
        assert drawn[-1].get_suptitle() == f"first: {name} on dt_edge"
        assert drawn[-1].axes[0].get_lines()[0].get_color() == colour_of(name)


def test_places_of_a_world_have_the_numbers_that_they_have_in_an_episode(drawn, tmp_path):
    plots.world_map(load_world("town"), tmp_path / "a.png")
    assert [text.get_text() for text in drawn[0].axes[0].texts][:12] == [str(n) for n in range(1, 13)]


def overlaps(figure):
    """Pairs of texts that touch on the page."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    hidden = set()  # ticks beyond the limits have texts that are not drawn
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            hidden |= {t.label1 for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
            hidden |= {
                label for t in axis.get_major_ticks() for label in (t.label1, t.label2) if not label.get_visible()
            }
    texts = [t for t in figure.findobj(Text) if t not in hidden and t.get_visible() and t.get_text().strip()]
    boxes = [(t.get_text(), Text.get_window_extent(t, renderer)) for t in texts]  # of names without their lines
    return [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]


CROWD = {f"a_rule_of_a_long_name_{i}": {"reward": RNG.normal(-1 - i / 50, 1e-3, 30)} for i in range(9)}


@pytest.mark.parametrize("name", ["learning", "crowded learning", "comparison", "crowded comparison", "throughput"])
def test_texts_do_not_touch(name, drawn, tmp_path):
    path = tmp_path / "a.png"
    marks = {f"rule_{i}": 1.0 + i / 1000 for i in range(6)}
    crowded = {
        "crowded learning": lambda: plots.learning_curve(METRICS, path, baselines=marks, title="a: apg on dt_edge"),
        "crowded comparison": lambda: plots.comparison(CROWD, path),
    }
    crowded.get(name, lambda: PLOTS[name](path))()
    assert overlaps(drawn[0]) == []


@pytest.mark.parametrize("plot", PLOTS)
def test_every_axis_has_a_label(plot, drawn, tmp_path):
    PLOTS[plot](tmp_path / "a.png")
    for axes in drawn[0].axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel() or axes.get_shared_y_axes().joined(axes, drawn[0].axes[0])
