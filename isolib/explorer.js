// The view of an explorer: draws frames that Python computed, moves between them, adds nothing.
// One file serves Jupyter and Colab (as an anywidget module) and the static page (as a script).

const W = 640, H = 380, BOX = { left: 62, right: 14, top: 14, bottom: 50 };
const PALETTE = ["--isolib-1", "--isolib-2", "--isolib-3", "--isolib-4"];
const SVG = "http://www.w3.org/2000/svg";
let serial = 0;

function element(parent, tag, attributes = {}, text = null) {
  const inSvg = tag === "svg" || parent instanceof SVGElement;
  const node = inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.appendChild(node);
  return node;
}

// A scale maps data to pixels; "log" scales are linear in log10.
function scale(kind, [lo, hi], from, to) {
  const f = kind === "log" ? Math.log10 : (v) => v;
  const a = f(lo), b = f(hi);
  return (v) => from + ((f(v) - a) / (b - a)) * (to - from);
}

function ticks(kind, [lo, hi], most) {
  if (kind === "log") {
    const first = Math.ceil(Math.log10(lo) - 1e-9), last = Math.floor(Math.log10(hi) + 1e-9);
    const step = Math.max(1, Math.ceil((last - first) / most));
    const out = [];
    for (let k = first; k <= last; k += step) out.push(Math.pow(10, k));
    return out;
  }
  const raw = (hi - lo) / most, power = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const out = [];
  for (let v = Math.ceil(lo / step - 1e-9) * step; v <= hi + step * 1e-9; v += step) out.push(v);
  return out;
}

function label(v, kind) {
  if (v === 0 || (kind === "linear" && Math.abs(v) < 1e-12)) return "0";
  const size = Math.abs(v);
  if (size >= 1e4 || size < 1e-3) {
    const k = Math.floor(Math.log10(size) + 1e-9), m = v / Math.pow(10, k);
    const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    const power = (k < 0 ? "⁻" : "") + [...String(Math.abs(k))].map((d) => digits[d]).join("");
    return (Math.abs(m - 1) < 1e-6 ? "" : Number(m.toPrecision(2)) + "·") + "10" + power;
  }
  return String(Number(v.toPrecision(4)));
}

function path(curve, sx, sy, clamp) {
  const out = [];
  let pen = "M";
  const point = (x, y) => {
    if (y === null || !Number.isFinite(y)) { pen = "M"; return; }
    out.push(pen + sx(x).toFixed(2) + "," + clamp(sy(y)).toFixed(2));
    pen = "L";
  };
  if (curve.kind === "steps") {
    // n heights between n+1 ends: a histogram's outline, closed down to the axis
    point(curve.x[0], curve.base);
    curve.y.forEach((y, i) => { point(curve.x[i], y); point(curve.x[i + 1], y); });
    point(curve.x[curve.x.length - 1], curve.base);
  } else {
    curve.y.forEach((y, i) => point(curve.x[i], y));
  }
  return out.join("");
}

