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
 * One whose node was off has `isOff` and `clauses` alone, and is the page's own.
 * @typedef {{ node: string, sigmas: number[], acted: number[], skipped: number[], start: number, end: number,
 *   percents: number[] | null, text: string, clauses: any[], warns: boolean }} GuidanceRun
 */
import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";
import { retell } from "./texts.js";
import { hasStrip, valueOf } from "./widgets.js";

const SAG = "SAG delayed activation"; // with which the names of the nodes that guide begin
const MUTED = 2, BYPASSED = 4, HOST_LINE = "$$node-text-preview"; // the page's own numbers and name
const runs = new Map();
const prompt = { executed: new Set(), told: new Set() }; // of the one under way: ids of nodes, and keys

/** What names a node through undo and redo, which make it anew. */
const key = (node) => `${node.graph?.id} ${node.id}`;
/** @param {ComfyNode} node @returns {any} undefined before any run */
export const runOf = (node) => runs.get(key(node));

const root = () => /** @type {any} */ (app.canvas.graph?.rootGraph);
/** @param {string | number} id of a node as the host executes it */
function nodeOf(id) {
  const path = String(id).split(":").map(Number), last = path.pop();
  let graph = root();
  for (const outer of path) graph = graph?.getNodeById(outer)?.subgraph;
  return graph?.getNodeById(last);
}

/** Every node that guides, with its id for the host, and whether it or a subgraph around it is muted or bypassed. */
function* guides(graph = root(), outer = "", isOutside = false) {
  for (const node of graph?._nodes ?? []) {
    const id = `${outer}${node.id}`, isOut = isOutside || [MUTED, BYPASSED].includes(node.mode);
    if (node.comfyClass?.startsWith(SAG)) yield { node, id, isOut };
    else if (node.subgraph) yield* guides(node.subgraph, `${id}:`, isOut);
  }
}

function keep(id, run) {
  const node = nodeOf(id);
  if (!run || !node?.comfyClass?.startsWith("SAG ")) return;
  runs.set(key(node), run);
  prompt.told.add(key(node));
  if (!hasStrip(node)) lendLine(node, id);
}

/** Has the page write the line as it does for the host's own nodes, where there is no strip to hold it. */
function lendLine(node, id) {
  const run = runOf(node);
  if (!run?.clauses) return;
  const text = (run.warns ? "⚠ " : "") + retell(run);
  api.dispatchCustomEvent("progress_text", { nodeId: String(id), text });
  const line = node.widgets?.find(({ name }) => name === HOST_LINE);
  if (line) line.serialize = false; // older pages would save it
}

/** Of a node that is off the server tells nothing. A prompt in which nothing was executed changes no line. */
function settle() {
  const { executed, told } = prompt, isUntold = (node) => !told.has(key(node));
  if (!executed.size) return;
  for (const id of executed) {
    const node = nodeOf(id);
    if (node?.comfyClass?.startsWith(SAG) && isUntold(node)) runs.delete(key(node));
  }
  for (const { node, isOut } of guides()) {
    const zero = ["scale", "blur_sigma"].find((name) => valueOf(node, name) === 0);
    const why = isOut ? { key: "bypassed", words: {} } : zero && { key: "zero", words: { name: zero } };
    if (why && isUntold(node)) runs.set(key(node), { isOff: true, clauses: [{ key: "off", words: { why } }] });
  }
}

/** Some pages take their lines away as a prompt ends, just after they have heard of it. */
function lendLines() {
  const all = () => [...guides()].filter(({ node }) => !hasStrip(node)).forEach(({ node, id }) => lendLine(node, id));
  requestAnimationFrame(all);
}

export function listen() {
  const on = (kind, hear) => api.addEventListener(kind, ({ detail }) => hear(detail));
  on("executed", ({ display_node, node, output }) => keep(display_node ?? node, output?.sag_window?.[0]));
  on("sag_delayed_activation.run", (run) => keep(run.node, run));
  on("execution_start", () => Object.values(prompt).forEach((names) => names.clear()));
  on("executing", (id) => (id ? prompt.executed.add(id) : lendLines()));
  on("execution_success", () => (settle(), lendLines()));
  for (const end of ["execution_error", "execution_interrupted"]) on(end, lendLines);
}
