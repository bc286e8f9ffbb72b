// What is told about answers on their way, and the one-line notices at the top.

import { byId, say } from "./dom.js";

/** Say how many answers are kept here, that all are saved after that, or that there is no connection. */
export function showQueue(queue, strings) {
  const place = byId("queue");
  const count = queue.waiting().length;
  if (count && queue.failed) {
    const kept = strings.counted("kept", count);
    place.dataset.kept = "1";
    say(place, queue.durable ? kept : `${kept} ${strings.text("kept_in_page")}`);
  } else if (!navigator.onLine) say(place, strings.text("offline"));
  else if (!count) say(place, place.dataset.kept ? strings.text("all_saved") : "");
}

/** Return the key of the text about answers that the server did not take. */
export function refusalText(refused) {
  return refused.every((one) => one.code === "answered") ? "already" : "refused";
}

export class Notice {
  constructor() {
    this.key = "";
  }

  /** Show a notice until the next item after the one on which it appeared. */
  show(key, strings, fresh = true) {
    this.key = key;
    this.fresh = fresh;
    say(byId("notice"), key ? strings.text(key) : "");
  }

  again(strings) {
    if (this.key) say(byId("notice"), strings.text(this.key));
  }

  /** A new item is shown. */
  age() {
    if (!this.fresh) {
      this.key = "";
      say(byId("notice"), "");
    }
    this.fresh = false;
  }
}
