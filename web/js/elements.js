/** How the strips make their elements. */

export function write(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
}

/** Makes elements of a kind. A string inside becomes a text, never an element. */
const maker = (kind) => (name, attributes, ...inside) => {
  const element = /** @type {HTMLElement} */ (document.createElementNS(`http://www.w3.org/${kind}`, name));
  write(element, attributes);
  element.append(...inside);
  return element;
};
export const svg = maker("2000/svg"), html = maker("1999/xhtml");

/** A button that drags no node. */
export function button(attributes, click) {
  const made = html("button", attributes);
  made.addEventListener("pointerdown", (event) => event.stopPropagation());
  made.addEventListener("click", click);
  return made;
}
