{
  // Choose two teams. All texts are in the page already; they are only ever written as text.
  const form = document.getElementById("why-form");
  if (form) {
    const byId = (id) => document.getElementById(id);
    const { names, phases, values, pairs } = JSON.parse(form.dataset.why);
    const [first, second] = [byId("why-first"), byId("why-second")];
    const [told, words, table] = [byId("why-told"), byId("why-words"), byId("why-table")];
    const cell = (tag, text) => {
      const made = document.createElement(tag);
      const words = document.createElement("bdi");
      words.textContent = text;
      made.append(words);
      if (tag === "th") made.scope = "row";
      return made;
    };
    const show = () => {
      const [one, other] = [Number(first.value), Number(second.value)];
      const pair = pairs.find(([a, b]) => (a === one && b === other) || (a === other && b === one));
      words.replaceChildren();
      table.hidden = !pair;
      if (!pair) {
        const why = one === other
          ? "Choose two different teams."
          : `${names[one]} and ${names[other]} aren't compared on this page: one is a finalist and the other is not, or both are far down. 'evalkit leaderboard --why' compares any two.`;
        words.append(cell("p", why));
        return;
      }
      const [a, b, phase, sentences, rows] = pair;
      for (const sentence of sentences.split("\n")) words.append(cell("p", sentence));
      const heads = table.tHead.rows[0].cells;
      heads[1].textContent = names[a];
      heads[2].textContent = names[b];
      table.tBodies[0].replaceChildren(...rows.split("\n").map((row, at) => {
        const line = document.createElement("tr");
        const texts = [values[phase][a][at], values[phase][b][at], ...row.split("\t")];
        line.append(cell("th", phases[phase].columns[at]), ...texts.map((text) => cell("td", text)));
        return line;
      }));
    };
    for (const choice of [first, second]) choice.addEventListener("change", show);
    form.hidden = false;
    told.hidden = false;
    show();
  }
}
