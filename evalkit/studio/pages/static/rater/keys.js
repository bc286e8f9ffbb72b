// Keys that work anywhere on an item: digits answer, space plays, Enter sends.

const OWN_KEYS = "a, button, select, summary, video, audio, textarea, input:not([type=radio])";

/** does: {digit, play, send, active}: what each key does, and whether keys count now. */
export function listenToKeys(does) {
  document.addEventListener("keydown", (event) => {
    if (!does.active() || event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
    const target = event.target;
    if (/^[0-9]$/.test(event.key) && !target.matches("select, textarea, input[type=number]")) {
      if (does.digit(Number(event.key))) event.preventDefault();
    } else if (event.key === " " && !target.matches(OWN_KEYS)) {
      if (target.matches("input[type=radio]:not(:checked)")) return; // space chooses it
      event.preventDefault();
      does.play();
    } else if (event.key === "Enter" && (!target.matches(OWN_KEYS) || target.matches("input[type=number]"))) {
      event.preventDefault();
      does.send();
    }
  });
}
