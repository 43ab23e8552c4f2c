/** A node's own inputs, read and set as the page does. */
/** @param {ComfyNode} node @param {string} name */
const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name);

export const STRIP = "sag_strip"; // the widget that holds it
/** @param {ComfyNode} node */
export const hasStrip = (node) => !!widgetOf(node, STRIP);

/** undefined where it is wired in, and so not known here. @param {ComfyNode} node @returns {any} */
export function valueOf(node, name) {
  const slot = node.inputs.findIndex(({ widget }) => widget?.name === name);
  return slot >= 0 && node.isInputConnected(slot) ? undefined : widgetOf(node, name)?.value;
}

/** Of all widgets, and undefined as above: at less cost than one by one. @param {ComfyNode} node @returns {any[]} */
export function valuesOf(node) {
  const wired = new Set();
  node.inputs.forEach(({ widget }, slot) => widget && node.isInputConnected(slot) && wired.add(widget.name));
  return (node.widgets ?? []).map(({ name, value }) => (wired.has(name) ? undefined : value));
}

const inputs = {}; // by the name of the node
/** Keeps what Python says of a node's inputs; the page tells it before it makes any. */
export const define = ({ name, input }) => void (inputs[name] = { ...input?.required, ...input?.optional });
/** What Python says of an input, besides its kind. @param {ComfyNode} node @param {string} name @returns {any} */
export const optionsOf = (node, name) => inputs[node.comfyClass][name][1];

/** What may be chosen. @param {ComfyNode} node @param {string} name @returns {any} */
export const choicesOf = (node, name) => widgetOf(node, name)?.options.values;

/** @param {ComfyNode} node @param {string} name @param {number} value */
export function setValue(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value);
  widget.value = value; // the page's own callback rounds to hundredths, and small sigmas lie nearer
  node.setDirtyCanvas(true, true);
}

/** Whole numbers without decimals, changed by one. What is saved and queued stays as it is. @param {ComfyNode} node */
export function showAsSteps(node, name, inSteps) {
  const widget = widgetOf(node, name), one = inSteps ? 1 : 0.01;
  const precision = inSteps && Number.isInteger(widget?.value) ? 0 : 2;
  if (!widget || (widget.options.precision === precision && widget.options.step2 === one)) return;
  widget.options = { ...widget.options, precision, step2: one };
  node.setDirtyCanvas(true, true);
}
