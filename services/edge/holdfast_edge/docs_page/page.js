// The page: reads the description and lays it out.

import { make, prose } from "./elements.js";
import { Schemas } from "./schema.js";
import { form } from "./trying.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

const at = (id) => document.getElementById(id);
const keyOf = () => at("key").value.trim();

async function start() {
  theme();
  filter();
  const response = await fetch("/openapi.json");
  const description = await response.json();
  const schemas = new Schemas(description);
  at("version").textContent = `API ${description.info.version}`;
  at("about").append(...prose(description.info.description));
  for (const tag of description.tags) {
    const operations = operationsOf(description, tag.name);
    at("contents").append(contents(tag, operations));
    at("operations").append(
      make("h2", {}, tag.name),
      make("p", { class: "quiet" }, ...prose(tag.description)),
      ...operations.map((each) => section(each, schemas)),
    );
  }
  at("state").remove();
  reveal();
  addEventListener("hashchange", reveal);
}

function operationsOf(description, tag) {
  const found = [];
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation?.tags.includes(tag)) continue;
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
      found.push({ id: `${method}:${path}`, method, path, operation, parameters });
    }
  }
  return found;
}

function contents(tag, operations) {
  const links = operations.map(({ id, method, path, operation }) =>
    make(
      "li",
      { "data-words": `${method} ${path} ${operation.summary}`.toLowerCase() },
      make("a", { href: `#${id}`, title: operation.summary }, badge(method), make("span", { class: "path" }, path)),
    ),
  );
  return make("section", {}, make("h2", {}, tag.name), make("ul", {}, ...links));
}

function section({ id, method, path, operation, parameters }, schemas) {
  const inside = make("div", {});
  const details = make(
    "details",
    { class: "operation", id, toggle: () => fill() },
    make(
      "summary",
      {},
      badge(method),
      make("span", { class: "path" }, path),
      make("span", { class: "quiet" }, operation.summary),
    ),
    inside,
  );
  // Some hundred tables that nobody looks at would make a slow page.
  const fill = () => {
    if (!details.open || inside.childElementCount) return;
    inside.append(
      operation.description ? make("p", {}, ...prose(operation.description)) : "",
      ...parameterTable(parameters, schemas),
      ...bodyTable(operation, schemas),
      make("h3", {}, "Answers"),
      ...Object.entries(operation.responses).map(([status, answer]) => answerOf(status, answer, schemas)),
      make("h3", {}, "Try it"),
      form(method, path, operation, parameters, schemas, keyOf),
    );
  };
  return details;
}

function parameterTable(parameters, schemas) {
  if (!parameters.length) return [];
  const rows = parameters.map((each) =>
    make(
      "tr",
      { class: "field" },
      make("td", { class: "name" }, make("code", each.required ? { class: "must" } : {}, each.name)),
      make("td", {}, each.in),
      make("td", {}, make("code", {}, schemas.word(each.schema))),
      make("td", {}, ...prose(each.description)),
    ),
  );
  return [make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, ...rows))];
}

function bodyTable(operation, schemas) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  return schema ? [make("h3", {}, "Body"), schemas.table(schema)] : [];
}

function answerOf(status, answer, schemas) {
  const found = schemas.resolve(answer);
  const [media, content] = Object.entries(found.content ?? {})[0] ?? [];
  const summary = [
    make("code", {}, status),
    " ",
    ...prose(found.description),
    media ? make("span", { class: "quiet" }, ` ${media}`) : "",
  ];
  if (!content) return make("p", {}, ...summary);
  return make("details", { class: "schema" }, make("summary", {}, ...summary), schemas.table(content.schema));
}

function badge(method) {
  return make("span", { class: `method ${method}` }, method);
}

// Opens what the address points to.
function reveal() {
  const wanted = at(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.querySelector("summary").focus();
    wanted.scrollIntoView();
  }
}

function filter() {
  const input = at("filter");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const entry of at("contents").querySelectorAll("li")) {
      entry.hidden = !words.every((word) => entry.dataset.words.includes(word));
    }
    for (const group of at("contents").querySelectorAll("section")) {
      group.hidden = !group.querySelector("li:not([hidden])");
    }
  });
  addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      input.focus();
    }
  });
}

function theme() {
  const button = at("theme");
  const root = document.documentElement;
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  label();
}

start().catch((error) => {
  const state = at("state") ?? at("operations");
  state.textContent = `The description could not be shown: ${error.message}`;
});
