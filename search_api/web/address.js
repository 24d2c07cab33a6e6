// The address bar: the same form as GET /search, so that a search can be kept, shared and gone back to.

const BOUNDS = ["gte", "lte"];

/** Return what the address asks for. */
export function read(filters) {
  const parameters = new URLSearchParams(location.search);
  return {
    query: parameters.get("q") ?? "",
    mode: parameters.get("mode") ?? "hybrid",
    index: parameters.get("index"),
    filters: filters.flatMap((filter) => conditions(filter, parameters)),
  };
}

function conditions({ field, kind }, parameters) {
  if (kind === "keyword") {
    const values = parameters.getAll(field).filter(Boolean);
    return values.length ? [{ field, any_of: values }] : [];
  }
  const bounds = BOUNDS.map((bound) => [bound, parameters.get(`${field}.${bound}`)])
    .filter(([, value]) => value && Number.isFinite(Number(value)))
    .map(([bound, value]) => [bound, Number(value)]);
  return bounds.length ? [{ field, ...Object.fromEntries(bounds) }] : [];
}

/** Put `wanted` into the address; a new entry of the history unless it is already there. */
export function write({ query, mode, index, filters }, isDefaultIndex) {
  const parameters = new URLSearchParams();
  if (query) parameters.set("q", query);
  if (mode !== "hybrid") parameters.set("mode", mode);
  if (index && !isDefaultIndex) parameters.set("index", index);
  for (const { field, any_of: values = [], ...bounds } of filters) {
    values.forEach((value) => parameters.append(field, value));
    Object.entries(bounds).forEach(([bound, value]) => parameters.set(`${field}.${bound}`, value));
  }
  const search = parameters.size ? `?${parameters}` : "";
  if (search !== location.search) history.pushState(null, "", `${location.pathname}${search}`);
}
