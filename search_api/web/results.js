// Answers as elements: one list, three lists side by side, nothing found, something wrong.

import { use } from "./api.js";
import { element, label } from "./dom.js";

const LONGEST_TEXT = 420;
const WORDS_ALONE = "By words alone: the encoder does not answer.";

/** Return a list of the hits of `answer`. */
export function list(answer, view) {
  if (!answer.hits.length) return nothing(view);
  const best = answer.hits[0].score;
  const items = answer.hits.map((hit, rank) => element("li", {}, card(hit, rank + 1, best, view)));
  return element("ol", { class: "hits" }, items);
}

function card(hit, rank, best, view) {
  const { title, text, details } = view.display;
  const head = element("div", { class: "head" }, element("span", { class: "rank", "aria-hidden": "true" }, String(rank)), element("h3", {}, plain(hit.source[title]) || hit.id), score(hit.score, best));
  return element("article", { class: "hit", tabindex: 0, "data-id": hit.id }, head, facts(hit.source, details, view), element("p", { class: "text" }, shortened(plain(hit.source[text]))));
}

function score(value, best) {
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", best > 0 ? value / best : 0);
  return element("span", { class: "score", title: "Score, comparable within this list only" }, bar, element("span", { class: "unseen" }, "Score "), value.toFixed(2));
}

function facts(source, details, view) {
  const given = details.filter((field) => source[field] != null && source[field].length !== 0);
  return given.length > 0 && element("dl", { class: "facts" }, given.map((field) => fact(field, source[field], view)));
}

function fact(field, value, view) {
  const values = [value].flat();
  const shown = view.canFilter(field) ? values.map((one) => only(field, one, view)) : values.map(plain);
  const separated = shown.flatMap((one, place) => (place ? [", ", one] : [one]));
  return element("div", {}, element("dt", {}, label(field)), " ", element("dd", {}, separated));
}

function only(field, value, view) {
  const name = `Only ${label(field)} ${value}`;
  return element("button", { type: "button", class: "inline", "aria-label": name, title: name, on: { click: () => view.filter(field, value) } }, value);
}

function plain(value) {
  if (typeof value === "number") return String(Number(value.toFixed(2)));
  return Array.isArray(value) ? value.map(plain).join(", ") : String(value ?? "");
}

function shortened(text) {
  if (text.length <= LONGEST_TEXT) return text;
  return `${text.slice(0, text.lastIndexOf(" ", LONGEST_TEXT))} …`;
}

/** Return how long `answer` took. */
export function milliseconds(answer) {
  return `${answer.took_ms < 10 ? answer.took_ms : Math.round(answer.took_ms)} ms`;
}

/** Return the answers of several modes beside each other; each card says where the others have it. */
export function sideBySide(columns, view) {
  const ranks = Object.fromEntries(columns.map(({ mode, answer }) => [mode, rankOf(answer)]));
  return element("div", { class: "columns" }, columns.map((one) => column(one, ranks, view)));
}

function rankOf(answer) {
  return new Map((answer?.hits ?? []).map((hit, place) => [hit.id, place + 1]));
}

function column({ mode, answer, error }, ranks, view) {
  const heading = element("h2", { id: `column-${mode}` }, label(mode), answer && element("span", { class: "quiet" }, ` ${milliseconds(answer)}`));
  const body = error ? problem(error, { again: view.again }, "h3") : list(answer, view);
  if (answer?.degraded) body.prepend(element("p", { class: "quiet" }, WORDS_ALONE));
  for (const card of body.querySelectorAll(".hit")) card.append(elsewhere(card.dataset.id, mode, ranks));
  return element("section", { class: "column", "aria-labelledby": `column-${mode}` }, heading, body);
}

function elsewhere(id, mode, ranks) {
  const others = Object.entries(ranks).filter(([other, places]) => other !== mode && places.has(id));
  const text = others.length ? others.map(([other, places]) => `${other} #${places.get(id)}`).join(" · ") : "only here";
  return element("p", { class: "elsewhere" }, text);
}

function nothing(view) {
  const advice = view.isFiltered ? "Fewer filters may help." : "Other words may help; semantic mode looks for the meaning.";
  return element("div", { class: "notice" }, element("h2", {}, "Nothing found"), element("p", {}, advice));
}

/** Return what to show before the first search. */
export function welcome() {
  const explained = { Hybrid: "weighs meaning and words", Semantic: "finds by meaning", Lexical: "finds by the words themselves" };
  const terms = Object.entries(explained).map(([mode, what]) => element("div", {}, element("dt", {}, mode), element("dd", {}, what)));
  return element("div", { class: "notice" }, element("p", {}, "Describe what you are looking for in your own words."), element("dl", { class: "modes-explained" }, terms));
}

const UNAUTHORIZED = 401;

/** Return a form that takes a key, and goes on with it. */
function credentials(view) {
  const field = element("input", { type: "password", name: "key", required: true, autocomplete: "off", spellcheck: "false" });
  const submit = (event) => {
    event.preventDefault();
    use(field.value.trim());
    view.again();
  };
  return element(
    "form",
    { class: "actions key", on: { submit } },
    element("label", {}, "Key or token ", field),
    element("button", { type: "submit", class: "second" }, "Use it"),
  );
}

/** Return what to show for `error`, a Problem. */
export function problem(error, view, heading = "h2") {
  const again = element("button", { type: "button", class: "second", on: { click: () => view.again() } }, "Try again");
  const details = error.errors.map((one) => element("li", {}, one.detail, one.allowed?.length ? ` (allowed: ${one.allowed.join(", ")})` : ""));
  return element(
    "div",
    { class: "notice wrong", role: "alert" },
    element(heading, {}, sentence(error.title)),
    error.status === UNAUTHORIZED && credentials(view),
    details.length ? element("ul", {}, details) : error.detail && element("p", {}, sentence(error.detail)),
    element("p", { class: "actions" }, again),
    error.requestId && element("p", { class: "quiet small" }, "Request ", element("code", {}, error.requestId)),
  );
}

function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
