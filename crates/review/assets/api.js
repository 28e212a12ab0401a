// Talking to the server.

/** What the server said no with. `retry` tells whether the same request may succeed later. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `the server answered ${status}`);
    this.status = status;
    this.hint = error?.hint ?? null;
    this.retry = status === 0 || status === 408 || status === 429 || status >= 500;
  }
}

const PATIENCE = 30_000;

/** Sends a request and reads its JSON. Throws a `Refusal`; status 0 means that the server was not reached. */
export async function call(method, path, body, { raw = false, patience = PATIENCE } = {}) {
  const headers = { "X-Postil": "1" };
  if (body !== undefined) headers["Content-Type"] = raw ? "application/octet-stream" : "application/json";
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined || raw ? body : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(patience),
    });
    text = await response.text();
  } catch {
    throw new Refusal(0, { message: "the server does not answer", hint: "is `postil review` still running?" });
  }
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    if (response.ok) throw new Refusal(502, { message: "the server answered something that is not JSON" });
  }
  if (!response.ok) throw new Refusal(response.status, value?.error);
  return value;
}

export const session = () => call("GET", "/api/session");
export const lease = (request) => call("POST", "/api/lease", request);
export const answer = (request) => call("POST", "/api/answer", request);
export const undo = (request) => call("POST", "/api/undo", request);
export const guidelines = () => call("GET", "/api/guidelines");
export const example = (request) => call("POST", "/api/examples", request);
export const draw = (count) => call("POST", "/api/draw", { count });
export const people = () => call("GET", "/api/people");
export const invite = (name, role) => call("POST", "/api/people", { name, role });
export const revoke = (name) => call("DELETE", `/api/people/${encodeURIComponent(name)}`);

export function history({ before, only } = {}) {
  const query = new URLSearchParams({ limit: "50" });
  if (before) query.set("before", String(before));
  if (only) query.set("only", only);
  return call("GET", `/api/history?${query}`);
}

export function takeOver(format, person, bytes) {
  const query = new URLSearchParams({ format });
  if (person) query.set("person", person);
  return call("POST", `/api/import?${query}`, bytes, { raw: true, patience: 600_000 });
}