export function mount(spec, root, onChange = () => {}) {
  const id = "explorer-" + ++serial;
  root.classList.add("isolib-explorer");
  root.replaceChildren();
  const state = spec.controls.map((c) => c.start);

  const panel = element(root, "div", { class: "isolib-controls", role: "group",
                                       "aria-label": spec.title + ": controls" });
  const shown = spec.controls.map((control, i) => {
    const row = element(panel, "div", { class: "isolib-control" });
    const name = id + "-" + i;
    element(row, "label", { for: name }, control.label);
    const input = element(row, "input", { type: "range", id: name, min: 0, step: 1,
      max: control.text.length - 1, value: state[i], "data-control": control.name });
    const value = element(row, "span", { class: "isolib-value", "aria-hidden": "true" });
    input.addEventListener("input", () => { state[i] = Number(input.value); draw(); onChange(state); });
    return { input, value };
  });

  const svg = element(root, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img",
                                     "aria-label": spec.title, class: "isolib-plot" });
  const legend = element(root, "div", { class: "isolib-legend" });
  const readout = element(root, "output", { class: "isolib-readout", "aria-live": "polite" });

  function frameIndex() {
    return spec.controls.reduce((index, c, i) => index * c.text.length + state[i], 0);
  }

  function draw() {
    const frame = spec.frames[frameIndex()];
    const xlim = frame.xlim || spec.xlim, ylim = frame.ylim || spec.ylim;
    const sx = scale(spec.xscale, xlim, BOX.left, W - BOX.right);
    const sy = scale(spec.yscale, ylim, H - BOX.bottom, BOX.top);
    const clamp = (y) => Math.min(Math.max(y, -H), 2 * H);
    svg.replaceChildren();
    svg.dataset.xlim = JSON.stringify(xlim);
    svg.dataset.ylim = JSON.stringify(ylim);
    const clip = element(element(svg, "defs"), "clipPath", { id: id + "-clip" });
    element(clip, "rect", { x: BOX.left, y: BOX.top, width: W - BOX.left - BOX.right,
                            height: H - BOX.top - BOX.bottom });
    for (const t of ticks(spec.xscale, xlim, 6)) {
      element(svg, "line", { x1: sx(t), x2: sx(t), y1: BOX.top, y2: H - BOX.bottom, class: "grid" });
      element(svg, "text", { x: sx(t), y: H - BOX.bottom + 18, "text-anchor": "middle" }, label(t, spec.xscale));
    }
    for (const t of ticks(spec.yscale, ylim, 5)) {
      element(svg, "line", { x1: BOX.left, x2: W - BOX.right, y1: sy(t), y2: sy(t), class: "grid" });
      element(svg, "text", { x: BOX.left - 7, y: sy(t) + 4, "text-anchor": "end" }, label(t, spec.yscale));
    }
    element(svg, "text", { x: (BOX.left + W - BOX.right) / 2, y: H - 10, "text-anchor": "middle",
                           class: "axis" }, spec.xlabel);
    element(svg, "text", { transform: `translate(16 ${(H - BOX.bottom) / 2}) rotate(-90)`,
                           "text-anchor": "middle", class: "axis" }, spec.ylabel);
    const plot = element(svg, "g", { "clip-path": `url(#${id}-clip)` });
    legend.replaceChildren();
    frame.curves.forEach((curve, i) => {
      const full = { ...spec.curves[i], ...curve, base: ylim[0] };
      const x = full.x || spec.x;
      const color = full.kind === "theory" ? "var(--isolib-ink)" : `var(${PALETTE[full.color]})`;
      if (full.kind === "points") {
        full.y.forEach((y, j) => y !== null &&
          element(plot, "circle", { cx: sx(x[j]).toFixed(2), cy: clamp(sy(y)).toFixed(2), r: 3.2,
                                    fill: color, "data-curve": full.label }));
      } else if (full.kind === "atoms") {
        full.y.forEach((y, j) => {
          // a line has no height to show, so its weight stands beside it, on the side with room
          const at = sx(x[j]), end = at > W / 2;
          element(plot, "line", { x1: at.toFixed(2), x2: at.toFixed(2), y1: BOX.top,
            y2: H - BOX.bottom, class: "atom", "data-curve": full.label, "data-weight": y });
          element(plot, "text", { x: at + (end ? -5 : 5), y: BOX.top + 14, class: "atom",
                                  "text-anchor": end ? "end" : "start" }, label(y, "linear"));
        });
      } else {
        const steps = full.kind === "steps";
        element(plot, "path", { d: path({ ...full, x }, sx, sy, clamp), "data-curve": full.label,
          style: steps ? `fill:${color};fill-opacity:.35;stroke:none`
                       : `fill:none;stroke:${color};stroke-width:2` });
      }
      if (full.kind === "atoms" && !full.y.length) return;
      const entry = element(legend, "span");
      element(entry, "i", full.kind === "atoms" ? { class: "atom" }
                                                : { style: `background:${color}` });
      entry.append(full.label);
    });
    shown.forEach(({ input, value }, i) => {
      const text = spec.controls[i].text[state[i]];
      value.textContent = text;
      input.value = state[i];
      input.setAttribute("aria-valuetext", text);
    });
    readout.textContent = frame.readout;
    svg.dataset.state = JSON.stringify(state);
  }

  draw();
  return { set(next) { next.forEach((v, i) => { state[i] = v; }); draw(); } };
}

function render({ model, el }) {
  const view = mount(model.get("spec"), el, (state) => {
    model.set("state", [...state]);
    model.save_changes();
  });
  view.set(model.get("state"));
  model.on("change:state", () => view.set(model.get("state")));
}

export default { render };
