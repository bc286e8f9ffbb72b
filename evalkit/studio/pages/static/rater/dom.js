// Making elements.

/** Return a new element; `attributes` whose value is null or false are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Set a text only where it changes, so that screen readers don't say it again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

/** Of the same text in several languages (data-in) show one: in `language`, or the one without a language of its own. */
export function showIn(language) {
  for (const parent of new Set([...document.querySelectorAll("[data-in]")].map((one) => one.parentElement))) {
    const texts = [...parent.children].filter((one) => "in" in one.dataset);
    const chosen = texts.find((one) => one.dataset.in === language) ?? texts.find((one) => one.dataset.in === "");
    for (const one of texts) one.hidden = one !== chosen;
  }
}
