/** What the nodes will refuse, and in which words: red in the strip before anybody has clicked on Run. */

import { say } from "./texts.js";
import { choicesOf } from "./widgets.js";

export const TO_THE_END = 10000; // the host's own limit, and the default of the sigma window's `end` in either unit

/** As values_error of the SAG nodes has it; null if they take them. @param {any[]} window */
export function belowEndError([start, end]) {
  return start < end ? say("belowEnd", { start: inPython(start), end: inPython(end) }) : null;
}

/** As window_error of the sigma window has it; null if it takes them. */
export function windowError(node, inputs) {
  const { preset, unit, start, end } = inputs, first = choiceError(node, "preset", preset);
  if (first || preset !== "custom") return first;
  const next = choiceError(node, "unit", unit) ?? endError(unit, "start", start) ?? endError(unit, "end", end);
  if (next || start < end) return next;
  return say("upsideDown", { start: inPython(start), end: inPython(end) });
}

function choiceError(node, name, value) {
  const choices = choicesOf(node, name), words = { name, choices: choices.join(", "), value: inPython(value) };
  return choices.includes(value) ? null : say("noChoice", words);
}

function endError(unit, name, value) {
  const most = unit === "step" ? TO_THE_END : 1, words = { name, unit, most, value: inPython(value) };
  if (!Number.isFinite(value)) return say("noNumber", words);
  if (value === TO_THE_END) return null;
  if (unit === "step" && value % 1) return say("noWhole", words);
  return value < 0 || value > most ? say("outOfRange", words) : null;
}

/** A text or a number as Python writes them. */
const inPython = (value) =>
  typeof value === "string" ? `'${value}'` : Number.isInteger(value) ? value.toFixed(1) : `${value}`;
