"""Rendered episodes: valid files, the same every time, whole or absent."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import os
import re
import stat

import numpy as np
import pytest
from PIL import Image
from representatives import representatives

from jaxvec.viz import player, render
from jaxvec.viz.draw import storyboard
from jaxvec.viz.encode import encoded
from jaxvec.viz.items import Path, Text, at
from jaxvec.viz.layout import TALL
from jaxvec.viz.render import SUBFRAMES
from jaxvec.viz.scene import scenes


@pytest.fixture(scope="module")
def page(episode, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "episode.html"
    assert render(*episode, file, policy_name="</script><b>sly</b>") == file
    return file.read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="episode">(.*?)</script>', page, re.DOTALL)[1])


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [x for part in value for x in numbers_in(part)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.slow
def test_gif(episode, tmp_path):
    files = [render(*episode, tmp_path / name, fps=20) for name in ("a.gif", "b.gif")]
    with Image.open(files[0]) as image:
        assert image.n_frames == SUBFRAMES * episode[0].horizon
        assert image.size == (1080, 600)
        assert image.info["loop"] == 0
        assert image.info["duration"] == 50
        image.seek(0)
        first = np.asarray(image.convert("RGB"), int)
        image.seek(1)
        assert (np.abs(np.asarray(image.convert("RGB"), int) - first).max(2) > 40).sum() > 100  # cars move
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size < 100_000 * episode[0].horizon


def test_png_of_one_slot_and_of_several(episode, tmp_path):
    one, again = (render(*episode, tmp_path / name, at=2) for name in ("one.png", "again.png"))
    sheet = render(*episode, tmp_path / "sheet.PNG", at=[2, 0])
    with Image.open(one) as image, Image.open(sheet) as images:
        assert image.size == (2160, 1200)
        assert images.size == (2160, 2400)
        assert np.array_equal(np.asarray(image), np.asarray(images)[:1200])
    assert one.read_bytes() == again.read_bytes()


def test_colours_of_the_theme_survive_in_a_gif(episode, tmp_path):
    with Image.open(render(*episode, tmp_path / "a.gif")) as image:
        image.seek(3)
        gif = np.asarray(image.convert("RGB"), int)
    still = render(*episode, tmp_path / "a.png", at=1)
    with Image.open(still) as image:
        png = np.asarray(image.resize((1080, 600)), int)
    assert np.median(np.abs(gif - png)) == 0
    assert gif[2, 2].tolist() == [255, 255, 255]


def test_the_page_is_one_whole_file(page):
    parser = html.parser.HTMLParser()
    opened = []
    parser.handle_starttag = lambda tag, attributes: opened.append((tag, dict(attributes)))
    parser.feed(page)
    parser.close()
    assert [attributes for tag, attributes in opened if tag in ("link", "img", "iframe")] == []
    assert all("src" not in attributes and "href" not in attributes for _, attributes in opened)
    assert sum(tag == "script" for tag, _ in opened) == 2
    assert not re.search(r"https?:|//[a-z]+\.|@[A-Z]+@|url\(|import", page)


def test_the_page_may_run_its_own_script_and_nothing_else(page):
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert page.index("<title>") > policy.end()  # a policy governs what comes after it
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for name, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        (inside,) = re.findall(f"{tag}(.*?)</{tag[1:]}", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules.pop(name) == f"'sha256-{digest}'"
    assert rules == {}
    assert not re.search(r"<[^>]* (style|on[a-z]+)=", page)  # of those in attributes no digest speaks


def test_a_title_that_holds_placeholders_changes_nothing(episode, page):
    title = "@DATA@ @TITLE@ @SCRIPT@ @STYLE@ @POLICY@ @INK@ @NOTHING@ \\1"
    board = storyboard(scenes(*episode))
    tall = storyboard(scenes(*episode), canvas=TALL)
    other = player.page(dataclasses.replace(board, title=title), tall, 1.0)
    assert other.count(title.replace("\\", "\\\\")) == 1  # in the data
    assert other.count(title) == 2  # of the page, and of the picture
    assert data_of(other)["title"] == title
    assert data_of(other)["boards"] == data_of(player.page(board, tall, 1.0))["boards"]
    for tag in ("script", "style"):
        assert re.findall(f"<{tag}>.*?</{tag}>", other, re.DOTALL) == re.findall(f"<{tag}>.*?</{tag}>", page, re.DOTALL)


def test_the_page_holds_every_slot_in_finite_numbers(page, episode):
    env, _, slots = episode
    data = data_of(page)
    assert [len(board["slots"]) for board in data["boards"]] == [env.horizon] * 2
    numbers = numbers_in(data)
    assert len(numbers) > 1000
    assert np.isfinite(numbers).all()
    for t, said in enumerate(data["spots"]):
        spots = {title: dict(data["rows"][row] for row in rows) for title, *rows in said}
        assert list(spots) == ["vehicle 1", "vehicle 2", "vehicle 3", "RSU 1", "RSU 2"]
        shown = float(spots["vehicle 2"]["latency"].removesuffix(" s"))
        assert shown == pytest.approx(slots.ts.info["latency_s"][t, 1], rel=0.01)
        for board in data["boards"]:
            assert len(board["slots"][t]["spots"]) == len(said)
            assert f"</script><b>sly</b> · slot {t + 1} / {env.horizon}" in texts_of(data, board["slots"][t])


def texts_of(data, slot):
    flat = [
        x
        for item in slot["items"]
        for x in (item[1:] if isinstance(item, list) and isinstance(item[0], list) else [item])
    ]
    return [
        text for item in flat if isinstance(text := (data["items"][item] if isinstance(item, int) else item)[1], str)
    ]


def painted(data, entry, f):
    """What the player's script makes of an entry: looks and points, as `[(look, [(x, y)])]`."""
    if isinstance(entry, list) and isinstance(entry[0], list):
        (x, y, x1, y1), *items = entry
        at = np.array([x + f * (x1 - x), y + f * (y1 - y)])
        return [(look, points + at) for item in items for look, points in painted(data, item, f)]
    look, shape, x, y, *rest = data["items"][entry] if isinstance(entry, int) else entry
    x1, y1, other = [*rest, *[x, y, shape][len(rest) :]]

    def points(shape, x, y):
        if isinstance(shape, str):
            return np.array([[x, y]])
        index, n = shape if isinstance(shape, list) else (shape, None)
        return np.reshape(data["shapes"][index], (-1, 2))[:n] + np.array([x, y])

    return [(look, (1 - f) * points(shape, x, y) + f * points(other, x1, y1))]


