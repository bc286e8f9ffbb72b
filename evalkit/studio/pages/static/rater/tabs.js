// One tab at a time: the tab that was opened last goes on, the others stop.

import { newId } from "./queue.js";

export class Tabs {
  /** stopped: called when another tab took over; others: called when another tab was open. */
  constructor(name, { stopped, others }) {
    this.me = newId();
    this.active = true;
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
    if (!this.channel) return;
    this.channel.onmessage = ({ data }) => {
      if (data?.from === this.me) return;
      if (data?.what === "mine" && this.active) {
        this.active = false;
        this.channel.postMessage({ what: "yours", from: this.me, to: data.from });
        stopped();
      }
      if (data?.what === "yours" && data.to === this.me) others();
    };
    this.take();
  }

  take() {
    this.active = true;
    this.channel?.postMessage({ what: "mine", from: this.me });
  }
}
