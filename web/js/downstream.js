/** Which schedule a node's MODEL will be sampled with, as far as the page can tell. Asked in every frame. */

import { valueOf } from "./widgets.js";

const SAMPLERS = ["KSampler", "KSamplerAdvanced"], DEEPEST = 20; // nodes from the first to the last
const USUAL = { scheduler: "normal", steps: 20, denoise: 1, sampler_name: "euler" };

/** What stands on the first sampler to which the node's MODEL goes, through other nodes too; else what is usual. */
export function samplerBehind(node) {
  const sampler = find(node, DEEPEST);
  if (!sampler) return USUAL;
  const of = (name) => valueOf(sampler, name) || USUAL[name]; // none if wired, and no steps at denoise 0
  return { scheduler: of("scheduler"), steps: of("steps"), denoise: of("denoise"), sampler_name: of("sampler_name") };
}

/** @returns {any} */
function find(node, depth) {
  if (SAMPLERS.includes(node.comfyClass)) return node;
  for (const [slot, { type }] of depth ? node.outputs?.entries() ?? [] : [])
    if ((type === "MODEL" || type === "*") && node.isOutputConnected(slot)) // the latter of reroutes
      for (const next of node.getOutputNodes(slot) ?? []) {
        const sampler = find(next, depth - 1);
        if (sampler) return sampler;
      }
  return null;
}
