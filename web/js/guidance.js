/** What the strip of the SAG nodes shows: the steps of the last run, or a guess, and which of them lie in the window. */

import { samplerBehind } from "./downstream.js";
import { percentAt } from "./percent.js";
import { belowEndError } from "./refusals.js";
import { Axis, between, guess, points, short, sigmaTicks, STABLE_DIFFUSION, within } from "./schedule.js";
import { retell, say } from "./texts.js";
import { setValue, valueOf } from "./widgets.js";

const ENDS = ["sigma_start", "sigma_end"], DEFAULTS = [15, 0], UNBOUNDED = 1000; // as sigma_start: no upper bound
const INTERVAL = [5.42, 0.28]; // after Kynkäänniemi et al. 2024, as the sigma window has it

/** @param {import("./runs.js").GuidanceRun} [run] @returns {import("./strip.js").View} */
export function view(node, run) {
  const given = ENDS.map((name) => valueOf(node, name)), start = given[0] ?? run?.start, end = given[1] ?? run?.end;
  const isKnown = start !== undefined && end !== undefined, refusal = belowEndError(given);
  const isWindow = isKnown && !refusal, upper = start < UNBOUNDED ? start : Infinity;
  const holds = (sigma) => isWindow && end <= sigma && sigma <= upper;
  const steps = stepsOf(node, run), axis = Axis.ofSteps(steps), places = [axis.place(upper), axis.place(end)];
  const inside = steps.filter(holds).length;
  const set = (sigmas) => ENDS.forEach((name, i) => given[i] !== undefined && setValue(node, name, sigmas[i]));
  const guessed = () => ({ line: say("guess") + say("guessed", { inside, count: steps.length, ...span([start, end]) }) });
  const lineOf = () => (run ? lineAfter(run, start, end, holds) : guessed());
  return {
    dots: points(steps).map((point, i) => ({ ...point, state: holds(steps[i]) ? stateOf(steps[i], run) : "idle" })),
    window: isWindow ? places : null,
    grips: given.map((value, i) => {
      const text = i && value === 0 ? say("last") : `sigma ${short(value ?? 0)}`;
      return value === undefined ? null : { label: ENDS[i], place: places[i], text, told: [text, percentAt(value, run?.percents ?? null)] };
    }),
    ticks: sigmaTicks(axis),
    ...(refusal ? { line: refusal, warns: true } : isKnown ? lineOf() : { line: say("wired") }),
    columns: steps.length,
    nearest: 0,
    move(places) {
      const [high, low] = places.map((place, i) => (place === null ? null : typed(place, i, steps, axis)));
      if (low === null) set([within(end ?? 0, high ?? 0, UNBOUNDED), end]);
      else set(high === null ? [start, Math.min(low, start ?? low)] : [high, low]);
    },
    reset: () => set(DEFAULTS),
    presets: given.includes(undefined) ? [] : presetsOf(steps, set),
  };
}

/** Those of the last run or, before any, of the sampler behind the node. Falling, and none twice. */
function stepsOf(node, run) {
  const evaluated = [...new Set(run?.sigmas)].filter((sigma) => sigma > 0).sort((a, b) => b - a);
  const { scheduler, steps, denoise, sampler_name } = samplerBehind(node);
  return evaluated.length ? evaluated : guess(STABLE_DIFFUSION, scheduler, steps, denoise, sampler_name);
}

/** What an end becomes at a place: between two steps it leaves both on their side, else it has hundredths. */
function typed(place, end, steps, axis) {
  const column = Math.round(place * steps.length), isBorder = Math.abs(place * steps.length - column) < 1e-9;
  if (end && place >= 1) return 0;
  if (place <= 0) return Math.ceil(100 * axis.sigma(0)) / 100;
  if (isBorder) return between(steps[column - 1], steps[column] ?? axis.sigma(1));
  return Math.round(100 * axis.sigma(place)) / 100; // the widgets show hundredths
}

function presetsOf(steps, set) {
  const count = steps.length, third = Math.ceil(count / 3), middle = Math.min(third, Math.ceil(count / 2) - 1);
  const before = (step) => between(steps[step - 1], steps[step]);
  const ofSteps = (from, to) => [from ? before(from) : UNBOUNDED, to < count ? before(to) : 0];
  const presets = { allSteps: [UNBOUNDED, 0], firstThird: ofSteps(0, third), middleThird: ofSteps(middle, count - middle),
    lastThird: ofSteps(count - third, count), interval: INTERVAL };
  return Object.entries(presets).map(([name, sigmas]) => ({ text: say(name), choose: () => set(sigmas) }));
}

/** Of a step inside the window. */
function stateOf(sigma, run) {
  if (!run) return "lit";
  const isAmong = (places) => places.some((place) => run.sigmas[place] === sigma);
  return isAmong(run.skipped) ? "skipped" : isAmong(run.acted) ? "lit" : "inside";
}

const span = (sigmas) => ({ high: short(Math.max(...sigmas)), low: short(Math.min(...sigmas)) });

function lineAfter(run, start, end, holds) {
  const { sigmas, skipped } = run, count = sigmas.length, acted = run.acted.map((place) => sigmas[place]);
  const isAsThen = start === run.start && end === run.end;
  if (!isAsThen) return { line: say("inside", { inside: sigmas.filter(holds).length, count }) };
  if (run.warns || !acted.length) return { line: retell(run), warns: run.warns };
  const rest = skipped.length ? say("skipped", { skipped: skipped.length }) : "";
  return { line: say("acted", { acted: acted.length, count, ...span(acted) }) + rest };
}
