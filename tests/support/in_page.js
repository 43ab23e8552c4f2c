/** What the tests ask of the page from within. `comfy_page.py` and `page_strip.py` call these by their names. */
{
  const nodeOf = (id) => app.graph.getNodeById(id);
  const widgetOf = (id, name) => nodeOf(id).widgets.find((widget) => widget.name === name);
  const frame = () => new Promise(requestAnimationFrame);
  const active = () => window.app?.extensionManager?.workflow?.activeWorkflow;
  const middleOf = ({ x, y, width, height }) => [x + width / 2, y + height / 2];
  const strip = (id) => nodeOf(id)?.widgets?.find((widget) => widget.name === "sag_strip")?.element ?? null;

  window.inPage = {
    workflow: () => active()?.path,
    /** The page names a workflow as the active one after it has loaded it, and then makes its tracker of changes. */
    hasLoaded: (before) => active()?.changeTracker && active().path !== before,
    /** Once a workflow has been drawn, the page moves the view to it; a strip is looked at every fourth frame. */
    async someFrames() {
      for (let frames = 0; frames < 6; frames++) await frame();
    },
    clear(first) {
      inPage.leaveSubgraph();
      app.graph.clear();
      app.graph.last_node_id = first;
      app.canvas.ds.reset();
    },
    add(nodes, links, ids) {
      for (const [name, [kind, place, values]] of Object.entries(nodes)) {
        const node = LiteGraph.createNode(kind);
        node.pos = place;
        app.graph.add(node);
        for (const [widget, value] of Object.entries(values)) widgetOf(node.id, widget).value = value;
        ids[name] = node.id;
      }
      for (const [from, output, to, input] of links) nodeOf(ids[from]).connect(output, nodeOf(ids[to]), input);
      app.canvas.draw(true, true);
      return ids;
    },
    count: () => app.graph._nodes.length,
    nodes: () => JSON.stringify(app.graph.serialize().nodes),
    prompt: async () => JSON.stringify((await app.graphToPrompt()).output),
    command: (name) => void app.extensionManager.command.execute(name),
    /** By the menu's command: to release Control+z may make a step of its own, if the page is busy as it comes. */
    undo: async () => void (await app.extensionManager.command.execute("Comfy.Undo")),
    redo: async () => void (await app.extensionManager.command.execute("Comfy.Redo")),
    set: (setting, value) => app.extensionManager.setting.set(setting, value),

    values: (id) => Object.fromEntries((nodeOf(id).widgets ?? [])
      .filter((widget) => widget.serialize !== false).map((widget) => [widget.name, widget.value])),
    widgetPlace(id, name) {
      const { pos, size } = nodeOf(id), corner = app.canvas.canvas.getBoundingClientRect();
      const middle = [pos[0] + size[0] / 2, pos[1] + widgetOf(id, name).last_y + 10];
      const [x, y] = app.canvas.ds.convertOffsetToCanvas(middle);
      return [corner.left + x, corner.top + y];
    },
    /** As a script does it: without a word to anybody. */
    setValue(id, name, value) {
      widgetOf(id, name).value = value;
      app.canvas.setDirty(true, true);
    },
    /** As a user does it: the page hears of it. */
    choose(id, name, value) {
      widgetOf(id, name).value = value;
      widgetOf(id, name).callback(value);
    },
    move(id, by) {
      nodeOf(id).pos = [nodeOf(id).pos[0] + by, nodeOf(id).pos[1]];
      app.canvas.setDirty(true, true);
    },
    unfold(id) {
      nodeOf(id).showAdvanced = true;
      app.canvas.draw(true, true);
    },
    zoom(scale) {
      app.canvas.ds.scale = scale;
      app.canvas.setDirty(true, true);
    },
    view: () => [app.canvas.ds.scale, [...app.canvas.ds.offset]],
    isLarger: (scale) => app.canvas.ds.scale > scale,
    select: (id) => app.canvas.selectNode(nodeOf(id)),
    resize(id, width) {
      nodeOf(id).setSize([width, nodeOf(id).size[1]]);
      app.canvas.setDirty(true, true);
    },
    /** Of the widget, as the Parameters panel sets it. */
    setWidth(id, width) {
      if (width) widgetOf(id, "sag_strip").width = width;
    },
    isAsWide(id) {
      const whole = nodeOf(id).size[0] * app.canvas.ds.scale;
      return Math.abs(strip(id).getBoundingClientRect().width - whole) < 30;
    },
    /** Whether undo will come back to a graph with this node. */
    async willUndoTo(id) {
      active().changeTracker.checkState();
      await new Promise((done) => setTimeout(done, 100)); // page 1.58 adds to it what comes within 50 milliseconds
      return active().changeTracker.activeState.nodes.some((node) => `${node.id}` === `${id}`); // a number or a text
    },

    pictures(id) {
      const inDom = document.querySelectorAll(`[data-node-id="${id}"] img`); // of Nodes 2.0
      const pictures = inDom.length ? [...inDom] : nodeOf(id).imgs ?? [];
      const arrived = pictures.length && pictures.every((picture) => picture.complete && picture.naturalWidth);
      return arrived ? pictures.map((picture) => [picture.naturalWidth, picture.naturalHeight]) : null;
    },
    /** Whether one picture takes all the room. */
    isLarge(id) {
      const inDom = document.querySelectorAll(`[data-node-id="${id}"] img`); // of Nodes 2.0
      return inDom.length ? inDom.length === 1 : Number.isInteger(nodeOf(id).imageIndex);
    },
    firstPicture(id) {
      const inDom = document.querySelector(`[data-node-id="${id}"] img`);
      if (inDom) return middleOf(inDom.getBoundingClientRect());
      const { pos, imageRects } = nodeOf(id), [x, y, width, height] = imageRects[0];
      const middle = middleOf({ x: pos[0] + x, y: pos[1] + y, width, height });
      const [right, down] = app.canvas.ds.convertOffsetToCanvas(middle), corner = app.canvas.canvas.getBoundingClientRect();
      return [corner.left + right, corner.top + down];
    },
    area(id) {
      const box = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect(); // of Nodes 2.0
      if (box) return { x: box.x, y: box.y, width: box.width, height: box.height };
      const { pos, size } = nodeOf(id), corner = app.canvas.canvas.getBoundingClientRect(), { ds } = app.canvas;
      const [x, y] = ds.convertOffsetToCanvas(pos);
      return { x: corner.left + x, y: corner.top + y, width: size[0] * ds.scale, height: size[1] * ds.scale };
    },
    outline: (id) =>
      Object.values(nodeOf(id).strokeStyles).map((style) => style.call(nodeOf(id))?.color).find(Boolean) ?? null,
    watchForPopups(selector) {
      window.popups = [];
      const note = (element) => element.matches(selector) && popups.push(element.innerText);
      new MutationObserver((changes) => {
        const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node instanceof Element);
        for (const element of added) [element, ...element.querySelectorAll("*")].forEach(note);
      }).observe(document.body, { childList: true, subtree: true });
    },
    popups: () => window.popups,

    /** The strip of a node once it is drawn, and in its place: it is born as wide as the page. */
    drawnStrip(id) {
      const element = strip(id), width = element?.clientWidth, drawing = element?.querySelector("svg");
      const isDrawn = drawing?.querySelector("polyline") && `${width}` === drawing.getAttribute("width");
      return isDrawn && width < nodeOf(id).size[0] ? element : null;
    },
    /** What one sees where the node is, whosever it may be: window, curve, grips and line. */
    look(id) {
      const { x, y, width, height } = inPage.area(id);
      const isThere = (place) => x < place[0] && place[0] < x + width && y < place[1] && place[1] < y + height;
      const box = (element) => element.getBoundingClientRect();
      const all = [...document.querySelectorAll(".sag-strip")];
      const [seen, ...more] = all.filter((element) => isThere(middleOf(box(element))));
      const places = (selector) => [...seen.querySelectorAll(selector)].map((element) => box(element).x - box(seen).x);
      const of = (selector, name) => seen.querySelector(selector)?.getAttribute(name);
      if (!seen || more.length) return null;
      return { curve: of("polyline", "points"), window: [of("rect", "x"), of("rect", "width")],
        grips: places("[role=slider] line"), line: seen.querySelector("span").innerText };
    },
    line: (id) => strip(id)?.querySelector("span").innerText,
    says: (id, text) => inPage.line(id)?.includes(text),
    isFolded: (id) => !strip(id).querySelector("svg").getClientRects().length,
    middles: (id, selector) =>
      [...strip(id).querySelectorAll(selector)].map((element) => middleOf(element.getBoundingClientRect())),
    told: (id) => [...strip(id).querySelectorAll(".sag-told")].map((text) => text.textContent),
    texts: (id) => [...strip(id).querySelectorAll("text")].map((text) => text.textContent),
    /** The middle of a grip, once it stands still and nothing lies over it. */
    async withinReach(id, label) {
      const grip = strip(id)?.querySelector(`[role=slider][aria-label="${label}"]`);
      const place = () => grip?.getBoundingClientRect().toJSON(), first = place();
      for (let frames = 0; frames < 10; frames++) await frame();
      if (!first || JSON.stringify(place()) !== JSON.stringify(first)) return null;
      return grip.contains(document.elementFromPoint(...middleOf(first))) ? middleOf(first) : null;
    },
    /** Keys that come one after another, before the page draws. */
    pressAtOnce(id, label, keys) {
      const grip = strip(id).querySelector(`[role=slider][aria-label="${label}"]`);
      for (const key of keys) grip.dispatchEvent(new KeyboardEvent("keydown", { key }));
    },
    /** By WCAG: of the line, of a warning in it, and of what is behind. */
    luminances(id) {
      const most = (text) => (text.startsWith("color(srgb") ? 1 : 255); // as it says what was mixed
      const parts = (text) => text.match(/[\d.]+/g).slice(0, 3).map((part) => part / most(text))
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      const luminance = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      const inks = [strip(id), strip(id).querySelector("span")].map((part) => getComputedStyle(part).color);
      return [...inks, getComputedStyle(strip(id)).backgroundColor].map((text) => luminance(parts(text)));
    },

    /** Counts the prompts that end. */
    countEnds() {
      window.ends = 0;
      app.api.addEventListener("execution_success", () => ends++);
    },
    haveEnded: (count) => window.ends >= count,
    setMode(id, mode) {
      nodeOf(id).mode = mode;
      app.canvas.setDirty(true, true);
    },
    /** Texts of the page's own line below a node's widgets. */
    hostLines(id) {
      const lines = nodeOf(id).widgets.filter((widget) => widget.name === "$$node-text-preview");
      return lines.map((line) => `${line.value}`);
    },
    isRed: (id) => Boolean(strip(id).querySelector("span").style.color),
    isCalm: (id) => !inPage.isRed(id),
    /** Whether all of the line is to be seen: within the strip, which is within the node. */
    fits(id) {
      const [text, whole] = [strip(id).querySelector("span"), strip(id)].map((part) => part.getBoundingClientRect());
      const { y, height } = inPage.area(id), line = strip(id).querySelector("span").parentElement;
      return text.bottom <= whole.bottom && whole.bottom <= y + height && line.scrollHeight <= line.clientHeight + 1;
    },

    /** What the server tells of the sigma window's next run. */
    hearSchedule() {
      window.heard = new Promise((done) => app.api.addEventListener("executed", ({ detail }) =>
        detail.output?.sag_window && done(detail.output.sag_window[0].sigmas)));
    },
    heard: () => window.heard,
    async guess(scheduler, steps, denoise, sampler) {
      const { guess, STABLE_DIFFUSION } = await import("/extensions/sag-delayed-activation/js/schedule.js");
      return guess(STABLE_DIFFUSION, scheduler, steps, denoise, sampler);
    },
    /** What the sigma window's strip makes of these inputs before any run. */
    async shownOf(id, inputs) {
      const { view } = await import("/extensions/sag-delayed-activation/js/sigma_window.js");
      for (const [name, value] of Object.entries(inputs)) widgetOf(id, name).value = value;
      const { line, warns, dots } = view(nodeOf(id));
      return { line, warns, active: dots.flatMap(({ state }, step) => (state === "lit" ? [step] : [])) };
    },
    leaveSubgraph: () => app.canvas.setGraph(app.graph),
    /** Into a subgraph of its own, which is opened: the id of that, and the node's inside. */
    intoSubgraph(id) {
      const { comfyClass } = nodeOf(id);
      const { subgraph, node: outer } = app.graph.convertToSubgraph(new Set([nodeOf(id)]));
      app.canvas.openSubgraph(subgraph, outer);
      app.canvas.setDirty(true, true);
      return [outer.id, subgraph.nodes.find((inside) => inside.comfyClass === comfyClass).id];
    },
  };
}
