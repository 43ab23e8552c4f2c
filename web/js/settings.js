/** Settings of the page: the pack's, and two of its own. Where a page has none, the pack's last until it is closed. */

import { app } from "/scripts/app.js";

export const STRIPS = "SAG delayed activation.Strips", FOLDED = "SAG delayed activation.Folded";
export const LANGUAGE = "Comfy.Locale", NODES_2 = "Comfy.VueNodes.Enabled"; // the page's own
const kept = { [STRIPS]: true, [FOLDED]: false };
const ofThePage = () => /** @type {Partial<typeof app.extensionManager> | undefined} */ (app.extensionManager)?.setting;

/** @param {string} id @returns {any} */
export const setting = (id) => ofThePage()?.get(id) ?? kept[id];
export function setSetting(id, value) {
  kept[id] = value;
  ofThePage()?.set(id, value);
}
