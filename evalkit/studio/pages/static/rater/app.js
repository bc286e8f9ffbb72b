// Puts the parts together: what the server says leads to a screen, answers go to the queue.

import { byId, make, say, showIn } from "./dom.js";
import { ItemScreen } from "./item.js";
import { listenToKeys } from "./keys.js";
import { keyOf, projected, screenOf } from "./machine.js";
import { Preloader } from "./preload.js";
import { AnswerQueue } from "./queue.js";
import { Notice, refusalText, showQueue } from "./status.js";
import { nameOf, preferred, Strings } from "./strings.js";
import { Tabs } from "./tabs.js";
import { VolumeCheck } from "./volume.js";

/** Return whether the volume check was passed in this tab. */
function heardBefore(key) {
  try {
    return sessionStorage.getItem(`${key}:heard`) === "1";
  } catch {
    return false;
  }
}

const REPLY_TIME = 3000; // ms: after it the page goes on, and the answer is sent later
const POLL = 10000; // ms, while there is nothing else to do than wait

export class App {
  /** page: {base, languages, watchShare, table, server}. */
  constructor(page) {
    this.page = page;
    this.key = `evalkit-studio${page.base}`;
    this.state = null;
    this.local = { unknown: false, elsewhere: false, failed: false, heard: heardBefore(this.key), unsent: 0 };
    this.local.breakAt = Number(this.remembered("break") ?? -1);
    const language = this.remembered("language");
    const known = page.languages.includes(language);
    this.strings = new Strings(page.table, known ? language : preferred(page.languages));
    this.screen = "";
    this.kind = "";
    this.notice = new Notice();
    this.preloader = new Preloader();
    this.queue = new AnswerQueue(this.key, page.server.answers, {
      state: (state) => this.received(state),
      changed: () => this.queueChanged(),
      refused: (refused) => this.notice.show(refusalText(refused), this.strings),
    });
    this.item = new ItemScreen(page.watchShare, this.preloader, (answer) => this.answered(answer));
    this.volume = new VolumeCheck(this.strings, () => this.heard());
    this.listen();
  }

  // Small things that only this browser has to know; without storage they are forgotten.
  remembered(name) {
    try {
      return localStorage.getItem(`${this.key}:${name}`);
    } catch {
      return null;
    }
  }

  remember(name, value) {
    try {
      localStorage.setItem(`${this.key}:${name}`, value);
    } catch {
      // asked again next time
    }
  }

  listen() {
    byId("agree").addEventListener("click", () => this.agree());
    byId("go-on").addEventListener("click", () => this.breakTaken());
    byId("take").addEventListener("click", () => this.take());
    byId("copy").addEventListener("click", () => this.copy());
    const select = byId("language");
    select.append(...this.page.languages.map((one) => make("option", { value: one, lang: one }, nameOf(one))));
    byId("language-label").hidden = this.page.languages.length < 2;
    select.addEventListener("change", () => this.speak(select.value));
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("offline", () => this.queueChanged());
    window.addEventListener("storage", (event) => event.key === this.key && this.queueChanged());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
    listenToKeys({
      active: () => this.screen === "item" && byId("keys-on").checked,
      digit: (digit) => this.item.form.digit(digit),
      play: () => this.item.players.toggle(this.page.watchShare),
      send: () => this.item.send(),
    });
  }

  async start() {
    this.speak(this.strings.language);
    this.tabs = new Tabs(this.key, {
      stopped: () => this.stopped(),
      others: () => this.notice.show("took_over", this.strings),
    });
    await this.look();
    setInterval(() => this.poll(), POLL);
  }

  speak(language) {
    this.strings = new Strings(this.page.table, language);
    this.remember("language", language);
    document.documentElement.lang = language;
    byId("language").value = language;
    this.strings.fill(document);
    showIn(language);
    this.volume.show(this.strings);
    this.notice.again(this.strings);
    this.queueChanged();
    this.render();
  }

  /** Ask the server where the rater is. */
  async look() {
    if (this.local.elsewhere || this.queue.sending) return;
    try {
      const state = await this.page.server.state();
      this.local.failed = false;
      this.queue.named(state);
      if (this.queue.ready().length) await this.queue.flush();
      else this.received(state);
    } catch (error) {
      this.local.failed = true;
      this.local.unknown = error.status === 404 || error.status === 403;
      this.render();
    }
  }

