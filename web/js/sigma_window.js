/** What the strip of SAG sigma window shows: a schedule, and the steps of it that the inputs ask for. */

import { percentAt } from "./percent.js";
import { TO_THE_END, windowError } from "./refusals.js";
import { Axis, guess, points, short, STABLE_DIFFUSION, stepTicks, wayOf, within } from "./schedule.js";
import { say } from "./texts.js";
import { optionsOf, setValue, valueOf } from "./widgets.js";

const ENDS = ["start", "end"], DEFAULTS = [0, TO_THE_END];
const OF_THE_WINDOW = ["preset", "unit", ...ENDS], OF_THE_SCHEDULE = ["scheduler", "steps", "denoise", "sampler_name"];
const SAME = 1e-6; // of the whole way: so near, two float32 sigmas count as the same

/** @param {import("./runs.js").WindowRun} [run] @returns {import("./strip.js").View} */
export function view(node, run) {
  const inputs = Object.fromEntries([...OF_THE_WINDOW, ...OF_THE_SCHEDULE].map((name) => [name, valueOf(node, name)]));
  const schedule = scheduleOf(inputs, run), unit = (inputs.unit === "step" ? inSteps : inPercent)(schedule);
  const asked = windowOf(inputs, schedule, unit), refusal = isWired(inputs) ? null : windowError(node, inputs);
  const window = refusal ? null : asked, dots = dotsOf(schedule, window);
  const isEmpty = window !== null && !dots.some(({ state }) => state === "lit");
  const found = () => lineOf(schedule, dots, isOnceAStep(node, inputs.sampler_name));
  const grips = gripsOf(inputs, asked, unit, schedule, run), isFree = grips.every(Boolean);
  const set = (values) => isFree && ENDS.forEach((name, i) => setValue(node, name, values[i]));
  const line = isEmpty ? emptyLineOf(inputs, schedule) : window ? found() : say("wired");
  return {
    dots,
    window,
    grips,
    ticks: stepTicks(schedule.count, say("step", { step: 0 })),
    line: refusal ?? (schedule.isGuess ? say("guess") : "") + line,
    warns: isEmpty || refusal !== null,
    columns: schedule.count,
    nearest: inputs.unit === "step" ? 1 / schedule.count : 0,
    move: (places, by) => set(movedTo(places, by, inputs, unit)),
    reset: () => set(DEFAULTS),
    presets: [],
  };
}

/** The steps of the last run if it was asked for the same, else a guess. `way` leads from the largest sigma down. */
function scheduleOf(inputs, run) {
  const isSame = (name) => [undefined, run[name]].includes(inputs[name]); // undefined where it is wired in
  const isGuess = !run || !OF_THE_SCHEDULE.every(isSame), percents = run?.percents ?? STABLE_DIFFUSION;
  const { scheduler = "normal", steps: number = 20, denoise = 1, sampler_name } = inputs;
  const steps = isGuess ? guess(percents, scheduler, number, denoise, sampler_name) : run.sigmas.slice(0, -1);
  const axis = Axis.ofSteps(steps), way = wayOf(percents), active = isGuess ? null : run.active;
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
  text: (share) => (share < TO_THE_END ? say("percent", { percent: short(share) }) : say("last")),
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

function gripsOf(inputs, window, unit, { axis, way }, run) {
  const isKnown = ENDS.every((name) => Number.isFinite(inputs[name]));
  if (isWired(inputs) || inputs.preset !== "custom" || !isKnown) return [null, null];
  return ENDS.map((label, i) => {
    const place = window[i], value = inputs[label], text = unit.text(value);
    const sigma = place > 0 ? (place < 1 ? axis.sigma(place) : 0) : Infinity; // nothing lies beyond the borders
    const other = inputs.unit === "step" ? percentAt(sigma, run?.percents ?? null) : `sigma ${short(way.sigma(value))}`;
    return { label, place, text, told: [text, other] };
  });
}

/** What the ends become: at least one step or hundredth is left between the two. */
function movedTo(places, by, inputs, { finest, most, last, at }) {
  const [from, to] = places.map((place) => (place === null ? null : at(place, by)));
  const start = from === null ? inputs.start : within(0, from, (to ?? Math.min(inputs.end, most)) - finest);
  if (to === null) return [start, inputs.end];
  const end = within(start + finest, to, most);
  return [start, end >= most ? last : end];
}

/** Whether the sampler evaluates the model at each step and nowhere else, as the node's definition says. */
const isOnceAStep = (node, sampler) => optionsOf(node, "sampler_name").once_a_step.includes(sampler);

function emptyLineOf(inputs, { steps, count }) {
  const { preset, unit, start, end } = inputs;
  const ends = () => `unit=${unit}, start=${short(start, 6)}, end=${short(end, 6)}`;
  const request = preset === "custom" ? ends() : `preset=${preset}`;
  return say("empty", { request, count, high: short(steps[0], 4), low: short(steps[count - 1], 4) });
}

function lineOf({ steps, count }, dots, isExact) {
  const lit = dots.map(({ state }) => state === "lit"), first = lit.indexOf(true), last = lit.lastIndexOf(true);
  const number = last - first + 1, exact = say("calls", { number, s: number === 1 ? "" : "s" });
  const calls = isExact ? exact : say("atLeast", { calls: exact }), end = last === count - 1 ? say("end") : "";
  return say("steps", { first, last, count, end, calls, high: short(steps[first]), low: short(steps[last]) });
}
