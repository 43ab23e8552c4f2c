/** Which schedule a node's MODEL will be sampled with, as far as the page can tell. Asked again and again. */

import { valueOf } from "./widgets.js";

const SAMPLERS = ["KSampler", "KSamplerAdvanced"];
const USUAL = { scheduler: "normal", steps: 20, denoise: 1, sampler_name: "euler" };
const found = new Map(); // by node, what stands on the sampler behind it: one walk serves all nodes of a chain
/** What was found; the graph may have changed since. */
export const forget = () => found.clear();

/** What stands on the first sampler to which the node's MODEL goes, through other nodes too; else what is usual. */
export const samplerBehind = (node) => behind(node) ?? USUAL;

function behind(node) {
  if (node && !found.has(node)) {
    found.set(node, null); // or a circle would have no end
    found.set(node, look(node));
  }
  return found.get(node);
}

function look(node) {
  if (SAMPLERS.includes(node.comfyClass)) return standsOn(node);
  if (node.subgraph) return behindInputs(node.subgraph);
  return first(modelsOf(node.outputs), (slot) => behindOutput(node, slot));
}

function standsOn(sampler) {
  const of = (name) => valueOf(sampler, name) || USUAL[name]; // none if wired, and no steps at denoise 0
  return { scheduler: of("scheduler"), steps: of("steps"), denoise: of("denoise"), sampler_name: of("sampler_name") };
}

/** Places of slots through which a MODEL goes, perhaps through a reroute. */
const modelsOf = (slots) => [...(slots ?? []).keys()].filter((slot) => ["MODEL", "*"].includes(slots[slot].type));

/** @returns {any} */
const behindOutput = (node, slot) => first(node.getOutputNodes(slot), behind) ?? behindBorder(node, slot);

/** Through which of them one came the page does not tell alike everywhere; most subgraphs have one for a MODEL. */
function behindInputs(subgraph) {
  const linksOf = (slot) => subgraph.inputs[slot].getLinks();
  return first(modelsOf(subgraph.inputs).flatMap(linksOf), (link) => behind(subgraph.getNodeById(link.target_id)));
}

/** Out of the subgraph in which a node stands; where that stands in several places, at one of them. */
function behindBorder({ graph, id }, slot) {
  if (graph?.isRootGraph !== false) return null;
  const isFromHere = ({ origin_id, origin_slot }) => origin_id === id && origin_slot === slot;
  const output = graph.outputs.findIndex((output) => output.getLinks().some(isFromHere));
  const all = [graph.rootGraph, ...graph.rootGraph.subgraphs.values()].flatMap(({ nodes }) => nodes);
  const outer = output < 0 ? null : all.find(({ subgraph }) => subgraph === graph);
  return outer ? behindOutput(outer, output) : null;
}

/** @param {Iterable<any> | null | undefined} places @returns {any} what is found at the first where anything is */
function first(places, find) {
  for (const place of places ?? []) {
    const thing = find(place);
    if (thing) return thing;
  }
  return null;
}
