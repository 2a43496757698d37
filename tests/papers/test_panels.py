"""Panels of lines: valid files, the same every time, in the styles that tell kinds apart."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

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
    first, second, third = drawn[0].axes
    solid, dashed = (bars.lines[0] for bars in first.containers)
    assert solid.get_color() == dashed.get_color(), "what stands in brackets does not change the colour"
    assert dashed.get_linestyle() == "--"
    hollow = next(line for line in first.lines if line.get_marker() == "D" and len(line.get_xdata()))
    assert hollow.get_markerfacecolor() == "none"
    assert to_hex(hollow.get_markeredgecolor()) == solid.get_color()
    assert len(second.collections) == 1, "a band"
    assert [label.get_text() for label in third.get_xticklabels()] == ["a", "b"]
    low, high = first.get_ylim()
    assert low >= -0.1, "an interval of 20 does not set the scale"
    assert high < 1.2
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["a", "a (rule)", "printed in the paper", "b"]


def test_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="nothing to show"):
        plots.panels([("", "", [])], tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"\.png"):
        plots.panels(PARTS, tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())
