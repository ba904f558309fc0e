// Where spend went: money, tokens, what warm caches saved, and failovers over time.

import { get, query } from "./api.js";
import { bars } from "./chart.js";
import { card, choice, el, labelled, table } from "./dom.js";
import { count, money } from "./format.js";
import { budgets } from "./resources.js";

const RANGES = { "1h": ["last hour", 3600, "minute"], "24h": ["last 24 hours", 86400, "hour"], "7d": ["last 7 days", 604800, "hour"], "30d": ["last 30 days", 2592000, "day"], "365d": ["last year", 31536000, "month"] };
const GROUPS = [["model", "model"], ["deployment", "deployment"], ["provider", "provider"], ["project", "project"], ["key", "key"], ["geography", "geography"], ["surface", "API"], ["tag", "a tag…"]];
const FIELDS = ["total_tokens", "cached_tokens", "saving", "fallbacks", "failures", "attempts"];
const MOST_SERIES = 7;

export async function usage(at) {
  let range = at.search.get("range") ?? "24h";
  let group = at.search.get("by") ?? "model";
  let tag = at.search.get("tag") ?? "";
  const body = el("div", { "aria-live": "polite" });
  const tagName = labelled("Tag", el("input", { value: tag, placeholder: "e.g. team", onchange: (event) => { tag = event.target.value.trim(); draw(); } }));
  const draw = async () => {
    tagName.hidden = group !== "tag";
    body.replaceChildren(...(await drawn(range, group === "tag" ? tag : group)));
  };
  at.root.append(
    el("h1", {}, "Usage"),
    el("p", { class: "lead" }, "Each attempt is charged where it was made, failed ones that produced tokens too."),
    el("div", { class: "tools" },
      labelled("Over", choice(Object.entries(RANGES).map(([name, [text]]) => [name, text]), range, (value) => { range = value; draw(); })),
      labelled("By", choice(GROUPS, group, (value) => { group = value; draw(); })), tagName),
    body);
  await draw();
  if (at.who.admin) at.root.append(...(await budgets()));
}

async function drawn(range, group) {
  if (!group) return [el("p", { class: "quiet" }, "Name a tag: those that requests send in x-holdfast-tags.")];
  const [, span, granularity] = RANGES[range];
  const end = new Date();
  const asked = { from_date: new Date(end - span * 1000).toISOString(), to_date: end.toISOString(), granularity, group_by: group, fields: FIELDS };
  const rows = await get(`/v2/analytics/usage${query(asked)}`);
  if (!rows.length) return [el("p", { class: "quiet" }, "Nothing was used.")];
  const total = (field) => rows.reduce((sum, row) => sum + Number(row[field] ?? 0), 0);
  const buckets = between(asked.from_date, end, granularity, rows.map((row) => row.time_bucket));
  const series = (field) => stacked(rows, group, field);
  return [
    el("div", { class: "cards" },
      card("Spend", money(total("cost"))), card("Requests", count(total("count"))), card("Tokens", count(total("total_tokens"))),
      card("Saved by warm caches", money(total("saving"))), card("Failovers", count(total("fallbacks"))), card("Without an answer", count(total("failures")))),
    bars("Spend", buckets, series("cost"), money),
    bars("Tokens", buckets, series("total_tokens"), count),
    bars("Saved by warm prompt caches", buckets, series("saving"), money),
    bars("Failovers", buckets, series("fallbacks"), count),
    el("h2", {}, `By ${group}`),
    table([
      { title: group, name: true, of: (row) => el("code", {}, row.name) },
      { title: "Requests", number: true, of: (row) => count(row.count) },
      { title: "Tokens", number: true, of: (row) => count(row.total_tokens) },
      { title: "Cached", number: true, of: (row) => count(row.cached_tokens) },
      { title: "Spend", number: true, of: (row) => money(row.cost) },
      { title: "Saved", number: true, of: (row) => money(row.saving) },
      { title: "Failovers", number: true, of: (row) => count(row.fallbacks) },
      { title: "No answer", number: true, of: (row) => count(row.failures) },
    ], summed(rows, group)),
  ];
}

// Every span of time there was, so that a plot shows when nothing happened.
function between(start, end, granularity, known) {
  const cut = { minute: 16, hour: 13, day: 10, month: 7 }[granularity];
  const named = new Map(known.map((bucket) => [bucket.slice(0, cut), bucket]));
  const buckets = [];
  const at = new Date(start);
  while (at <= end) {
    const text = at.toISOString().slice(0, cut);
    const bucket = named.get(text) ?? `${text}${"2000-01-01T00:00:00Z".slice(cut)}`;
    if (buckets.at(-1) !== bucket) buckets.push(bucket);
    if (granularity === "month") at.setUTCDate(at.getUTCDate() + 15);
    else at.setTime(at.getTime() + { minute: 60000, hour: 3600000, day: 86400000 }[granularity]);
  }
  return [...new Set([...buckets, ...known])].sort();
}

function summed(rows, group) {
  const groups = new Map();
  for (const row of rows) {
    const name = row[group] || "(none)";
    const sum = groups.get(name) ?? { name, cost: 0, count: 0, ...Object.fromEntries(FIELDS.map((field) => [field, 0])) };
    for (const field of ["cost", "count", ...FIELDS]) sum[field] += Number(row[field] ?? 0);
    groups.set(name, sum);
  }
  return [...groups.values()].sort((a, b) => b.cost - a.cost || b.count - a.count);
}

function stacked(rows, group, field) {
  const largest = summed(rows, group).filter((each) => each[field] > 0).sort((a, b) => b[field] - a[field]);
  const kept = new Set(largest.slice(0, MOST_SERIES).map((each) => each.name));
  const series = new Map();
  for (const row of rows) {
    const name = row[group] || "(none)";
    const value = Number(row[field] ?? 0);
    if (!value) continue;
    const of = kept.has(name) ? name : "others";
    const values = series.get(of) ?? new Map();
    values.set(row.time_bucket, (values.get(row.time_bucket) ?? 0) + value);
    series.set(of, values);
  }
  return [...series].map(([name, values]) => ({ name, values })).sort((a, b) => a.name.localeCompare(b.name));
}
