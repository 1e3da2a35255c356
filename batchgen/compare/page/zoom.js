"use strict";

/** A whole row side by side, in full size: panned and zoomed together, or two of it over one another. */
const zoom = (() => {
  const { make, button, visible, address } = words;
  const LARGEST = 8;
  // More panes than this are no comparison; arrows bring the others in.
  const MOST_PANES = 6;
  const MODES = { side: "Side by side", slider: "Slider", difference: "Difference", flicker: "Flicker" };
  const FLICKER_MS = 700;
  // Stands for the picture that was edited, where others stand by their column.
  const SOURCE = -1;

  const dialog = document.querySelector("dialog.zoom");
  const find = (selector) => dialog.querySelector(selector);

  let made = null;
  let row = 0;
  let focus = 0;
  let other = null;
  let mode = "side";
  let camera = null;
  let flicker = null;

  const open = (layout, ofRow, column) => {
    made = layout;
    row = made.rows.findIndex((one) => one.index === ofRow.index);
    focus = made.columns.findIndex((one) => one.index === column.index);
    if (row < 0 || focus < 0) return;
    other = null;
    mode = "side";
    camera = { scale: 1, x: 0, y: 0 };
    if (!dialog.open) dialog.showModal();
    dialog.focus();
    draw();
  };

  const placeOf = (index) => made.place(made.rows[row], made.columns[index]);
  /** What a picture is held against unless somebody chose: what it was made from, or else the next one. */
  const next = () => (focus + 1 < made.columns.length ? focus + 1 : focus - 1);
  const nameOf = (index) => (index === SOURCE ? "edited picture" : view.label(made.columns[index].code));

  const draw = () => {
    clearInterval(flicker);
    const label = made.rowText(made.rows[row]);
    find("h2").textContent = words.short(label, 300);
    find("h2").title = label;
    find(".which p").textContent = `row ${words.count(row + 1)} of ${words.count(made.rows.length)}`;
    find(".modes").replaceChildren(...(made.columns.length > 1 || other === SOURCE ? modes(other === SOURCE) : []));
    find("footer").replaceChildren();
    const stage = make("div", { class: `stage ${mode}`, role: "group", "aria-label": "Pictures", tabindex: 0 });
    find(".stage").replaceWith(stage);
    if (mode === "side") panes(stage);
    else pair(stage);
    pan(stage);
    look();
    about();
    sourced();
    app.zoomed(made.rows[row], made.columns[focus]);
  };

  /** What was edited to make the picture in focus, if it is known. */
  const sources = async () => {
    const place = placeOf(focus);
    return place === undefined ? [] : (await table.detailed(place)).edited;
  };

  /** Adds what was edited, once it is known: before the pictures of a row, and to what they are compared with. */
  const sourced = async () => {
    const [stage, place] = [find(".stage"), placeOf(focus)];
    const files = await sources();
    if (!stage.isConnected || place !== placeOf(focus)) return;
    dialog.querySelectorAll(".pane.source").forEach((one) => one.remove());
    if (files.length) {
      const chosen = document.activeElement?.closest(".modes [aria-pressed]")?.textContent;
      find(".modes").replaceChildren(...modes(true));
      [...dialog.querySelectorAll(".modes [aria-pressed]")].find((one) => one.textContent === chosen)?.focus();
    }
    if (mode !== "side") return;
    stage.prepend(...files.slice(0, MOST_PANES).map((file, index) =>
      make("figure", { class: "pane source" },
        make("figcaption", {}, files.length > 1 ? `edited picture ${index + 1}` : nameOf(SOURCE)),
        make("div", { class: "frame" }, make("div", { class: "sheet" }, make("div", { class: "holder" }, words.edited(file)))))));
    arrange(stage);
    look();
  };

  const modes = (hasSource) => [
    make("div", { role: "group", "aria-label": "How pictures are compared" },
      ...Object.keys(MODES).map((name) => button(MODES[name], () => set(name), { "aria-pressed": String(name === mode) }))),
    mode !== "side" && against(hasSource)].filter(Boolean);

  const pane = (stage, index, caption) => {
    const frame = make("div", { class: "frame" });
    stage.append(make("figure", { class: index === focus ? "pane focused" : "pane", "data-index": index }, make("figcaption", {}, caption), frame));
    return frame;
  };

  const panes = (stage) => {
    const count = Math.min(MOST_PANES, made.columns.length);
    const first = Math.min(Math.max(0, focus - Math.floor(count / 2)), made.columns.length - count);
    for (let index = first; index < first + count; index++) picture(pane(stage, index, nameOf(index)), index);
    arrange(stage);
    stage.querySelector(".focused").scrollIntoView({ inline: "nearest", block: "nearest" });
  };

  /** Panes in as many columns as make their pictures largest; on a phone side by side, one after the other. */
  const arrange = (stage = find(".stage")) => {
    if (mode !== "side" || !stage.isConnected) return;
    const count = stage.querySelectorAll(".pane").length;
    const shape = [...stage.querySelectorAll("img, video")].map((one) => (one.naturalWidth || one.videoWidth) / (one.naturalHeight || one.videoHeight)).find((one) => one > 0);
    const { columns } = innerWidth > 640 ? fit.boxes(count, shape || 1, stage.clientWidth, stage.clientHeight, 34) : { columns: count };
    stage.style.setProperty("--panes", columns);
  };

  const pair = (stage) => {
    const [left, right] = [nameOf(other), nameOf(focus)];
    const frame = pane(stage, focus, `${left}  |  ${right}`);
    picture(frame, other, "under");
    picture(frame, focus, "over");
    if (mode === "slider") {
      frame.append(
        make("input", { type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": `Left ${left}, right ${right}`, input: () => cut(frame) }),
        make("i", { class: "cut", "aria-hidden": "true" }));
      cut(frame);
    }
    if (mode !== "flicker") return;
    stage.append(button("Swap (space)", turn, { class: "turn" }));
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) flicker = setInterval(turn, FLICKER_MS);
  };

  /** The box of the picture in a frame, as the camera shows it. */
  const shownIn = (frame) => {
    const { clientWidth: width, clientHeight: height } = frame;
    const picture = frame.querySelector(".over img, .over video");
    const ratio = (picture?.naturalWidth || picture?.videoWidth) / (picture?.naturalHeight || picture?.videoHeight);
    const { left, wide } = ratio > 0 ? fit.inside(ratio, width, height) : { left: 0, wide: width };
    const shown = wide * camera.scale;
    return { left: width / 2 + camera.x * width - (width / 2 - left) * camera.scale, wide: shown, width };
  };

  /** Moves the cut to where the slider stands: its whole travel is the picture. */
  const cut = (frame) => {
    const { left, wide, width } = shownIn(frame);
    const at = left + (wide * frame.querySelector("input").value) / 100;
    frame.style.setProperty("--cut", `${Math.min(100, Math.max(0, (100 * at) / width))}%`);
  };

  /** The picture is the slider: the cut goes to where it is touched. */
  const slide = (frame, clientX) => {
    const { left, wide } = shownIn(frame);
    frame.querySelector("input").value = (100 * (clientX - frame.getBoundingClientRect().left - left)) / wide;
    cut(frame);
  };

  const turn = () => find(".frame").classList.toggle("turned");

  const picture = async (frame, index, layer = "") => {
    const holder = make("div", { class: "holder" });
    frame.append(make("div", { class: `sheet ${layer}` }, holder));
    const say = (...why) => holder.replaceChildren(make("p", { class: "none" }, ...why));
    if (index === SOURCE) {
      const [file] = await sources();
      return file ? holder.replaceChildren(words.edited(file)) : say("no edited picture");
    }
    const place = placeOf(index);
    if (place === undefined) return say("not run");
    const detail = await table.detailed(place);
    if (table.state(place) !== "stored") return say(make("b", {}, visible(table.reason(place) || table.state(place))), " ", visible(detail.message));
    if (!view.isThere(place)) return say("its file is gone");
    const label = `${nameOf(index)}: ${words.short(view.label(made.rows[row].code), 200)}`;
    return holder.replaceChildren(words.shown(detail, label, () => say(`${visible(detail.file)} can't be shown here`), { controls: true }));
  };

  const against = (hasSource) => make("label", {}, "against", make("select", { "aria-label": "Against", change: (event) => { other = Number(event.target.value); draw(); } },
    hasSource && make("option", { value: SOURCE, selected: other === SOURCE }, nameOf(SOURCE)),
    ...made.columns.map((_, index) => index !== focus && make("option", { value: index, selected: index === other }, nameOf(index)))));

  const set = async (name) => {
    const hasSource = (await sources()).length > 0;
    if (made.columns.length < 2 && !hasSource) return;
    other ??= hasSource ? SOURCE : next();
    mode = name;
    draw();
    find('.modes [aria-pressed="true"]').focus();
  };

  /** All pictures are seen through one camera, by the style of what holds them. */
  const look = () => {
    const { scale, x, y } = camera;
    dialog.querySelectorAll(".holder").forEach((one) => (one.style.transform = `translate(${x * 100}%, ${y * 100}%) scale(${scale})`));
    // A finger moves on to the next picture until there is something to pan.
    find(".stage").style.touchAction = scale > 1 ? "none" : "";
    recut();
  };

  const recut = () => {
    const frame = dialog.querySelector(".slider .frame:has(input)");
    if (frame) cut(frame);
  };

  /** A picture brings its size with it, which places panes and cut. */
  const sized = () => {
    arrange();
    recut();
  };

  /** Zooms by `factor` around a point, given as a part of the frame's size from its middle. */
  const magnify = (factor, atX = 0, atY = 0) => {
    const scale = Math.min(LARGEST, Math.max(1, camera.scale * factor));
    const by = scale / camera.scale;
    camera = { scale, x: atX - (atX - camera.x) * by, y: atY - (atY - camera.y) * by };
    shift(0, 0);
  };

  const shift = (byX, byY) => {
    const most = (camera.scale - 1) / 2;
    const within = (number) => Math.min(most, Math.max(-most, number));
    camera = { ...camera, x: within(camera.x + byX), y: within(camera.y + byY) };
    look();
  };

  const pan = (stage) => {
    // Two fingers pinch: each pointer that is down, where it was last.
    const down = new Map();
    const boxOf = (event) => (event.target.closest(".frame") || stage.querySelector(".frame")).getBoundingClientRect();
    const apart = ([[x, y], [otherX, otherY]]) => Math.hypot(x - otherX, y - otherY);
    const on = (name, act, options) => stage.addEventListener(name, act, options);
    let sliding = null;
    // A zoomed picture is panned, but for the line itself.
    const slides = ({ target, clientX }) => {
      const frame = mode === "slider" && target.closest(".frame");
      const line = frame && frame.querySelector(".cut").getBoundingClientRect();
      return frame && (camera.scale === 1 || Math.abs(clientX - line.left - line.width / 2) < 24) ? frame : null;
    };
    on("wheel", (event) => {
      if (!event.target.closest(".frame")) return;
      event.preventDefault();
      const box = boxOf(event);
      magnify(Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5);
    }, { passive: false });
    on("pointerdown", (event) => {
      if (!event.target.closest(".frame") || event.target.closest("video")) return;
      const index = Number(event.target.closest(".pane").dataset.index);
      down.set(event.pointerId, [event.clientX, event.clientY]);
      stage.setPointerCapture(event.pointerId);
      sliding = down.size === 1 ? slides(event) : null;
      if (sliding) slide(sliding, event.clientX);
      if (mode === "side" && index >= 0 && index !== focus) select(index);
    });
    on("pointermove", (event) => {
      const last = down.get(event.pointerId);
      if (!last) return;
      const box = boxOf(event);
      const before = down.size === 2 && apart([...down.values()]);
      down.set(event.pointerId, [event.clientX, event.clientY]);
      if (before) magnify(apart([...down.values()]) / before);
      else if (sliding) slide(sliding, event.clientX);
      else shift((event.clientX - last[0]) / box.width, (event.clientY - last[1]) / box.height);
    });
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => down.delete(event.pointerId));
    on("dblclick", () => magnify(camera.scale > 1 ? 1 / LARGEST : 2));
  };

  const select = (index) => {
    // In a gallery the next picture is the next row.
    if (made.columns.length === 1) return step(Math.sign(index - focus));
    if (index < 0 || index >= made.columns.length) return undefined;
    if (index === other) other = focus;
    focus = index;
    const chosen = find(`.pane[data-index="${index}"]`);
    if (mode !== "side" || !chosen) return draw();
    find(".focused").classList.remove("focused");
    chosen.classList.add("focused");
    chosen.scrollIntoView({ inline: "nearest", block: "nearest" });
    about();
    sourced();
    return app.zoomed(made.rows[row], made.columns[focus]);
  };

  const step = (by) => {
    if (!by || !made.rows[row + by]) return;
    row += by;
    draw();
  };

  const arrow = (x, y, act) => (event) => (event.shiftKey ? shift(x / 10, y / 10) : act());
  const KEYS = {
    ArrowUp: arrow(0, 1, () => step(-1)), ArrowDown: arrow(0, -1, () => step(1)),
    ArrowLeft: arrow(1, 0, () => select(focus - 1)), ArrowRight: arrow(-1, 0, () => select(focus + 1)),
    "+": () => magnify(1.5), "=": () => magnify(1.5), "-": () => magnify(1 / 1.5), 0: () => magnify(1 / LARGEST),
    ...Object.fromEntries(Object.keys(MODES).map((name, index) => [index + 1, () => set(name)])),
    " ": turn,
  };

  const keys = (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, video")) return;
    if (event.key === " " && (mode !== "flicker" || event.target.closest("button:not(.turn)"))) return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  };

  const about = async () => {
    const place = placeOf(focus);
    const footer = find("footer");
    if (place === undefined) return footer.replaceChildren(make("p", {}, "This combination was not run."));
    const detail = await table.detailed(place);
    if (place !== placeOf(focus)) return undefined;
    const { cost, latency, maybe } = table.columns;
    const file = detail.file && `${detail.width || "?"} × ${detail.height || "?"} ${detail.format}, ${words.size(detail.bytes)}`;
    const facts = [
      ["status", table.state(place)], ["reason", table.reason(place)], ["message", detail.message], ["wrong", view.badge(place)],
      ["cost", words.money(cost[place])], ["maybe billed", maybe[place] && words.money(maybe[place])],
      ["of it estimated", detail.estimated && words.money(detail.estimated)], ["priced by", table.source(place)],
      ["latency", words.span(latency[place])], ["measured by", latency[place] >= 0 && detail.clock],
      ["in all", words.span(detail.total)], ["attempts", detail.attempts], ["take", detail.take], ["picture", file],
      ...Object.entries(request.columns(place)).filter(([name]) => name !== "picture"), ["answered", words.moment(detail.answered)],
      ["revised prompt", detail.revised], ["file", detail.file], ["key", detail.key], ["sha256", detail.sha256]];
    const said = facts.filter(([, value]) => value && value !== words.NONE);
    return footer.replaceChildren(
      make("div", { class: "acts" },
        button("Copy as YAML", () => words.copy(request.yaml(place))),
        button("Copy as curl", () => words.copy(request.curl(place))),
        detail.file && !address(detail.file).startsWith("data:") && make("a", { href: address(detail.file), target: "_blank", rel: "noopener" }, "Open the file")),
      make("dl", {}, ...said.map(([name, value]) => make("div", {}, make("dt", {}, visible(name)), make("dd", {}, visible(value))))));
  };

  dialog.addEventListener("keydown", keys);
  for (const name of ["load", "loadedmetadata"]) dialog.addEventListener(name, sized, { capture: true });
  new ResizeObserver(sized).observe(dialog);
  dialog.addEventListener("close", () => {
    clearInterval(flicker);
    find(".stage").replaceChildren();
    app.zoomed(null);
  });
  for (const one of dialog.querySelectorAll(".steps [value]")) one.addEventListener("click", () => step(Number(one.value)));

  return { open };
})();
