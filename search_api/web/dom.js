// Elements from values. Text only ever becomes text nodes, so nothing that a document holds can become markup.

/** Return a new element with `properties` (attributes, or `on` listeners) and `children` (nodes, strings, nothing). */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") Object.entries(value).forEach(([event, listener]) => made.addEventListener(event, listener));
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

/** Return a field's name for people: `release_year` becomes `Release year`. */
export function label(field) {
  const words = field.replace(/[._-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
