"use strict";

// Tables: a click on a head sorts by it, upwards and then downwards; empty cells stay last. Choices hide rows.
for (const box of document.querySelectorAll("div.table")) {
  const body = box.querySelector("tbody");
  const heads = [...box.querySelectorAll("th")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key;
    const numeric = head.classList.contains("n");
    const order = (a, b) => numeric ? a - b : a.localeCompare(b, undefined, { numeric: true });
    const rows = [...body.rows].sort((a, b) => {
      const [u, v] = [key(a), key(b)];
      if (u === "" || v === "") return (u === "") - (v === "");
      return down ? order(v, u) : order(u, v);
    });
    body.append(...rows);
  }));
  const choices = [...box.querySelectorAll("select")];
  const choose = () => {
    for (const row of body.rows) {
      row.hidden = choices.some((c) => c.value !== "*" && row.cells[c.dataset.column].dataset.key !== c.value);
    }
  };
  choices.forEach((choice) => choice.addEventListener("change", choose));
}

// Volumes: each picture carries all cuts on one sheet, which is decoded when it is first needed.
const volumes = new WeakMap();

async function volume(image, [, rows, columns]) {
  if (!volumes.has(image)) {
    const sheet = new Image();
    sheet.src = image.dataset.atlas;
    await sheet.decode();
    const canvas = document.createElement("canvas");
    canvas.width = sheet.width;
    canvas.height = sheet.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(sheet, 0, 0);
    const colours = new Uint32Array(context.getImageData(0, 0, sheet.width, sheet.height).data.buffer);
    const across = Number(image.dataset.across);
    volumes.set(image, (z, y, x) => colours[(Math.floor(z / across) * rows + y) * sheet.width + (z % across) * columns + x]);
  }
  return volumes.get(image);
}

async function cut(image, shape, axis, place, up) {
  const at = await volume(image, shape);
  const [down, right] = [0, 1, 2].filter((a) => a !== axis);
  const canvas = document.createElement("canvas");
  canvas.width = shape[right];
  canvas.height = shape[down];
  const context = canvas.getContext("2d");
  const drawn = context.createImageData(canvas.width, canvas.height);
  const colours = new Uint32Array(drawn.data.buffer);
  const index = [0, 0, 0];
  index[axis] = place;
  for (let i = 0; i < shape[down]; i++) {
    for (let j = 0; j < shape[right]; j++) {
      index[down] = up ? shape[down] - 1 - i : i;
      index[right] = j;
      colours[i * shape[right] + j] = at(...index);
    }
  }
  context.putImageData(drawn, 0, 0);
  return canvas.toDataURL();
}

for (const viewer of document.querySelectorAll(".viewer[data-shape]")) {
  const shape = viewer.dataset.shape.split(",").map(Number);
  const size = viewer.dataset.size.split(",").map(Number);
  const origin = viewer.dataset.origin.split(",").map(Number);
  const step = Number(viewer.dataset.step);
  const slider = viewer.querySelector("input");
  const buttons = [...viewer.querySelectorAll(".axes button")];
  const images = [...viewer.querySelectorAll("img[data-atlas]")];
  let axis = 0;
  let turn = 0;

  const draw = async () => {
    const place = Number(slider.value);
    const mine = ++turn;
    const offset = place - origin[axis];
    const told = viewer.dataset.unit === "nm" ? `${Number((offset * size[axis]).toPrecision(3))} nm` : offset * step;
    viewer.querySelector("output").textContent = `${buttons[axis].textContent} = ${told}`.replace("-", "\u2212");
    const [down, right] = [0, 1, 2].filter((a) => a !== axis);
    const sources = await Promise.all(images.map((image) => cut(image, shape, axis, place, "up" in viewer.dataset)));
    if (mine !== turn) return; // the slider has moved on
    viewer.style.setProperty("--aspect", `${shape[right] * size[right]}/${shape[down] * size[down]}`);
    for (const bar of viewer.querySelectorAll(".scale")) {
      bar.style.setProperty("--share", `${100 * bar.dataset.length / (shape[right] * size[right])}%`);
    }
    images.forEach((image, k) => { image.src = sources[k]; });
  };

  slider.addEventListener("input", draw);
  buttons.forEach((button, k) => button.addEventListener("click", () => {
    axis = k;
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    slider.max = shape[axis] - 1;
    slider.value = origin[axis];
    draw();
  }));
}

// Print what is folded away, but of the examples only those that the reader has opened.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open]):not(.example)")];
  folded.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
