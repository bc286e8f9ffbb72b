// The screen of one item: reference, videos, questions, and what is still to do before it can be sent.

import { VisibleClock } from "./clock.js";
import { byId, say } from "./dom.js";
import { Form } from "./form.js";
import { Players } from "./player.js";
import { isSame, keyOf } from "./machine.js";
import { newId } from "./queue.js";

const SLACK = 1e-6;

export class ItemScreen {
  /** needed: share of each video to be played; preloader: where copies of media are; sent: called with an answer. */
  constructor(needed, preloader, sent) {
    this.needed = needed;
    this.preloader = preloader;
    this.sent = sent;
    this.item = null;
    this.busy = false;
    this.clock = new VisibleClock();
    this.form = new Form(byId("questions"), () => this.update());
    this.players = new Players(byId("videos"), {
      progress: () => this.update(),
      failed: () => this.update(),
      playing: () => this.update(),
      loaded: () => this.players.onLoaded?.(),
    });
    this.speech = byId("speech");
    for (const event of ["play", "pause", "ended"]) this.speech.addEventListener(event, () => this.labelSpeech());
    byId("speech-play").addEventListener("click", () => this.toggleSpeech());
    byId("play-both").addEventListener("click", () => this.playBoth());
    byId("retry").addEventListener("click", () => this.players.retry());
    byId("report").addEventListener("click", () => this.report());
    byId("item-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    document.addEventListener("visibilitychange", () => {
      this.clock.changed();
      if (document.visibilityState === "hidden") this.players.pause();
    });
  }

  /** Show an item; the same item again, as with its id or in another language, keeps what was done. */
  show(item, state, strings) {
    this.strings = strings;
    const same = this.item !== null && isSame(this.item, item);
    const again = same && (!this.busy || state === this.state); // else the answer was not taken: begin anew
    this.state = state;
    if (again) {
      this.item = { ...this.item, ...item };
      const given = this.form.values();
      this.form.show(state.questions, strings, given);
      this.players.videos.forEach((video, index) => this.rename(video, index));
    } else this.begin(item, state);
    this.head(item, state);
    this.update();
    return !again;
  }

  begin(item, state) {
    this.item = item;
    this.busy = false;
    this.ready = false;
    this.shownAt = new Date().toISOString();
    this.clock.restart();
    const sources = item.videos.map((url) => this.preloader.source(url));
    this.players.show(item.videos, sources, item.videos.map((_, index) => this.nameOf(index)));
    this.reference(item);
    this.form.show(state.questions, this.strings);
  }

  nameOf(index) {
    return this.strings.text(this.item.videos.length > 1 ? ["video_a", "video_b"][index] : "video");
  }

  rename(video, index) {
    video.name = this.nameOf(index);
    video.element.setAttribute("aria-label", video.name);
    video.caption.querySelector("b").textContent = video.name;
  }

  head(item, state) {
    const number = state.rater_done + 1;
    const pair = item.videos.length > 1 ? "pair" : "item";
    const known = state.total !== null;
    const heading = this.strings.text(known ? `${pair}_of` : `${pair}_number`, { number, total: state.total });
    byId("item-heading").textContent = heading;
    byId("progress").hidden = !known;
    if (known) byId("progress").value = state.rater_done / state.total;
    byId("training").hidden = item.kind !== "training";
    byId("play-both").hidden = item.videos.length < 2;
    byId("keys-text").textContent = this.strings.text(item.videos.length > 1 ? "keys_pair" : "keys_scale");
    byId("face").alt = this.strings.text("reference_alt");
    this.labelSpeech();
  }

  reference(item) {
    byId("reference").hidden = !item.image && !item.audio;
    const face = byId("face");
    face.hidden = !item.image;
    if (item.image) face.src = this.preloader.source(item.image);
    else face.removeAttribute("src");
    byId("speech-play").hidden = !item.audio;
    if (item.audio) this.speech.src = this.preloader.source(item.audio);
    else this.speech.removeAttribute("src");
  }

  toggleSpeech() {
    if (!this.speech.paused) return this.speech.pause();
    return this.speech.play().catch(() => undefined);
  }

  labelSpeech() {
    const key = this.speech.paused ? "play_speech" : "stop_speech";
    byId("speech-play").textContent = this.strings ? this.strings.text(key) : "";
  }

  playBoth() {
    const [first, second] = this.players.videos;
    first.element.currentTime = 0;
    first.element.addEventListener("ended", () => this.players.videos[1] === second && second.play(), { once: true });
    first.play();
  }

  /** Return what is still to do, as sentences; none when the answer can be sent. */
  todo() {
    const shares = this.players.watched();
    const unseen = this.players.videos.filter((_, index) => shares[index] + SLACK < this.needed);
    const found = unseen.map((video) => this.strings.text("why_watch", { video: video.name, needed: percent(this.needed) }));
    const missing = this.form.missing();
    if (missing.length) found.push(this.strings.text("why_answer", { questions: missing.join(" · ") }));
    return found;
  }

  update() {
    if (!this.item || !this.strings) return;
    const shares = this.players.watched();
    this.players.videos.forEach((video, index) => this.label(video, shares[index]));
    const failed = this.players.failed();
    byId("failure").hidden = failed.length === 0;
    if (failed.length) {
      say(byId("failure-text"), this.strings.text("failed", { video: failed.map((video) => video.name).join(", ") }));
    }
    say(byId("muted"), this.players.muted() ? this.strings.text("muted") : "");
    const todo = this.busy ? [this.strings.text("sending")] : this.todo();
    say(byId("why"), todo.join("\n") || this.strings.text("ready"));
    byId("send").setAttribute("aria-disabled", String(todo.length > 0));
    if (!todo.length && !this.ready) byId("announce").textContent = this.strings.text("ready");
    this.ready = !todo.length;
  }

  label(video, share) {
    const seen = share + SLACK >= this.needed;
    const text = this.strings.text(seen ? "watched" : "watched_part", { percent: percent(share) });
    if (video.meter.textContent !== text) video.meter.textContent = text;
    video.meter.classList.toggle("done", seen);
    const key = video.element.paused ? "play" : "stop";
    video.button.textContent = this.strings.text(key, { video: video.name });
  }

  answer(values, more = {}) {
    return {
      id: newId(),
      item: this.item.id ?? null,
      key: keyOf(this.item),
      values,
      page_seconds: Math.round(this.clock.seconds() * 1000) / 1000,
      watched: this.players.watched(),
      shown_at: this.shownAt,
      answered_at: new Date().toISOString(),
      ...more,
    };
  }

  send() {
    if (!this.item || this.busy) return;
    const todo = this.todo();
    if (todo.length) {
      byId("announce").textContent = "";
      byId("announce").textContent = todo.join(" ");
      return;
    }
    this.leave(this.answer(this.form.values()));
  }

  /** Call once, when the videos can be played to their ends. */
  whenLoaded(then) {
    const { item } = this;
    const check = () => item === this.item && this.players.loaded() && then();
    this.players.onLoaded = check;
    check();
  }

  /** The videos can't be played: go on without an answer. */
  report() {
    if (this.item && !this.busy) this.leave(this.answer({}, { unplayable: true }));
  }

  leave(answer) {
    this.busy = true;
    this.players.pause();
    this.update();
    this.sent(answer);
  }

  close() {
    if (!this.item) return;
    this.item = null;
    this.players.close();
    this.speech.pause();
  }
}

function percent(share) {
  return Math.floor(share * 100 + 1e-9);
}
