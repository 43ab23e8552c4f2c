/**
 * What the server tells of runs, kept by node until the page is closed: never a picture, never a prompt. All numbers
 * are finite, since JSON has no others.
 *
 * SAG sigma window, in the `executed` that the host sends for it: `{"ui": {"sag_window": [WindowRun]}}`.
 * - sigmas: the schedule with the 0 at its end; active: first and last active step, both inclusive
 * - percents: percent_to_sigma at 0.00, 0.01, ... 1.00, with sigma_max in place of the first and sigma_min of the last
 * - scheduler, steps, denoise, sampler_name: as the node was given them
 * @typedef {{ sigmas: number[], active: [number, number], percents: number[], scheduler: string, steps: number,
 *   denoise: number, sampler_name: string }} WindowRun
 *
 * A SAG node, after each run, to the client whose prompt it was: the event `sag_delayed_activation.run`, a GuidanceRun.
 * - node: its id as the host knows it while it executes; "12:5" is node 5 in the subgraph of node 12
 * - sigmas: of the model evaluations, in their order; acted, skipped: places in that list, both inside the window
 * - start, end: the window's upper and lower end, which the page cannot know where they are wired in
 * - percents: as above, of the model that was sampled; null if it has none
 * - text: the log's line without the pack's name; clauses: what it is made of; warns: whether something went wrong
 * @typedef {{ node: string, sigmas: number[], acted: number[], skipped: number[], start: number, end: number,
 *   percents: number[] | null, text: string, clauses: any[], warns: boolean }} GuidanceRun
 */
import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";
import { retell } from "./texts.js";

const runs = new Map();
/** What names a node through undo and redo, which make it anew. */
const key = (node) => `${node.graph?.id} ${node.id}`;

/** @param {ComfyNode} node @returns {any} undefined before any run */
export const runOf = (node) => runs.get(key(node));

function keep(id, run) {
  const path = String(id).split(":").map(Number), last = path.pop();
  let graph = /** @type {any} */ (app.canvas.graph?.rootGraph);
  for (const outer of path) graph = graph?.getNodeById(outer)?.subgraph;
  const node = graph?.getNodeById(last);
  if (!run || !node?.comfyClass?.startsWith("SAG ")) return;
  runs.set(key(node), run);
  const line = node.widgets?.find(({ name }) => name === "$$node-text-preview"); // the host's; older pages save it
  if (line) Object.assign(line, { value: (run.warns ? "⚠ " : "") + retell(run), serialize: false });
}

export function listen() {
  const on = (kind, hear) => api.addEventListener(kind, ({ detail }) => hear(detail));
  on("executed", ({ display_node, node, output }) => keep(display_node ?? node, output?.sag_window?.[0]));
  on("sag_delayed_activation.run", (run) => keep(run.node, run));
}
