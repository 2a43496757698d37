"""A page that plays a storyboard: one file, data and script inside, nothing fetched.

The script paints the same items as `jaxvec.viz.paint`, and finds the moments between the start and the end of a slot itself.
A content policy in the page lets its own script and style run, which it knows by their digests, and nothing else: nothing is
loaded or sent.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping

from jaxvec.viz import theme
from jaxvec.viz.encode import encoded
from jaxvec.viz.items import Storyboard


def page(wide: Storyboard, tall: Storyboard, slot_s: float) -> str:
    """The page's text.

    Args:
        wide: the episode for wide windows.
        tall: the same episode for phones.
        slot_s: so many seconds of playing are one slot.
    """
    data = {"title": wide.title, "slot_s": slot_s, **encoded((wide, tall))}
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    colours = {"INK": theme.INK, "MUTED": theme.MUTED, "PANEL": theme.PANEL, "ACCENT": theme.SERIES[0]}
    sizes = {"WIDTH": wide.size[0], "HEIGHT": wide.size[1], "TALLWIDTH": tall.size[0], "TALLHEIGHT": tall.size[1]}
    style = _filled(STYLE, colours | {name: str(size) for name, size in sizes.items()})
    policy = f"default-src 'none'; script-src {_digest(SCRIPT)}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    return _filled(
        PAGE, {"TITLE": html.escape(wide.title), "DATA": text, "STYLE": style, "SCRIPT": SCRIPT, "POLICY": policy}
    )


def _filled(template: str, words: Mapping[str, str]) -> str:
    """The template with each @WORD@ replaced, all in one pass: what is put in is never looked at again."""
    return re.sub("@([A-Z]+)@", lambda found: words[found[1]], template)


def _digest(text: str) -> str:
    """How a content policy names an inline script or style: by the digest of its text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE = """
  * { box-sizing: border-box; }
  body { margin: 0; background: #e9ecef; color: @INK@; font: 14px/1.4 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
  main { max-width: calc((100vh - 110px) * @WIDTH@ / @HEIGHT@); min-width: min(100%, 560px); margin: 0 auto; padding: 18px; }
  .card { background: #fff; border-radius: 10px; box-shadow: 0 1px 3px #0002, 0 8px 24px #0001; position: relative; }
  canvas { display: block; width: 100%; aspect-ratio: @WIDTH@ / @HEIGHT@; border-radius: 10px 10px 0 0; }
  .bar { display: flex; align-items: center; gap: 14px; padding: 6px 2.2% 14px; }
  button { width: 36px; height: 36px; border: 0; border-radius: 50%; background: @ACCENT@; cursor: pointer; flex: none;
    display: grid; place-items: center; }
  button svg { width: 14px; height: 14px; fill: #fff; }
  input[type=range] { flex: 1; min-width: 0; accent-color: @ACCENT@; cursor: pointer; }
  output { font-variant-numeric: tabular-nums; color: @MUTED@; white-space: nowrap; }
  select { font: inherit; color: @INK@; background: @PANEL@; border: 1px solid #ccd3da; border-radius: 6px; padding: 3px 6px; }
  button:focus-visible, input:focus-visible, select:focus-visible { outline: 2px solid @INK@; outline-offset: 2px; }
  .tip { position: absolute; pointer-events: none; background: #fff; border: 1px solid #ccd3da; border-radius: 8px; z-index: 1;
    box-shadow: 0 4px 16px #0003; padding: 8px 11px; font-size: 12.5px; max-width: 280px; }
  .tip b { display: block; margin-bottom: 3px; }
  .tip div { display: flex; justify-content: space-between; gap: 16px; }
  .tip span:first-child { color: @MUTED@; white-space: nowrap; }
  .tip span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
  .help { text-align: center; color: @MUTED@; font-size: 12.5px; margin: 10px 0 0; }
  .touch { display: none; }
  @media (max-width: 640px) {
    main { max-width: 640px; min-width: 0; padding: 6px; }
    canvas { aspect-ratio: @TALLWIDTH@ / @TALLHEIGHT@; }
    .card { padding-bottom: 56px; }
    .bar { position: fixed; left: 0; right: 0; bottom: 0; background: #fff; padding: 8px 12px; gap: 10px; z-index: 2;
      box-shadow: 0 -2px 8px #0002; }
    button { width: 44px; height: 44px; }
    select { min-height: 40px; }
    .help { margin: 8px 0 64px; }
    .keys { display: none; } .touch { display: inline; }
  }
"""

