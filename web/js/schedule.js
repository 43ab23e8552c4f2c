/**
 * Schedules in plain numbers, in the words of `sigma_window.py`: a schedule is the falling list of the sigmas at which
 * a step begins, without the 0 at its end. Steps count from 0. `percents` are what percent_to_sigma gives at equal
 * distances from 0 to 1: the model's largest sigma, those on the way, its smallest.
 */

/** The height at `x` of the line through the points (xs, ys), xs rising; outside of them that of its end. */
function interpolate(xs, ys, x) {
  let after = 0, beyond = xs.length; // a percent has its place among a thousand
  while (after < beyond) {
    const middle = (after + beyond) >> 1;
    if (xs[middle] >= x) beyond = middle;
    else after = middle + 1;
  }
  if (!after || after === xs.length) return ys[after ? after - 1 : 0];
  const share = (x - xs[after - 1]) / (xs[after] - xs[after - 1]);
  return ys[after - 1] + share * (ys[after] - ys[after - 1]);
}

/** Falling sigmas at places from 0 on the left to 1 on the right, the logarithm linear between two of them. */
export class Axis {
  constructor(sigmas, places = sigmas.map((_, i) => i / (sigmas.length - 1))) {
    this.depths = sigmas.map((sigma) => -Math.log(sigma));
    this.places = places;
  }

  /** Of steps in columns of one width, each sigma in the middle of its column. */
  static ofSteps(steps) {
    const half = (i) => Math.sqrt(steps[i] / (steps[i + 1] ?? steps[i] / 2)); // of the way to the next
    const last = steps.length - 1, middles = points(steps).map(({ place }) => place);
    return new Axis([steps[0] * half(0), ...steps, steps[last] / half(Math.max(0, last - 1))], [0, ...middles, 1]);
  }

  place = (sigma) => interpolate(this.depths, this.places, -Math.log(sigma));
  sigma = (place) => Math.exp(-interpolate(this.places, this.depths, place));
}

/** The percents of SD1.x, SD2.x and SDXL, for the time in which the MODEL is not known. */
export const STABLE_DIFFUSION = (() => {
  let kept = 1; // of the picture's variance
  const betas = Array.from({ length: 1000 }, (_, i) => interpolate([0, 999], [0.00085 ** 0.5, 0.012 ** 0.5], i) ** 2);
  return betas.map((beta) => Math.sqrt(1 / (kept *= 1 - beta) - 1)).reverse();
})();

const ways = new WeakMap();
/** From the model's largest sigma down, made once of each list. @param {number[]} percents @returns {Axis} */
export function wayOf(percents) {
  if (!ways.has(percents)) ways.set(percents, new Axis(percents));
  return ways.get(percents);
}

const DROPPING = ["dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"]; // of one step more the host drops the last

/** What KSampler's schedule will be like; other schedulers than these four are drawn as normal. */
export function guess(percents, scheduler, steps, denoise, sampler) {
  const dropped = DROPPING.includes(sampler) ? 1 : 0, axis = wayOf(percents);
  const kept = denoise < 1 ? Math.floor(steps / denoise) : steps, count = kept + dropped;
  const [high, low] = [percents[0], percents[percents.length - 1]];
  const formulas = {
    normal: (share) => axis.sigma(share),
    simple: (_, step) => axis.sigma(Math.floor((step * 1000) / count) / 999),
    karras: (share) => interpolate([0, 1], [high ** (1 / 7), low ** (1 / 7)], share) ** 7,
    exponential: (share) => high * (low / high) ** share,
  };
  const formula = formulas[scheduler] ?? formulas.normal, last = Math.max(1, count - 1);
  return Array.from({ length: kept }, (_, step) => formula(step / last, step)).slice(-steps);
}

/** Each step in the middle of its column, as high as the logarithm of its sigma. */
export function points(steps) {
  const low = Math.log(steps[steps.length - 1]), range = Math.log(steps[0]) - low || 1;
  return steps.map((sigma, i) => ({ place: (i + 0.5) / steps.length, height: (Math.log(sigma) - low) / range }));
}

/** At most eleven round steps, from 0. The first is written out. */
export function stepTicks(count, first) {
  const stride = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((stride) => count <= 11 * stride) ?? 1000;
  const steps = Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride);
  return steps.map((step) => ({ place: (step + 0.5) / count, text: step ? `${step}` : first }));
}

const ROUND = [100, 10, 1, 0.1, 0.01].flatMap((decade) => [5 * decade, 2 * decade, decade]), APART = 0.06;

/** Round sigmas, as many as can be read beside one another. The first is written out. */
export function sigmaTicks(axis) {
  const ticks = [];
  for (const sigma of ROUND) {
    const place = axis.place(sigma), before = ticks[ticks.length - 1]?.place ?? -APART / 3;
    if (place - before > APART && place < 1) ticks.push({ place, text: `${ticks.length ? "" : "sigma "}${short(sigma)}` });
  }
  return ticks;
}

export const within = (low, value, high) => Math.max(low, Math.min(value, high));

/** What lies between two sigmas, halfway to the eye, to as few decimals as keep it there, and no fewer than two. */
export function between(high, low) {
  const middle = Math.sqrt(high * low), decimals = [2, 3, 4, 5, 6].map((digits) => Number(middle.toFixed(digits)));
  return decimals.find((value) => low < value && value < high) ?? middle;
}

/** A number as people write it. */
export const short = (value, digits = 3) => String(Number(value.toPrecision(digits)));
