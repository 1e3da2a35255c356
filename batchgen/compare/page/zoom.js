"use strict";

/** A whole row side by side, in full size: panned and zoomed together, or two of it over one another. */
const zoom = (() => {
  const { make, visible, address } = words;
  const LARGEST = 8;
  // More panes than this are no comparison; arrows bring the others in.
  const MOST_PANES = 6;
  const FILMS = new Set(["mp4", "webm"]);
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  let dialog = null;
  let made = null;
  let row = null;
  let focus = 0;
  let other = 1;
  let mode = "side";
  let camera = { scale: 1, x: 0, y: 0 };
  let flicker = null;

  const open = (layout, ofRow, column) => {
    made = layout;
    row = made.rows.findIndex((one) => one.index === ofRow.index);
    focus = made.columns.findIndex((one) => one.index === column.index);
    if (row < 0 || focus < 0) return;
    other = focus + 1 < made.columns.length ? focus + 1 : focus - 1;
    mode = "side";
    camera = { scale: 1, x: 0, y: 0 };
    dialog ??= build();
    if (!dialog.open) dialog.showModal();
    draw();
  };

  const build = () => {
    const element = make("dialog", { class: "zoom", "aria-label": "Pictures of one row", keydown: keys, close: closed });
    document.body.append(element);
    return element;
  };

  const closed = () => {
    clearInterval(flicker);
    dialog.replaceChildren();
    app.zoomed(null);
    grid.focus();
  };

  const here = () => made.place(made.rows[row], made.columns[focus]);

  const draw = () => {
    clearInterval(flicker);
    const modes = made.columns.length > 1 ? [["side", "Side by side"], ["slider", "Slider"], ["difference", "Difference"], ["flicker", "Flicker"]] : [];
    const stage = make("div", { class: `stage ${mode}` });
    dialog.replaceChildren(
      make("header", {},
        make("div", { class: "which" }, make("h2", {}, words.short(view.label(made.rows[row].code), 300)),
          make("p", {}, `row ${words.count(row + 1)} of ${words.count(made.rows.length)}`)),
        make("div", { class: "modes", role: "group", "aria-label": "How pictures are compared" },
          ...modes.map(([name, title]) => make("button", { type: "button", "aria-pressed": String(name === mode), click: () => set(name) }, title)),
          mode === "side" ? null : against()),
        make("div", { class: "steps" },
          make("button", { type: "button", "aria-label": "Previous row (up)", title: "Previous row (↑)", click: () => step(-1) }, "↑"),
          make("button", { type: "button", "aria-label": "Next row (down)", title: "Next row (↓)", click: () => step(1) }, "↓"),
          make("button", { type: "button", "aria-label": "Close", title: "Close (Esc)", click: () => dialog.close() }, "✕"))),
      stage, make("footer", {}));
    if (mode === "side") panes(stage);
    else pair(stage);
    pan(stage);
    look();
    about();
    app.zoomed([made.rows[row], made.columns[focus]]);
  };

  const panes = (stage) => {
    const count = Math.min(MOST_PANES, made.columns.length);
    const first = Math.min(Math.max(0, focus - Math.floor(count / 2)), made.columns.length - count);
    for (let index = first; index < first + count; index++) {
      const frame = make("div", { class: "frame" });
      stage.append(make("figure", { class: index === focus ? "pane focused" : "pane", "data-index": index },
        make("figcaption", {}, view.label(made.columns[index].code)), frame));
      picture(frame, index);
    }
    stage.style.setProperty("--panes", count);
  };

  const pair = (stage) => {
    const frame = make("div", { class: "frame" });
    const names = [other, focus].map((index) => view.label(made.columns[index].code));
    stage.append(make("figure", { class: "pane focused", "data-index": focus }, make("figcaption", {}, names.join("  |  ")), frame));
    picture(frame, other, "under");
    picture(frame, focus, "over");
    if (mode === "slider") {
      const range = make("input", { type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": `Left ${names[0]}, right ${names[1]}`,
        input: (event) => frame.style.setProperty("--cut", `${event.target.value}%`) });
      frame.style.setProperty("--cut", "50%");
      stage.append(range);
    }
    if (mode !== "flicker") return;
    stage.append(make("button", { type: "button", class: "turn", click: () => turn(frame) }, "Swap (space)"));
    if (!still()) flicker = setInterval(() => turn(frame), 700);
  };

  const turn = (frame = dialog.querySelector(".frame")) => frame.classList.toggle("turned");

  const picture = async (frame, index, layer = "") => {
    const place = made.place(made.rows[row], made.columns[index]);
    const name = view.label(made.columns[index].code);
    const holder = make("div", { class: "holder" });
    frame.append(make("div", { class: `sheet ${layer}` }, holder));
    if (place === undefined) return holder.append(make("p", { class: "none" }, "not run"));
    const detail = await table.detailed(place);
    if (table.state(place) !== "stored") {
      return holder.append(make("p", { class: "none" }, make("b", {}, visible(table.reason(place) || table.state(place))), " ", visible(detail?.message || "")));
    }
    if (table.columns.flags[place] & view.FLAGS["file gone"]) return holder.append(make("p", { class: "none" }, "its file is gone"));
    if (FILMS.has(detail.format)) {
      return holder.append(make("video", { src: address(detail.file), controls: true, loop: true, muted: true, "aria-label": name }));
    }
    const image = make("img", { alt: `${name}: ${words.short(view.label(made.rows[row].code), 200)}`, draggable: "false",
      error: () => holder.replaceChildren(make("p", { class: "none" }, `${visible(detail.file)} can't be shown here`)) });
    image.src = address(detail.file);
    holder.append(image);
    return look();
  };

  const against = () => make("label", {}, "against", make("select", { "aria-label": "Against", change: (event) => { other = Number(event.target.value); draw(); } },
    ...made.columns.map((column, index) => (index === focus ? null : make("option", { value: index, selected: index === other }, view.label(column.code))))));

  const set = (name) => {
    mode = name;
    draw();
    dialog.querySelector('.modes [aria-pressed="true"]')?.focus();
  };

  /** All pictures are seen through one camera. */
  const look = () => {
    const { scale, x, y } = camera;
    dialog.querySelectorAll(".holder").forEach((one) => (one.style.transform = `translate(${x * 100}%, ${y * 100}%) scale(${scale})`));
    dialog.dataset.scale = scale.toFixed(2);
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
    camera.x = Math.min(most, Math.max(-most, camera.x + byX));
    camera.y = Math.min(most, Math.max(-most, camera.y + byY));
    look();
  };

  const pan = (stage) => {
    let last = null;
    const frame = (event) => event.target.closest(".frame");
    stage.addEventListener("wheel", (event) => {
      const box = frame(event)?.getBoundingClientRect();
      if (!box) return;
      event.preventDefault();
      magnify(Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5);
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      const pane = event.target.closest(".pane");
      if (!frame(event) || event.target.closest("video, a, button")) return;
      last = [event.clientX, event.clientY];
      stage.setPointerCapture(event.pointerId);
      if (mode === "side" && Number(pane.dataset.index) !== focus) select(Number(pane.dataset.index));
    });
    stage.addEventListener("pointermove", (event) => {
      if (!last) return;
      const box = stage.querySelector(".frame").getBoundingClientRect();
      shift((event.clientX - last[0]) / box.width, (event.clientY - last[1]) / box.height);
      last = [event.clientX, event.clientY];
    });
    const release = () => (last = null);
    stage.addEventListener("pointerup", release);
    stage.addEventListener("pointercancel", release);
    stage.addEventListener("dblclick", () => magnify(camera.scale > 1 ? 1 / LARGEST : 2));
  };

  const select = (index) => {
    if (index < 0 || index >= made.columns.length) return;
    if (index === other) other = focus;
    focus = index;
    const pane = dialog.querySelector(`.pane[data-index="${index}"]`);
    if (mode !== "side" || !pane) return draw();
    dialog.querySelector(".focused")?.classList.remove("focused");
    pane.classList.add("focused");
    about();
    return app.zoomed([made.rows[row], made.columns[focus]]);
  };

  const step = (by) => {
    const next = row + by;
    if (next < 0 || next >= made.rows.length) return;
    row = next;
    draw();
  };

  const KEYS = {
    ArrowUp: (event) => (event.shiftKey ? shift(0, 0.1) : step(-1)),
    ArrowDown: (event) => (event.shiftKey ? shift(0, -0.1) : step(1)),
    ArrowLeft: (event) => (event.shiftKey ? shift(0.1, 0) : select(focus - 1)),
    ArrowRight: (event) => (event.shiftKey ? shift(-0.1, 0) : select(focus + 1)),
    "+": () => magnify(1.5), "=": () => magnify(1.5), "-": () => magnify(1 / 1.5), 0: () => magnify(1 / LARGEST),
    1: () => set("side"), 2: () => pairable() && set("slider"), 3: () => pairable() && set("difference"), 4: () => pairable() && set("flicker"),
    " ": () => mode === "flicker" && turn(),
  };
  const pairable = () => made.columns.length > 1;

  const keys = (event) => {
    const field = event.target.closest("input, select, video");
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || (field && event.key !== "Escape")) return;
    if (event.key === " " && (mode !== "flicker" || event.target.closest("button:not(.turn)"))) return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  };

  const about = async () => {
    const place = here();
    const footer = dialog.querySelector("footer");
    if (place === undefined) return footer.replaceChildren(make("p", {}, "This combination was not run."));
    const detail = await table.detailed(place);
    if (place !== here() || !detail) return undefined;
    const facts = [["status", table.state(place)], ["cost", words.money(table.columns.cost[place])],
      ["latency", words.span(table.columns.latency[place])], ["in all", words.span(detail.total)], ["attempts", detail.attempts],
      ["answered", words.moment(detail.answered)], ["key", detail.key], ["wrong", view.badge(place)], ["reason", table.reason(place)], ["message", detail.message]];
    if (table.columns.maybe[place] > 0) facts.push(["maybe billed", words.money(table.columns.maybe[place])]);
    if (detail.estimated) facts.push(["of it estimated", words.money(detail.estimated)]);
    if (detail.file) facts.push(["file", detail.file], ["picture", `${detail.width || "?"} × ${detail.height || "?"} ${detail.format}, ${words.size(detail.bytes)}`], ["revised prompt", detail.revised], ["sha256", detail.sha256]);
    const values = request.columns(place).filter(({ name }) => name !== "picture").map(({ name, value }) => [name, value]);
    const list = make("dl", {}, ...[...facts, ...values].filter(([, value]) => value !== "" && value !== words.NONE)
      .map(([name, value]) => make("div", {}, make("dt", {}, visible(name)), make("dd", {}, visible(value)))));
    return footer.replaceChildren(
      make("div", { class: "acts" },
        make("button", { type: "button", click: () => words.copy(request.yaml(place)) }, "Copy as YAML"),
        make("button", { type: "button", click: () => words.copy(request.curl(place)) }, "Copy as curl"),
        detail.file ? make("a", { href: address(detail.file), target: "_blank", rel: "noopener" }, "Open the file") : null),
      list);
  };

  return { open, get isOpen() { return Boolean(dialog?.open); } };
})();
