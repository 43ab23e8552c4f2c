/** Where the host's other nodes would have to begin or end, since many of them think in percent. */

import { short, STABLE_DIFFUSION, wayOf } from "./schedule.js";
import { say } from "./texts.js";

/** @param {number} sigma @param {number[] | null} percents of the MODEL, once a run has told them */
export function percentAt(sigma, percents) {
  const percent = short(wayOf(percents ?? STABLE_DIFFUSION).place(sigma));
  return say(percents ? "percent" : "percentGuess", { percent });
}
