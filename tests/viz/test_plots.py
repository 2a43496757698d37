"""Plots of results: valid files, the same every time, and clear words about what cannot be shown."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jaxvec.viz import plots

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
    half = 1.96 * METRICS["reward"].std(1, ddof=1) / np.sqrt(SEEDS)
    np.testing.assert_allclose(low, mean - half)
    assert {text.get_text().split()[0] for text in main.texts} >= {"random", "rule"}
    assert [axes.get_title(loc="left") for axes in small] == ["latency mean [s]", "energy mean [J]", "latency max [s]"]


def test_one_seed_and_one_update_are_enough(drawn, tmp_path):
    plots.learning_curve({"reward": [1.0, 2.0, 4.0]}, tmp_path / "a.png")
    plots.learning_curve({"reward": [1.0], "cost": [2.0]}, tmp_path / "b.png", panels=["cost"])
    assert [len(figure.axes) for figure in drawn] == [1, 2]
    np.testing.assert_array_equal(drawn[0].axes[0].get_lines()[0].get_xdata(), [1, 2, 3])


def test_a_comparison_is_sorted_and_says_its_numbers(drawn, tmp_path):
    PLOTS["comparison"](tmp_path / "a.png")
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a", "c"]
    best = RESULTS["c"]["reward"]
    half = 1.96 * best.std(ddof=1) / np.sqrt(50)
    assert axes.texts[-1].get_text() == f"{best.mean():.2f} ± {half:.2f}".replace("-", "\N{MINUS SIGN}")


def test_a_single_episode_has_no_interval(drawn, tmp_path):
    plots.comparison({"a": {"cost": [2.5]}, "b": {"cost": [3.0]}}, tmp_path / "a.png", metric="cost")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["2.5", "3"]


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


def test_panels_show_what_training_logs_of_the_environment():
    rising = np.arange(3.0)
    logged = {
        "reward": rising,
        "env/latency_mean_s": rising,
        "env/energy_mean_j": rising,
        "ppo/kl": rising,
        "update": rising,
    }
    assert plots._telling(plots_by_seed(logged)) == ["env/latency_mean_s", "env/energy_mean_j"]


def plots_by_seed(metrics):
    return {name: plots._by_seed(name, x) for name, x in metrics.items()}