def test_the_player_is_told_where_everything_is_to_a_fifth_of_a_pixel(episode):
    shown = scenes(*episode)
    boards = [storyboard(shown), storyboard(shown, canvas=TALL)]
    data = json.loads(json.dumps(encoded(boards)))
    for board, told in zip(boards, data["boards"], strict=True):
        for sheet, slot in zip(board.sheets, told["slots"], strict=True):
            for f, items in ((0, sheet.start), (1, sheet.end)):
                parts = [part for entry in slot["items"] for part in painted(data, entry, f)]
                for (_, points), item in zip(parts, items, strict=True):
                    np.testing.assert_allclose(points, item.points, atol=0.21)


@pytest.mark.slow
def test_a_long_episode_of_many_is_a_small_page(episode):
    """What repeats is written once: five times as many slots are less than three times as much."""
    shown = scenes(*episode)
    sizes = [len(player.page(storyboard(shown * n), storyboard(shown * n, canvas=TALL), 1.0).encode()) for n in (4, 20)]
    assert sizes[1] < 3 * sizes[0]
    assert sizes[1] < 2_000_000


def test_the_page_of_a_phone_is_narrow_and_its_letters_are_not(episode, page):
    board = storyboard(scenes(*episode), canvas=TALL)
    assert board.size[0] <= 430
    letters = [
        item.size for sheet in board.sheets for item in (*board.backdrop, *sheet.start) if isinstance(item, Text)
    ]
    assert min(letters) >= 8.5
    assert "@media (max-width: 640px)" in page
    assert f"{board.size[0]} / {board.size[1]}" in page


