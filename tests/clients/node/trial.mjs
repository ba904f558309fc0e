// What the scripts beside it have in common; see ../python/trial.py.

export const BASE_URL = process.env.GATEWAY;
export const KEY = process.env.GATEWAY_KEY;
const MODELS = process.env.MODELS.split(" ");
const ALIAS = process.env.ALIAS;
const SIMULATOR = process.env.SIMULATOR;
// Who serves the alias, in the order in which they are well.
const PROVIDERS = ["gcp", "openai", "anthropic"];

export const HELLO = "Hello";
export const PLACE = "Which place?";
export const TOOL = "Use the tool: what is the weather in Paris?";
export const TURNS = 3;
const SUNNY = "Sunny";
const NO_MODEL = "no-such-model";

export const PARAMETERS = {
  type: "object",
  properties: { place: { type: "string" } },
  required: ["place"],
  additionalProperties: false,
};

/** Carry all cases out: of a plain name with each model, else as it says. */
export async function run(cases) {
  for (const [name, tried] of Object.entries(cases)) {
    const models = { tools: [ALIAS], error: [NO_MODEL] }[name] ?? MODELS;
    for (const model of models) {
      await control("POST", "recover", {});
      await control("DELETE", "log");
      let came;
      try {
        came = await tried(model);
        if (name === "tools") came.served_by = await servedBy();
      } catch (error) {
        came = { raised: `${error.stack}`.slice(-3000) };
      }
      console.log(JSON.stringify({ case: name, model, came }));
    }
  }
}

/** Have all fail but one, who is not the one that answered last. */
export async function failOver() {
  const well = PROVIDERS[(await servedBy()).length % PROVIDERS.length];
  await control("POST", "recover", {});
  for (const provider of PROVIDERS) {
    if (provider !== well) await control("POST", "fail", { provider, fault: "503" });
  }
}

/** Tell the weather; the next request has to be served elsewhere. */
export async function weather() {
  await failOver();
  return SUNNY;
}

/** Ask for what fails, and describe the error. */
export async function raisedBy(asking) {
  try {
    await asking();
  } catch (error) {
    const status = error.status ?? error.statusCode ?? null;
    return { kind: error.constructor.name, status, says: error.message };
  }
  return {};
}

async function servedBy() {
  const { received } = await control("GET", "log");
  return received.filter((each) => !each.fault).map((each) => each.provider);
}

async function control(method, what, body) {
  const answered = await fetch(`${SIMULATOR}/control/${what}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answered.json();
}
