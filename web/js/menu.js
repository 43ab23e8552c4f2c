/** A small menu that opens over the drawing of a strip. */

import { button, html, write } from "./elements.js";
import { BEHIND } from "./picture.js";
import { say } from "./texts.js";

const OPENS = "all:unset;position:absolute;right:8px;bottom:5px;cursor:pointer;line-height:14px";
const LIST = `position:absolute;right:4px;bottom:22px;padding:2px 0;background:${BEHIND};border:1px solid #888;z-index:1;
  border-radius:4px;display:none`;
const ITEM = "display:block;width:100%;padding:0 10px;border:0;background:none;color:inherit;font:inherit;text-align:left;cursor:pointer";
const WAYS = { ArrowDown: 1, ArrowUp: -1 };

export class Menu {
  /** @param {() => void} done follows a choice */
  constructor(done) {
    this.done = done;
    this.opener = button({ style: OPENS, "aria-haspopup": "menu" }, () => this.unfold(this.list.style.display === "none"));
    this.opener.textContent = "☰";
    this.list = html("div", { style: LIST, role: "menu" });
    this.list.addEventListener("keydown", (event) => this.key(event));
    for (const part of [this.list, this.opener])
      part.addEventListener("focusout", ({ relatedTarget }) => {
        const next = /** @type {Node | null} */ (relatedTarget);
        if (!this.list.contains(next) && next !== this.opener) this.unfold(false);
      });
  }

  /** @param {import("./strip.js").View["presets"]} presets */
  offer(presets) {
    this.presets = presets;
    this.opener.style.display = presets.length ? "" : "none";
    write(this.opener, { title: say("presets"), "aria-label": say("presets") });
    if (!presets.length) this.unfold(false);
  }

  unfold(isOpen) {
    this.list.style.display = isOpen ? "block" : "none";
    write(this.opener, { "aria-expanded": isOpen });
    this.list.replaceChildren(...(isOpen ? this.presets ?? [] : []).map(({ text, choose }) => {
      const item = button({ style: ITEM, role: "menuitem" }, () => {
        choose();
        this.unfold(false);
        this.done();
      });
      item.addEventListener("pointerenter", () => item.focus());
      for (const [kind, back] of [["focus", "#8886"], ["blur", "none"]])
        item.addEventListener(kind, () => (item.style.background = back));
      item.textContent = text;
      return item;
    }));
    if (isOpen) /** @type {HTMLElement} */ (this.list.firstElementChild)?.focus();
  }

  key(event) {
    const items = /** @type {HTMLElement[]} */ ([...this.list.children]), here = items.indexOf(event.target);
    event.stopPropagation(); // the page has keys of its own
    if (event.key === "Escape") this.unfold(false);
    if (event.key in WAYS) items[(here + WAYS[event.key] + items.length) % items.length].focus();
  }
}
