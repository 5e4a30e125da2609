// The HTTP API, as functions. A problem document becomes a ProblemError.

import { askForKey, headers } from "./key.js";

export class ProblemError extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options?.headers, ...headers() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ProblemError({ title: "The service cannot be reached", detail: "Is it still running?" });
  }
  const type = response.headers.get("content-type") || "";
  if (response.ok && type.includes("json")) return response.json();
  if (type.includes("problem+json")) {
    const problem = await response.json();
    if (response.status === 401 && await askForKey(problem.detail)) return call(path, options);
    throw new ProblemError(problem);
  }
  throw new ProblemError({ title: "Unexpected answer", detail: `HTTP ${response.status} from ${path}.` });
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(given).toString();
}

export const api = {
  indexes: () => call("/v1/indexes"),
  items: (cursor, limit) => call(`/v1/items?${query({ cursor, limit })}`),
  item: (id) => call(`/v1/items/${encodeURIComponent(id)}`),
  examples: (limit, referenceId) => call(`/v1/examples?${query({ limit, reference_id: referenceId })}`),
  search: (body, signal) => call("/v1/search", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  }),
};
