"use strict";

// The live page: asks for the state, once a second at most, and shows it. Text stays text; pictures come as the server drew them.
{
  const at = (id) => document.getElementById(id);
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const buttons = [...document.querySelectorAll("[data-post]")];
  const words = { stopping: "stops at its next step \u2026", keeping: "ends at its next step, and keeps the best estimate \u2026" };
  const who = Math.random().toString(36).slice(2, 10);
  let seen = 0;
  let lost = 0;

  const tile = ([name, value, says]) => {
    const made = document.createElement("div");
    for (const [tag, kind, text] of [["dt", "", name], ["dd", "value", value], ["dd", "says", says]]) {
      const part = document.createElement(tag);
      part.className = kind;
      part.textContent = text;
      made.append(part);
    }
    return made;
  };

  const showTiles = (tiles) => {
    const shown = at("tiles");
    if (shown.children.length !== tiles.length) shown.replaceChildren(...tiles.map(tile));
    tiles.forEach((parts, k) => parts.forEach((text, n) => say(shown.children[k].children[n], text)));
  };

  const showTable = (table) => {
    at("table").hidden = table === null;
    if (table === null) return;
    const row = (tag, cells) => {
      const made = document.createElement("tr");
      cells.forEach((text, k) => {
        const cell = document.createElement(tag);
        cell.textContent = text;
        if (k > 0) cell.className = "n";
        made.append(cell);
      });
      return made;
    };
    const made = document.createElement("table");
    const [head, body] = [made.createTHead(), made.createTBody()];
    head.append(row("th", table[0]));
    body.append(...table[1].map((cells) => row("td", cells)));
    at("table").replaceChildren(made);
  };

  const showPictures = async (body) => {
    const made = document.createElement("template");
    made.innerHTML = body; // of the server's own templates, which escape all text
    await Promise.allSettled([...made.content.querySelectorAll("img")].map((image) => image.decode()));
    at("pictures").replaceChildren(made.content);
  };

  const show = async (told) => {
    document.title = told.share === null ? told.title : `${Math.floor(100 * told.share)} % \u00b7 ${told.title}`;
    say(document.querySelector("h1"), told.title);
    say(at("lead"), told.lead);
    say(at("stage"), words[told.state] ?? told.stage);
    say(at("spent"), told.spent);
    say(at("left"), told.left === "" ? "" : `${told.left} left`);
    if (told.share === null) at("share").removeAttribute("value");
    else at("share").value = told.share;
    at("live").dataset.state = told.state;
    buttons.forEach((button) => { button.disabled = !told.buttons.includes(button.dataset.post); });
    showTiles(told.tiles);
    showTable(told.table);
    if (told.body !== undefined) {
      await showPictures(told.body);
      seen = told.version;
    }
  };

  const end = (state, text) => {
    at("live").dataset.state = state;
    say(at("stage"), text);
    say(at("left"), "");
    buttons.forEach((button) => { button.disabled = true; });
    document.title = document.querySelector("h1").textContent;
  };

  const ask = async () => {
    let told;
    try {
      const answer = await fetch(`state?seen=${seen}&who=${who}`);
      if (!answer.ok) throw new Error(answer.statusText);
      told = await answer.json();
      lost = 0;
    } catch {
      lost += 1;
      if (lost > 3) end("over", "The run is over, or its machine is out of reach. The pictures are the last ones.");
      else setTimeout(ask, 500);
      return;
    }
    await show(told);
    if (told.state !== "over") setTimeout(ask, document.hidden ? 3000 : 700);
    else if (told.report) location.replace(`report?who=${who}`);
    else end("over", told.words);
  };

  buttons.forEach((button) => button.addEventListener("click", async () => {
    buttons.forEach((other) => { other.disabled = true; });
    await fetch(button.dataset.post, { method: "POST" }).catch(() => {});
  }));
  ask();
}
