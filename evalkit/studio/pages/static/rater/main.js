// Starts the page.

import { App } from "./app.js";
import { serverAt } from "./server.js";

const base = location.pathname.replace(/\/+$/, "");
const { watchShare, languages, strings } = document.body.dataset;
const reply = await fetch(strings);
const app = new App({
  base,
  languages: languages.split(" "),
  watchShare: Number(watchShare),
  table: await reply.json(),
  server: serverAt(base),
});
await app.start();
