// The service's HTTP interface. Failures become a Problem, whatever their cause.

export class Problem extends Error {
  constructor({ title, status, detail, errors = [], request_id: requestId = "" }) {
    super(title);
    Object.assign(this, { title, status, detail, errors, requestId });
  }
}

// Of this tab and until it is closed; never in the address, which is shared and logged.
const KEY = "credentials";

/** Ask with these credentials from now on. */
export function use(credentials) {
  sessionStorage.setItem(KEY, credentials);
}

function authorized(headers = {}) {
  const credentials = sessionStorage.getItem(KEY);
  return credentials ? { ...headers, authorization: `Bearer ${credentials}` } : headers;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: authorized(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "the search service cannot be reached", detail: "It may be restarting. Try again in a moment." });
  }
  const body = await response.json().catch(() => ({ title: `the service answered ${response.status}` }));
  if (!response.ok) throw new Problem(body);
  return body;
}

/** Return the indices with their filters and fields to show. */
export async function indices() {
  return (await ask("/indices")).indices;
}

/** Return the answer to a search. */
export function search(wanted, signal) {
  const headers = { "content-type": "application/json" };
  return ask("/search", { method: "POST", headers, body: JSON.stringify(wanted), signal });
}
