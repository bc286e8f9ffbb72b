// Which screen is shown, from what the server said and what this page knows; pure functions.

/** Return what an item is known by before it has an id: the addresses of its videos. */
export function keyOf(item) {
  return item ? item.videos.join(" ") : "";
}

/** Return whether two are one item; one that was announced has no id yet, and a video may come again in another item. */
export function isSame(one, other) {
  return keyOf(one) === keyOf(other) && (!one.id || !other.id || one.id === other.id);
}

/**
 * Return the name of the screen.
 *
 * state: the server's last answer, or the one projected from it; null before the first.
 * local: {unknown, elsewhere, heard, breakAt, unsent}: what only this page knows.
 */
export function screenOf(state, local) {
  if (local.unknown) return "unknown";
  if (local.elsewhere) return "elsewhere";
  if (!state) return local.failed ? "unreachable" : "loading";
  if (!state.consented) return "consent";
  if (state.finished && !state.projected && local.unsent === 0) return "thanks";
  if (state.paused) return "paused";
  if (state.item === null) return "waiting";
  if (!local.heard) return "volume";
  if (state.break_due && !state.projected && local.breakAt !== state.rater_done) return "break";
  return "item";
}

/** Return the state after an answer that the server does not have yet: the next item, where it is known. */
export function projected(state) {
  return { ...state, rater_done: state.rater_done + 1, item: state.next, next: null, projected: true };
}
