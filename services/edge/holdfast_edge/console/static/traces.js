// What became of requests: a live list, and one of them attempt by attempt.

import { get, query } from "./api.js";
import { span } from "./chart.js";
import { badge, card, el, facts, labelled, link, table } from "./dom.js";
import { count, milliseconds, moment, money, words } from "./format.js";

const COLOURS = { succeeded: "var(--bar)", cancelled: "var(--quiet)" };

export async function traces(at) {
  const wanted = { model: at.search.get("model") ?? "", session: at.search.get("session") ?? "", fallback: "", status: "" };
  let live = true;
  let rows = [];
  let next = "";
  const list = el("div");
  const more = el("button", { type: "button", hidden: true, onclick: () => load(false) }, "Older");
  const draw = () => {
    list.replaceChildren(table(COLUMNS, rows, "No request yet. Call a model, and it is shown here."));
    more.hidden = !next;
  };
  const load = async (anew) => {
    const page = await get(`/v2/traces${query({ ...wanted, limit: 50, cursor: anew ? "" : next })}`);
    const known = new Set(anew ? [] : rows.map((row) => row.request_id));
    rows = anew ? page.data : [...rows, ...page.data.filter((row) => !known.has(row.request_id))];
    next = page.meta.next_cursor ?? "";
    draw();
  };
  const filter = (name) => (event) => { wanted[name] = event.target.type === "checkbox" ? (event.target.checked ? "true" : "") : event.target.value.trim(); load(true); };
  at.root.append(
    el("h1", {}, "Traces"),
    el("p", { class: "lead" }, "Who served each request, where it fell back, and what it cost."),
    el("div", { class: "tools" },
      labelled("Model", el("input", { type: "search", value: wanted.model, onchange: filter("model") })),
      labelled("Session", el("input", { type: "search", value: wanted.session, onchange: filter("session") })),
      el("label", {}, el("input", { type: "checkbox", onchange: filter("fallback") }), " only failovers"),
      el("label", {}, el("input", { type: "checkbox", onchange: (event) => { wanted.status = event.target.checked ? "error" : ""; load(true); } }), " only without an answer"),
      el("label", {}, el("input", { type: "checkbox", checked: true, onchange: (event) => { live = event.target.checked; } }), " live")),
    list, more);
  await load(true);
  at.again(() => live && !document.hidden && rows.length <= 50 && load(true).catch(() => {}), 2000);
}

const COLUMNS = [
  { title: "When", of: (row) => link(`/console/traces/${row.id}`, moment(row.start_time)) },
  { title: "Asked for", name: true, of: (row) => el("code", {}, row.requested_model) },
  { title: "Served by", name: true, of: (row) => (row.deployment ? el("code", {}, row.deployment) : "–") },
  { title: "Outcome", of: (row) => outcome(row) },
  { title: "Attempts", number: true, of: (row) => (row.fallback ? badge(`${row.attempts} · fell back`, "warn") : String(row.attempts)) },
  { title: "Took", number: true, of: (row) => milliseconds(row.duration_ms) },
  { title: "Tokens", number: true, of: (row) => count(row.total_tokens) },
  { title: "Cost", number: true, of: (row) => money(row.cost) },
];

function outcome(row) {
  if (row.status === "running") return badge("running", "warn");
  return row.status === "ok" ? badge("answered", "good") : badge(words(row.error ?? "failed"), row.error === "cancelled" ? "warn" : "bad");
}

export async function trace(at) {
  const told = await get(`/v2/traces/${encodeURIComponent(at.rest)}`);
  at.root.append(el("p", {}, link("/console/traces", "← Traces")), el("h1", {}, "Trace"), el("p", { class: "mono quiet" }, at.rest));
  for (const span of told.spans.filter((each) => each.type === "request")) {
    at.root.append(...shown(span, told.spans.filter((each) => each.parent_id === span.id && each.type === "attempt")));
  }
}

