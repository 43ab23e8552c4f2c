/** What the strip of SAG sigma window shows: a schedule, and the steps of it that the inputs ask for. */

import { Axis, guess, points, short, STABLE_DIFFUSION, stepTicks } from "./schedule.js";
import { say } from "./texts.js";
import { within } from "./strip.js";
import { setValue, valueOf } from "./widgets.js";

const ENDS = ["start", "end"], TO_THE_END = 10000; // the host's own limit, and the default of `end`
const OF_THE_SCHEDULE = ["scheduler", "steps", "denoise", "sampler_name"];
const SAME = 1e-6; // of the whole way: so near, two float32 sigmas count as the same
const ONCE_A_STEP = new RegExp("^(euler(_ancestral)?(_cfg_pp)?|lms|dpmpp_2m(_cfg_pp)?|dpmpp_2m_sde(_heun)?(_gpu)?|" +
  "dpmpp_3m_sde(_gpu)?|ddpm|lcm|ipndm(_v)?|deis|res_multistep(_ancestral)?(_cfg_pp)?|gradient_estimation(_cfg_pp)?|" +
  "er_sde|sa_solver|ddim|uni_pc(_bh2)?)$"); // samplers; as in nodes_window.py

/** @param {import("./runs.js").WindowRun} [run] @returns {import("./strip.js").View} */
export function view(node, run) {
  const [preset, unit, start, end, scheduler = "normal", number = 20, denoise = 1, sampler] =
    ["preset", "unit", ...ENDS, ...OF_THE_SCHEDULE].map((name) => valueOf(node, name)); // undefined where wired in
  const percents = run?.percents ?? STABLE_DIFFUSION;
  const known = run && OF_THE_SCHEDULE.every((name) => [undefined, run[name]].includes(valueOf(node, name)));
  const steps = known ? run.sigmas.slice(0, -1) : guess(percents, scheduler, number, denoise), count = steps.length;
  const axis = Axis.ofSteps(steps), way = new Axis(percents), middles = points(steps), inSteps = unit === "step";
  const bounds = { all: [Infinity, 0], late: [percents[0] / 4, 0] }[preset] ?? [5.42, 0.28]; // of other presets
  const isWired = [preset, unit, start, end].includes(undefined);
  const window = isWired ? (known ? [run.active[0] / count, (run.active[1] + 1) / count] : null)
    : preset === "last third" ? [1 - Math.ceil(count / 3) / count, 1]
    : preset !== "custom" ? bounds.map(axis.place)
    : [start, end].map((x) => (inSteps ? Math.min(x / count, 1) : x % 1 ? axis.place(way.sigma(x)) : Math.min(x, 1)));
  const isHeld = middles.map(({ place }) => window && window[0] - SAME < place && place < window[1] + SAME);

  return {
    dots: middles.map((point, i) => ({ ...point, state: isHeld[i] ? "lit" : "idle" })),
    window,
    grips: [start, end].map((value, i) => {
      const text = !inSteps ? short(value) : value < count ? say("step", { step: value }) : say("last");
      return isWired || preset !== "custom" ? null : { label: ENDS[i], place: window[i], text };
    }),
    ticks: stepTicks(count),
    line: (known ? "" : say("guess")) + (window ? lineOf(steps, isHeld, sampler) : say("wired")),
    columns: count,
    move(i, place, by) {
      const [parts, most] = inSteps ? [1, count] : [100, 1], other = i ? start : Math.min(end, most);
      const share = inSteps || place % 1 === 0 ? place : way.place(axis.sigma(place));
      const round = inSteps || !by ? Math.round : by > 0 ? Math.ceil : Math.floor; // a key always goes on
      const value = round(share * parts * most) / parts;
      const asked = i ? within(other + 1 / parts, value, most) : within(0, value, other - 1 / parts);
      setValue(node, ENDS[i], i && inSteps && asked >= count ? TO_THE_END : asked);
    },
  };
}

function lineOf(steps, isHeld, sampler) {
  const count = steps.length, first = isHeld.indexOf(true), last = isHeld.lastIndexOf(true), number = last - first + 1;
  if (first < 0) return say("empty", { count });
  const exact = say("calls", { number, s: number === 1 ? "" : "s" }), end = last === count - 1 ? say("end") : "";
  const calls = ONCE_A_STEP.test(sampler) ? exact : say("atLeast", { calls: exact });
  return say("steps", { first, last, count, end, calls, high: short(steps[first]), low: short(steps[last]) });
}
