// The page's words in the rater's language.

const NAMES = { en: "English", zh: "中文", ko: "한국어", ja: "日本語", de: "Deutsch", fr: "Français" };

/** Return the first of the offered languages that the browser asks for. */
export function preferred(offered, wanted = navigator.languages) {
  const short = (wanted ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return short.find((tag) => offered.includes(tag)) ?? offered[0];
}

export function nameOf(language) {
  return NAMES[language];
}

export class Strings {
  /** table: language -> key -> text with {places}. */
  constructor(table, language) {
    this.table = table;
    this.language = language;
  }

  /** Return the text of a key; `places` fill what stands in braces. */
  text(key, places = {}) {
    return this.table[this.language][key].replace(/\{(\w+)\}/g, (_, name) => String(places[name]));
  }

  /** Return the form of a text for a number: KEY_one or KEY_other. */
  counted(key, count) {
    const form = new Intl.PluralRules(this.language).select(count) === "one" ? "one" : "other";
    return this.text(`${key}_${form}`, { count });
  }

  /** Fill every element with data-t, and its places from data-t-NAME. */
  fill(root) {
    for (const element of root.querySelectorAll("[data-t]")) {
      const { t, ...rest } = element.dataset;
      const places = Object.entries(rest).filter(([name]) => /^t[A-Z]/.test(name));
      element.textContent = this.text(
        t,
        Object.fromEntries(places.map(([name, value]) => [name.slice(1).toLowerCase(), value])),
      );
    }
  }
}
