// One control for each field that the service lets us filter on: values as removable chips, numbers as a range.

import { element, label } from "./dom.js";

/** The filters of one index, inside `root`; calls `changed` when a person changes one. */
export class Filters {
  constructor(root, described, changed) {
    this.changed = changed;
    this.controls = described.map((filter) => (filter.kind === "keyword" ? new Values(filter.field, this) : new Range(filter.field, this)));
    this.clear = element("button", { type: "button", class: "plain", hidden: true, on: { click: () => this.reset() } }, "Clear filters");
    root.replaceChildren(...this.controls.map((control) => control.node), this.clear);
  }

  /** Return the conditions that are set. */
  conditions() {
    return this.controls.flatMap((control) => control.conditions());
  }

  /** Show `conditions`, without telling anyone. */
  show(conditions) {
    for (const control of this.controls) control.show(conditions.find(({ field }) => field === control.field) ?? {});
    this.settle();
  }

  /** Add a value to the filter of `field`; return whether there is such a filter. */
  add(field, value) {
    this.values(field)?.add(value);
  }

  /** Return the control for the values of `field`, if there is one. */
  values(field) {
    return this.controls.find((control) => control.field === field && control instanceof Values);
  }

  reset() {
    this.show([]);
    this.changed();
  }

  settle() {
    this.clear.hidden = this.conditions().length === 0;
  }

  touched() {
    this.settle();
    this.changed();
  }
}

class Values {
  constructor(field, owner) {
    Object.assign(this, { field, owner, chosen: [] });
    const list = `values-${field}`;
    this.known = element("datalist", { id: list });
    this.input = element("input", { type: "text", list, placeholder: "any", size: 10, on: { change: () => this.take(), keydown: (event) => this.key(event) } });
    this.chips = element("span", { class: "chips" });
    this.node = element("div", { class: "filter" }, element("label", {}, element("span", {}, label(field)), this.input), this.chips, this.known);
  }

  key(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    this.take();
  }

  take() {
    const value = this.input.value.trim();
    this.input.value = "";
    if (value) this.add(value);
  }

  add(value) {
    if (this.chosen.includes(value)) return;
    this.set([...this.chosen, value]);
    this.owner.touched();
  }

  remove(value) {
    this.set(this.chosen.filter((one) => one !== value));
    this.input.focus();
    this.owner.touched();
  }

  set(values) {
    this.chosen = values;
    this.chips.replaceChildren(...values.map((value) => this.chip(value)));
    this.input.placeholder = values.length ? "or …" : "any";
  }

  chip(value) {
    const name = `Remove ${label(this.field)} ${value}`;
    return element("button", { type: "button", class: "chip", "aria-label": name, on: { click: () => this.remove(value) } }, value, element("span", { "aria-hidden": "true" }, "×"));
  }

  /** Offer `values` that were seen in answers. */
  offer(values) {
    const offered = new Set([...this.known.children].map((option) => option.value));
    for (const value of values) if (!offered.has(value)) this.known.append(element("option", { value }));
  }

  show({ any_of: values = [] }) {
    this.set(values);
  }

  conditions() {
    return this.chosen.length ? [{ field: this.field, any_of: this.chosen }] : [];
  }
}

class Range {
  constructor(field, owner) {
    Object.assign(this, { field, owner });
    this.from = this.bound("from");
    this.to = this.bound("to");
    this.node = element("div", { class: "filter", role: "group", "aria-label": label(field) }, element("span", {}, label(field)), this.from, element("span", { class: "quiet", "aria-hidden": "true" }, "–"), this.to);
  }

  bound(which) {
    return element("input", { type: "number", step: "any", placeholder: which, "aria-label": `${label(this.field)} ${which}`, on: { change: () => this.owner.touched() } });
  }

  show({ gte = "", lte = "" }) {
    this.from.value = gte;
    this.to.value = lte;
  }

  conditions() {
    const bounds = { gte: this.from.value, lte: this.to.value };
    const given = Object.entries(bounds).filter(([, value]) => value !== "").map(([bound, value]) => [bound, Number(value)]);
    return given.length ? [{ field: this.field, ...Object.fromEntries(given) }] : [];
  }
}
