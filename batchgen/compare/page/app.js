"use strict";

/** The state of the page, in the address as well, and the keys that work everywhere. */
const app = (() => {
  let state = view.fresh();
  let made = null;
  let due = null;
  let restored = false;

  const begin = () => {
    state = view.fromHash(location.hash);
    ballot.begin();
    bar.drawTitle();
    bar.drawTools(state);
    bar.drawSizes(state);
    refresh();
    live.begin();
  };

  const set = (changes, keep = false) => {
    Object.assign(state, changes);
    remember();
    draw(keep);
  };

  const remember = () => {
    const hash = view.toHash(state);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const draw = (keep) => {
    made = view.layout(state);
    bar.show(made, state);
    bar.drawSizes(state);
    if (made.rows.length) grid.show(made, state, keep);
    // Keys work at once, unless somebody is typing already.
    if (document.activeElement === document.body) grid.focus();
    restore();
  };

  /** Rows arrive in bursts: they are drawn once a frame. */
  const refresh = () => {
    due ??= requestAnimationFrame(() => {
      due = null;
      draw(true);
    });
  };

  /** The picture that the address names is opened as soon as its row is there. */
  const restore = () => {
    if (restored || !state.zoom || !made.rows.length) return;
    const [y, x, sy, sx] = state.zoom;
    const same = (head, value, over) => view.brief(table.text(head.code)) === value && (head.over === null || view.brief(table.text(head.over)) === over);
    const row = made.rows.find((one) => same(one, y, sy));
    const column = made.columns.find((one) => same(one, x, sx));
    if (!row || !column) return;
    restored = true;
    zoom.open(made, row, column);
  };

  const zoomed = (heads) => {
    restored = true;
    const name = (code) => (code === null ? "" : view.brief(table.text(code)));
    state.zoom = heads && [name(heads[0].code), name(heads[1].code), name(heads[0].over), name(heads[1].over)];
    remember();
  };

  const axis = (name, value) => {
    const now = { x: made.axes.x?.name, y: made.axes.y?.name, sx: made.axes.sx?.name || "", sy: made.axes.sy?.name || "" };
    const other = Object.keys(now).find((one) => one !== name && now[one] === value && value);
    if (other) now[other] = now[name];
    set({ ...now, [name]: value });
  };

  const swap = () => {
    const { x, y, sx, sy } = made.axes;
    if (x && y) set({ x: y.name, y: x.name, sx: sy?.name || "", sy: sx?.name || "" });
  };

  const clear = () => {
    const { text, column, has, models, states, flags, cost, latency, disagree } = view.fresh();
    set({ text, column, has, models, states, flags, cost, latency, disagree });
    bar.drawTools(state);
    bar.drawSizes(state);
    bar.show(made, state);
    bar.drawPanel(state);
  };

  const HELP = [
    ["Arrows, Home, End, PgUp, PgDn", "move between pictures"], ["Enter", "open a row"], ["x", "swap rows and columns"], ["/", "search"],
    ["f", "filters"], ["c", "copy the text of a row"], ["v", "vote blind"], ["?", "this list"],
    ["In a row: ← → ↑ ↓", "next picture, next row"], ["+ − 0", "zoom in, out, back"], ["Shift + arrows", "pan"], ["1 2 3 4", "side by side, slider, difference, flicker"],
    ["Voting: ← →", "left, right is better"], ["1 … 9", "that one is best"], ["t b s u", "tie, both bad, skip, undo"], ["Esc", "close"],
  ];

  const help = () => {
    const { make } = words;
    const dialog = make("dialog", { class: "keys", "aria-labelledby": "keys", close: () => (dialog.remove(), grid.focus()) },
      make("header", {}, make("h2", { id: "keys" }, "Keys"), make("button", { type: "button", "aria-label": "Close", click: () => dialog.close() }, "✕")),
      make("dl", {}, ...HELP.map(([key, meaning]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, meaning)))));
    document.body.append(dialog);
    dialog.showModal();
  };

  const KEYS = { x: swap, "/": bar.focusSearch, f: bar.toggle, v: () => vote.open(made), "?": help };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !made) return;
    if (event.key === "Escape" && !document.querySelector(".filters").hidden) return bar.toggle();
    if (event.key === "Escape" && event.target.type === "search") return grid.focus();
    if (event.target.closest("input, select, textarea") || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  window.addEventListener("hashchange", () => {
    state = view.fromHash(location.hash);
    restored = false;
    draw(false);
  });
  table.onChange(refresh);

  return {
    begin, set, refresh, axis, swap, clear, help, zoomed,
    state: () => state,
    tab: (name, text) => set({ tabs: { ...state.tabs, [name]: view.brief(text) } }, true),
    zoom: (row, column) => zoom.open(made, row, column),
    vote: () => vote.open(made),
  };
})();
