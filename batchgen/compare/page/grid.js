"use strict";

/**
 * The grid of pictures. Only what is in sight has elements: rows and columns are places on a canvas of known size.
 * One cell is the active one; the grid itself keeps the focus and names it.
 */
const grid = (() => {
  const { make, button, visible, address } = words;
  const GAP = 8;
  const LINE = 24;
  const SIZES = { s: 112, m: 176, l: 272 };
  const NARROW = { s: 92, m: 124, l: 248 };
  // A screen larger than this many cells gets larger cells, not more elements.
  const MOST_CELLS = 72;
  // Browsers end a canvas somewhere between 17 and 33 million pixels.
  const LONGEST = 15_000_000;
  const DRAWABLE = new Set(["png", "jpeg", "webp", "gif", "avif", "svg"]);
  const LARGEST_ORIGINAL = 2_000_000;
  const UNENDED = { sent: "on its way", answered: "being stored", waiting: "waits for a retry" };

  const root = document.querySelector(".grid");
  const canvas = make("div", { class: "canvas", role: "rowgroup" });
  // Rows and cells that have an element, by their index; the head is row -1.
  const rows = new Map();
  const active = { row: 0, column: 0 };
  const late = new Set();
  let made = null;
  let state = null;
  let metrics = null;
  let timer = null;

  const measure = () => {
    const width = root.clientWidth || 800;
    const height = root.clientHeight || 600;
    const narrow = width < 620;
    let side = narrow ? 104 : Math.min(300, Math.max(200, Math.round(width * 0.2)));
    let cell = (narrow ? NARROW : SIZES)[state.size];
    const line = state.line ? LINE : 0;
    const count = Math.max(1, made.columns.length);
    // About as wide as the longest title would be, of as many as a screen has.
    const longest = (heads) => 8 * Math.max(0, ...heads.slice(0, 200).map((one) => view.label(one.code).length));
    const headOf = () => (made.axes.sx ? 20 : 0) + (longest(made.columns) > cell ? 76 : 58) + (cell < 150 ? 14 : 0);
    const fit = () => Math.ceil((width - side) / (cell + GAP) + 1) * Math.ceil((height - headOf()) / (cell + line + GAP) + 1);
    while (fit() > MOST_CELLS && count * made.rows.length > MOST_CELLS) cell += 16;
    // Few columns share the width rather than leave half the screen empty, and texts take what is left.
    const room = (width - side - 20) / count - GAP;
    if (state.size !== "s" && room > cell) cell = Math.floor(Math.min(room, cell * (narrow ? 1.45 : 1.75)));
    if (!narrow) side = Math.max(side, Math.min(480, longest(made.rows) + 32, width - 20 - count * (cell + GAP)));
    const head = headOf();
    const rowHeight = cell + line + GAP;
    const full = made.rows.length * rowHeight;
    const seen = height - head;
    const capped = Math.min(full, LONGEST);
    return {
      width, side, cell, rowHeight, seen, head, capped,
      step: cell + GAP,
      // How many pixels of the whole one pixel of the canvas stands for: 1, up to some 75,000 rows.
      ratio: full > capped ? (full - seen) / (capped - seen) : 1,
    };
  };

  /** Draws another layout; `keep` leaves the place it is scrolled to. */
  const show = (layout, shownState, keep) => {
    made = layout;
    state = shownState;
    if (!keep) root.scrollTop = root.scrollLeft = 0;
    active.row = Math.min(active.row, Math.max(0, made.rows.length - 1));
    active.column = Math.min(active.column, Math.max(0, made.columns.length - 1));
    metrics = measure();
    const { side, step, head, capped, cell, rowHeight } = metrics;
    root.setAttribute("aria-rowcount", made.rows.length + 1);
    root.setAttribute("aria-colcount", made.columns.length + 1);
    canvas.style.width = `${side + made.columns.length * step}px`;
    canvas.style.height = `${head + capped}px`;
    const sizes = { cell: `${cell}px`, side: `${side}px`, row: `${rowHeight - GAP}px`, head: `${head}px`, lines: Math.max(1, Math.floor((cell - 80) / 17.5)) };
    for (const [name, value] of Object.entries(sizes)) root.style.setProperty(`--${name}`, value);
    draw();
  };

  /** The first and last row and column in sight, and where the rows are placed. */
  const sight = () => {
    const { rowHeight, seen, step, side, width, ratio } = metrics;
    const top = root.scrollTop * ratio;
    const { scrollLeft } = root;
    return {
      shift: root.scrollTop - top,
      rows: [Math.max(0, Math.floor(top / rowHeight)), Math.min(made.rows.length, Math.ceil((top + seen) / rowHeight))],
      columns: [Math.max(0, Math.floor(scrollLeft / step)), Math.min(made.columns.length, Math.ceil((scrollLeft + width - side) / step))],
    };
  };

  const draw = () => {
    if (!made) return;
    const seen = sight();
    const [first, end] = seen.rows;
    drop(rows, (index) => index !== -1 && (index < first || index >= end));
    fill(keep(canvas, rows, -1, corner(), headRow), seen, (column) => [column.code, column.over, ...figures(column)].join(), headCell);
    for (let index = first; index < end; index++) {
      const row = made.rows[index];
      const element = keep(canvas, rows, index, `${row.code} ${row.over}`, () => bodyRow(row, index));
      element.style.transform = `translateY(${metrics.head + index * metrics.rowHeight + seen.shift}px)`;
      fill(element, seen, (column) => signature(row, column), (column, place) => cell(row, column, index, place));
    }
    mark();
  };

  const drop = (elements, isOut) => {
    for (const [index, element] of elements) {
      if (!isOut(index)) continue;
      element.remove();
      elements.delete(index);
    }
  };

  /** The element at `index`: the one that is there while it says the same, so that nothing flickers while a run goes on. */
  const keep = (parent, elements, index, said, build) => {
    const known = elements.get(index);
    if (known?.said === said) return known;
    const element = Object.assign(build(), { said, cells: new Map() });
    if (known) known.replaceWith(element);
    else parent.append(element);
    elements.set(index, element);
    return element;
  };

  /** The cells of one row that are in sight; those that left it are removed. */
  const fill = (row, { columns: [first, end] }, said, build) => {
    drop(row.cells, (index) => index < first || index >= end);
    for (let index = first; index < end; index++) {
      const column = made.columns[index];
      keep(row, row.cells, index, said(column), () => build(column, index)).style.left = `${metrics.side + index * metrics.step}px`;
    }
  };

  const corner = () => {
    const { x, y, sy } = made.axes;
    return visible(`${sy ? `${sy.name} · ` : ""}${y.name} ↓  ${x.name} →`);
  };

  const headRow = () =>
    make("div", { class: "head", role: "row", "aria-rowindex": 1 }, make("div", { class: "corner", role: "columnheader", "aria-colindex": 1 }, corner()));

  /** What a column says of its cells: mean cost, median latency and success. */
  const figures = (column) => {
    const { costs, sources, latencies, stored, ended } = made.stats.get(column.index);
    const each = words.roughly(view.mean(costs));
    return [words.sure(sources) ? each : `≈ ${each}`, words.span(view.median(latencies)), words.share(stored, ended), [...sources].join(", ")];
  };

  const headCell = (column, index) => {
    const title = view.label(column.code);
    const [cost, latency, success, sources] = figures(column);
    // A figure and its unit stay together.
    const said = [cost, latency, success].map((text) => text.replaceAll(" ", "\u00a0")).join(" · ");
    return make("div", { class: "colhead", role: "columnheader", "aria-colindex": index + 2,
      title: `${column.over === null ? "" : `${view.label(column.over)}\n`}${title}\nmean cost ${cost}${sources && ` (by ${sources})`}, median latency ${latency}, success ${success}` },
      column.over !== null && make("i", {}, view.label(column.over)), make("b", {}, title), make("span", {}, said));
  };

  const bodyRow = (row, index) =>
    make("div", { class: "row", role: "row", "aria-rowindex": index + 2 },
      make("div", { class: "rowhead", role: "rowheader", "aria-colindex": 1 },
        row.over !== null && make("i", {}, view.label(row.over)),
        make("p", {}, view.label(row.code)),
        button("copy", (event) => (event.stopPropagation(), words.copy(table.text(row.code))),
          { class: "copy", tabindex: -1, title: "Copy (c)", "aria-label": "Copy the text of this row" })));

  /** All that a cell says, in one text. */
  const signature = (row, column) => {
    const place = made.place(row, column);
    const { state: ends, flags, thumb, cost, latency, reason } = table.columns;
    return [column.code, column.over, place, ends[place], flags[place], thumb[place], cost[place], latency[place], reason[place],
      made.passed.has(place), made.others(row, column), state.line].join();
  };

  const cell = (row, column, rowIndex, columnIndex) => {
    const place = made.place(row, column);
    const at = {
      role: "gridcell", id: `c${rowIndex}-${columnIndex}`, "aria-colindex": columnIndex + 2, "data-row": rowIndex, "data-column": columnIndex,
    };
    if (place === undefined) return make("div", { class: "cell missing", ...at }, "not run");
    const others = made.others(row, column);
    const element = make("div", { class: made.passed.has(place) ? "cell" : "cell dim", ...at,
      "data-badge": [view.badge(place), others ? `1 of ${others + 1}` : ""].filter(Boolean).join(", ") || null,
      "data-line": state.line && [words.money(table.columns.cost[place]), words.span(table.columns.latency[place])].filter((text) => text !== words.NONE).join(" · ") });
    late.add([element, place]);
    timer ??= setTimeout(settle, 30);
    return element;
  };

  /** Pictures are asked for once scrolling pauses: what only flies past costs nothing. */
  const settle = () => {
    timer = null;
    for (const [element, place] of late) dress(element, place);
    late.clear();
  };

  /** The picture of a cell, or why there is none. */
  const dress = (element, place) => {
    if (!element.isConnected) return;
    const known = table.state(place);
    const detail = table.detail(place, () => dress(element, place));
    if (known !== "stored") unstored(element, place, known, detail);
    else if (detail && view.has(place, "file gone")) picture(element, [], detail, "its file is gone");
    else if (detail) picture(element, sources(place, detail), detail);
  };

  const sources = (place, detail) => {
    const label = words.short(`${view.label(made.axes.x.codes[place])}: ${view.label(made.axes.y.codes[place])}`, 160);
    const image = (src) => (error) => make("img", { src, alt: label, decoding: "async", draggable: "false", error });
    return [
      table.columns.thumb[place] && image(address(`compare/thumbs/${detail.sha256.slice(0, 2)}/${detail.sha256}.webp`)),
      DRAWABLE.has(detail.format) && detail.bytes <= LARGEST_ORIGINAL && image(address(detail.file)),
      words.isFilm(detail) && ((lost) => words.shown(detail, label, lost, { pointerenter: (event) => event.target.play(), pointerleave: (event) => event.target.pause() })),
    ].filter(Boolean);
  };

  /** The first of the sources that loads; a few words if none does. */
  const picture = (element, [first, ...rest], detail, why = "no preview; open it to see it") => {
    if (first) return element.replaceChildren(first(() => picture(element, rest, detail)));
    element.classList.add("plain");
    const size = detail.width ? `${detail.width} × ${detail.height}` : "";
    return element.replaceChildren(make("b", {}, `${visible(detail.format)} ${size}`), make("span", {}, why));
  };

  const unstored = (element, place, known, detail) => {
    const failed = view.FAILED.has(known);
    const title = visible(failed ? table.reason(place) || known : UNENDED[known] || known);
    const message = visible(detail?.message || (failed ? known : ""));
    element.classList.add(failed ? "failed" : "waits");
    element.replaceChildren(make("b", {}, title), make("span", {}, message));
    element.title = `${known}: ${title}\n${message}`;
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
    root.scrollTop = within(active.row * rowHeight, rowHeight, root.scrollTop * ratio, seen) / ratio;
    root.scrollLeft = within(active.column * step, step, root.scrollLeft, width - side);
    draw();
  };

  /** Where to scroll to, from `shown`, so that `length` pixels from `start` on are in sight. */
  const within = (start, length, shown, room) => Math.min(start, Math.max(shown, start + length - room));

  const by = (rowsOn, columnsOn) => () => move(active.row + rowsOn(), active.column + columnsOn);
  const pageful = () => Math.max(1, Math.floor(metrics.seen / metrics.rowHeight));
  const open = () => made.rows.length && app.zoom(made.rows[active.row], made.columns[active.column]);
  const KEYS = {
    ArrowUp: by(() => -1, 0),
    ArrowDown: by(() => 1, 0),
    ArrowLeft: by(() => 0, -1),
    ArrowRight: by(() => 0, 1),
    PageUp: by(() => -pageful(), 0),
    PageDown: by(pageful, 0),
    Home: (event) => move(event.ctrlKey ? 0 : active.row, 0),
    End: (event) => move(event.ctrlKey ? Infinity : active.row, Infinity),
    Enter: open,
    " ": open,
    c: () => words.copy(table.text(made.rows[active.row]?.code)),
  };

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
    open();
  });
  let resizing;
  new ResizeObserver(() => {
    clearTimeout(resizing);
    resizing = setTimeout(() => made && show(made, state, true), 100);
  }).observe(root);

  return { show, focus: () => root.focus() };
})();
