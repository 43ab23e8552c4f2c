/** What the strip of SAG sigma window shows: a schedule, and the steps of it that the inputs ask for. */

import { Axis, guess, points, short, STABLE_DIFFUSION, stepTicks } from "./schedule.js";
import { say } from "./texts.js";
import { within } from "./strip.js";
import { optionsOf, setValue, valueOf } from "./widgets.js";

const ENDS = ["start", "end"], TO_THE_END = 10000; // the host's own limit, and the default of `end`
const OF_THE_WINDOW = ["preset", "unit", ...ENDS], OF_THE_SCHEDULE = ["scheduler", "steps", "denoise", "sampler_name"];
const SAME = 1e-6; // of the whole way: so near, two float32 sigmas count as the same

/** @param {import("./runs.js").WindowRun} [run] @returns {import("./strip.js").View} */
export function view(node, run) {
  const inputs = Object.fromEntries([...OF_THE_WINDOW, ...OF_THE_SCHEDULE].map((name) => [name, valueOf(node, name)]));
  const schedule = scheduleOf(inputs, run), unit = (inputs.unit === "step" ? inSteps : inPercent)(schedule);
  const window = windowOf(inputs, schedule, unit), dots = dotsOf(schedule, window);
  const line = window ? lineOf(schedule, dots, isOnceAStep(node, inputs.sampler_name)) : say("wired");
  return {
    dots,
    window,
    grips: gripsOf(inputs, window, unit),
    ticks: stepTicks(schedule.count),
    line: (schedule.isGuess ? say("guess") : "") + line,
    columns: schedule.count,
    move: (grip, place, by) => setValue(node, ENDS[grip], movedTo(grip, unit.at(place, by), inputs, unit)),
  };
}

/** The steps of the last run if it was asked for the same, else a guess. `way` leads from the largest sigma down. */
function scheduleOf(inputs, run) {
  const isSame = (name) => [undefined, run[name]].includes(inputs[name]); // undefined where it is wired in
  const isGuess = !run || !OF_THE_SCHEDULE.every(isSame), percents = run?.percents ?? STABLE_DIFFUSION;
  const { scheduler = "normal", steps: number = 20, denoise = 1 } = inputs;
  const steps = isGuess ? guess(percents, scheduler, number, denoise) : run.sigmas.slice(0, -1);
  const axis = Axis.ofSteps(steps), way = new Axis(percents), active = isGuess ? null : run.active;
  return { steps, count: steps.length, isGuess, active, highest: percents[0], axis, way };
}

/** `start` and `end` as numbers of steps. */
const inSteps = ({ count }) => ({
  finest: 1,
  most: count,
  last: TO_THE_END,
  text: (step) => (step < count ? say("step", { step }) : say("last")),
  place: (step) => Math.min(step / count, 1),
  at: (place) => Math.round(place * count),
});

/** As hundredths of the way, whose ends lie at the borders. */
const inPercent = ({ axis, way }) => ({
  finest: 0.01,
  most: 1,
  last: 1,
  text: short,
  place: (share) => (share % 1 ? axis.place(way.sigma(share)) : Math.min(share, 1)),
  at(place, by) {
    const round = by > 0 ? Math.ceil : by < 0 ? Math.floor : Math.round; // a key always goes on
    return round(100 * (place % 1 ? way.place(axis.sigma(place)) : place)) / 100;
  },
});

const isWired = (inputs) => OF_THE_WINDOW.some((name) => inputs[name] === undefined);

/** Where it begins and ends; null where only a run will tell. */
function windowOf(inputs, { count, active, highest, axis }, unit) {
  if (isWired(inputs)) return active && [active[0] / count, (active[1] + 1) / count];
  switch (inputs.preset) {
    case "custom":
      return [inputs.start, inputs.end].map(unit.place);
    case "last third":
      return [1 - Math.ceil(count / 3) / count, 1];
    case "all":
      return [0, 1];
    case "late":
      return [axis.place(highest / 4), 1];
    default: // the interval
      return [5.42, 0.28].map(axis.place);
  }
}

function dotsOf({ steps }, window) {
  const isInside = ({ place }) => window && window[0] - SAME < place && place < window[1] + SAME;
  return points(steps).map((point) => ({ ...point, state: isInside(point) ? "lit" : "idle" }));
}

function gripsOf(inputs, window, unit) {
  if (isWired(inputs) || inputs.preset !== "custom") return [null, null];
  return ENDS.map((label, i) => ({ label, place: window[i], text: unit.text(inputs[label]) }));
}

/** What an end becomes: at least one step or hundredth is left between the two. */
function movedTo(grip, value, inputs, { finest, most, last }) {
  if (!grip) return within(0, value, Math.min(inputs.end, most) - finest);
  const asked = within(inputs.start + finest, value, most);
  return asked >= most ? last : asked;
}

/** Whether the sampler evaluates the model at each step and nowhere else, as the node's definition says. */
const isOnceAStep = (node, sampler) => optionsOf(node, "sampler_name").once_a_step.includes(sampler);

function lineOf({ steps, count }, dots, isExact) {
  const lit = dots.map(({ state }) => state === "lit"), first = lit.indexOf(true), last = lit.lastIndexOf(true);
  if (first < 0) return say("empty", { count });
  const number = last - first + 1, exact = say("calls", { number, s: number === 1 ? "" : "s" });
  const calls = isExact ? exact : say("atLeast", { calls: exact }), end = last === count - 1 ? say("end") : "";
  return say("steps", { first, last, count, end, calls, high: short(steps[first]), low: short(steps[last]) });
}
