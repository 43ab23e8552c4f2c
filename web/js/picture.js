/** How a strip looks: the curve over its steps, the axis below it, what can be dragged, and the values beside that. */

import { svg, write } from "./elements.js";

export const HEIGHT = 88, SIDE = 12; // pixels: the drawing, and how far from its sides the curve begins
const TOP = 16, BOTTOM = 66, MIDDLE = (TOP + BOTTOM) / 2; // where in it the curve lies
const FINEST = 5; // pixels: the narrowest column in which dots are drawn
const REACH = 9; // pixels: how far from its line the mouse takes hold of a grip
const LIT = "#e08a00", DIM = "var(--descrip-text, #999)", INK = "var(--input-text, #ddd)";
export const WRONG = `color-mix(in srgb, #f33 50%, ${INK})`, BEHIND = "var(--comfy-input-bg, #222)";
export const DOTS = { lit: { r: 3, fill: LIT }, inside: { r: 3, fill: "none", stroke: LIT },
  skipped: { r: 3, fill: "none", stroke: WRONG }, idle: { r: 2, fill: DIM } };

/** Lines at the two ends of the window, with a knob at the top for the start's and at the bottom for the end's. */
export function grip(number) {
  const unseen = { "pointer-events": "none" };
  return svg("g", { style: "cursor:ew-resize;touch-action:none;pointer-events:auto" },
    svg("rect", { x: -REACH, width: 2 * REACH, fill: "transparent" }), // where the mouse takes hold of it
    svg("line", { y1: TOP - 6, y2: BOTTOM + 6, stroke: LIT, "stroke-width": 2, ...unseen }),
    svg("circle", { cy: number ? BOTTOM + 5 : TOP - 5, r: 5, fill: LIT, ...unseen }));
}

/** Grips that would cover one another share the place: above is the start's, below the end's. `xs` in pixels. */
export function parted(grips, xs) {
  const isClose = xs.every((x) => x !== undefined) && Math.abs(xs[0] - xs[1]) < 2 * REACH, whole = HEIGHT - 12;
  for (const [number, { firstElementChild: hold }] of grips.entries())
    write(hold, { y: isClose && number ? MIDDLE : 0, height: !isClose ? whole : number ? whole - MIDDLE : MIDDLE });
}

export const shade = () => svg("rect", { y: TOP - 6, height: BOTTOM - TOP + 12, fill: LIT, opacity: 0.2 });

/** @param {import("./strip.js").View} view @param {(place: number) => number} x in pixels @param {number} width */
export function* curve({ dots, ticks }, x, width) {
  const points = dots.map(({ place, height }) => [x(place), BOTTOM - height * (BOTTOM - TOP)]);
  const lit = points.filter((_, i) => dots[i].state === "lit");
  yield svg("polyline", { points: points.join(" "), fill: "none", stroke: DIM });
  yield svg("polyline", { points: lit.join(" "), fill: "none", stroke: LIT, "stroke-width": 2 });
  for (const [i, [cx, cy]] of dots.length * FINEST < width ? points.entries() : [])
    yield svg("circle", { cx, cy, ...DOTS[dots[i].state], class: `sag-${dots[i].state}` });
  const below = { y: HEIGHT - 4, "text-anchor": "middle", fill: DIM, "font-size": 9 };
  for (const { place, text } of ticks) yield svg("text", { x: x(place), ...below }, text);
}

/** The lines of text beside a grip, where there is room: high for the start's, low for the end's. */
export function* beside(lines, number, x, width) {
  const isLeft = x > width / 2, looks = { "font-size": 10, fill: INK, stroke: BEHIND, "stroke-width": 3 };
  const place = { x: x + (isLeft ? -REACH : REACH), "text-anchor": isLeft ? "end" : "start", "paint-order": "stroke" };
  for (const [i, line] of lines.entries())
    yield svg("text", { ...place, ...looks, y: (number ? BOTTOM - 4 : TOP - 3) + 11 * i, class: "sag-told" }, line);
}
