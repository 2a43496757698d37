"""Colours: a function of the name; those that meet in a plot are apart, and individuals are not taken for loads."""

import importlib
import itertools

import numpy as np
import pytest

import jaxvec
from jaxvec.core.make import ENVIRONMENTS
from jaxvec.league.entries import ENTRIES, SAMPLED
from jaxvec.policies import RULES, fixed
from jaxvec.viz.colours import COLOUR_OF, IDENTITY, NAMES, colour_of, colours_of, legible
from jaxvec.viz.theme import load_colour, rgb


def lab(colour):
    """CIELAB of `#rrggbb`, in which distances are about as they are seen."""
    c = np.array(rgb(colour)) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ c
    f = np.cbrt(xyz / [0.9505, 1, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def far(a, b):
    return float(np.linalg.norm(lab(a) - lab(b)))


def test_a_name_has_one_colour_however_it_is_written():
    assert colour_of("mappo") == colour_of("MAPPO") == colour_of("mappo (5 seeds)") == "#c8402a"
    assert colour_of("waterfill_twin") == colour_of("waterfill-twin")
    assert colour_of("my own") == colour_of("my own")
    assert {colour_of(f"rule {i}") for i in range(200)} == set(NAMES)
    assert len(COLOUR_OF) == sum(len(names.split(" | ")) for names in NAMES.values()), "no name stands twice"


@pytest.mark.parametrize("env_id", list(RULES))
def test_rules_and_learners_that_meet_are_apart(env_id):
    env, params = jaxvec.make(env_id)
    together = [[*fixed(env, params), *SAMPLED, *(entry.name for entry in ENTRIES[env_id])]]
    figures = importlib.import_module(f"jaxvec.papers.{env_id}.figures").FIGURES
    together += [[series.name.split(" (")[0] for series in figure.series] for figure in figures]
    for names in together:
        names = {name.casefold().replace("_", "-") for name in names}
        assert len({colour_of(name) for name in names}) == len(names), sorted(names)
    assert env_id in ENVIRONMENTS


def test_names_of_one_figure_that_nobody_knows_are_apart_too():
    names = ["mappo", "apg (ours)", "apg", *(f"line {i}" for i in range(13))]
    colours = colours_of(names)
    assert colours["mappo"] == colour_of("mappo")
    assert colours["apg (ours)"] == colours["apg"] == colour_of("apg")
    assert len(set(colours.values())) == 15
    assert len(set(colours_of([f"line {i}" for i in range(40)]).values())) == len(NAMES)


def test_colours_can_be_told_apart():
    assert min(far(a, b) for a, b in itertools.combinations(NAMES, 2)) > 13
    assert min(far(a, b) for a, b in itertools.combinations(IDENTITY, 2)) > 25
    loads = [load_colour(load) for load in np.linspace(0, 2, 41)]
    assert min(far(a, b) for a in IDENTITY for b in loads) > 35


def test_names_in_pale_colours_can_be_read():
    for colour in NAMES:
        assert np.dot(rgb(legible(colour)), [0.299, 0.587, 0.114]) < 130
