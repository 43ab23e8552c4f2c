/**
 * How a window is moved by mouse and keys. What can be taken hold of is one list: the start's grip, the end's grip, and
 * the shade between them, which moves both ends.
 */

import { write } from "./elements.js";
import { within } from "./schedule.js";

const STILL = 3, MEETING = 4; // pixels: of a press that is no drag yet, and between grips that count as one
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };

/** Which ends move with each in the list. */
const MOVES = [[0], [1], [0, 1]];
const [START, END, BOTH] = MOVES;

/** Of two grips that meet only one can go where the mouse leads: left the start's, right the end's. */
function movedBy(taken, pixels, from, strip) {
  const gap = Math.abs(strip.x(from[1]) - strip.x(from[0])), least = strip.x(strip.view.nearest) - strip.x(0);
  if (MOVES[taken] === BOTH || from.includes(null) || gap > least + MEETING) return MOVES[taken];
  return pixels < 0 ? START : END;
}

/** @param {import("./strip.js").Strip} strip @param {HTMLElement} handle @param {number} taken its place in the list */
export function takesDrags(strip, handle, taken) {
  let press = null; // the one under way: where it began, where the ends were then, and which move, once that is clear
  handle.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.stopPropagation(); // or the node would be dragged
    handle.setPointerCapture(event.pointerId);
    press = { x: event.clientX, from: strip.view.grips.map((grip) => grip && within(0, grip.place, 1)), ends: null };
  });
  handle.addEventListener("pointermove", ({ clientX, shiftKey }) => {
    if (!press || (!press.ends && Math.abs(clientX - press.x) < STILL)) return;
    const { x, from } = press, { columns, move } = strip.view;
    const ends = (press.ends ??= movedBy(taken, clientX - x, from, strip));
    const by = within(-from[ends[0]], strip.across(clientX - x), 1 - from[ends[ends.length - 1]]);
    const snapped = (place) => (shiftKey ? Math.round(place * columns) / columns : place);
    move(from.map((place, end) => (ends.includes(end) ? snapped(place + by) : null)), 0);
    if (strip.told !== ends) strip.tell(ends); // later ones with the next drawing
  });
  handle.addEventListener("lostpointercapture", () => {
    press = null;
    strip.tell([]);
    strip.done();
  });
}

/** @param {import("./strip.js").Strip} strip @param {HTMLElement} grip @param {number} end which of the two */
export function takesKeys(strip, grip, end) {
  write(grip, { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 100 });
  grip.addEventListener("pointerdown", () => (grip.style.outline = "none")); // the ring is for those who use keys
  grip.addEventListener("blur", () => (grip.style.outline = ""));
  grip.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    grip.style.outline = "";
    const { columns, grips, move } = strip.view, by = KEYS[event.key], column = Math.round((grips[end]?.place ?? 0) * columns);
    move([0, 1].map((other) => (other === end ? within(0, column + by, columns) / columns : null)), by);
    strip.done();
  });
}
