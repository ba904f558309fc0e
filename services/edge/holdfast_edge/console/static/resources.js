// Aliases, custom models, policies, keys, budgets, guardrails: list, make, change, delete.
// One page for all kinds; the form is made from the API's own description of each.

import { call, get } from "./api.js";
import { badge, el, labelled, say, table } from "./dom.js";
import { money } from "./format.js";
import { meter } from "./chart.js";
import { explained, planned } from "./plan.js";

const scope = (row) => row.key ? `key ${row.project} / ${row.key}` : row.project ? `project ${row.project}` : "organization";
const some = (list) => (list?.length ? list.join(", ") : "–");
const scoped = (base) => (row) => `${base}/${row.key ? `projects/${encodeURIComponent(row.project)}/keys/${encodeURIComponent(row.key)}` : row.project ? `projects/${encodeURIComponent(row.project)}` : "organization"}`;
const byField = (base, field) => (row) => `${base}/${encodeURIComponent(row[field])}`;

export const RESOURCES = [
  {
    path: "aliases", title: "Aliases", one: "alias", kind: "alias", at: "/v2/models/aliases", place: byField("/v2/models/aliases", "id"),
    about: "One name for an ordered list of models, tried in turn.", preview: (row) => row.name,
    fields: [["name", "text"], ["fallback_models", "lines", "Best first, one a line: plain names, pinned ids, custom models"], ["description", "text"]],
    columns: [["Name", (row) => el("code", {}, row.name)], ["Tries in turn", (row) => some(row.fallback_models)], ["Description", (row) => row.description ?? ""]],
  },
  {
    path: "custom-models", title: "Custom models", one: "custom model", kind: "custom_model", at: "/v2/models/custom", place: byField("/v2/models/custom", "id"),
    about: "The organization's own endpoints, called, filtered and counted like any model.", preview: (row) => row.name,
    fields: [["name", "text"], ["identifier", "text", "PROVIDER/MODEL, e.g. openai/tuned-7b, azure/my-deployment"], ["extra", "json", "api_base, api_version, region"], ["api_key", "secret", "Sealed when it is saved; shown to nobody. Empty leaves it."], ["pricing", "json", "input, output, in US dollars per million tokens"], ["capabilities", "lines"], ["context_window_tokens", "number"]],
    columns: [["Name", (row) => el("code", {}, row.name)], ["Identifier", (row) => el("code", {}, row.identifier)], ["Region", (row) => row.extra?.region ?? "–"]],
  },
  {
    path: "policies", title: "Policies", one: "policy", kind: "policy", admin: true, at: "/v2/policies", place: scoped("/v2/policies"),
    about: "What may be used. Organization, project and key hold together: each only narrows. A place that is unknown is not allowed where places are named.", preview: true,
    fields: [["project", "text", "Empty: the whole organization"], ["key", "text", "Empty: the whole project"], ["providers", "json", '{"allow": [], "deny": []}'], ["models", "json", '{"allow": [], "deny": []}'], ["geographies", "lines", "eu, us, apac, global; empty: anywhere"], ["data", "json", '{"training": "deny", "max_retention_days": 0}']],
    columns: [["Scope", scope], ["Geographies", (row) => some(row.geographies)], ["Providers", (row) => allowed(row.providers)], ["Models", (row) => allowed(row.models)], ["Data", (row) => (row.data ? JSON.stringify(row.data) : "–")]],
  },
  {
    path: "keys", title: "Keys", one: "key", kind: "key", admin: true, perProject: true,
    at: (project) => `/v2/projects/${encodeURIComponent(project)}/keys`, place: (row) => `/v2/projects/${encodeURIComponent(row.project)}/keys/${encodeURIComponent(row.id)}`,
    about: "Runtime keys call models, admin keys administer. A key's secret is shown once, when it is made.",
    fields: [["project", "text"], ["id", "text"], ["name", "text"], ["admin", "flag"], ["disabled", "flag"], ["expires_at", "text", "e.g. 2027-01-31T00:00:00Z; empty: never"], ["requests_per_minute", "number"], ["tokens_per_minute", "number"]],
    columns: [["Key", (row) => el("code", {}, `${row.project} / ${row.id}`)], ["Kind", (row) => (row.admin ? "admin" : "runtime")], ["State", (row) => keyState(row)], ["Limits a minute", (row) => [row.requests_per_minute && `${row.requests_per_minute} requests`, row.tokens_per_minute && `${row.tokens_per_minute} tokens`].filter(Boolean).join(", ") || "–"]],
    more: (row, page) => [el("button", { type: "button", class: "small", onclick: () => rotate(row, page) }, "Rotate")],
  },
  {
    path: "budgets", title: "Budgets", one: "budget", kind: "budget", admin: true, at: "/v2/budgets", place: scoped("/v2/budgets"),
    about: "What a scope may spend in a calendar month, in UTC. Once it is used up, calls are refused until the month ends.",
    fields: [["project", "text", "Empty: the whole organization"], ["key", "text", "Empty: the whole project"], ["monthly_usd", "text"], ["warn_at", "number", "From which part of it on, e.g. 0.8"], ["when_unreachable", ["allow", "deny"], "While the spend cannot be known"]],
    columns: [["Scope", scope], ["Budget", (row) => money(row.monthly_usd)], ["Spent", (row) => (row.this_month ? money(row.this_month.spent_usd) : "–")], ["Left", (row) => left(row)], ["Resets", (row) => row.this_month?.resets_at?.slice(0, 10) ?? "–"]],
  },
  {
    path: "guardrails", title: "Guardrails", one: "guardrail", kind: "guardrail", admin: true, at: "/v2/guardrails", place: byField("/v2/guardrails", "name"),
    about: "What must not get in or out: flagged on the trace, blocked, or redacted.",
    fields: [["name", "text"], ["applies_to", "lines", "input, output"], ["action", ["flag", "block", "redact"]], ["presets", "lines", "e.g. credit_card, iban, email, phone, api_key"], ["patterns", "json", '[{"name": "ticket", "regex": "T-[0-9]+", "flags": "i"}]'], ["replacement", "text"], ["judge", "json", '{"model": "...", "prompt": "..."}'], ["projects", "lines", "Empty: all"]],
    columns: [["Name", (row) => el("code", {}, row.name)], ["Where", (row) => some(row.applies_to)], ["Action", (row) => row.action], ["Looks for", (row) => some([...(row.presets ?? []), ...(row.patterns ?? []).map((each) => each.name), ...(row.judge ? [`judge ${row.judge.model}`] : [])])]],
  },
  {
    path: "projects", title: "Projects", one: "project", kind: "project", admin: true, at: "/v2/projects", place: byField("/v2/projects", "id"),
    about: "Parts of the organization with keys, a policy and a budget of their own.",
    fields: [["id", "text"], ["name", "text"], ["retention", "json", '{"content_days": 0}; 0 keeps no prompts or answers'], ["defaults", "json", "What differs from the organization's"]],
    columns: [["Project", (row) => el("code", {}, row.id)], ["Name", (row) => row.name], ["Content kept", (row) => (row.retention?.content_days ? `${row.retention.content_days} days` : "never")]],
  },
];

