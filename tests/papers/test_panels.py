"""Panels of lines: valid files, the same every time, in the styles that tell kinds apart."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jaxvec.papers.data import Data
from jaxvec.papers.urllc_vec.figures import FIGURES
from jaxvec.viz import plots
from jaxvec.viz.plots import Line

NAN = float("nan")
PARTS = [
    (
        "over numbers",
        "size",
        [
            Line("a", [1, 2], [0.5, 0.6], [0.1, 20.0]),
            Line("a (rule)", [1, 2], [0.4, 0.4], [0.1, 0.1], "rule"),
            Line("a", [2], [0.7], [NAN], "paper"),
        ],
    ),
    ("over training", "episodes", [Line("b", [0, 1, 2], [0.1, 0.2, 0.3], [0.1] * 3, "curve")]),
    ("by name", " ", [Line("a", ["a"], [1.0], [0.2]), Line("b", ["b"], [2.0], [NAN])]),
]


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    write = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), write(self, *a, **k))[1])
    return figures


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_files_are_always_the_same(suffix, tmp_path):
    files = [plots.panels(PARTS, tmp_path / f"{name}{suffix}", title="t", note="n") for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_kinds_and_colours(drawn, tmp_path):
    plots.panels(PARTS, tmp_path / "x.png")
    first, second, third, beside = drawn[0].axes
    solid, dashed = (bars.lines[0] for bars in first.containers)
    assert solid.get_color() == dashed.get_color(), "what stands in brackets does not change the colour"
    assert dashed.get_linestyle() == "--"
    hollow = next(line for line in first.lines if line.get_marker() == "D" and len(line.get_xdata()))
    assert hollow.get_markerfacecolor() == "none"
    assert to_hex(hollow.get_markeredgecolor()) == solid.get_color()
    assert len(second.collections) == 1, "a band"
    assert [label.get_text() for label in third.get_xticklabels()] == ["a", "b"]
    assert [axes.get_ylabel() for axes in drawn[0].axes[:3]] == ["over numbers", "over training", "by name"]
    assert [axes.get_xlabel() for axes in drawn[0].axes[:3]] == ["size", "episodes", "who is compared"]
    low, high = first.get_ylim()
    assert low >= -0.1, "an interval of 20 does not set the scale"
    assert high < 1.2
    names = [text.get_text() for text in beside.get_legend().get_texts()]
    assert names == ["a", "a (rule)", "b", "printed in the paper"]


def test_the_place_beside_an_odd_panel_holds_the_legend_or_the_panel_itself(drawn, tmp_path):
    plots.panels(PARTS, tmp_path / "x.png")
    *_, third, beside = drawn[0].axes
    box, panel = (x.get_window_extent() for x in (beside.get_legend(), third))
    assert not drawn[0].legends
    assert not beside.axison
    assert box.x0 > panel.x1, "not upon the panel"
    assert panel.y0 < box.y0 < box.y1 < panel.y1, "as high as it"

    line = Line("a", [1, 2], [0.5, 0.6], [NAN] * 2)
    plots.panels([(f"panel {i}", "size", [line]) for i in range(3)], tmp_path / "x.png")
    first, second, last = (axes.get_window_extent() for axes in drawn[1].axes)
    assert last.x0 == pytest.approx(first.x0, abs=1)
    assert last.x1 == pytest.approx(second.x1, abs=1)


def test_who_is_shown_by_the_papers_value_alone_is_named(drawn, tmp_path):
    """As in Fig. 4 of isac_iov, where MASAC was not trained: a diamond of its colour stands in the legend."""
    lines = [Line("a", [1, 2], [0.5, 0.6], [NAN] * 2, "curve"), Line("a", [2], [0.7], [NAN], "paper")]
    plots.panels([("reward", "episodes", [*lines, Line("b", [2], [0.8], [NAN], "paper")])], tmp_path / "x.png")
    (legend,) = drawn[0].legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["a", "printed in the paper", "b, printed in the paper"]
    shown = drawn[0].axes[0].lines[2].get_markeredgecolor()
    assert legend.legend_handles[2].get_markeredgecolor() == shown


def test_rules_at_the_same_level_are_both_seen_and_levels_alone_have_no_numbers_along(drawn, tmp_path):
    levels = {"a": 0.5, "b": 1.0, "c": 0.5}
    rules = [Line(name, [0.0, 1.0], [level] * 2, [NAN] * 2, "rule") for name, level in levels.items()]
    plots.panels([("reward", "episodes", rules)], tmp_path / "x.png")
    (axes,) = drawn[0].axes
    phases = [line._unscaled_dash_pattern[0] for line in axes.lines if len(line.get_xdata())]
    assert phases[0] == phases[1] != phases[2]
    assert len({line._unscaled_dash_pattern[0] for line in drawn[0].legends[0].legend_handles}) == 1
    assert axes.get_xlabel() == "episodes (no learner was trained)"
    assert list(axes.get_xticks()) == []
    assert all(line.get_linestyle() == "--" for line in axes.lines), "without intervals there are no bars at their ends"


def test_panels_stand_two_in_a_row_and_count_in_whole_numbers(drawn, tmp_path):
    line = Line("a", [2, 3, 5], [0.5, 0.6, 0.7], [NAN] * 3)
    plots.panels([(f"panel {i}", "vehicles", [line]) for i in range(5)], tmp_path / "x.png")
    places = [axes.get_subplotspec() for axes in drawn[0].axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert all(tick == round(tick) for tick in drawn[0].axes[0].get_xticks())


def test_what_spans_decades_has_a_logarithmic_axis(drawn, tmp_path):
    """As Table III of the URLLC-VEC paper: latencies of four links, and losses over distances in equal ratios."""
    latency = [
        Line("a", ["1 Mbit", "10 Mbit"], [0.2, 2.0], [NAN] * 2),
        Line("b", ["1 Mbit", "10 Mbit"], [40.0, 400.0], [NAN] * 2),
    ]
    loss = [Line("a", [10.0, 100.0, 1000.0], [60.0, 80.0, 100.0], [NAN] * 3, "curve")]
    sweep = [Line("a", [100.0, 200.0, 300.0], [-1.0, 1.0, 500.0], [NAN] * 3)]
    plots.panels(
        [("latency [ms]", "size", latency), ("loss [dB]", "distance [m]", loss), ("reward", "n", sweep)],
        tmp_path / "x.png",
    )
    assert [(axes.get_xscale(), axes.get_yscale()) for axes in drawn[0].axes if axes.axison] == [
        ("linear", "log"),
        ("log", "linear"),
        ("linear", "linear"),
    ]
    low, high = drawn[0].axes[0].get_ylim()
    assert 0 < low < 0.2
    assert high > 400


def test_table_iii_has_logarithmic_axes(drawn, tmp_path):
    (figure,) = (figure for figure in FIGURES if figure.number == "table3")
    plots.panels([(p.title, p.axis, p.lines(Data((), {}))) for p in figure.panels], tmp_path / "x.png")
    latency, loss = drawn[0].axes
    assert (latency.get_yscale(), loss.get_xscale(), loss.get_yscale()) == ("log", "log", "linear")


def test_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="nothing to show"):
        plots.panels([("", "", [])], tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"\.png"):
        plots.panels(PARTS, tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())
