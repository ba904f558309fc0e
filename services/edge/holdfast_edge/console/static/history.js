// Every edit: who made it, what it changed, and going back.

import { call, get } from "./api.js";
import { el, say, table } from "./dom.js";
import { moment, words } from "./format.js";

export async function history(at) {
  const listed = await get("/v2/generations?limit=100");
  at.root.append(
    el("h1", {}, "History"),
    el("p", { class: "lead" }, "Each edit makes a new generation. What the configuration file declares is not edited here."),
    table([
      { title: "Generation", number: true, of: (each) => each.number ?? each.generation },
      { title: "When", of: (each) => moment(each.at) },
      { title: "Who", name: true, of: (each) => each.actor },
      { title: "What", of: (each) => words(each.action) },
      { title: "Changed", name: true, of: (each) => each.changes.map(change) },
      { title: "", of: (each) => el("button", { type: "button", class: "small", onclick: () => back(at, each.number ?? each.generation) }, "Go back to it") },
    ], listed.data, "Nothing has been edited yet."));
}

function change(each) {
  return el("details", {}, el("summary", {}, `${words(each.kind)} ${each.path}`),
    el("h3", {}, "Before"), el("pre", {}, each.before ? JSON.stringify(each.before, null, 2) : "–"),
    el("h3", {}, "After"), el("pre", {}, each.after ? JSON.stringify(each.after, null, 2) : "–"));
}

async function back(at, number) {
  if (!confirm(`Make everything what it was at generation ${number}?`)) return;
  try {
    await call("POST", `/v2/generations/${number}/rollback`);
    say(`Everything is as it was at generation ${number}.`);
    at.go("/console/history");
  } catch (error) {
    say(error.message);
  }
}