function allowed(names) {
  if (!names) return "–";
  return [names.allow?.length && `only ${names.allow.join(", ")}`, names.deny?.length && `not ${names.deny.join(", ")}`].filter(Boolean).join("; ") || "–";
}

function keyState(row) {
  if (row.disabled) return badge("disabled", "bad");
  if (row.expires_at && new Date(row.expires_at) < new Date()) return badge("expired", "bad");
  return badge(row.expires_at ? `until ${row.expires_at.slice(0, 10)}` : "good", "good");
}

function left(row) {
  const month = row.this_month;
  if (!month) return "–";
  const share = Number(month.left_usd) / Number(row.monthly_usd || 1);
  return [money(month.left_usd), meter(share, share <= 0 ? "bad" : month.warns ? "warn" : "")];
}

export async function resources(at, kind) {
  const page = { at, kind, form: el("div"), list: el("div"), reload: null };
  page.reload = async () => page.list.replaceChildren(listed(page, await rows(kind)));
  at.root.append(
    el("h1", {}, kind.title), el("p", { class: "lead" }, kind.about),
    el("div", { class: "tools" }, el("button", { type: "button", class: "primary", onclick: () => edit(page, null) }, `New ${kind.one}`)),
    page.form, page.list);
  await page.reload();
}

async function rows(kind) {
  if (!kind.perProject) return everything(kind.at);
  const projects = await everything("/v2/projects");
  return (await Promise.all(projects.map((project) => everything(kind.at(project.id))))).flat();
}

export async function budgets() {
  const kind = RESOURCES.find((each) => each.path === "budgets");
  const found = await everything(kind.at);
  return found.length ? [el("h2", {}, "Budgets this month"), table(kind.columns.map(([title, of]) => ({ title, of, name: true })), found)] : [];
}

async function everything(path) {
  const found = [];
  for (;;) {
    const page = await get(`${path}?limit=100&offset=${found.length}`);
    const data = Array.isArray(page) ? page : page.data;
    found.push(...data);
    if (!data.length || found.length >= (page.meta?.total_count ?? 0)) return found;
  }
}

function listed(page, found) {
  const { kind } = page;
  return table([
    ...kind.columns.map(([title, of]) => ({ title, of, name: true })),
    { title: "From", of: (row) => (row.source === "file" ? badge("file") : "API") },
    {
      title: "", of: (row) => row.source === "file" ? "" : [
        el("button", { type: "button", class: "small", onclick: () => edit(page, row) }, "Edit"), " ",
        ...(kind.more?.(row, page) ?? []), " ",
        el("button", { type: "button", class: "small danger", onclick: () => remove(page, row) }, "Delete"),
      ],
    },
  ], found, `No ${kind.one} yet.`);
}