def test_a_slot_ends_where_the_next_one_begins(episode):
    board = storyboard(scenes(*episode))
    for sheet, following in zip(board.sheets, board.sheets[1:], strict=False):
        ends = {spot.title: spot.points[0] for spot in sheet.spots_end}
        starts = {spot.title: spot.points[0] for spot in following.spots_start}
        for name in ends:
            assert ends[name][1] == starts[name][1]
            assert (
                ends[name][0] == pytest.approx(starts[name][0]) or abs(ends[name][0] - starts[name][0]) > 1000
            )  # round


def test_halfway_is_in_the_middle(episode):
    sheet = storyboard(scenes(*episode)).sheets[0]
    paths = [item for item in at(sheet, 0.5) if isinstance(item, Path)]
    ends = [(a, b) for a, b in zip(sheet.start, sheet.end, strict=True) if isinstance(a, Path)]
    for item, (a, b) in zip(paths, ends, strict=True):
        np.testing.assert_allclose(item.points, (np.array(a.points) + np.array(b.points)) / 2)


@pytest.mark.parametrize("suffix", representatives((".gif", ".html", ".png"), (".gif", ".html")))
def test_any_environment_renders(unknown, tmp_path, suffix):
    file = render(*unknown, tmp_path / f"walkers{suffix}", policy_name="still")
    if suffix == ".html":
        assert len(data_of(file.read_text(encoding="utf-8"))["spots"]) == unknown[0].horizon
    else:
        with Image.open(file) as image:
            frames = range(getattr(image, "n_frames", 1))
            assert len(frames) == (unknown[0].horizon if suffix == ".gif" else 1)  # frames without motion are one


def test_values_that_are_not_finite_are_left_out(unknown, tmp_path):
    env, params, slots = unknown
    limit = np.array([1, np.nan, 2, np.inf, 3, 4])
    odd = slots._replace(ts=slots.ts.replace(info={"limit": limit, "never": np.full(6, np.nan)}))
    data = data_of(render(env, params, odd, tmp_path / "odd.html").read_text(encoding="utf-8"))
    assert np.isfinite(numbers_in(data)).all()
    assert "\N{EN DASH}" in texts_of(data, data["boards"][0]["slots"][1])
    render(env, params, odd, tmp_path / "odd.png")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("a.mp4", {}, r"\.gif, \.html, \.png, not '\.mp4'"),
        ("a", {}, r"\.gif, \.html, \.png, not ''"),
        ("nowhere/a.gif", {}, "no folder"),
        ("a.png", {"at": 4}, "slots 0 to 3, not 4"),
        ("a.png", {"at": []}, "slots 0 to 3"),
        ("a.gif", {"fps": 0}, "fps must be positive"),
        ("a.gif", {"fps": float("nan")}, "fps must be positive"),
    ],
)
def test_what_cannot_be_drawn_is_said(episode, tmp_path, name, settings, message):
    with pytest.raises(ValueError, match=message):
        render(*episode, tmp_path / name, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_a_failure_leaves_what_was_there(episode, tmp_path, monkeypatch, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_text("before")

    def fail(image, path, **settings):
        with open(path, "wb") as partial:
            partial.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        render(*episode, file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_picture_is_as_readable_as_any_new_file(episode, tmp_path):
    other = tmp_path / "other"
    other.touch()
    file = render(*episode, tmp_path / "a.html")
    assert stat.S_IMODE(os.stat(file).st_mode) == stat.S_IMODE(os.stat(other).st_mode)
