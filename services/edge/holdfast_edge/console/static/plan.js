// Where a request for a model would go, and why: every candidate, placed or excluded.

import { call } from "./api.js";
import { el, table } from "./dom.js";
import { seconds, words } from "./format.js";

export async function explained(model, edit = null) {
  return call("POST", "/v2/explain", edit ? { model, edit } : { model });
}

export function planned(answer) {
  const order = answer.steps.map((step) => ({ ...step, rule: "" }));
  return [
    table([
      { title: "#", number: true, of: (step) => step.place },
      { title: "Deployment", name: true, of: (step) => el("code", {}, step.deployment) },
      { title: "Geography", of: (step) => step.geography },
      { title: "Why here", of: (step) => words(step.reason) + (step.cooldown_seconds ? `, rests ${seconds(step.cooldown_seconds)}` : "") },
    ], order, "No deployment is left."),
    answer.exclusions.length ? el("h3", {}, "Left out") : null,
    answer.exclusions.length ? table([
      { title: "Deployment", name: true, of: (each) => el("code", {}, each.deployment) },
      { title: "Geography", of: (each) => each.geography },
      { title: "Rule", of: (each) => each.rule },
    ], answer.exclusions) : null,
  ].filter(Boolean);
}

export async function plan(model) {
  const answer = await explained(model);
  const dialog = el("dialog", { "aria-label": `Plan for ${model}` },
    el("h2", {}, `Plan for ${model}`), ...planned(answer),
    el("p", {}, el("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
