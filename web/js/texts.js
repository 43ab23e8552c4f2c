/** Every text of the strips. Those in other languages stand in `locales`, which the host hands out. */

import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";

export const ENGLISH = {
  steps: "steps {first} to {last} of {count}{end}: {calls}, sigma {high} to {low}",
  calls: "{number} extra call{s}",
  atLeast: "at least {calls}",
  guess: "a guess until it has run: ",
  end: ", to the end",
  last: "to the end",
  step: "step {step}",
  empty: "none of the {count} steps lies inside",
  wired: "wired in: its steps show after a run",
  unrun: "sigma {high} to {low}: its steps show after a run",
  inside: "{inside} of the last run's {count} evaluations lie inside",
  acted: "acted on {acted} of {count}: sigma {high} to {low}",
  skipped: ", {skipped} skipped",
  strips: "Draw the window of SAG nodes as a curve to drag (after a reload)",
  folded: "Fold the curve away on SAG delayed activation",
};
/** The other languages, in which the sentences of a run's line stand too. Hosts before 2025 give none. */
const others = (await api.getCustomNodesI18n?.().catch(() => null)) ?? {};

export const language = () => app.extensionManager?.setting?.get("Comfy.Locale");
const texts = () => others[language()]?.sagDelayedActivation;

/** In the page's language where the text is there in it, else in English. @param {string} key */
export const say = (key, words = {}) =>
  (texts()?.[key] ?? ENGLISH[key]).replace(/{(\w+)}/g, (_, word) => words[word]);

/** Of a run's line; a word may be a clause again. @param {import("./runs.js").Clause} clause @returns {string} */
const tell = ({ key, words }) =>
  say(key, Object.fromEntries(Object.entries(words).map(([name, word]) => [name, word.key ? tell(word) : word])));
/** @param {import("./runs.js").GuidanceRun} run */
export const retell = ({ clauses, text }) => (texts() ? clauses.map(tell).join("; ") : text);
