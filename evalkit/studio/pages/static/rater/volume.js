// The volume check: the rater says how many tones there were.

import { byId, make, say } from "./dom.js";
import { tones, wav } from "./tones.js";

const NUMBERS = [2, 3, 4, 5];

export class VolumeCheck {
  /** passed: called once the number was right. */
  constructor(strings, passed) {
    this.strings = strings;
    this.passed = passed;
    this.audio = byId("tones");
    this.wrong = false;
    this.renew();
    byId("volume-play").addEventListener("click", () => this.play());
    byId("volume-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.check();
    });
    this.audio.addEventListener("ended", () => say(byId("volume-note"), ""));
  }

  show(strings) {
    this.strings = strings;
    const radios = NUMBERS.map((number) =>
      make("label", {}, make("input", { type: "radio", name: "tones", value: number }), make("span", {}, String(number))),
    );
    byId("volume-choices").replaceChildren(...radios);
  }

  renew() {
    const others = NUMBERS.filter((number) => number !== this.number);
    this.number = others[Math.floor(Math.random() * others.length)];
    this.heard = false;
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(new Blob([wav(tones(this.number))], { type: "audio/wav" }));
  }

  play() {
    this.heard = true;
    this.audio.currentTime = 0;
    this.audio.play().catch(() => say(byId("volume-note"), this.strings.text("volume_silent")));
    say(byId("volume-note"), "");
  }

  check() {
    const chosen = byId("volume-choices").querySelector("input:checked");
    if (!this.heard) return say(byId("volume-note"), this.strings.text("volume_first"));
    if (!chosen) return say(byId("volume-note"), this.strings.text("volume_choose"));
    this.audio.pause();
    if (Number(chosen.value) === this.number) {
      this.renew();
      chosen.checked = false;
      say(byId("volume-note"), "");
      return this.passed();
    }
    chosen.checked = false;
    this.renew();
    return say(byId("volume-note"), this.strings.text("volume_wrong"));
  }
}
