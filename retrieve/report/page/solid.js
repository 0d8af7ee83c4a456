"use strict";

// The viewer comes packed: it is unpacked once the page is shown, and runs since the policy names its hash.
async function viewer() {
  const packed = Uint8Array.from(atob(document.getElementById("viewer").textContent), (c) => c.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
}

// Surfaces: drawn by Plotly, turned with the mouse; buttons choose the quantity that colours one. Colours follow the scheme.
function draw(box) {
  const surface = JSON.parse(box.querySelector("script").textContent);
  const plot = box.querySelector(".plot");
  const buttons = [...box.querySelectorAll(".axes button")];
  const bars = [...box.querySelectorAll(".bar")];
  const [x, y, z] = surface.vertices;
  const [i, j, k] = surface.faces;
  const colours = ({ values, low, high, stops }) => ({ intensity: values, cmin: low, cmax: high, colorscale: stops });
  const lighting = { ambient: 0.75, diffuse: 0.5, specular: 0.1, roughness: 0.6, fresnel: 0 };
  const lightposition = { x: 1e4, y: surface.down ? -2e4 : 2e4, z: -2e4 };
  const look = { showscale: false, lighting, lightposition, hoverinfo: "none" };
  const trace = { type: "mesh3d", x, y, z, i, j, k, ...look, ...colours(surface.colours[0]) };

  const layout = () => {
    const style = getComputedStyle(box);
    const [ink, line] = ["--muted", "--faint"].map((name) => style.getPropertyValue(name).trim());
    const axis = (title) => ({
      title: { text: title }, color: ink, gridcolor: line, zerolinecolor: line, showbackground: false, showspikes: false, nticks: 6,
    });
    const side = surface.down ? -1 : 1;
    const far = Math.max(1, 560 / plot.clientWidth); // so that a narrow screen shows the axes, too
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 },
      paper_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      scene: {
        xaxis: axis(surface.axes[0]), yaxis: axis(surface.axes[1]), zaxis: axis(surface.axes[2]),
        aspectmode: "data", dragmode: "orbit",
        camera: { up: { x: 0, y: side, z: 0 }, eye: { x: 1.3 * far, y: 0.95 * far * side, z: -2.15 * far } },
      },
      uirevision: "kept", // the view stays when colours change
    };
  };
  const choose = (chosen) => {
    buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(n === chosen)));
    bars.forEach((bar, n) => { bar.hidden = n !== chosen; });
    Plotly.react(plot, [{ ...trace, ...colours(surface.colours[chosen]) }], layout());
  };

  Plotly.newPlot(plot, [trace], layout(), { displayModeBar: false, responsive: true });
  buttons.forEach((button, n) => button.addEventListener("click", () => choose(n)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Plotly.react(plot, plot.data, layout()));
}

const solids = [...document.querySelectorAll(".solid")];
viewer().then(() => solids.forEach(draw)).catch((error) => solids.forEach((box) => {
  box.querySelector(".plot").textContent = `This browser cannot show the crystal in 3D: ${error.message}`;
}));
