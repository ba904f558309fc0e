// How each deployment stands, who is serving now, and how it went over time.

import { call, get, query } from "./api.js";
import { badge, el, say, table } from "./dom.js";
import { count } from "./format.js";
import { deployments, state } from "./models.js";

const MINUTES = 60;

export async function health(at) {
  const list = el("div");
  const drill = el("div");
  let all = false;
  const draw = async () => list.replaceChildren(...(await drawn(all)));
  at.root.append(
    el("h1", {}, "Health"),
    el("p", { class: "lead" }, "A deployment that fails rests, and one request at a time finds out whether it is back. Each bar is a minute of the last hour: answered, in part, or failed."),
    drill, el("h2", {}, "Deployments"),
    el("div", { class: "tools" }, el("label", {}, el("input", { type: "checkbox", onchange: (event) => { all = event.target.checked; draw(); } }), " also deployments that nobody called")),
    list);
  await draw();
  await drillPanel(drill, draw);
  at.again(draw, 5000);
}

async function drawn(all) {
  const end = new Date();
  const start = new Date(end - MINUTES * 60000);
  const [rows, used] = await Promise.all([
    deployments(),
    get(`/v2/analytics/usage${query({ from_date: start.toISOString(), to_date: end.toISOString(), granularity: "minute", group_by: "deployment", fields: ["attempts", "failed_attempts"] })}`),
  ]);
  const minutes = new Map();
  for (const row of used) {
    const of = minutes.get(row.deployment) ?? new Map();
    of.set(row.time_bucket.slice(0, 16), row);
    minutes.set(row.deployment, of);
  }
  const buckets = Array.from({ length: MINUTES }, (_, place) => new Date(end - (MINUTES - 1 - place) * 60000).toISOString().slice(0, 16));
  const shown = rows.filter((row) => row.allowed && (all || minutes.has(row.name) || row.health.state !== "healthy"));
  return [table([
    { title: "Deployment", name: true, of: (row) => el("code", {}, row.name) },
    { title: "Now", of: (row) => state(row.health) },
    { title: "Served, last hour", number: true, of: (row) => count(sum(minutes.get(row.name), "attempts") - sum(minutes.get(row.name), "failed_attempts")) },
    { title: "Failed", number: true, of: (row) => count(sum(minutes.get(row.name), "failed_attempts")) },
    { title: "Minute by minute", of: (row) => strip(buckets, minutes.get(row.name)) },
  ], shown, "Nobody has been called in the last hour.")];
}

function sum(of, field) {
  return [...(of?.values() ?? [])].reduce((total, row) => total + Number(row[field] ?? 0), 0);
}

function strip(buckets, of) {
  const words = [];
  const bars = buckets.map((bucket) => {
    const row = of?.get(bucket);
    if (!row || !row.attempts) return el("i");
    const failed = Number(row.failed_attempts);
    words.push(`${bucket.slice(11)} ${row.attempts - failed} answered, ${failed} failed`);
    return el("i", { class: failed === 0 ? "ok" : failed < row.attempts ? "some" : "fail", title: words.at(-1) });
  });
  return el("div", { class: "strip", role: "img", "aria-label": words.join("; ") || "no calls" }, bars);
}

async function drillPanel(root, draw) {
  let told;
  try {
    told = await get("/v2/drill");
  } catch {
    return;
  }
  // The simulator names those that it has met; the rest is well.
  const all = new Set((await deployments()).filter((row) => row.allowed).map((row) => row.provider));
  const order = async (provider, fault) => {
    try {
      told = await call("POST", "/v2/drill", { provider, fault });
      say(fault ? `${provider} is down.` : `${provider} is up.`);
      show();
      await draw();
    } catch (error) {
      say(error.message);
    }
  };
  const show = () => root.replaceChildren(
    el("h2", {}, "Drill"),
    el("p", { class: "quiet" }, "These providers are simulated. Take one down, call a model, and see who answers."),
    table([
      { title: "Provider", name: true, of: ([name]) => name },
      { title: "State", of: ([, each]) => each.faults.length ? badge("down", "bad") : badge("up", "good") },
      { title: "Served", number: true, of: ([, each]) => count(each.served) },
      { title: "", of: ([name, each]) => each.faults.length
        ? el("button", { type: "button", class: "small", onclick: () => order(name, null) }, `Bring ${name} up`)
        : el("button", { type: "button", class: "small danger", onclick: () => order(name, "503") }, `Take ${name} down`) },
    ], [...new Set([...all, ...Object.keys(told.providers)])].sort().map((name) => [name, told.providers[name] ?? { faults: [], served: 0 }])));
  show();
}

