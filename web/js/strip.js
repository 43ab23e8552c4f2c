/**
 * A curve over its steps with a window on it, in SVG: it draws a `View`, and hands on what is done to the window.
 * Places run from 0 on the left to 1 on the right, heights from 0 at the bottom to 1.
 *
 * @typedef {object} View
 * @property {{ place: number, height: number, state: keyof typeof import("./picture.js").DOTS }[]} dots one a step
 * @property {number[] | null} window where it begins and ends
 * @property {({ label: string, place: number, text: string, told: string[] } | null)[]} grips of the start and of the
 *   end, with what stands beside one that is moved; null for one that cannot be dragged
 * @property {{ place: number, text: string }[]} ticks
 * @property {string} line below the curve
 * @property {boolean} [warns]
 * @property {number} columns from border to border of which the keys move a grip, and to which Shift snaps
 * @property {number} nearest how near the ends may come to one another
 * @property {(places: (number | null)[], by: number) => void} move the two ends to these places, null for one that
 *   stays; `by` so many columns where a key did it, else 0
 * @property {() => void} reset to the defaults
 * @property {{ text: string, choose: () => void }[]} presets to choose from
 */

import { takesDrags, takesKeys } from "./drag.js";
import { button, html, svg, write } from "./elements.js";
import { Menu } from "./menu.js";
import { BEHIND, beside, curve, grip, HEIGHT, parted, shade, SIDE, WRONG } from "./picture.js";
import { say } from "./texts.js";

const LINES = 30; // pixels: two lines of text below the drawing

export class Strip {
  view = /** @type {View} */ ({});
  width = 0; // pixels, when it was drawn: to ask the page for it between two changes costs a layout
  told = []; // the ends whose values stand beside them
  /** @param {() => void} done follows a drag or a key @param {(() => void) | null} fold what the triangle does */
  constructor(done, fold) {
    this.done = done;
    this.grips = [0, 1].map(grip);
    this.shade = shade();
    this.behind = svg("g", { "pointer-events": "none" });
    this.beside = svg("g", { "pointer-events": "none" });
    this.drawing = svg("svg", { height: HEIGHT }, this.shade, this.behind, ...this.grips, this.beside);
    this.drawing.addEventListener("dblclick", (event) => this.reset(event));
    for (const [number, handle] of [...this.grips, this.shade].entries()) takesDrags(this, handle, number);
    for (const [number, handle] of this.grips.entries()) takesKeys(this, handle, number);
    this.triangle = button({ style: "all:unset;padding-right:4px;cursor:pointer" }, () => fold?.());
    this.text = html("span", {});
    const line = { style: `min-height:${LINES}px;margin:4px 24px 4px 8px;overflow:hidden;overflow-wrap:anywhere` };
    this.menu = new Menu(done);
    const looks = `position:relative;background:${BEHIND};color:var(--input-text,#ddd);border-radius:6px`;
    const strip = { style: `${looks};overflow:hidden;user-select:none;font-size:11px;line-height:${LINES / 2}px` };
    this.below = html("div", line, ...(fold ? [this.triangle] : []), this.text);
    this.element = html("div", strip, this.drawing, this.below, this.menu.list, this.menu.opener);
    this.element.className = "sag-strip";
  }

  lines = LINES; // pixels: two lines of text, and more where a warning is longer
  height = (folded) => this.lines + 8 + (folded ? 0 : HEIGHT); // pixels

  fold(folded, title) {
    this.drawing.style.display = folded ? "none" : "block";
    this.menu.opener.style.visibility = folded ? "hidden" : ""; // its list would lie over the drawing
    this.triangle.textContent = folded ? "▸" : "▾";
    write(this.triangle, { title, "aria-expanded": !folded });
  }

  reset(event) {
    event.stopPropagation();
    this.view.reset();
    this.done();
  }

  /** @param {View} view */
  show(view) {
    this.view = view;
    const { grips, window } = view, width = (this.width = this.element.clientWidth), [from, to] = window ?? [0, 0];
    write(this.drawing, { width });
    this.element.title = say("how");
    this.text.textContent = this.text.title = view.line;
    this.text.style.color = view.warns ? WRONG : "";
    this.below.style.maxHeight = view.warns ? "" : `${LINES}px`;
    this.lines = view.warns ? this.below.offsetHeight : LINES; // to ask costs a layout, and a drag changes the line
    this.behind.replaceChildren(...curve(view, this.x, width));
    write(this.shade, { x: this.x(from), width: Math.max(0, this.x(to) - this.x(from)) });
    const movesWhole = grips.every(Boolean) && (from > 0 || to < 1);
    this.shade.style.cssText = movesWhole ? "cursor:grab;touch-action:none;pointer-events:auto" : "pointer-events:none";
    for (const [number, grip] of this.grips.entries()) {
      const { place = 0, label, text } = grips[number] ?? {};
      write(grip, { transform: `translate(${this.x(place)})`, "aria-label": label, "aria-valuetext": text });
      write(grip, { "aria-valuenow": Math.round(100 * place), display: grips[number] ? "inline" : "none" });
    }
    parted(this.grips, grips.map((grip) => grip && this.x(grip.place)));
    this.menu.offer(view.presets);
    this.tell(this.told);
  }

  /** Has the values of these ends stand beside them. */
  tell(ends) {
    this.told = ends;
    const texts = ends.flatMap((end) => {
      const { told = [], place = 0 } = this.view.grips[end] ?? {};
      return [...beside(told, end, this.x(place), this.width)];
    });
    this.beside.replaceChildren(...texts);
  }

  x = (place) => SIDE + place * Math.max(1, this.width - 2 * SIDE);

  /** How far so many pixels of the page lead from place to place, at any zoom. */
  across(pixels) {
    const { width } = this.drawing.getBoundingClientRect();
    return pixels / (width * (1 - (2 * SIDE) / this.width));
  }
}
