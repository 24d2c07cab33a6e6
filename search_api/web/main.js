// The search page: what a person wants, from form and address, through the service, into the list of results.

import * as address from "./address.js";
import * as api from "./api.js";
import { element } from "./dom.js";
import { Filters } from "./filters.js";
import { list, milliseconds, problem, sideBySide, welcome } from "./results.js";

const MODES = ["semantic", "hybrid", "lexical"];
const SIZE = 10;
const HOW = { semantic: "by meaning", lexical: "by words", hybrid: "by meaning and words", compare: "in three ways" };

const at = (id) => document.getElementById(id);
const [form, box, choice, status, answer] = ["search", "query", "index", "status", "answer"].map(at);

let known = [];
let index;
let filters;
let eager = false; // a search was asked for before the page knew its indices
let running = new AbortController();

// A phone has its filters behind a word; elsewhere that word is hidden and they are always there.
const wide = matchMedia("(min-width: 34.01rem)");

/** What the results need to know and may ask for. */
const view = {
  get display() {
    return index.display;
  },
  get isFiltered() {
    return filters.conditions().length > 0;
  },
  canFilter: (field) => Boolean(filters.values(field)),
  filter: (field, value) => filters.add(field, value),
  again: () => run(),
};

function wanted() {
  return { query: box.value.trim(), mode: form.elements.mode.value, index: index.name, filters: filters.conditions() };
}

function choose(name) {
  const chosen = known.find((one) => one.name === name) ?? known[0];
  if (chosen === index) return;
  index = chosen;
  choice.value = index.name;
  at("attribution").textContent = index.display.attribution;
  filters = new Filters(at("filters"), index.filters, run);
}

/** Search for what the form says now; a newer search ends an older one. */
async function run() {
  if (!index) return;
  const asked = wanted();
  address.write(asked, index === known[0]);
  document.title = asked.query ? `${asked.query} – Search` : "Search";
  running.abort();
  running = new AbortController();
  if (!asked.query) return show(welcome(), "");
  answer.setAttribute("aria-busy", "true");
  status.textContent = "Searching …";
  await (asked.mode === "compare" ? compare(asked, running.signal) : single(asked, running.signal));
}

async function single(asked, signal) {
  const outcome = await outcomeOf(asked, asked.mode, signal);
  if (signal.aborted) return;
  if (outcome.error) show(problem(outcome.error, view), "");
  else show(list(outcome.answer, view), summary(outcome.answer, asked.mode));
}

async function compare(asked, signal) {
  const columns = await Promise.all(MODES.map((mode) => outcomeOf(asked, mode, signal)));
  if (signal.aborted) return;
  const failed = columns.filter(({ error }) => error);
  if (failed.length === columns.length) show(problem(failed[0].error, view), "");
  else show(sideBySide(columns, view), `The best ${SIZE} ${HOW.compare}`);
}

async function outcomeOf(asked, mode, signal) {
  try {
    const found = await api.search({ ...asked, mode, size: SIZE }, signal);
    offer(found.hits);
    return { mode, answer: found };
  } catch (error) {
    if (error instanceof api.Problem || error.name === "AbortError") return { mode, error };
    throw error;
  }
}

/** Let the filters suggest the values that answers hold. */
function offer(hits) {
  for (const { field, kind } of index.filters) {
    if (kind === "keyword") filters.values(field).offer(hits.flatMap(({ source }) => source[field] ?? []));
  }
}

function summary(found, mode) {
  const count = found.hits.length === 1 ? "1 result" : found.hits.length === SIZE ? `The best ${SIZE} results` : `${found.hits.length} results`;
  const partial = found.partial ? " · incomplete: a part of the index did not answer in time" : "";
  const how = found.degraded ? `${HOW.lexical} alone, the encoder does not answer,` : HOW[mode];
  return found.hits.length ? `${count} ${how} in ${milliseconds(found)}${partial}` : "";
}

function show(content, line) {
  status.textContent = line;
  answer.replaceChildren(content);
  answer.removeAttribute("aria-busy");
}

function restore() {
  const name = new URLSearchParams(location.search).get("index");
  choose(name);
  const asked = address.read(index.filters);
  box.value = asked.query;
  form.elements.mode.value = asked.mode in HOW ? asked.mode : "hybrid";
  filters.show(asked.filters);
  unfold();
  run();
}

function unfold() {
  at("filters-box").open = wide.matches || view.isFiltered;
}

function keys(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) return move(event, box);
  if (event.key === "Escape" && event.target !== box) return move(event, box);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") arrow(event, typing);
}

function arrow(event, typing) {
  const cards = [...answer.querySelectorAll(".hit")];
  const here = cards.indexOf(event.target.closest(".hit"));
  if (event.key === "ArrowDown" && event.target === box) move(event, cards[0]);
  else if (!typing && here >= 0) move(event, cards[here + (event.key === "ArrowDown" ? 1 : -1)] ?? (here === 0 ? box : null));
}

function move(event, target) {
  if (!target) return;
  event.preventDefault();
  target.focus();
}

/** Mark the other places of the document that is looked at. */
function mark(event) {
  const id = event.type === "focusout" || event.type === "mouseleave" ? null : event.target.closest?.(".hit")?.dataset.id;
  for (const card of answer.querySelectorAll(".columns .hit")) card.classList.toggle("same", card.dataset.id === id);
}

/** Show what the address asks for; what was typed while the page was starting is kept. */
function begin() {
  const typed = box.value;
  restore();
  if (!typed || box.value) return;
  box.value = typed;
  if (eager) run();
}

async function start() {
  try {
    known = await api.indices();
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return show(problem(error, { again: start }), "");
  }
  choice.replaceChildren(...known.map(({ name }) => element("option", { value: name }, name)));
  at("index-choice").hidden = known.length < 2;
  at("index-name").textContent = known.length < 2 ? `in ${known[0].name}` : "";
  begin();
  if (!box.value) box.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  eager = !index;
  run();
});
form.elements.mode.forEach((radio) => radio.addEventListener("change", run));
choice.addEventListener("change", () => {
  choose(choice.value);
  run();
});
wide.addEventListener("change", unfold);
addEventListener("popstate", restore);
addEventListener("keydown", keys);
["focusin", "focusout", "mouseover", "mouseleave"].forEach((name) => answer.addEventListener(name, mark));
start();