function edit(page, row) {
  const { kind } = page;
  const controls = kind.fields.map(([name, type, help]) => {
    const input = control(type, row?.[name]);
    input.id = `field-${name}`;
    if (help) input.setAttribute("aria-describedby", `${input.id}-help`);
    return { name, type, help, control: input };
  });
  const fault = el("p", { class: "fault", role: "alert" });
  const preview = el("div");
  const model = el("input", { placeholder: "a model, e.g. claude-sonnet-4-5" });
  const read = () => {
    const wanted = {};
    for (const { name, type, control: input } of controls) {
      const value = given(type, input, name);
      if (value !== undefined) wanted[name] = value;
      else if (row && row[name] !== undefined && row[name] !== null && type !== "secret") wanted[name] = null;
    }
    return wanted;
  };
  const tried = (work) => async (event) => {
    event?.preventDefault();
    fault.textContent = "";
    try {
      await work();
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  const form = el("form", {
    class: "sheet",
    onsubmit: tried(async () => {
      const wanted = read();
      const saved = row
        ? await call("PATCH", kind.place(row), wanted, row.etag ? { "if-match": quoted(row.etag) } : {})
        : await create(kind, wanted);
      page.form.replaceChildren(saved?.secret ? secret(saved) : "");
      say(`The ${kind.one} is saved.`);
      await page.reload();
    }),
  },
  el("h2", {}, row ? `Edit ${kind.one}` : `New ${kind.one}`),
  controls.map(({ name, help, type, control: input }) =>
    type === "flag"
      ? el("label", { class: "field" }, input, ` ${name.replaceAll("_", " ")}`)
      : el("div", { class: "field" }, el("label", { for: input.id }, name.replaceAll("_", " ")), input, help && el("p", { class: "help", id: `${input.id}-help` }, help))),
  fault,
  kind.preview ? el("fieldset", {}, el("legend", {}, "The plan it would give"),
    kind.preview === true ? labelled("For", model) : "", " ",
    el("button", {
      type: "button",
      onclick: tried(async () => {
        const wanted = read();
        const named = kind.preview === true ? model.value : kind.preview(wanted);
        const answer = await explained(named, { kind: kind.kind, resource: clean(row, wanted) });
        preview.replaceChildren(...planned(answer));
      }),
    }, "Show it"), preview) : "",
  el("button", { class: "primary", type: "submit" }, "Save"), " ",
  el("button", { type: "button", onclick: () => page.form.replaceChildren() }, "Cancel"));
  page.form.replaceChildren(form);
  form.querySelector("input, textarea, select")?.focus();
}

const quoted = (etag) => (etag.startsWith('"') ? etag : `"${etag}"`);

function clean(row, wanted) {
  const { source, etag, generation, created_at, updated_at, secret: shown, ...known } = row ?? {};
  return Object.fromEntries(Object.entries({ ...known, ...wanted }).filter(([name, value]) => value !== null && name !== "api_key"));
}

function create(kind, wanted) {
  if (kind.perProject) {
    const { project, ...rest } = wanted;
    return call("POST", kind.at(project ?? ""), rest);
  }
  return call("POST", kind.at, wanted);
}

function control(type, value) {
  if (Array.isArray(type)) return el("select", {}, type.map((each) => el("option", { value: each, selected: each === value }, each)));
  if (type === "flag") return el("input", { type: "checkbox", checked: value === true });
  if (type === "lines") return el("textarea", { rows: 4, value: (value ?? []).join("\n") });
  if (type === "json") return el("textarea", { rows: 4, value: value === undefined || value === null ? "" : JSON.stringify(value, null, 2) });
  if (type === "secret") return el("input", { type: "password", autocomplete: "off" });
  if (type === "number") return el("input", { type: "number", step: "any", min: "0", value: value ?? "" });
  return el("input", { value: value ?? "" });
}

function given(type, input, name) {
  if (type === "flag") return input.checked;
  const text = input.value.trim();
  if (type === "lines") return text ? text.split("\n").map((line) => line.trim()).filter(Boolean) : [];
  if (!text) return undefined;
  if (type === "number") return Number(text);
  if (type !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name.replaceAll("_", " ")} is no JSON.`);
  }
}

function secret(saved) {
  return el("div", { class: "sheet" }, el("h2", {}, `Key ${saved.id}`),
    el("p", {}, "This is its secret. Copy it now: it is not shown again."), el("pre", {}, saved.secret));
}

async function rotate(row, page) {
  const hours = prompt("For how many hours shall the secret before stay good?", "24");
  if (hours === null) return;
  try {
    const saved = await call("POST", `${page.kind.place(row)}/rotate`, { overlap_s: Number(hours) * 3600 });
    page.form.replaceChildren(secret(saved));
    await page.reload();
  } catch (error) {
    say(error.message);
  }
}

async function remove(page, row) {
  if (!confirm(`Delete this ${page.kind.one}?`)) return;
  try {
    await call("DELETE", page.kind.place(row));
    say(`The ${page.kind.one} is deleted.`);
    await page.reload();
  } catch (error) {
    say(error.message);
  }
}
