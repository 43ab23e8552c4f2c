/**
 * A curve over its steps with a window on it, in SVG: it draws a `View`, and hands on what is done to its two grips.
 * Places run from 0 on the left to 1 on the right, heights from 0 at the bottom to 1.
 *
 * @typedef {object} View
 * @property {{ place: number, height: number, state: keyof DOTS }[]} dots one for each step
 * @property {number[] | null} window where it begins and ends
 * @property {({ label: string, place: number, text: string } | null)[]} grips null for one that cannot be dragged
 * @property {{ place: number, text: string }[]} ticks
 * @property {string} line below the curve
 * @property {boolean} [warns]
 * @property {number} columns from border to border of which the keys move a grip
 * @property {(grip: number, place: number, by: number) => void} move `by` so many columns where a key did it, else 0
 */

const HEIGHT = 88, TOP = 16, BOTTOM = 66, SIDE = 12; // pixels: the drawing, and where in it the curve lies
const LINES = 30, FINEST = 5; // pixels: two lines of text below it, and the narrowest column in which dots are drawn
const LIT = "#e08a00", DIM = "var(--descrip-text, #999)", WRONG = "color-mix(in srgb, #f33 50%, var(--input-text, #ddd))";
const DOTS = { lit: { r: 3, fill: LIT }, inside: { r: 3, fill: "none", stroke: LIT },
  skipped: { r: 3, fill: "none", stroke: WRONG }, idle: { r: 2, fill: DIM } };
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };
export const within = (low, value, high) => Math.max(low, Math.min(value, high));
function write(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
}

/** Makes elements of a kind. A string inside becomes a text, never an element. */
const maker = (kind) => (name, attributes, ...inside) => {
  const element = /** @type {HTMLElement} */ (document.createElementNS(`http://www.w3.org/${kind}`, name));
  write(element, attributes);
  element.append(...inside);
  return element;
};
const svg = maker("2000/svg"), html = maker("1999/xhtml");

export class Strip {
  /** @type {View | undefined} */ view;
  /** @param {() => void} done follows a drag or a key @param {(() => void) | null} fold what the triangle does */
  constructor(done, fold) {
    this.grips = [0, 1].map((number) => this.grip(number, done));
    this.behind = svg("g", {});
    this.drawing = svg("svg", { height: HEIGHT }, this.behind, ...this.grips);
    this.triangle = html("button", { style: "all:unset;padding-right:4px;cursor:pointer" });
    this.triangle.addEventListener("pointerdown", (event) => event.stopPropagation());
    this.triangle.addEventListener("click", () => fold?.());
    this.text = html("span", {});
    const line = { style: `min-height:${LINES}px;margin:4px 8px;overflow:hidden;overflow-wrap:anywhere` };
    const looks = "background:var(--comfy-input-bg,#222);color:var(--input-text,#ddd);border-radius:6px";
    const strip = { style: `${looks};overflow:hidden;user-select:none;font-size:11px;line-height:${LINES / 2}px` };
    this.below = html("div", line, ...(fold ? [this.triangle] : []), this.text);
    this.element = html("div", strip, this.drawing, this.below);
    this.element.className = "sag-strip";
  }

  lines = LINES; // pixels: two lines of text, and more where a warning is longer
  height = (folded) => this.lines + 8 + (folded ? 0 : HEIGHT); // pixels

  /** A line to drag from side to side, which is a slider for the keys. */
  grip(number, done) {
    const slider = { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 100 };
    const grip = svg("g", { ...slider, style: "cursor:ew-resize;touch-action:none;pointer-events:auto" },
      svg("rect", { x: -9, width: 18, height: HEIGHT - 12, fill: "transparent" }), // where the mouse takes hold of it
      svg("line", { y1: TOP - 6, y2: BOTTOM + 6, stroke: LIT, "stroke-width": 2 }),
      svg("circle", { cy: number ? BOTTOM + 5 : TOP - 5, r: 5, fill: LIT }));
    grip.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.stopPropagation(); // or the node would be dragged
      grip.setPointerCapture(event.pointerId);
      grip.focus();
    });
    grip.addEventListener("pointermove", (event) => {
      if (grip.hasPointerCapture(event.pointerId)) this.view?.move(number, this.placeAt(event.clientX), 0);
    });
    grip.addEventListener("pointerup", done);
    grip.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      const { columns, grips, move } = /** @type {View} */ (this.view), by = KEYS[event.key];
      move(number, within(0, (Math.round((grips[number]?.place ?? 0) * columns) + by) / columns, 1), by);
      done();
    });
    return grip;
  }

  fold(folded, title) {
    this.drawing.style.display = folded ? "none" : "block";
    this.triangle.textContent = folded ? "▸" : "▾";
    write(this.triangle, { title, "aria-expanded": !folded });
  }

  /** @param {View} view */
  show(view) {
    this.view = view;
    write(this.drawing, { width: this.element.clientWidth });
    this.text.textContent = this.text.title = view.line;
    this.text.style.color = view.warns ? WRONG : "";
    this.below.style.maxHeight = view.warns ? "" : `${LINES}px`;
    this.lines = this.below.offsetHeight;
    this.behind.replaceChildren(...this.picture(view));
    for (const [number, grip] of this.grips.entries()) {
      const { place = 0, label, text } = view.grips[number] ?? {};
      write(grip, { transform: `translate(${this.x(place)})`, "aria-label": label, "aria-valuetext": text });
      write(grip, { "aria-valuenow": Math.round(100 * place), display: view.grips[number] ? "inline" : "none" });
    }
  }

  /** @param {View} view */
  *picture({ window, dots, ticks }) {
    const [left, right] = (window ?? [0, 0]).map((place) => this.x(place)), height = BOTTOM - TOP + 12;
    yield svg("rect", { x: left, y: TOP - 6, width: Math.max(0, right - left), height, fill: LIT, opacity: 0.2 });
    const points = dots.map(({ place, height }) => [this.x(place), BOTTOM - height * (BOTTOM - TOP)]);
    const lit = points.filter((_, i) => dots[i].state === "lit");
    yield svg("polyline", { points: points.join(" "), fill: "none", stroke: DIM });
    yield svg("polyline", { points: lit.join(" "), fill: "none", stroke: LIT, "stroke-width": 2 });
    for (const [i, [cx, cy]] of dots.length * FINEST < this.element.clientWidth ? points.entries() : [])
      yield svg("circle", { cx, cy, ...DOTS[dots[i].state], class: `sag-${dots[i].state}` });
    const below = { y: HEIGHT - 4, "text-anchor": "middle", fill: DIM, "font-size": 9 };
    for (const { place, text } of ticks) yield svg("text", { x: this.x(place), ...below }, text);
  }

  x = (place) => SIDE + place * Math.max(1, this.element.clientWidth - 2 * SIDE);

  /** The place under the mouse, at any zoom. */
  placeAt(clientX) {
    const { left, width } = this.drawing.getBoundingClientRect(), side = (SIDE * width) / this.element.clientWidth;
    return within(0, (clientX - left - side) / (width - 2 * side), 1);
  }
}
