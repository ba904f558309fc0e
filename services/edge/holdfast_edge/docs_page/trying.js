// Trying an operation out: a form, the request as curl, and what was answered.

import { make } from "./elements.js";

const SHOWN_HEADERS = 40;

export function form(method, path, operation, parameters, schemas, keyOf) {
  const inputs = parameters.map((each) => [
    each,
    make("input", {
      name: each.name,
      "aria-label": each.name,
      placeholder: each.in === "path" ? "needed" : `in the ${each.in}`,
      required: each.in === "path",
    }),
  ]);
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const body = schema
    ? make("textarea", { "aria-label": "Body", spellcheck: "false" })
    : null;
  if (body) body.value = JSON.stringify(schemas.example(schema), null, 2);
  const curl = make("pre", { "aria-label": "As curl" });
  const answer = make("pre", { "aria-live": "polite", hidden: true });
  const request = () => written(method, path, inputs, body, keyOf(), operation);
  const show = () => (curl.textContent = asCurl(request()));
  const built = make(
    "form",
    {
      input: show,
      focusin: show,
      submit: (event) => {
        event.preventDefault();
        send(request(), answer);
      },
    },
    ...inputs.map(([each, input]) => make("label", {}, `${each.name}`, input)),
    body,
    make("p", {}, make("button", { class: "send", type: "submit" }, "Send")),
    curl,
    answer,
  );
  show();
  return built;
}

function written(method, path, inputs, body, key, operation) {
  const headers = {};
  const query = new URLSearchParams();
  let at = path;
  for (const [parameter, input] of inputs) {
    if (!input.value) continue;
    if (parameter.in === "path") {
      at = at.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (parameter.in === "query") query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (operation.security?.length && key) headers.authorization = `Bearer ${key}`;
  if (body?.value.trim()) headers["content-type"] = "application/json";
  const asked = query.toString();
  return {
    method: method.toUpperCase(),
    url: new URL(at + (asked && `?${asked}`), location.origin).href,
    headers,
    body: body?.value.trim() ? body.value : undefined,
  };
}

function asCurl({ method, url, headers, body }) {
  const shown = { ...headers };
  // The key is for sending, and a screen is for looking over shoulders.
  if (shown.authorization) shown.authorization = "Bearer $HOLDFAST_KEY";
  const words = [
    `curl -i -X ${method} ${quoted(url)}`,
    ...Object.entries(shown).map(([name, value]) =>
      name === "authorization" ? `-H "${name}: ${value}"` : `-H ${quoted(`${name}: ${value}`)}`,
    ),
    ...(body === undefined ? [] : [`-d ${quoted(body)}`]),
  ];
  return words.join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function send({ method, url, headers, body }, answer) {
  answer.hidden = false;
  answer.textContent = "…";
  try {
    const response = await fetch(url, { method, headers, body, cache: "no-store" });
    const lines = [...response.headers]
      .slice(0, SHOWN_HEADERS)
      .map(([name, value]) => `${name}: ${value}`);
    answer.textContent = `${response.status} ${response.statusText}\n${lines.join("\n")}\n\n`;
    await pour(response, answer);
  } catch (error) {
    answer.textContent = `It was not answered: ${error.message}`;
  }
}

// Shows an answer as it comes: a stream is to be seen streaming.
async function pour(response, answer) {
  const head = answer.textContent;
  const decoder = new TextDecoder();
  let text = "";
  for (const reader = response.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    answer.textContent = head + text;
  }
  answer.textContent = head + pretty(text);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
