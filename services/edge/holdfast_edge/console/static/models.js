// Every model the key's project may use; a row expands to the deployments behind it.

import { get } from "./api.js";
import { badge, copy, el, labelled, say, table } from "./dom.js";
import { count, price, seconds, words } from "./format.js";

const HEALTH = { healthy: "good", "cooling-down": "warn", ejected: "bad", probing: "warn", recovering: "warn" };

export function state(health) {
  const left = health.cooldown_seconds;
  const until = left === null || left === undefined ? "" : ` ${seconds(left)}`;
  return badge(`${words(health.state)}${until}`, HEALTH[health.state] ?? "warn");
}

export async function deployments() {
  const rows = [];
  for (;;) {
    const page = await get(`/v2/models?limit=10000&offset=${rows.length}`);
    rows.push(...page.data);
    if (!page.data.length || rows.length >= page.meta.total_count) return rows;
  }
}

export async function models(at) {
  const rows = await deployments();
  const byModel = new Map();
  for (const row of rows) byModel.set(row.model, [...(byModel.get(row.model) ?? []), row]);
  const all = [...byModel].map(([name, places]) => ({ name, places, text: text(name, places) }));
  let words = at.search.get("q") ?? "";
  let everything = false;
  const list = el("div");
  const shown = el("p", { class: "quiet", role: "status" });
  const draw = () => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter((each) => (everything || each.places.some((place) => place.allowed)) && wanted.every((word) => each.text.includes(word)));
    shown.textContent = `${count(found.length)} of ${count(all.length)} models`;
    list.replaceChildren(...found.slice(0, 400).map(row));
    if (found.length > 400) list.append(el("p", { class: "quiet" }, "Search to see the rest."));
  };
  at.root.append(
    el("h1", {}, "Models"),
    el("p", { class: "lead" }, "Call a model by its plain name and every deployment below it stands in for the others. A full id pins one deployment."),
    el("div", { class: "tools" },
      labelled("Search names, providers, regions, capabilities", el("input", { type: "search", value: words, oninput: (event) => { words = event.target.value; draw(); } }), { class: "grow" }),
      el("label", {}, el("input", { type: "checkbox", onchange: (event) => { everything = event.target.checked; draw(); } }), " also what may not be used")),
    shown, list);
  draw();
}

function text(name, places) {
  return [name, ...places.flatMap((place) => [place.name, place.provider, place.hosting_provider, place.region, place.geography, ...place.capabilities])].join(" ").toLowerCase();
}

function row({ name, places }) {
  const usable = places.filter((place) => place.allowed);
  const prices = (part) => usable.map((place) => place.pricing?.[part]).filter((value) => value !== undefined && value !== null);
  const range = (part) => (prices(part).length ? price(Math.min(...prices(part)), Math.max(...prices(part))) : "–");
  const unwell = usable.filter((place) => place.health.state !== "healthy").length;
  const healthy = usable.length - unwell;
  const body = el("div");
  const item = el("details", { class: "model", ontoggle: () => item.open && !body.childNodes.length && body.append(...opened(name, places)) },
    el("summary", {},
      el("span", {}, name),
      el("span", { class: "quiet wide" }, `${usable.length} of ${places.length} deployments`),
      el("span", { class: "quiet wide" }, [...new Set(usable.map((place) => place.geography))].join(", ") || "not allowed"),
      el("span", { class: "quiet wide" }, `in ${range("input")} · out ${range("output")}`),
      usable.length === 0 ? badge("not allowed", "bad") : badge(unwell ? `${healthy} of ${usable.length} healthy` : "healthy", unwell ? "warn" : "good")),
    body);
  return item;
}

function opened(name, places) {
  const embeds = places.every((place) => place.capabilities.includes("embeddings"));
  const call = example(name, embeds);
  return [
    table([
      { title: "Deployment", name: true, of: (place) => [el("code", {}, place.name), " ", el("button", { type: "button", class: "small", onclick: () => copy(example(place.name, embeds)), "aria-label": `Copy the call that pins ${place.name}` }, "Copy pinned")] },
      { title: "Provider", of: (place) => place.hosting_provider },
      { title: "Region", of: (place) => place.region ?? "–" },
      { title: "Geography", of: (place) => place.geography },
      { title: "Input", number: true, of: (place) => price(place.pricing?.input ?? null, place.pricing?.input ?? null) },
      { title: "Output", number: true, of: (place) => price(place.pricing?.output ?? null, place.pricing?.output ?? null) },
      { title: "Cached", number: true, of: (place) => price(place.pricing?.cache_read ?? null, place.pricing?.cache_read ?? null) },
      { title: "Window", number: true, of: (place) => (place.context_window_tokens ? count(place.context_window_tokens) : "–") },
      { title: "Capabilities", of: (place) => place.capabilities.map(words).join(", ") || "–" },
      { title: "Now", of: (place) => (place.allowed ? state(place.health) : el("span", { class: "bad" }, place.blocked_by)) },
    ], places),
    el("p", { class: "help" }, "Prices in US dollars per million tokens."),
    el("pre", {}, call),
    el("button", { type: "button", class: "primary", onclick: () => copy(call) }, "Copy the call"), " ",
    el("button", { type: "button", onclick: () => explain(name) }, "Explain the plan"),
  ];
}

function example(name, embeds) {
  const asked = embeds ? { model: name, input: "Hello" } : { model: name, messages: [{ role: "user", content: "Hello" }] };
  return `curl ${location.origin}/v1/${embeds ? "embeddings" : "chat/completions"} \\
  -H "Authorization: Bearer $HOLDFAST_KEY" -H "Content-Type: application/json" \\
  -d '${JSON.stringify(asked)}'`;
}

async function explain(name) {
  const { plan } = await import("./plan.js");
  try {
    await plan(name);
  } catch (error) {
    say(error.message);
  }
}
