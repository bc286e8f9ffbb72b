// The server's addresses, and what they answer.

const PATIENCE = 15000; // ms without a reply

export class NoReply extends Error {
  constructor(status) {
    super(`no reply: ${status}`);
    this.status = status;
  }
}

async function ask(url, options = {}) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), PATIENCE);
  try {
    const reply = await fetch(url, {
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      ...options,
      signal: control.signal,
    });
    if (!reply.ok) throw new NoReply(reply.status);
    return await reply.json();
  } catch (error) {
    throw error instanceof NoReply ? error : new NoReply(0);
  } finally {
    clearTimeout(timer);
  }
}

/** Return the three requests of a rater whose page is at `base`, such as /r/TOKEN. */
export function serverAt(base) {
  const post = (path, body) =>
    ask(`${base}/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      keepalive: true,
    });
  return {
    state: () => ask(`${base}/state`),
    consent: () => post("consent", { agree: true }),
    answers: (answers) => post("answers", { answers }),
  };
}
