/** Every text of the strips in English. Other languages stand in `locales`, which the host hands out. */

import { api } from "/scripts/api.js";
import { LANGUAGE, setting } from "./settings.js";

export const ENGLISH = {
  steps: "steps {first} to {last} of {count}{end}: {calls}, sigma {high} to {low}",
  calls: "{number} extra call{s}",
  atLeast: "at least {calls}",
  guess: "a guess until it has run: ",
  end: ", to the end",
  last: "to the end",
  step: "step {step}",
  empty: "{request} holds none of the {count} steps of this schedule, whose sigmas run from {high} to {low}",
  noChoice: "{name} must be one of {choices}, got {value}",
  noNumber: "{name} must be a finite number, got {value}",
  noWhole: "{name} must be a whole number where unit is {unit}, got {value}",
  outOfRange: "{name} must be between 0 and {most} where unit is {unit}, got {value}",
  upsideDown: "start must be below end, got start={start}, end={end}",
  wired: "wired in: its steps show after a run",
  guessed: "{inside} of {count} steps inside, sigma {high} to {low}",
  belowEnd: "sigma_start must not be below sigma_end, got sigma_start={start}, sigma_end={end}",
  inside: "{inside} of the last run's {count} evaluations lie inside",
  acted: "acted on {acted} of {count}: sigma {high} to {low}",
  skipped: ", {skipped} skipped",
  off: "off in the last run: {why}",
  zero: "{name} was 0",
  bypassed: "bypassed or muted",
  curve: "Curve",
  folded: "Fold the curve away on SAG delayed activation",
  how: "Drag a grip to move one end, the shade to move both. Shift: from step to step. Double-click: the defaults. Keys: arrows.",
  percent: "percent {percent}",
  percentGuess: "percent {percent}, a guess on SD's",
  presets: "Presets of the window",
  allSteps: "all steps",
  firstThird: "first third of the steps",
  middleThird: "middle third of the steps",
  lastThird: "last third of the steps",
  interval: "interval 0.28 to 5.42",
  between: "; ",
};

const languages = {};
/** Asks the host for the other languages. */
export const learn = () => api.getCustomNodesI18n().then((found) => Object.assign(languages, found));
const texts = () => languages[setting(LANGUAGE)]?.sagDelayedActivation;

/** In the page's language if it has the text, else in English. @param {string} key */
export const say = (key, words = {}) =>
  (texts()?.[key] ?? ENGLISH[key] ?? key).replace(/{(\w+)}/g, (_, word) => words[word]);

/** A clause of a run's line; a word of it may be a clause again. */
const tell = ({ key, words }) =>
  say(key, Object.fromEntries(Object.entries(words).map(([name, word]) => [name, word?.key ? tell(word) : word])));
/** @param {import("./runs.js").GuidanceRun} run */
export const retell = ({ clauses, text }) =>
  clauses && (texts() || !text) ? clauses.map(tell).join(say("between")) : text; // of English the server knows more
