// The time that an item was before the rater's eyes: the time in which its tab was hidden is taken out.

export class VisibleClock {
  constructor(now = () => performance.now(), seen = () => document.visibilityState === "visible") {
    this.now = now;
    this.seen = seen;
    this.restart();
  }

  restart() {
    this.sum = 0;
    this.since = this.seen() ? this.now() : null;
  }

  /** Tell that the tab was hidden or shown. */
  changed() {
    if (this.since !== null) this.sum += this.now() - this.since;
    this.since = this.seen() ? this.now() : null;
  }

  /** Return seconds. */
  seconds() {
    return (this.sum + (this.since === null ? 0 : this.now() - this.since)) / 1000;
  }
}
