"""Worlds of files: a recording, its net, places; in metres and in degrees."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxvec.traces import RecordError, build_world, load_world, read_net, save_world
from jaxvec.traces.build_world import presence, summary

NET = """<?xml version="1.0" encoding="UTF-8"?>
<net version="1.20">
    <location netOffset="-391000.00,-5817000.00" convBoundary="0,0,200,100" origBoundary="0,0,0,0" projParameter="{projection}"/>
    <edge id=":b_0" function="internal"><lane id=":b_0_0" index="0" shape="95,0 105,0"/></edge>
    <edge id="walk"><lane id="walk_0" index="0" allow="pedestrian" shape="0,9 100,9"/></edge>
    <edge id="ab" from="a" to="b">
        <lane id="ab_0" index="0" allow="pedestrian bicycle" shape="0,-4 100,-4"/>
        <lane id="ab_1" index="1" disallow="pedestrian" shape="0,0 50,0 100,0"/>
        <lane id="ab_2" index="2" shape="0,2 100,2"/>
    </edge>
    <edge id="bc" from="b" to="c"><lane id="bc_0" index="0" shape="100,0,5 200,100,9"/></edge>
    <edge id="far" from="d" to="e"><lane id="far_0" index="0" shape="9000,0 9100,0"/></edge>
    <junction id="a" type="dead_end" x="0" y="0"/>
    <junction id="b" type="traffic_light" x="100" y="0"/>
    <junction id="c" type="priority" x="195" y="95"/>
    <junction id="d" type="priority" x="9000" y="0"/>
    <junction id=":b_1" type="internal" x="101" y="0"/>