SCRIPT = """
"use strict";
const episode = JSON.parse(document.getElementById("episode").textContent);
const last = episode.boards[0].slots.length, narrow = window.matchMedia("(max-width: 640px)");
const $ = (selector) => document.querySelector(selector);
const canvas = $("canvas"), slider = $("input"), button = $("button"), tip = $(".tip"), card = $(".card");
const pen = canvas.getContext("2d"), backdrop = document.createElement("canvas");
let board, width, height, position = 0, playing = false, before = 0, pointer = null;
slider.max = last;

function shaped(shape, x, y) {
  const [index, n] = Array.isArray(shape) ? shape : [shape, Infinity], points = episode.shapes[index], out = [];
  for (let i = 0; i < Math.min(points.length, 2 * n); i += 2) out.push(points[i] + x, points[i + 1] + y);
  return out;
}

function place([, shape, x, y, x1 = x, y1 = y, other = shape], f) {
  if (typeof shape === "string") return [x + f * (x1 - x), y + f * (y1 - y)];
  if (other === shape) return shaped(shape, x + f * (x1 - x), y + f * (y1 - y));
  const end = shaped(other, x1, y1);
  return shaped(shape, x, y).map((a, i) => a + f * (end[i] - a));
}

function fillAndStroke(pen, item) {
  pen.globalAlpha = item.a ?? 1;
  if (item.fill) { pen.fillStyle = item.fill; pen.fill(); }
  if (item.stroke) {
    pen.strokeStyle = item.stroke; pen.lineWidth = item.w ?? 1;
    pen.setLineDash(item.dash ?? []); pen.lineCap = item.dash ? "butt" : "round"; pen.lineJoin = "round";
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function dot(pen, x, y, item) {
  pen.beginPath(); pen.arc(x, y, item.r, 0, 2 * Math.PI); fillAndStroke(pen, item);
}

function paint(pen, which, f, [dx, dy] = [0, 0]) {
  const item = typeof which === "number" ? episode.items[which] : which;
  if (Array.isArray(item[0])) {
    const [[x, y, x1, y1], ...together] = item, at = [x + f * (x1 - x), y + f * (y1 - y)];
    for (const one of together) paint(pen, one, f, at);
    return;
  }
  const p = place(item, f).map((a, i) => a + (i % 2 ? dy : dx)), look = episode.looks[item[0]], text = item[1];
  if (look.size !== undefined) {
    pen.font = `${look.bold ? "600 " : ""}${look.size}px "DejaVu Sans", Verdana, system-ui, sans-serif`;
    pen.fillStyle = look.fill; pen.textBaseline = "middle";
    pen.textAlign = {start: "left", middle: "center", end: "right"}[look.anchor];
    if (look.halo) {
      pen.strokeStyle = "#ffffff"; pen.lineWidth = 2.6; pen.lineJoin = "round"; pen.setLineDash([]);
      pen.strokeText(text, p[0], p[1]);
    }
    pen.fillText(text, p[0], p[1]);
  } else if (look.r !== undefined) {
    dot(pen, p[0], p[1], look);
  } else {
    pen.beginPath();
    for (let i = 0; i < p.length; i += 2) pen.lineTo(p[i], p[i + 1]);
    if (look.closed) pen.closePath();
    fillAndStroke(pen, look);
    if (look.flow) {
      const n = p.length, x = p[0] + f * (p[n - 2] - p[0]), y = p[1] + f * (p[n - 1] - p[1]);
      dot(pen, x, y, {r: look.flow, fill: look.stroke, stroke: "#ffffff"});
    }
  }
}

function resize() {
  board = episode.boards[narrow.matches ? 1 : 0];
  [width, height] = board.size;
  const scale = canvas.clientWidth * (window.devicePixelRatio || 1) / width;
  for (const sheet of [canvas, backdrop]) {
    sheet.width = Math.round(width * scale); sheet.height = Math.round(height * scale);
    sheet.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
  }
  for (const item of board.backdrop) paint(backdrop.getContext("2d"), item, 0);
  draw();
}

function moment() {
  const slot = Math.min(Math.floor(position), last - 1);
  return [board.slots[slot], position - slot, slot];
}

function draw() {
  const [sheet, f, slot] = moment();
  pen.drawImage(backdrop, 0, 0, width, height);
  for (const item of sheet.items) paint(pen, item, f);
  slider.value = position;
  $("output").textContent = `slot ${slot + 1} / ${last}`;
  point();
}

function point() {
  const [sheet, f, slot] = moment();
  let hit = null;
  if (pointer) {
    const rect = canvas.getBoundingClientRect(), scale = rect.width / width;
    const x = (pointer.x - rect.left) / scale, y = (pointer.y - rect.top) / scale;
    let nearest = Infinity;
    sheet.spots.forEach(([x0, y0, x1, y1, r], i) => {
      const sx = x0 + f * (x1 - x0), sy = y0 + f * (y1 - y0), far = Math.hypot(x - sx, y - sy) / Math.max(r, 24);
      if (far < Math.min(nearest, 1)) {
        nearest = far; hit = [episode.spots[slot][i], r, sx * scale, sy * scale, rect.width, scale];
      }
    });
  }
  tip.hidden = !hit;
  canvas.style.cursor = hit ? "pointer" : "";
  if (!hit) return;
  const [[title, ...rows], r, x, y, w, scale] = hit;
  tip.replaceChildren(Object.assign(document.createElement("b"), {textContent: title}), ...rows.map((row) => {
    const line = document.createElement("div");
    line.append(...episode.rows[row].map((text) => Object.assign(document.createElement("span"), {textContent: text})));
    return line;
  }));
  const gap = r * scale + 8, room = tip.offsetWidth;
  tip.style.left = `${x + gap + room < w ? x + gap : Math.max(0, x - gap - room)}px`;
  tip.style.top = `${Math.max(4, y - tip.offsetHeight / 2)}px`;
}

function play(on) {
  playing = on;
  before = performance.now();
  button.setAttribute("aria-label", on ? "Pause" : "Play");
  button.querySelector("path").setAttribute("d", on ? "M2 1h3.5v12H2zM8.5 1H12v12H8.5z" : "M3 1l10 6-10 6z");
  if (on) requestAnimationFrame(tick);
}

function tick(now) {
  if (!playing) return;
  position += Math.max(0, now - before) / 1000 / episode.slot_s * Number($("select").value);
  if (position >= last) position %= last;
  before = now;
  draw();
  requestAnimationFrame(tick);
}

function go(to) {
  play(false);
  position = Math.min(Math.max(to, 0), last);
  draw();
}

button.onclick = () => play(!playing);
slider.oninput = () => go(Number(slider.value));
canvas.onpointermove = canvas.onpointerdown = (event) => { pointer = {x: event.clientX, y: event.clientY}; point(); };
function forget() { pointer = null; point(); }
canvas.onpointerleave = (event) => { if (event.pointerType !== "touch") forget(); };  // a finger that is lifted leaves, too
document.onpointerdown = (event) => { if (event.target !== canvas) forget(); };
document.onkeydown = (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target === $("select")) return;
  const slot = Math.min(Math.floor(position), last - 1);
  const keys = {
    ArrowRight: () => go(Math.min(slot + 1, last - 1)), ArrowLeft: () => go(position > slot && slot < last ? slot : slot - 1),
    Home: () => go(0), End: () => go(last - 1), " ": () => play(!playing),
  };
  if (!(event.key in keys) || (event.key === " " && event.target === button)) return;
  event.preventDefault();
  keys[event.key]();
};
new ResizeObserver(resize).observe(canvas);
narrow.onchange = resize;
resize();
play(false);
const asked = Number(location.hash.slice(1));  // page.html#7.5: the middle of the seventh slot
if (asked >= 1) go(asked - 1);
else play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="@POLICY@">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>@STYLE@</style>
</head>
<body>
<main>
  <div class="card">
    <canvas role="img" aria-label="@TITLE@"></canvas>
    <div class="tip" hidden></div>
    <div class="bar">
      <button type="button" aria-label="Play"><svg viewBox="0 0 14 14"><path></path></svg></button>
      <input type="range" min="0" step="0.01" value="0" aria-label="Slot">
      <output></output>
      <select aria-label="Speed">
        <option value="0.25">¼ &times;</option><option value="0.5">½ &times;</option>
        <option value="1" selected>1 &times;</option><option value="2">2 &times;</option><option value="4">4 &times;</option>
      </select>
    </div>
  </div>
  <p class="help"><span class="keys">space: play or pause · arrow keys: slot by slot · point at a node for its values</span><span
    class="touch">touch a node for its values</span></p>
</main>
<script type="application/json" id="episode">@DATA@</script>
<script>@SCRIPT@</script>
</body>
</html>
"""
