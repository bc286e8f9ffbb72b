// Fetches the media of the next item as a whole, so that it can be played without a connection.

const LARGEST = 64 * 1024 * 1024; // bytes; larger files are played from the server as they come

export class Preloader {
  constructor() {
    this.kept = new Map(); // address -> address of the copy in memory
    this.pending = new Map();
  }

  /** Fetch what an item needs; resolves when everything was tried. */
  fetch(item) {
    return Promise.all(addresses(item).map((url) => this.one(url)));
  }

  one(url) {
    if (this.kept.has(url)) return Promise.resolve();
    if (!this.pending.has(url)) {
      this.pending.set(
        url,
        copy(url)
          .then((blob) => blob && this.kept.set(url, URL.createObjectURL(blob)))
          .catch(() => undefined)
          .finally(() => this.pending.delete(url)),
      );
    }
    return this.pending.get(url);
  }

  /** Return whether everything of an item is here. */
  has(item) {
    return addresses(item).every((url) => this.kept.has(url));
  }

  /** Return from where to play: the copy, or the server. */
  source(url) {
    return this.kept.get(url) ?? url;
  }

  /** Forget the copies of all but these items. */
  keepOnly(items) {
    const needed = new Set(items.flatMap(addresses));
    for (const [url, blob] of this.kept) {
      if (!needed.has(url)) {
        URL.revokeObjectURL(blob);
        this.kept.delete(url);
      }
    }
  }
}

function addresses(item) {
  return item ? [...item.videos, item.image, item.audio].filter(Boolean) : [];
}

async function copy(url) {
  const reply = await fetch(url, { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  if (Number(reply.headers.get("Content-Length") ?? 0) > LARGEST) {
    await reply.body?.cancel();
    return null;
  }
  return reply.blob();
}
