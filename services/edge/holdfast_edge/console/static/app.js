// The console's frame: who is signed in, which page is shown, and moving between them.

import { signIn, signOut, whoAmI } from "./api.js";
import { el, link, say } from "./dom.js";
import { health } from "./health.js";
import { models } from "./models.js";
import { RESOURCES, resources } from "./resources.js";
import { history } from "./history.js";
import { trace, traces } from "./traces.js";
import { usage } from "./usage.js";

const PAGES = [
  { path: "models", title: "Models", show: models },
  { path: "traces", title: "Traces", show: traces, one: trace },
  { path: "usage", title: "Usage", show: usage },
  { path: "health", title: "Health", show: health },
  ...RESOURCES.map((kind) => ({ path: kind.path, title: kind.title, admin: kind.admin, show: (at) => resources(at, kind) })),
  { path: "history", title: "History", admin: true, show: history },
];

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const menu = document.getElementById("menu");
let who = null;
let leave = () => {};

function place() {
  const [, , path = "", ...rest] = location.pathname.split("/");
  return { path: path || "models", rest: rest.map(decodeURIComponent).join("/"), search: new URLSearchParams(location.search) };
}

async function show() {
  leave();
  leave = () => {};
  const here = place();
  const page = PAGES.find((each) => each.path === here.path) ?? PAGES[0];
  document.title = `${page.title} · Holdfast`;
  nav.replaceChildren(...PAGES.filter((each) => !each.admin || who.admin).map((each) =>
    link(`/console/${each.path}`, each.title, { "aria-current": each === page ? "page" : null })));
  nav.classList.remove("open");
  menu.setAttribute("aria-expanded", "false");
  const root = el("div");
  main.replaceChildren(root);
  const stops = [];
  const at = {
    root, who, search: here.search, rest: here.rest, go,
    again: (work, milliseconds) => {
      const timer = setInterval(work, milliseconds);
      stops.push(() => clearInterval(timer));
    },
  };
  leave = () => stops.forEach((stop) => stop());
  try {
    await (here.rest && page.one ? page.one(at) : page.show(at));
  } catch (error) {
    if (error.status === 401) return signedOut();
    root.append(el("p", { class: "fault", role: "alert" }, error.message));
  }
}

function go(path) {
  window.history.pushState(null, "", path);
  show();
  main.focus();
}

function signedOut() {
  who = null;
  leave();
  document.getElementById("header").hidden = true;
  const fault = el("p", { class: "fault", role: "alert" });
  const key = el("input", { type: "password", name: "key", autocomplete: "current-password", required: true, placeholder: "hf-…" });
  main.replaceChildren(el("form", {
    class: "sheet signin",
    onsubmit: async (event) => {
      event.preventDefault();
      fault.textContent = "";
      try {
        who = await signIn(key.value);
        signedIn();
      } catch (error) {
        fault.textContent = error.message;
        key.focus();
      }
    },
  },
  el("h1", {}, "Holdfast"),
  el("p", { class: "lead" }, "Sign in with an API key: a project's key sees its project, an admin key the organization."),
  el("input", { type: "text", name: "username", autocomplete: "username", value: "holdfast", hidden: true, "aria-hidden": "true" }),
  el("label", {}, "API key", key), fault,
  el("button", { class: "primary", type: "submit" }, "Sign in")));
  key.focus();
}

function signedIn() {
  document.getElementById("header").hidden = false;
  document.getElementById("who").replaceChildren(
    el("span", {}, `${who.organization} / ${who.project} / ${who.key}${who.admin ? " (admin)" : ""}`),
    el("button", { type: "button", class: "small", onclick: leaveForGood }, "Sign out"));
  show();
}

async function leaveForGood() {
  await signOut();
  say("Signed out.");
  signedOut();
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (anchor && plain && anchor.origin === location.origin && anchor.pathname.startsWith("/console/") && !anchor.hash) {
    event.preventDefault();
    go(anchor.href);
  }
});
menu.addEventListener("click", () => {
  const open = nav.classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
});
window.addEventListener("popstate", () => who && show());

try {
  who = await whoAmI();
  signedIn();
} catch {
  signedOut();
}
