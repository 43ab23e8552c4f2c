/** Which schedule a node's MODEL will be sampled with, as far as the page can tell. */

import { valueOf } from "./widgets.js";

const SAMPLERS = ["KSampler", "KSamplerAdvanced"], USUAL = { scheduler: "normal", steps: 20, denoise: 1, sampler_name: "euler" };

/** What stands on the first sampler to which the node's MODEL goes, through other nodes too; else what is usual. */
export function samplerBehind(node) {
  const sampler = find(node, new Set());
  const of = (name) => (sampler && valueOf(sampler, name)) || USUAL[name]; // none if wired, and no steps at denoise 0
  return Object.fromEntries(Object.keys(USUAL).map((name) => [name, of(name)]));
}

/** @returns {any} */
function find(node, seen) {
  if (!node || seen.has(node)) return null;
  seen.add(node);
  if (SAMPLERS.includes(node.comfyClass)) return node;
  const leads = ({ type }) => type === "MODEL" || type === "*"; // the latter of reroutes
  const next = (node.outputs ?? []).flatMap((output, slot) => (leads(output) ? node.getOutputNodes(slot) ?? [] : []));
  for (const reached of next) {
    const sampler = find(reached, seen);
    if (sampler) return sampler;
  }
  return null;
}