  poll() {
    if (["unreachable", "paused", "waiting", "loading"].includes(this.screen)) this.look();
  }

  hurry() {
    this.queueChanged();
    this.item.players.retry();
    if (this.queue.ready().length) this.queue.hurry();
    else this.look();
  }

  received(state) {
    this.state = { ...state, projected: false };
    this.local.failed = false;
    this.render();
  }

  queueChanged() {
    this.local.unsent = this.queue.waiting().length;
    showQueue(this.queue, this.strings);
  }

  /** An answer was given: send it, and go on; without a reply, with the next item that is already here. */
  async answered(answer) {
    const before = this.state;
    const patience = new Promise((resolve) => setTimeout(() => resolve(false), REPLY_TIME));
    const replied = await Promise.race([this.queue.add(answer), patience]);
    if (replied || this.state !== before) return;
    this.state = projected(before);
    if (this.state.item && !this.preloader.has(this.state.item)) this.state.item = null;
    this.queue.failed = true;
    this.queueChanged();
    this.render();
  }

  render() {
    if (!this.strings) return;
    const name = screenOf(this.state, this.local);
    const changed = name !== this.screen;
    this.screen = name;
    for (const section of document.querySelectorAll(".screen")) section.hidden = section.id !== `screen-${name}`;
    let fresh = false;
    if (name === "item") fresh = this.renderItem();
    else this.item.close();
    if (name === "break") {
      byId("break-text").textContent = this.strings.counted("break_text", this.state.rater_done);
    }
    if (name === "thanks") this.renderThanks();
    const heading = document.querySelector(`#screen-${name} h1`);
    document.title = `${heading.textContent} – ${document.querySelector(".study > :not([hidden])").textContent}`;
    if ((changed || fresh) && name !== "loading" && this.moved) heading.focus();
    this.moved = name !== "loading" || this.moved;
  }

  renderItem() {
    const { item } = this.state;
    const fresh = this.item.show(item, this.state, this.strings);
    if (fresh) {
      document.body.dataset.next = "coming";
      this.notice.age();
      if (this.kind === "training" && item.kind !== "training") this.notice.show("training_over", this.strings, false);
      this.kind = item.kind;
      window.scrollTo(0, 0);
    }
    this.preloader.keepOnly([item, this.state.next]);
    // The item itself first: the next one must not take the connection away from it.
    this.item.whenLoaded(() => this.preload());
    return fresh;
  }

  /** Fetch the next item; data-next of the page says whether it is here. */
  async preload() {
    const { next } = this.state;
    await this.preloader.fetch(next);
    if (next && this.state.next === next && this.preloader.has(next)) document.body.dataset.next = "here";
  }

  renderThanks() {
    const code = this.state.completion_code;
    byId("completion").hidden = !code;
    byId("code").textContent = code ?? "";
    const back = this.state.completion_url;
    byId("back").hidden = !back?.startsWith("https://");
    if (back) byId("back").href = back;
  }

  async agree() {
    try {
      const state = await this.page.server.consent();
      if ("item" in (state.state ?? state)) this.received(state.state ?? state);
      else await this.look();
    } catch {
      this.notice.show("unreachable_text", this.strings);
    }
  }

  heard() {
    this.local.heard = true;
    try {
      sessionStorage.setItem(`${this.key}:heard`, "1"); // a new visit checks the sound anew
    } catch {
      // asked again after a reload
    }
    this.render();
  }

  breakTaken() {
    this.local.breakAt = this.state.rater_done;
    this.remember("break", String(this.local.breakAt));
    this.render();
  }

  stopped() {
    this.local.elsewhere = true;
    this.render();
  }

  take() {
    this.local.elsewhere = false;
    this.tabs.take();
    this.look();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(byId("code").textContent);
      say(byId("copied"), this.strings.text("copied"));
    } catch {
      getSelection().selectAllChildren(byId("code"));
      say(byId("copied"), this.strings.text("copy_by_hand"));
    }
  }
}