function shown(request, attempts) {
  const { meta, data } = request;
  const saving = Number(meta.saving);
  return [
    el("div", { class: "cards" },
      card("Outcome", outcome({ status: request.status, error: meta.error })), card("Asked for", meta.requested_model), card("Served by", meta.deployment ?? "nobody", meta.geography ?? ""),
      card("Took", milliseconds(request.duration_ms), meta.ttft_ms === null ? "" : `first token ${milliseconds(meta.ttft_ms)}`),
      card("Cost", money(meta.cost), saving ? `${money(saving)} saved by a warm cache` : "")),
    request.error && request.status === "error" ? el("p", { class: "fault" }, request.error) : "",
    el("h2", {}, "Attempts"), waterfall(request, attempts),
    el("h2", {}, "Plan"),
    table([
      { title: "#", number: true, of: (step) => step.place },
      { title: "Deployment", name: true, of: (step) => el("code", {}, step.deployment) },
      { title: "Why here", of: (step) => words(step.reason) + (step.cooldown_seconds ? `, resting ${step.cooldown_seconds} s` : "") },
      { title: "", of: (step) => (step.attempted ? "tried" : "") },
    ], meta.plan.steps, "No plan was made."),
    meta.plan.exclusions.length ? el("details", {}, el("summary", {}, `${meta.plan.exclusions.length} left out`),
      table([
        { title: "Deployment", name: true, of: (each) => el("code", {}, each.deployment) },
        { title: "Rule", of: (each) => each.rule },
      ], meta.plan.exclusions)) : "",
    el("h2", {}, "Request"),
    facts([
      ["API", words(meta.surface) + (meta.streamed ? ", streamed" : "")], ["Project", `${meta.organization} / ${meta.project}`], ["Key", meta.key],
      ["Session", meta.session ? [words(meta.session.affinity), " · ", link(`/console/traces?session=${encodeURIComponent(meta.session.id)}`, "its requests")] : "none"],
      ["Tags", Object.entries(request.tags ?? {}).map(([name, value]) => `${name}: ${value}`).join(", ")], ["Decided on", meta.revision],
      ["Tokens", tokens(meta.usage)],
    ]),
    meta.guardrails.length ? [el("h2", {}, "Guardrails"), table([
      { title: "Guardrail", of: (each) => each.guardrail }, { title: "Where", of: (each) => each.stage }, { title: "Action", of: (each) => each.action },
      { title: "Matches", number: true, of: (each) => each.match_count }, { title: "What", of: (each) => each.matched.join(", ") },
    ], meta.guardrails)] : "",
    meta.session?.history.length ? [el("h2", {}, "Session"), table([
      { title: "When", of: (turn) => (turn.this ? `${moment(turn.start_time)} (this)` : link(`/console/traces/${turn.trace_id}`, moment(turn.start_time))) },
      { title: "Served by", name: true, of: (turn) => el("code", {}, turn.deployment ?? "–") },
      { title: "Affinity", of: (turn) => badge(turn.moved ? "moved" : words(turn.affinity), turn.moved ? "warn" : "good") },
    ], meta.session.history)] : "",
    data.input !== null || data.output !== null ? [el("h2", {}, "Content"), el("h3", {}, "Request"), el("pre", {}, data.input ?? ""), el("h3", {}, "Answer"), el("pre", {}, data.output ?? "")] : "",
  ].flat().filter(Boolean);
}

function waterfall(request, attempts) {
  const begun = new Date(request.start_time).valueOf();
  const whole = Math.max(1, request.duration_ms ?? 0, ...attempts.map((each) => new Date(each.start_time) - begun + each.duration_ms));
  if (!attempts.length) return el("p", { class: "quiet" }, "No deployment was called.");
  return el("div", { class: "waterfall" }, attempts.map((each) => {
    const { meta } = each;
    const from = Math.max(0, new Date(each.start_time) - begun);
    const fine = meta.outcome === "succeeded";
    const parts = [{ from, to: from + each.duration_ms, fill: COLOURS[meta.outcome] ?? "var(--bar-bad)" }];
    const said = [each.error, meta.left_out.length && `not sent: ${meta.left_out.join(", ")}`, meta.observed_geography && `worked in ${meta.observed_geography}`];
    const spent = [milliseconds(each.duration_ms), meta.ttft_ms !== null && `first token ${milliseconds(meta.ttft_ms)}`, tokens(meta.usage), money(meta.cost)];
    return el("div", { class: "lane" },
      el("div", {}, el("code", {}, meta.deployment_id), el("div", { class: "quiet" }, [meta.geography, words(meta.step_reason)].filter(Boolean).join(" · "))),
      el("div", {}, span(parts, whole), el("div", { class: "quiet" }, said.filter(Boolean).join(" · "))),
      el("div", {}, badge(words(meta.outcome) + (meta.http_status ? ` ${meta.http_status}` : ""), fine ? "good" : meta.outcome === "cancelled" ? "warn" : "bad"),
        el("div", { class: "quiet" }, spent.filter(Boolean).join(" · "))));
  }));
}

function tokens(usage) {
  if (!usage) return "";
  const parts = [`${count(usage.input_tokens)} in`, `${count(usage.output_tokens)} out`];
  if (usage.cache_read_input_tokens) parts.push(`${count(usage.cache_read_input_tokens)} cached`);
  if (usage.reasoning_output_tokens) parts.push(`${count(usage.reasoning_output_tokens)} reasoning`);
  return parts.join(", ");
}
