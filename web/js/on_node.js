/** A strip on its node: how wide and high it is there, and what keeps it up to date. */

import { app } from "/scripts/app.js";
import { forget, samplerBehind } from "./downstream.js";
import { runOf } from "./runs.js";
import { FOLDED, NODES_2, setSetting, setting } from "./settings.js";
import { Strip } from "./strip.js";
import { retell, say } from "./texts.js";
import { STRIP, showAsSteps, valueOf, valuesOf } from "./widgets.js";

const MARGIN = 10, WIDTH = 340; // pixels: around a strip, and of a node in which its line can be read
const TURN = 4; // frames from one look at all nodes to the next
const MIDDLE = 1, MIDDLE_HELD = 4; // of the mouse: `button` and, among `buttons`, while it is down
const updates = new WeakMap(); // what keeps the strip of a node up to date
const strips = new WeakMap();
const fresh = new WeakSet(); // nodes not looked at yet: they are in the next frame
const drawn = document.getElementsByClassName("sag-strip"); // of whichever node, in whichever place of the page

/** In Nodes 2.0 a node is as high as what is in it, some of which may be folded away. @param {ComfyNode} node */
const heightOf = (node) => (setting(NODES_2) ? 0 : node.computeSize()[1]);

/** @param {ComfyNode} node @param {{ view: Function, folds: boolean }} kind whether its curve can be folded away */
export function addStrip(node, { view, folds }) {
  const isFolded = () => folds && setting(FOLDED), fold = folds ? () => setSetting(FOLDED, !isFolded()) : null;
  const strip = new Strip(() => remember(node), fold), getMinHeight = () => strip.height(isFolded()) + 2 * MARGIN;
  const options = { serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight, getMaxHeight: getMinHeight,
    hideInPanel: true }; // an empty row; pages that know no such option show it by its label
  const widget = node.addDOMWidget(STRIP, STRIP, strip.element, options);
  widget.serialize = false;
  // As wide as its node: the Parameters panel gives it a width of its own, which the canvas would keep.
  Object.defineProperty(widget, "width", { get: () => undefined, set: () => {} });
  node.setSize([Math.max(node.size[0], WIDTH), heightOf(node)]);
  handOn(strip.element);
  strips.set(node, strip);
  fresh.add(node);

  let folded, shown = [];
  updates.set(node, () => {
    if (folded !== isFolded()) {
      if (folded !== undefined) node.setSize([node.size[0], heightOf(node)]);
      strip.fold((folded = isFolded()), say("folded"));
    }
    if (!folds) for (const name of ["start", "end"]) showAsSteps(node, name, valueOf(node, "unit") === "step");
    const run = runOf(node), width = strip.element.clientWidth, guessed = folds && !run ? samplerBehind(node) : {};
    const now = [run, width, say("last"), ...valuesOf(node), ...Object.values(guessed)];
    const isAsShown = now.length === shown.length && now.every((value, i) => Object.is(value, shown[i]));
    if (!width || isAsShown) return; // without width it is not to be seen
    shown = now;
    widget.label = say("curve");
    const high = strip.height(folded);
    strip.show(run?.isOff ? { ...view(node), line: retell(run) } : view(node, run));
    fit(node, strip.height(folded) - high);
    node.setDirtyCanvas(true, true); // the page puts it in its place the next time that it draws
  });
}

/** Gives a warning the room that it takes, and takes it back, but none that the user has given. */
function fit(node, more) {
  const needed = heightOf(node), wasTight = node.size[1] <= needed - more + 1;
  if (more && (!needed || wasTight || node.size[1] < needed)) node.setSize([node.size[0], needed]);
}

/** On the canvas, the wheel and the middle button are the canvas's, as over the host's own text box. */
function handOn(element) {
  const { canvas } = app, isOnCanvas = () => !element.closest("[data-node-id]"); // in Nodes 2.0 the page does it
  element.addEventListener("wheel", (event) => isOnCanvas() && canvas.processMouseWheel(event));
  element.addEventListener("pointerdown", (event) => {
    if (event.button === MIDDLE && isOnCanvas()) canvas.processMouseDown(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.buttons & MIDDLE_HELD && isOnCanvas()) canvas.processMouseMove(event);
  });
  element.addEventListener("pointerup", (event) => {
    if (event.button === MIDDLE && isOnCanvas()) canvas.processMouseUp(event);
  });
}

const update = (node) => attempt(updates.get(node), () => updates.delete(node));
/** Makes what was done a change of its own for undo. It is shown at once: the next key may come before the next frame. */
function remember(node) {
  update(node);
  app.canvas.emitBeforeChange();
  app.canvas.emitAfterChange();
}

export function attempt(does, otherwise = () => {}) {
  try {
    does?.();
  } catch (fault) {
    console.error("SAG delayed activation: a strip is not shown. The nodes work without it.", fault);
    otherwise();
  }
}

/** Undo makes all nodes anew, and Nodes 2.0 goes on to show what was in a removed one of the same id. */
function replaceGhosts() {
  for (const shown of [...drawn]) {
    const id = /** @type {HTMLElement | null} */ (shown.closest("[data-node-id]"))?.dataset.nodeId;
    const node = id && app.canvas.graph?.getNodeById(id), element = node && strips.get(node)?.element;
    if (element && element !== shown) shown.replaceWith(element);
  }
}

let frame = 0;
/** A value may be set without a word to anybody, so all are looked at now and then, and one that is dragged always. */
export function everyFrame() {
  const isTurn = ++frame % TURN === 0;
  if (isTurn) attempt(() => (forget(), replaceGhosts()));
  const isDue = (node) => fresh.delete(node) || isTurn || strips.get(node)?.told.length;
  for (const node of app.canvas.graph?._nodes ?? []) if (isDue(node)) update(node);
  requestAnimationFrame(everyFrame);
}
