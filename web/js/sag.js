/** What this pack adds to ComfyUI's page. */

import { app } from "/scripts/app.js";
import { view as guidance } from "./guidance.js";
import { addStrip, attempt, everyFrame } from "./on_node.js";
import { listen } from "./runs.js";
import { FOLDED, setting, STRIPS } from "./settings.js";
import { view as sigmaWindow } from "./sigma_window.js";
import { ENGLISH, learn } from "./texts.js";
import { define } from "./widgets.js";

const PREVIEW = "SAG mask preview", PREVIEW_SIZE = /** @type {[number, number]} */ ([600, 720]); // to read a tile
const KINDS = {
  "SAG delayed activation": { view: guidance, folds: true },
  "SAG delayed activation (advanced)": { view: guidance, folds: true },
  "SAG sigma window": { view: sigmaWindow, folds: false },
};

app.registerExtension({
  name: "SAG delayed activation",
  settings: [
    { id: STRIPS, name: "Draw the window of SAG nodes as a curve to drag (after a reload)", type: "boolean",
      defaultValue: true },
    { id: FOLDED, name: ENGLISH.folded, type: "boolean", defaultValue: false },
  ],
  beforeRegisterNodeDef: (_, definition) => attempt(() => definition.name in KINDS && define(definition)),
  setup: () => attempt(() => (learn(), listen(), everyFrame())),
  nodeCreated: (/** @type {ComfyNode} */ node) =>
    attempt(() => {
      const kind = KINDS[node.comfyClass];
      if (node.comfyClass === PREVIEW) node.setSize(PREVIEW_SIZE);
      if (kind && setting(STRIPS)) addStrip(node, kind);
    }),
});
