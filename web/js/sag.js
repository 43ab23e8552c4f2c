/** What this pack adds to ComfyUI's page. */

import { app } from "/scripts/app.js";
import { view as guidance } from "./guidance.js";
import { samplerBehind } from "./downstream.js";
import { listen, runOf } from "./runs.js";
import { view as sigmaWindow } from "./sigma_window.js";
import { Strip } from "./strip.js";
import { ENGLISH, learn, say } from "./texts.js";
import { define, showAsSteps, valueOf } from "./widgets.js";

const STRIPS = "SAG delayed activation.Strips", FOLDED = "SAG delayed activation.Folded"; // settings of the page
const MARGIN = 10, WIDTH = 340; // pixels: around a strip, and of a node in which its line can be read
const PREVIEW = "SAG mask preview", PREVIEW_SIZE = /** @type {[number, number]} */ ([480, 520]); // to read a tile
const VIEWS = { "SAG delayed activation": guidance, "SAG delayed activation (advanced)": guidance,
  "SAG sigma window": sigmaWindow };
const updates = new WeakMap(); // what keeps the strip of a node up to date
const setting = (id) => app.extensionManager.setting.get(id);
/** In Nodes 2.0 a node is as high as what is in it, some of which may be folded away. @param {ComfyNode} node */
const heightOf = (node) => (/** @type {any} */ (globalThis).LiteGraph.vueNodesMode ? 0 : node.computeSize()[1]);

/** @param {ComfyNode} node */
function addStrip(node, view) {
  const folds = view === guidance, isFolded = () => folds && setting(FOLDED);
  const fold = folds ? () => app.extensionManager.setting.set(FOLDED, !isFolded()) : null;
  const strip = new Strip(() => remember(node), fold), getMinHeight = () => Strip.height(isFolded()) + 2 * MARGIN;
  const options = { serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight, getMaxHeight: getMinHeight };
  node.addDOMWidget("sag_strip", "sag_strip", strip.element, options).serialize = false;
  node.setSize([Math.max(node.size[0], WIDTH), heightOf(node)]);

  let folded, shown, run;
  updates.set(node, () => {
    if (folded !== isFolded()) {
      if (folded !== undefined) node.setSize([node.size[0], heightOf(node)]);
      strip.fold((folded = isFolded()), say("folded"));
    }
    if (!folds) for (const name of ["start", "end"]) showAsSteps(node, name, valueOf(node, "unit") === "step");
    const width = strip.element.clientWidth, values = node.widgets?.map(({ name }) => [valueOf(node, name)]);
    const now = JSON.stringify([width, say("last"), values, folds && !runOf(node) && samplerBehind(node)]);
    if (!width || (now === shown && run === runOf(node))) return; // without width it is not to be seen
    [shown, run] = [now, runOf(node)];
    strip.show(view(node, run));
    node.setDirtyCanvas(true, true); // the page puts it in its place the next time that it draws
  });
}

const update = (node) => attempt(updates.get(node), () => updates.delete(node));
/** Makes what was done a change of its own for undo. It is shown at once: the next key may come before the next frame. */
function remember(node) {
  update(node);
  app.canvas.emitBeforeChange();
  app.canvas.emitAfterChange();
}

function attempt(does, otherwise = () => {}) {
  try {
    does?.();
  } catch (fault) {
    console.error("SAG delayed activation: a strip is not shown. The nodes work without it.", fault);
    otherwise();
  }
}

/** A value may be set without a word to anybody, so all are looked at. */
function everyFrame() {
  for (const node of app.canvas.graph?._nodes ?? []) update(node);
  requestAnimationFrame(everyFrame);
}

app.registerExtension({
  name: "SAG delayed activation",
  settings: [
    { id: STRIPS, name: "Draw the window of SAG nodes as a curve to drag (after a reload)", type: "boolean",
      defaultValue: true },
    { id: FOLDED, name: ENGLISH.folded, type: "boolean", defaultValue: false },
  ],
  beforeRegisterNodeDef: (_, definition) => attempt(() => definition.name in VIEWS && define(definition)),
  setup: () => attempt(() => (learn(), listen(), everyFrame())),
  nodeCreated: (/** @type {ComfyNode} */ node) =>
    attempt(() => {
      const view = VIEWS[node.comfyClass];
      if (node.comfyClass === PREVIEW) node.setSize(PREVIEW_SIZE);
      if (view && setting(STRIPS)) addStrip(node, view);
    }),
});
