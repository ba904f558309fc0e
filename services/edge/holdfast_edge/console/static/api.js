// Talking to the gateway: its own API, as whoever has signed in.

let csrf = "";

export class ApiError extends Error {
  constructor(status, body) {
    const error = body?.error ?? {};
    super(error.message ?? `The gateway answered ${status}.`);
    this.status = status;
    this.code = error.code;
    this.field = error.param;
  }
}

export async function call(method, path, body, headers = {}) {
  const request = { method, headers: { accept: "application/json", ...headers }, credentials: "same-origin" };
  if (method !== "GET") request.headers["x-holdfast-csrf"] = csrf;
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new ApiError(0, { error: { message: "The gateway cannot be reached." } });
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path) => call("GET", path);

export async function whoAmI() {
  const who = await get("/console/session");
  csrf = who.csrf;
  return who;
}

export async function signIn(key) {
  const who = await call("POST", "/console/session", { key });
  csrf = who.csrf;
  return who;
}

export async function signOut() {
  await call("DELETE", "/console/session");
  csrf = "";
}

export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== "" && each !== null && each !== undefined) search.append(name, each);
    }
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}
