/** What the strip of the SAG nodes shows: the steps of the last run, and which of them lie in the window. */

import { Axis, points, short, stepTicks } from "./schedule.js";
import { retell, say } from "./texts.js";
import { within } from "./strip.js";
import { setValue, valueOf } from "./widgets.js";

const ENDS = ["sigma_start", "sigma_end"], UNBOUNDED = 1000; // as sigma_start: no upper bound
const PLAIN = new Axis([15, 0.03]); // before any run
const TICKS = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05].map((sigma) => ({ place: PLAIN.place(sigma), text: `${sigma}` }));

/** @param {import("./runs.js").GuidanceRun} [run] @returns {import("./strip.js").View} */
export function view(node, run) {
  const given = ENDS.map((name) => valueOf(node, name)), start = given[0] ?? run?.start, end = given[1] ?? run?.end;
  const isKnown = start !== undefined && end !== undefined, upper = start < UNBOUNDED ? start : Infinity;
  const holds = (sigma) => isKnown && end <= sigma && sigma <= upper;
  const steps = [...new Set(run?.sigmas)].filter((sigma) => sigma > 0).sort((a, b) => b - a), count = steps.length;
  const axis = count ? Axis.ofSteps(steps) : PLAIN, window = [axis.place(upper), axis.place(end)];
  return {
    dots: points(steps).map((point, i) => ({ ...point, state: holds(steps[i]) ? stateOf(steps[i], run) : "idle" })),
    window: isKnown ? window : null,
    grips: given.map((value, i) => {
      const text = value ? `sigma ${short(value)}` : say("last");
      return value === undefined ? null : { label: ENDS[i], place: window[i], text };
    }),
    ticks: count ? stepTicks(count) : TICKS,
    ...(isKnown ? lineOf(start, end, holds, run) : { line: say("wired") }),
    columns: count || 50,
    move(i, place, by) {
      const round = by > 0 ? Math.floor : by < 0 || !place ? Math.ceil : Math.round; // a key always goes on
      const value = i && place >= 1 ? 0 : round(100 * axis.sigma(place)) / 100; // the widgets show hundredths
      setValue(node, ENDS[i], i ? Math.min(value, start ?? value) : within(end ?? 0, value, UNBOUNDED));
    },
  };
}

/** Of a step inside the window. */
function stateOf(sigma, run) {
  const isAmong = (places) => places.some((place) => run.sigmas[place] === sigma);
  return isAmong(run.skipped) ? "skipped" : isAmong(run.acted) ? "lit" : "inside";
}

function lineOf(start, end, holds, run) {
  if (!run) return { line: say("unrun", { high: short(start), low: short(end) }) };
  const { sigmas, skipped } = run, count = sigmas.length, acted = run.acted.map((place) => sigmas[place]);
  const isAsThen = start === run.start && end === run.end;
  if (!isAsThen) return { line: say("inside", { inside: sigmas.filter(holds).length, count }) };
  if (run.warns || !acted.length) return { line: retell(run), warns: run.warns };
  const span = { high: short(Math.max(...acted)), low: short(Math.min(...acted)) };
  const rest = skipped.length ? say("skipped", { skipped: skipped.length }) : "";
  return { line: say("acted", { acted: acted.length, count, ...span }) + rest };
}
