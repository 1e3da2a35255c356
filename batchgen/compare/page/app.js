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
    bar.begin(state);
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

  /** Where a row or column stands, in the words of an address. */
  const names = (head) => [head.code, head.over].map((code) => (code === null ? "" : view.brief(table.text(code))));

  /** The picture that the address names is opened as soon as its row is there. */
  const restore = () => {
    // From another page: a link to the results.
    if (state.results && results.isThere() && !document.querySelector("dialog[open]")) results.open();
    if (restored || !state.zoom.length || !made.rows.length) return;
    const [y, x, sy, sx] = state.zoom;
    const find = (heads, ...asked) => heads.find((head) => names(head).join("\n") === asked.map((text) => text || "").join("\n"));
    const row = find(made.rows, y, sy);
    const column = find(made.columns, x, sx);
    if (!row || !column) return;
    restored = true;
    zoom.open(made, row, column);
  };

  const zoomed = (row, column) => {
    restored = true;
    const [y, sy] = row ? names(row) : [];
    const [x, sx] = row ? names(column) : [];
    state.zoom = row ? [y, x, sy, sx] : [];
    remember();
  };

  const chosen = () => Object.fromEntries(["x", "y", "sx", "sy"].map((axis) => [axis, made.axes[axis]?.name || ""]));

  /** An axis that was elsewhere changes places with the one it replaces. */
  const axis = (name, value) => {
    const now = chosen();
    const other = Object.keys(now).find((one) => one !== name && value && now[one] === value);
    if (other) now[other] = now[name];
    set({ ...now, [name]: value });
  };

  const swap = () => {
    const { x, y, sx, sy } = chosen();
    if (x && y) set({ x: y, y: x, sx: sy, sy: sx });
  };

  const clear = () => {
    set(view.unfiltered());
    bar.drawPanel(state);
  };

  const help = () => {
    document.body.append(document.querySelector("template").content.cloneNode(true));
    const dialog = document.body.lastElementChild;
    closes(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
  };

  const closes = (dialog) => {
    dialog.querySelector(".close")?.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => grid.focus());
  };

  const openVote = () => vote.open(made);
  const KEYS = { x: swap, "/": bar.focusSearch, f: bar.toggle, v: openVote, r: () => results.isThere() && results.open(), "?": help };

  document.querySelectorAll("dialog").forEach(closes);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !made) return;
    if (event.key === "Escape") return event.target.type === "search" ? grid.focus() : bar.close();
    if (event.target.closest("input, select, textarea") || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  window.addEventListener("hashchange", () => {
    state = view.fromHash(location.hash);
    restored = false;
    draw(false);
    bar.drawPanel(state);
  });

  return {
    begin, set, refresh, axis, swap, clear, help, zoomed, vote: openVote,
    state: () => state,
    tab: (name, text) => set({ tabs: { ...state.tabs, [name]: view.brief(text) } }, true),
    zoom: (row, column) => zoom.open(made, row, column),
  };
})();
