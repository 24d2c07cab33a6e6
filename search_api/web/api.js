// The service's HTTP interface. Failures become a Problem, whatever their cause.

export class Problem extends Error {
  constructor({ title, detail, errors = [], request_id: requestId = "" }) {
    super(title);
    Object.assign(this, { title, detail, errors, requestId });
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
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
