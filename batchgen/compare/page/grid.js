"use strict";

/**
 * The grid of pictures. Only what is in sight has elements: rows and columns are places on a canvas of known size.
 * One cell is the active one; the grid itself keeps the focus and names it.
 */
const grid = (() => {
  const { make, visible, address } = words;
  const GAP = 8;
  const SIZES = { s: 112, m: 176, l: 272 };
  const LINE = 24;
  // A screen larger than this many cells gets larger cells, not more elements.
  const MOST_CELLS = 72;
  // Browsers end a canvas somewhere between 17 and 33 million pixels.
  const LONGEST = 15_000_000;
  const DRAWABLE = new Set(["png", "jpeg", "webp", "gif", "avif", "svg"]);
  const LARGEST_ORIGINAL = 2_000_000;

  const root = document.querySelector(".grid");
  const canvas = make("div", { class: "canvas", role: "rowgroup" });
  const rows = new Map();
  const active = { row: 0, column: 0 };
  let made = null;
  let state = null;
  let metrics = null;
  let head = null;
  let late = new Set();
  let timer = null;

  const measure = () => {
    const width = root.clientWidth || 800;
    const height = root.clientHeight || 600;
    const narrow = width < 620;
    const side = narrow ? 104 : Math.min(300, Math.max(200, Math.round(width * 0.2)));
    let cell = narrow ? { s: 92, m: 124, l: 248 }[state.size] : SIZES[state.size];
    const line = state.line ? LINE : 0;
    // A narrow column may need two lines for its title.
    const longest = Math.max(0, ...made.columns.slice(0, 200).map((one) => view.label(one.code).length));
    const head = (made.axes.sx ? 20 : 0) + (longest * 7.5 > cell * 1.3 ? 76 : 58);
    const fit = () => Math.ceil((width - side) / (cell + GAP) + 1) * Math.ceil((height - head) / (cell + line + GAP) + 1);
    while (fit() > MOST_CELLS && made.columns.length * made.rows.length > MOST_CELLS) cell += 16;
    // Few columns share the width rather than leave half the screen empty.
    const room = (width - side - 20) / Math.max(1, made.columns.length) - GAP;
    if (state.size !== "s" && room > cell) cell = Math.floor(Math.min(room, cell * 1.45));
    const rowHeight = cell + line + GAP;
    const full = made.rows.length * rowHeight;
    const seen = height - head;
    const capped = Math.min(full, LONGEST);
    return {
      width, height, side, cell, line, rowHeight, seen, head, full, capped,
      step: cell + GAP,
      // How many pixels of the whole one pixel of the canvas stands for: 1, up to some 75,000 rows.
      ratio: full > capped ? (full - seen) / (capped - seen) : 1,
    };
  };

  /** Draws another layout; `keep` leaves the place it is scrolled to, and every element that still says the same. */
  const show = (layout, shownState, keep) => {
    made = layout;
    state = shownState;
    if (!keep) root.scrollTop = root.scrollLeft = 0;
    active.row = Math.min(active.row, Math.max(0, made.rows.length - 1));
    active.column = Math.min(active.column, Math.max(0, made.columns.length - 1));
    const before = JSON.stringify(metrics);
    metrics = measure();
    root.setAttribute("aria-rowcount", made.rows.length + 1);
    root.setAttribute("aria-colcount", made.columns.length + 1);
    canvas.style.width = `${metrics.side + made.columns.length * metrics.step}px`;
    canvas.style.height = `${metrics.head + metrics.capped}px`;
    if (keep && JSON.stringify({ ...metrics, full: 0, capped: 0 }) === JSON.stringify({ ...JSON.parse(before), full: 0, capped: 0 })) renew();
    else clear();
    for (const [name, value] of [["cell", metrics.cell], ["side", metrics.side], ["row", metrics.rowHeight - GAP], ["head", metrics.head]]) {
      root.style.setProperty(`--${name}`, `${value}px`);
    }
    draw();
  };

  const clear = () => {
    for (const row of rows.values()) row.element.remove();
    rows.clear();
    head?.element.remove();
    head = null;
  };

  /** Drops the elements that say something else by now; the rest stay, and nothing flickers while a run goes on. */
  const renew = () => {
    head?.element.remove();
    head = null;
    for (const [index, row] of rows) {
      if (row.code === made.rows[index]?.code && row.over === made.rows[index].over) {
        for (const [column, element] of row.cells) {
          if (element.said === signature(made.rows[index], made.columns[column])) continue;
          element.remove();
          row.cells.delete(column);
        }
      } else {
        row.element.remove();
        rows.delete(index);
      }
    }
  };

  /** All that a cell says, in one text. */
  const signature = (row, column) => {
    if (!column) return "";
    const place = made.place(row, column);
    const { state: ends, flags, thumb, cost, latency, reason } = table.columns;
    return [column.code, column.over, place, ends[place], flags[place], thumb[place], cost[place], latency[place], reason[place],
      made.passed.has(place), made.others(row, column), state.line].join();
  };

  /** The first and last row and column in sight, and where the rows are placed. */
  const sight = () => {
    const top = root.scrollTop * metrics.ratio;
    const { rowHeight, seen, step, side, width } = metrics;
    return {
      shift: root.scrollTop - top,
      rows: [Math.max(0, Math.floor(top / rowHeight)), Math.min(made.rows.length, Math.ceil((top + seen) / rowHeight))],
      columns: [
        Math.max(0, Math.floor(root.scrollLeft / step)),
        Math.min(made.columns.length, Math.ceil((root.scrollLeft + width - side) / step)),
      ],
    };
  };

  const draw = () => {
    if (!made) return;
    const seen = sight();
    head ??= headRow();
    fill(head, seen, (column, index) => headCell(column, index));
    for (const [index, row] of rows) {
      if (index >= seen.rows[0] && index < seen.rows[1]) continue;
      row.element.remove();
      rows.delete(index);
    }
    for (let index = seen.rows[0]; index < seen.rows[1]; index++) {
      if (!rows.has(index)) rows.set(index, bodyRow(index));
      const row = rows.get(index);
      row.element.style.transform = `translateY(${metrics.head + index * metrics.rowHeight + seen.shift}px)`;
      fill(row, seen, (column, place) => cell(made.rows[index], column, index, place));
    }
    mark();
  };

  /** The cells of one row that are in sight; those that left it are removed. */
  const fill = (row, seen, build) => {
    const [first, end] = seen.columns;
    for (const [index, element] of row.cells) {
      if (index >= first && index < end) continue;
      element.remove();
      row.cells.delete(index);
    }
    for (let index = first; index < end; index++) {
      if (row.cells.has(index)) continue;
      const element = build(made.columns[index], index);
      element.style.left = `${metrics.side + index * metrics.step}px`;
      row.cells.set(index, element);
      row.element.append(element);
    }
  };

  const headRow = () => {
    const { x, y, sy } = made.axes;
    const corner = `${sy ? `${sy.name} · ` : ""}${y.name} ↓  ${x.name} →`;
    const element = make("div", { class: "head", role: "row", "aria-rowindex": 1 },
      make("div", { class: "corner", role: "columnheader", "aria-colindex": 1 }, visible(corner)));
    canvas.prepend(element);
    return { element, cells: new Map() };
  };

  const headCell = (column, index) => {
    const stats = made.stats.get(column.index);
    const said = stats
      ? `${words.roughly(stats.priced ? stats.cost / stats.priced : null)} · ${words.span(stats.p50)} · ${words.share(stats.stored, stats.ended)}`
      : "";
    const full = `${view.label(column.code)}\nmean cost, median latency, success: ${said}`;
    const element = make("div", { class: "colhead", role: "columnheader", "aria-colindex": index + 2, title: full },
      make("b", {}, view.label(column.code)), make("span", {}, said));
    if (column.over !== null) element.prepend(make("i", {}, view.label(column.over)));
    return element;
  };

  const bodyRow = (index) => {
    const row = made.rows[index];
    const text = table.text(row.code);
    const label = make("p", {}, view.label(row.code));
    const element = make("div", { class: "row", role: "row", "aria-rowindex": index + 2 },
      make("div", { class: "rowhead", role: "rowheader", "aria-colindex": 1 },
        row.over !== null ? make("i", {}, view.label(row.over)) : null,
        label,
        make("button", { type: "button", class: "copy", tabindex: -1, title: "Copy (c)", "aria-label": "Copy the text of this row",
          click: (event) => (event.stopPropagation(), words.copy(text)) }, "copy")));
    canvas.append(element);
    return { element, cells: new Map(), code: row.code, over: row.over };
  };

  const cell = (row, column, rowIndex, columnIndex) => {
    const place = made.place(row, column);
    const element = make("div", {
      class: "cell", role: "gridcell", id: `c${rowIndex}-${columnIndex}`, "aria-colindex": columnIndex + 2,
      "data-row": rowIndex, "data-column": columnIndex,
    });
    element.said = signature(row, column);
    if (place === undefined) {
      element.classList.add("missing");
      element.textContent = "not run";
      return element;
    }
    if (!made.passed.has(place)) element.classList.add("dim");
    const others = made.others(row, column);
    const badge = [view.badge(place), others ? `1 of ${others + 1}` : ""].filter(Boolean).join(", ");
    if (badge) element.dataset.badge = badge;
    if (state.line) element.dataset.line = line(place);
    late.add([element, place]);
    settle();
    return element;
  };

  const line = (place) =>
    [words.money(table.columns.cost[place]), words.span(table.columns.latency[place])].filter((text) => text !== words.NONE).join(" · ");

  /** Pictures are asked for once scrolling pauses: what only flies past costs nothing. */
  const settle = () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      const due = late;
      late = new Set();
      for (const [element, place] of due) if (element.isConnected) dress(element, place);
    }, 30);
  };

  /** The picture of a cell, or why there is none. */
  const dress = (element, place) => {
    const known = table.state(place);
    if (known !== "stored") return unstored(element, place, known);
    const detail = table.detail(place, () => element.isConnected && dress(element, place));
    if (!detail) return undefined;
    const sources = [];
    if (table.columns.flags[place] & view.FLAGS["file gone"]) return picture(element, sources, "", { ...detail, gone: true });
    if (table.columns.thumb[place]) sources.push(address(`compare/thumbs/${detail.sha256.slice(0, 2)}/${detail.sha256}.webp`));
    if (DRAWABLE.has(detail.format) && detail.bytes <= LARGEST_ORIGINAL) sources.push(address(detail.file));
    return picture(element, sources, alternative(place), detail);
  };

  /** The first of `sources` that loads; a few words where none does. */
  const picture = (element, sources, alt, detail) => {
    const source = sources.shift();
    if (!source) {
      const size = detail.width ? `${detail.width} × ${detail.height}` : "";
      element.classList.add("plain");
      element.replaceChildren(make("b", {}, `${visible(detail.format)} ${size}`), make("span", {}, detail.gone ? "its file is gone" : "no preview; open it to see it"));
      return;
    }
    const image = make("img", { alt, decoding: "async", draggable: "false", error: () => picture(element, sources, alt, detail) });
    image.src = source;
    element.replaceChildren(image);
  };

  const alternative = (place) =>
    words.short(`${view.label(made.axes.x.codes[place])}: ${view.label(made.axes.y.codes[place])}`, 160);

  const unstored = (element, place, known) => {
    const failed = known === "refused" || known === "spoiled" || known === "in doubt";
    element.classList.add(failed ? "failed" : "waits");
    const title = failed ? table.reason(place) || known : { sent: "on its way", answered: "being stored", waiting: "waits for a retry" }[known];
    const detail = table.detail(place, () => element.isConnected && unstored(element, place, known));
    const message = make("span", {}, visible(detail?.message || (failed ? known : "")));
    element.replaceChildren(make("b", {}, visible(title || known)), message);
    element.title = visible(`${known}: ${title}\n${detail?.message || ""}`);
    return undefined;
  };

  /** Shows which cell is the active one. */
  const mark = () => {
    canvas.querySelector(".active")?.classList.remove("active");
    const element = rows.get(active.row)?.cells.get(active.column);
    element?.classList.add("active");
    if (element) root.setAttribute("aria-activedescendant", element.id);
    else root.removeAttribute("aria-activedescendant");
  };

  const move = (row, column) => {
    if (!made?.rows.length) return;
    active.row = Math.min(Math.max(row, 0), made.rows.length - 1);
    active.column = Math.min(Math.max(column, 0), made.columns.length - 1);
    const { rowHeight, seen, step, side, width, ratio } = metrics;
    const top = active.row * rowHeight;
    const shown = root.scrollTop * ratio;
    if (top < shown) root.scrollTop = top / ratio;
    else if (top + rowHeight > shown + seen) root.scrollTop = (top + rowHeight - seen) / ratio;
    const left = active.column * step;
    if (left < root.scrollLeft) root.scrollLeft = left;
    else if (left + step > root.scrollLeft + width - side) root.scrollLeft = left + step - width + side;
    draw();
  };

  const KEYS = {
    ArrowUp: () => move(active.row - 1, active.column),
    ArrowDown: () => move(active.row + 1, active.column),
    ArrowLeft: () => move(active.row, active.column - 1),
    ArrowRight: () => move(active.row, active.column + 1),
    PageUp: () => move(active.row - pageful(), active.column),
    PageDown: () => move(active.row + pageful(), active.column),
    Home: (event) => move(event.ctrlKey ? 0 : active.row, 0),
    End: (event) => move(event.ctrlKey ? Infinity : active.row, Infinity),
    Enter: () => open(active.row, active.column),
    " ": () => open(active.row, active.column),
    c: () => words.copy(table.text(made.rows[active.row]?.code)),
  };
  const pageful = () => Math.max(1, Math.floor(metrics.seen / metrics.rowHeight));

  const open = (row, column) => made.rows.length && app.zoom(made.rows[row], made.columns[column]);

  root.append(canvas);
  root.addEventListener("scroll", draw, { passive: true });
  root.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.altKey || event.metaKey || (event.ctrlKey && event.key === "c")) return;
    event.preventDefault();
    act(event);
  });
  root.addEventListener("click", (event) => {
    const target = event.target.closest(".cell");
    if (!target) return;
    move(Number(target.dataset.row), Number(target.dataset.column));
    open(active.row, active.column);
  });
  let resizing;
  new ResizeObserver(() => {
    clearTimeout(resizing);
    resizing = setTimeout(() => made && show(made, state, true), 100);
  }).observe(root);

  return { show, move, focus: () => root.focus(), active, draw };
})();
