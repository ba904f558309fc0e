// Building what a page shows. Text is only ever text: nothing becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function link(path, text, attributes = {}) {
  return el("a", { href: path, ...attributes }, text);
}

export function badge(text, kind = "") {
  return el("span", { class: `badge ${kind}` }, text);
}

// A table. Columns are {title, of: row => node or text, number?, name?}.
export function table(columns, rows, nothing = "Nothing here yet.") {
  if (!rows.length) return el("p", { class: "quiet" }, nothing);
  const kind = (column) => (column.number ? "number" : column.name ? "name" : null);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.title)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((column) => el("td", { class: kind(column) }, column.of(row))))))));
}

export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function card(title, value, note = "") {
  return el("div", { class: "card" }, el("span", {}, title), el("b", {}, value), note && el("span", {}, note));
}

export function labelled(text, control, attributes = {}) {
  return el("label", attributes, el("span", {}, text), control);
}

export function say(text) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.add("shown");
  setTimeout(() => status.classList.remove("shown"), 4000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("This browser does not let pages copy; select the text instead.");
  }
}

export function choice(options, chosen, onchange) {
  return el("select", { onchange: (event) => onchange(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
}
