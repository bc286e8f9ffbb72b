// The questions of an item: a radio group each, or a number where the scale is long.

import { make } from "./dom.js";

const MOST_RADIOS = 11;

/** Return the answers that a question offers: value, short text, and what its ends mean. */
export function options(question, strings) {
  if (question.scale === null) {
    return [
      { value: 1, text: strings.text("pair_a") },
      { value: 0.5, text: strings.text("pair_draw") },
      { value: 0, text: strings.text("pair_b") },
    ];
  }
  const [low, high] = question.scale;
  return Array.from({ length: high - low + 1 }, (_, index) => {
    const value = low + index;
    const end = value === low ? strings.text("scale_low") : value === high ? strings.text("scale_high") : "";
    return { value, text: String(value), end };
  });
}

export function titleOf(question, strings) {
  const translated = question.titles?.[strings.language];
  if (translated) return translated;
  return question.id === "pair" && question.scale === null ? strings.text("pair_question") : question.title;
}

export class Form {
  /** place: element to fill; changed: called after each answer. */
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    this.questions = [];
    place.addEventListener("change", () => changed());
    place.addEventListener("input", () => changed());
  }

  /** Show the questions; `values` are answers given before, as after a change of language. */
  show(questions, strings, values = {}) {
    this.questions = questions;
    this.strings = strings;
    this.place.replaceChildren(...questions.map((question) => this.group(question, values[question.id])));
  }

  group(question, given) {
    const legend = make("legend", {}, titleOf(question, this.strings));
    const few = question.scale === null || question.scale[1] - question.scale[0] < MOST_RADIOS;
    const body = few ? this.radios(question, given) : [this.number(question, given)];
    const group = make("fieldset", { class: question.scale === null ? "question pair" : "question" }, legend, ...body);
    group.dataset.question = question.id;
    return group;
  }

  radios(question, given) {
    const offered = options(question, this.strings);
    const choices = make("div", { class: "choices" });
    for (const { value, text, end } of offered) {
      const radio = make("input", {
        type: "radio",
        name: `q-${question.id}`,
        value: String(value),
        checked: given === value,
      });
      const hidden = end ? [make("span", { class: "vh" }, `, ${end}`)] : [];
      choices.append(make("label", {}, radio, make("span", {}, text), ...hidden));
    }
    if (question.scale === null) return [choices];
    const ends = [question.scale[0], question.scale[1]].map((value, index) =>
      make("span", {}, `${value} = ${this.strings.text(index ? "scale_high" : "scale_low")}`),
    );
    return [choices, make("div", { class: "ends", "aria-hidden": "true" }, ...ends)];
  }

  number(question, given) {
    const [low, high] = question.scale;
    const text = this.strings.text("scale_number", { low, high });
    const field = make("input", { type: "number", min: low, max: high, step: 1, inputmode: "numeric", name: `q-${question.id}` });
    if (given !== undefined) field.value = given;
    return make("label", { class: "number" }, make("span", {}, text), field);
  }

  /** Return question id -> number, of those that are answered. */
  values() {
    const found = {};
    for (const question of this.questions) {
      const value = this.valueOf(question);
      if (value !== null) found[question.id] = value;
    }
    return found;
  }

  valueOf(question) {
    const inputs = [...this.groupOf(question).querySelectorAll("input")];
    const [first] = inputs;
    if (first.type === "number") {
      const right = first.value !== "" && first.checkValidity();
      return right ? Number(first.value) : null;
    }
    const checked = inputs.find((input) => input.checked);
    return checked ? Number(checked.value) : null;
  }

  groupOf(question) {
    return [...this.place.children].find((group) => group.dataset.question === question.id);
  }

  /** Return the titles of the questions without an answer. */
  missing() {
    return this.questions.filter((one) => this.valueOf(one) === null).map((one) => titleOf(one, this.strings));
  }

  /**
   * Answer by a digit: the question that has the focus, else the first without an answer; then on to the next.
   *
   * Returns whether the digit means something.
   */
  digit(digit) {
    const focused = this.questions.find((one) => this.groupOf(one).contains(document.activeElement));
    const open = this.questions.find((one) => this.valueOf(one) === null);
    const question = focused ?? open ?? this.questions[0];
    const radios = question ? [...this.groupOf(question).querySelectorAll("input[type=radio]")] : [];
    const radio = question?.scale === null ? radios[digit - 1] : radios.find((one) => Number(one.value) === digit);
    if (!radio) return false;
    radio.checked = true;
    const next = this.questions.slice(this.questions.indexOf(question) + 1).find((one) => this.valueOf(one) === null);
    const to = next ? this.groupOf(next).querySelector("input") : radio;
    to.focus();
    this.changed();
    return true;
  }
}