</net>
"""
UTM = "+proj=utm +zone=33 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"


def drive(places, speed=14.142136):
    """FCD of one car, at a place each second."""
    steps = "".join(
        f'<timestep time="{t}"><vehicle id="a" x="{x}" y="{y}" angle="45" speed="{speed}"/></timestep>'
        for t, (x, y) in enumerate(places)
    )
    return f"<fcd-export>{steps}</fcd-export>"


@pytest.fixture
def files(tmp_path):
    def files(projection="!", places=tuple((100 + 10 * k, 10 * k) for k in range(10))):
        (tmp_path / "a.net.xml").write_text(NET.format(projection=projection))
        (tmp_path / "a.fcd.xml").write_text(drive(places))
        return {"net": tmp_path / "a.net.xml", "fcd": tmp_path / "a.fcd.xml"}

    return files


def test_a_net_by_hand(files):
    net = read_net(files()["net"])
    np.testing.assert_array_equal(
        net.streets_m, [[0, 0, 50, 0], [50, 0, 100, 0], [100, 0, 200, 100], [9000, 0, 9100, 0]]
    )
    np.testing.assert_array_equal(net.junctions_m, [[100, 0], [195, 95], [9000, 0]])
    np.testing.assert_array_equal(net.corners_m, [[0, 0], [9100, 100]])
    assert net.projection() is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("<net version", "<nut version", r"line 2: the root element is <nut>, not <net>"),
        ('shape="0,0 50,0 100,0"', 'shape="0,0 50"', r"line 8: '0,0 50' is no list of points"),
        ('x="195"', "", r"line 15: ',95' is no list of points"),
        ("</net>", "", "not whole XML"),
    ],
)
def test_nets_that_are_none(files, old, new, fault):
    path = files()["net"]
    text = path.read_text().replace(old, new)
    path.write_text(text.replace("</net>", "</nut>") if "<nut" in new else text)
    with pytest.raises(RecordError, match=fault):
        read_net(path)


def test_a_world_in_metres(files, tmp_path):
    world, provenance = build_world(**files(), n_places=1, reach_m=40)
    np.testing.assert_array_equal(world.trace.x_m, [[100, 110, 120, 130, 140, 150, 160, 170, 180, 190]])
    np.testing.assert_array_equal(world.corners_m, [[100, 0], [200, 100]])
    np.testing.assert_array_equal(world.streets_m, [[50, 0, 100, 0], [100, 0, 200, 100]])  # those that pass the area
    assert (world.place_x_m.tolist(), world.place_y_m.tolist()) == (
        [195],
        [95],
    )  # of junctions, c has four samples near
    assert np.isnan(world.anchor_deg).all()
    assert provenance["recording"]["samples"]["kept"] == 10
    save_world(world, tmp_path / "a.npz", provenance)
    assert summary(world) == {
        "vehicles": 1, "seconds": 9, "dt_s": 1, "width_m": 100, "height_m": 100, "places": 1, "streets": 2,
        "present_least": 1, "present_mean": 1, "present_most": 1,
    }  # fmt: skip


def test_places_by_rules_and_by_a_list(files, tmp_path):
    both = build_world(**files(), rule="junctions")[0]
    assert both.place_x_m.tolist() == [100, 195]  # the third is elsewhere
    assert build_world(**files(), rule="grid", n_places=4)[0].place_x_m.tolist() == [125, 175, 125, 175]
    assert build_world(**files(), rule="kmeans", n_places=1)[0].place_x_m.tolist() == pytest.approx([145], abs=6)
    (tmp_path / "masts.csv").write_text("x,y\n1,2\n")
    assert build_world(**files(), places=tmp_path / "masts.csv")[0].place_y_m.tolist() == [2]


def test_degrees_fall_on_the_streets_of_their_net(files, tmp_path):
    pyproj = pytest.importorskip("pyproj")
    metres = files()
    expected, _ = build_world(**metres, n_places=1)
    proj = pyproj.Proj(UTM)
    degrees = [proj(391000 + 100 + 10 * k, 5817000 + 10 * k, inverse=True) for k in range(10)]
    (tmp_path / "masts.csv").write_text("longitude,latitude\n{},{}\n".format(*degrees[3]))
    world, _ = build_world(**files(UTM, degrees), places=tmp_path / "masts.csv")
    np.testing.assert_allclose(world.trace.x_m, expected.trace.x_m, atol=0.01)
    np.testing.assert_allclose(world.trace.y_m, expected.trace.y_m, atol=0.01)
    np.testing.assert_allclose((world.place_x_m, world.place_y_m), ([130], [30]), atol=0.01)
    longitude, latitude = proj(391000, 5817000, inverse=True)
    np.testing.assert_allclose(world.anchor_deg, (latitude, longitude), atol=1e-5)
    anchored, _ = build_world(**files(UTM), n_places=1)  # metres, of a net that says where it is
    np.testing.assert_allclose(anchored.anchor_deg, (latitude, longitude), atol=1e-5)


def test_without_pyproj_metres_need_none_and_degrees_say_so(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyproj", None)
    assert np.isnan(build_world(**files(UTM), n_places=1)[0].anchor_deg).all()
    degrees = [(13.4 + 1.5e-4 * k, 52.5 + 9e-5 * k) for k in range(10)]
    with pytest.raises(
        RecordError, match=r"positions are in degrees, but the projection of a net needs pyproj: pip install"
    ):
        build_world(**files(UTM, degrees), n_places=1)
    del (without := files("!", degrees))["net"]
    world, provenance = build_world(**without, n_places=1)  # about the middle
    assert np.abs(world.trace.x_m + world.trace.x_m[:, ::-1]).max() < 2
    assert provenance["recording"]["samples"]["projection"].startswith("equirectangular about latitude 52.5")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fcd": None}, r"give a SUMO recording \(fcd\) or a table of trajectories \(table\), one of them"),
        ({"table": "a.csv"}, "one of them"),
        ({"fcd": None, "table": "a.csv"}, "a table needs columns"),
        ({"columns": "porto"}, "and only a table"),
        ({"places": "a.csv", "n_places": 3}, "as a list or chosen by a rule, not both"),
        ({"rule": "gird"}, "unknown rule 'gird'. Did you mean 'grid'"),
        ({"rule": "junctions", "net": None}, "junctions are those of a net"),
        ({"n_places": 0}, "n_places is 0, not at least 1"),
        ({"reach_m": -1.0}, r"reach_m is -1\.0, not positive"),
        ({"rule": "junctions", "n_places": 3}, "3 places asked for, but there are 2 where one may be"),
    ],
)
def test_contradictions_are_refused(files, changes, fault):
    with pytest.raises(ValueError, match=fault):
        build_world(**(files() | changes))


def test_the_net_of_another_town_is_refused(files):
    with pytest.raises(RecordError, match="no junction of the net lies where the vehicles are"):
        build_world(**files(places=[(5000 + 10 * k, 5000 + 10 * k) for k in range(10)]), rule="junctions")


def test_the_shipped_town():
    world = load_world("town")
    held = summary(world)
    assert held["present_least"] >= 40
    assert (held["seconds"], held["places"]) == (4200, 12)
    assert 900 < held["width_m"] < 1200
    times_s, present = presence(world.trace)
    middle_s = float(times_s[1000])
    there = (world.trace.enter_s <= middle_s) & (
        middle_s <= world.trace.enter_s + (world.trace.n_samples - 1) * world.trace.dt_s
    )
    assert there.sum() == present[1000]
    # cars are on streets: within 12 m of a piece of one, but for those in the middle of a junction
    a, b = world.streets_m[:, :2], world.streets_m[:, 2:]
    at_m = np.stack([world.trace.x_m[there, 0], world.trace.y_m[there, 0]], 1)[:, None]
    along = np.clip(np.sum((at_m - a) * (b - a), 2) / np.sum((b - a) ** 2, 1), 0, 1)
    far_m = np.linalg.norm(a + along[..., None] * (b - a) - at_m, axis=2).min(1)
    assert np.all(far_m < 15)


OSM = """<osm version="0.6">
<node id="1" lat="52.5000" lon="13.4000" version="1"/><node id="2" lat="52.5000" lon="13.4040" version="1"/>
<node id="3" lat="52.5030" lon="13.4040" version="1"/><node id="4" lat="52.5030" lon="13.4000" version="1"/>
<way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/><tag k="highway" v="residential"/></way>
<way id="11" version="1"><nd ref="1"/><nd ref="3"/><tag k="highway" v="secondary"/></way>
</osm>
"""


@pytest.mark.slow
def test_an_extract_of_openstreetmap_becomes_a_world(tmp_path, monkeypatch):
    pytest.importorskip("sumo")
    pytest.importorskip("pyproj")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    from make_sumo_trace import program

    def run(name, *words):
        subprocess.run([program(name), *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "map.osm").write_text(OSM)
    run("netconvert", "--osm-files", "map.osm", "--output-file", "map.net.xml", "--geometry.remove", "--tls.guess")
    (tmp_path / "map.rou.xml").write_text(
        '<routes><flow id="f" begin="0" end="60" period="4" fromJunction="1" toJunction="3"/></routes>'
    )
    sumo = (
        "--net-file",
        "map.net.xml",
        "--route-files",
        "map.rou.xml",
        "--junction-taz",
        "--end",
        "60",
        "--no-step-log",
    )
    worlds = []
    for name, more in {
        "a.xml": (),
        "b.xml": ("--fcd-output.geo",),
        "c.csv": (),
        "d.csv": ("--fcd-output.geo",),
        "e.parquet": (),
    }.items():
        if name == "e.parquet":
            pytest.importorskip("pyarrow")
        run("sumo", *sumo, "--fcd-output", name, *more)
        worlds.append(build_world(fcd=tmp_path / name, net=tmp_path / "map.net.xml", rule="junctions")[0])
    assert len(worlds[0].place_x_m) >= 2
    np.testing.assert_allclose(worlds[0].anchor_deg, (52.5, 13.4), atol=1e-3)
    for world in worlds[1:]:
        np.testing.assert_allclose(
            world.trace.x_m, worlds[0].trace.x_m, atol=0.1
        )  # six decimals of degrees, two of metres
        np.testing.assert_allclose(world.trace.y_m, worlds[0].trace.y_m, atol=0.1)
