// Plots, drawn with nothing but SVG.

import { el, svg } from "./dom.js";

const COLOURS = ["#0f766e", "#b45309", "#4338ca", "#be185d", "#15803d", "#0369a1", "#a21caf", "#57534e"];
const WIDTH = 960;
const HEIGHT = 240;
const LEFT = 64;
const BOTTOM = 26;

// Stacked bars. Buckets in order; series are {name, values by bucket}.
export function bars(title, buckets, series, format) {
  const most = Math.max(...buckets.map((bucket) => series.reduce((sum, one) => sum + Math.max(0, one.values.get(bucket) ?? 0), 0)), 0) || 1;
  const top = nice(most);
  const step = (WIDTH - LEFT) / Math.max(1, buckets.length);
  const y = (value) => 8 + (HEIGHT - BOTTOM - 8) * (1 - value / top);
  const drawn = [];
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    drawn.push(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(top * part), y2: y(top * part) }));
    drawn.push(svg("text", { x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, format(top * part)));
  }
  buckets.forEach((bucket, place) => {
    let below = 0;
    series.forEach((one, number) => {
      const value = Math.max(0, one.values.get(bucket) ?? 0);
      if (!value) return;
      const high = y(below + value);
      drawn.push(svg("rect", { x: LEFT + place * step + step * 0.1, y: high, width: step * 0.8, height: Math.max(0.5, y(below) - high), fill: COLOURS[number % COLOURS.length] },
        svg("title", {}, `${label(bucket)} · ${one.name}: ${format(value)}`)));
      below += value;
    });
    const every = Math.ceil(buckets.length / 10);
    if (place % every === 0) drawn.push(svg("text", { x: LEFT + (place + 0.5) * step, y: HEIGHT - 8, "text-anchor": "middle" }, label(bucket)));
  });
  const total = series.map((one) => `${one.name} ${format([...one.values.values()].reduce((sum, value) => sum + value, 0))}`).join(", ");
  return el("figure", {},
    el("figcaption", {}, el("h2", {}, title)),
    svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${total || "nothing"}` }, drawn),
    el("div", { class: "legend" }, series.map((one, number) => el("span", {}, swatch(COLOURS[number % COLOURS.length]), one.name))));
}

function swatch(colour) {
  return svg("svg", { width: 11, height: 11, "aria-hidden": "true" }, svg("rect", { width: 11, height: 11, rx: 3, fill: colour }));
}

function label(bucket) {
  const when = new Date(bucket);
  if (Number.isNaN(when.valueOf())) return String(bucket);
  const text = String(bucket);
  if (/T00:00:00/.test(text)) return text.slice(5, 10);
  return text.slice(11, 16);
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

export function meter(share, kind = "") {
  const fill = { bad: "var(--bar-bad)", warn: "var(--bar-warn)" }[kind] ?? "var(--bar)";
  const width = Math.min(100, Math.max(0, share * 100));
  return el("div", { class: "meter", role: "img", "aria-label": `${Math.round(share * 100)} %` },
    svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none" }, svg("rect", { width, height: 8, fill })));
}

export function span(parts, whole) {
  return el("div", { class: "track" }, svg("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    parts.map(({ from, to, fill }) => svg("rect", { x: (from / whole) * 1000, y: 3, width: Math.max(4, ((to - from) / whole) * 1000), height: 14, fill, rx: 3 }))));
}
