// Keeps the organizer's page up to date; without it, the page is what it was when it was opened.

const EVERY = 10000; // ms

function isBusy(live) {
  const selection = getSelection();
  return live.contains(document.activeElement) || (selection && !selection.isCollapsed);
}

async function refresh() {
  const live = document.getElementById("live");
  if (document.visibilityState !== "visible" || isBusy(live)) return;
  try {
    const reply = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
    if (!reply.ok) return;
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("live");
    if (!fresh || isBusy(live)) return;
    const places = Array.from(live.querySelectorAll(".scroll"), (box) => box.scrollLeft);
    live.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((box, at) => (box.scrollLeft = places[at] ?? 0));
  } catch {
    // no connection: tried again
  }
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
