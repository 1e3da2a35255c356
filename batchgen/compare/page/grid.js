"use strict";

/**
 * The grid of pictures. Only what is in sight has elements: lines and slots are places on a canvas of known size.
 * In a table a line is a row and a slot a column; a single column, or a row too wide for the screen, wraps into a gallery.
 * One cell is the active one; the grid itself keeps the focus and names it.
 */
const grid = (() => {
  const { make, button, visible, address } = words;
  const GAP = 8;
  const LINE = 24;
  const SIZES = { s: 112, m: 176, l: 272 };
  const NARROW = { s: 92, m: 124, l: 248 };
  const GALLERY = { s: 96, m: 144, l: 272 };
  const NARROW_GALLERY = { s: 84, m: 112, l: 300 };
  const GROUPS = 24;
  // A screen larger than this many cells gets larger cells, not more elements.
  const MOST_CELLS = 68;
  // A gallery has no heads beside its pictures.
  const MOST_PICTURES = 130;
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
    const line = state.line ? LINE : 0;
    const table = tableOf(width, height, narrow, line);
    const isGallery = made.columns.length === 1 || (made.rows.length === 1 && table.lead + made.columns.length * (table.cell + GAP) > width);
    const { lead, cell, head, foot, slots, lines, from = 0, groups = 0 } = isGallery ? galleryOf(width, height, narrow, line) : table;
    const rowHeight = cell + foot + GAP;
    const full = lines * rowHeight;
    const seen = height - head - groups;
    const capped = Math.min(full, LONGEST);
    return {
      width, lead, from, cell, foot, rowHeight, seen, head, groups, capped, slots, lines, isGallery,
      step: cell + GAP,
      // How many pixels of the whole one pixel of the canvas stands for: 1, up to some 75,000 rows.
      ratio: full > capped ? (full - seen) / (capped - seen) : 1,
    };
  };

  const tableOf = (width, height, narrow, line) => {
    let side = narrow ? 104 : Math.min(300, Math.max(200, Math.round(width * 0.2)));
    let cell = (narrow ? NARROW : SIZES)[state.size];
    const count = Math.max(1, made.columns.length);
    const groups = made.axes.sx ? GROUPS : 0;
    // What was edited stands beside the text of a row, and below it on a phone.
    const origin = () => (made.isEdited && !narrow ? cell + GAP : 0);
    // About as wide as the longest title would be, of as many as a screen has.
    const longest = (heads, said = (one) => view.label(one.code)) => 8 * Math.max(0, ...heads.slice(0, 200).map((one) => said(one).length));
    const headOf = () => (longest(made.columns) > cell ? 76 : 58) + (cell < 150 ? 14 : 0);
    const fits = () =>
      Math.ceil((width - side - origin()) / (cell + GAP) + 1) * Math.ceil((height - headOf() - groups) / (cell + line + GAP) + 1);
    while (fits() > MOST_CELLS && count * made.rows.length > MOST_CELLS) cell += 16;
    // Few columns share the width rather than leave half the screen empty, as long as a screen has two rows.
    const room = (width - side - 20) / (count + (origin() ? 1 : 0)) - GAP;
    const most = Math.max(cell * (narrow ? 1.45 : 1.75), (height - headOf() - groups) * 0.48);
    if (state.size !== "s" && room > cell) cell = Math.floor(Math.min(room, most));
    if (!narrow) side = Math.max(side, Math.min(480, longest(made.rows, made.rowText) + 32, width - 20 - origin() - count * (cell + GAP)));
    return { lead: side + origin(), from: origin(), cell, head: headOf(), groups, foot: line, slots: made.columns.length, lines: made.rows.length };
  };

  /** Pictures side by side over the whole width, each with what tells it from the others below. */
  const galleryOf = (width, height, narrow, line) => {
    const count = made.rows.length * made.columns.length;
    const lead = narrow ? 12 : 18;
    const room = width - 2 * lead + GAP;
    const foot = LINE + (line && LINE - 6);
    let cell = (narrow ? NARROW_GALLERY : GALLERY)[state.size];
    const slots = () => Math.max(1, Math.floor(room / (cell + GAP)));
    while (slots() * Math.ceil((height - LINE) / (cell + foot + GAP) + 1) > MOST_PICTURES && count > MOST_PICTURES) cell += 16;
    // Few pictures are shown larger.
    if (count < slots() && state.size !== "s") cell = Math.min(room / count - GAP, Math.max(cell, Math.min(cell * 2, height * 0.62)));
    return { lead, cell: Math.floor(Math.max(cell, count < slots() ? 0 : room / slots() - GAP)), head: 44, foot, slots: slots(), lines: Math.ceil(count / slots()) };
  };

  /** The row and column of the picture at a place; `undefined` behind the last one of a gallery. */
  const headsAt = (line, slot) => {
    if (!metrics.isGallery) return { row: made.rows[line], column: made.columns[slot] };
    const index = line * metrics.slots + slot;
    const [row, column] = made.columns.length === 1 ? [made.rows[index], made.columns[0]] : [made.rows[0], made.columns[index]];
    return row && column && { row, column };
  };

  /** Draws another layout; `keep` leaves the place it is scrolled to. */
  const show = (layout, shownState, keep) => {
    made = layout;
    state = shownState;
    if (!keep) root.scrollTop = root.scrollLeft = 0;
    metrics = measure();
    const { lead, from, step, head, groups, capped, cell, foot, rowHeight, slots, lines, isGallery } = metrics;
    active.row = Math.min(active.row, Math.max(0, lines - 1));
    active.column = Math.min(active.column, Math.max(0, slots - 1));
    root.classList.toggle("gallery", isGallery);
    root.setAttribute("aria-rowcount", lines + (groups ? 2 : 1));
    root.setAttribute("aria-colcount", isGallery ? slots : slots + 1);
    canvas.style.width = isGallery ? "100%" : `${lead + slots * step}px`;
    canvas.style.height = `${groups + head + capped}px`;
    const sizes = {
      cell: `${cell}px`, lead: `${lead}px`, from: `${from}px`, foot: `${foot}px`, row: `${rowHeight - GAP}px`, head: `${head}px`,
      groups: `${groups}px`, clamp: Math.max(3, Math.floor((cell - 60) / 20)), lines: Math.max(1, Math.floor((cell - 80) / 17.5)),
    };
    for (const [name, value] of Object.entries(sizes)) root.style.setProperty(`--${name}`, value);
    draw();
  };

  /** The first and last line and slot in sight, and where the lines are placed. */
  const sight = () => {
    const { rowHeight, seen, step, lead, width, ratio, lines, slots } = metrics;
    const top = root.scrollTop * ratio;
    const { scrollLeft } = root;
    return {
      shift: root.scrollTop - top,
      rows: [Math.max(0, Math.floor(top / rowHeight)), Math.min(lines, Math.ceil((top + seen) / rowHeight))],
      columns: [Math.max(0, Math.floor(scrollLeft / step)), Math.min(slots, Math.ceil((scrollLeft + width - lead) / step))],
    };
  };

  const draw = () => {
    if (!made) return;
    const { isGallery, groups } = metrics;
    const seen = sight();
    const [first, end] = seen.rows;
    drop(rows, (index) => (index < 0 ? index === -2 && !groups : index < first || index >= end));
    if (groups) fillGroups(keep(canvas, rows, -2, "groups", groupRow), seen);
    if (isGallery) keep(canvas, rows, -1, galleryTitle().join("\n"), galleryHead);
    else fill(keep(canvas, rows, -1, corner(), headRow), seen, (column) => made.columns[column] && headSaid(made.columns[column]), headCell);
    for (let index = first; index < end; index++) {
      const row = isGallery ? null : made.rows[index];
      const element = keep(canvas, rows, index, isGallery ? "gallery" : `${row.code} ${row.over} ${originOf(row)}`, () => bodyRow(row, index));
      element.style.transform = `translateY(${groups + metrics.head + index * metrics.rowHeight + seen.shift}px)`;
      fill(element, seen, (slot) => signature(headsAt(index, slot)), (slot) => cell(headsAt(index, slot), index, slot));
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

  /** The cells of one line that are in sight; those that left it, and those that say nothing, are removed. */
  const fill = (row, { columns: [first, end] }, said, build) => {
    drop(row.cells, (index) => index < first || index >= end || !said(index));
    for (let index = first; index < end; index++) {
      const text = said(index);
      if (text) keep(row, row.cells, index, text, () => build(index)).style.left = `${metrics.lead + index * metrics.step}px`;
    }
  };

  const corner = () => {
    const { x, y, sy } = made.axes;
    return visible(`${sy ? `${sy.name} · ` : ""}${y.name} ↓  ${x.name} →`);
  };

  const lineNumber = (index) => index + (metrics.groups ? 3 : 2);

  const headRow = () =>
    make("div", { class: "head", role: "row", "aria-rowindex": lineNumber(-1) },
      make("div", { class: "corner", role: "columnheader", "aria-colindex": 1 }, make("span", {}, corner()), metrics.from > 0 && make("em", {}, "edited picture")));

  /** What stands above several columns stands there once, as wide as they are. */
  const groupRow = () => make("div", { class: "groups", role: "row", "aria-rowindex": 1 });

  const fillGroups = (row, { columns: [first, end] }) => {
    const starts = (index) => index === 0 || made.columns[index].over !== made.columns[index - 1].over;
    const found = new Set();
    for (let index = first; index < end; index++) {
      let [from, to] = [index, index + 1];
      while (!starts(from)) from--;
      while (to < made.columns.length && !starts(to)) to++;
      const label = view.label(made.columns[from].over);
      const element = keep(row, row.cells, from, `${label} ${to}`, () =>
        make("div", { class: "group", role: "columnheader", "aria-colindex": from + 2, "aria-colspan": to - from, title: label }, make("b", {}, label)));
      element.style.left = `${metrics.lead + from * metrics.step}px`;
      element.style.width = `${(to - from) * metrics.step - GAP}px`;
      found.add(from);
      index = to - 1;
    }
    drop(row.cells, (index) => !found.has(index));
  };

  /** What a column says of its cells: mean cost, median latency and success. */
  const figures = (column) => {
    const { costs, sources, latencies, stored, ended } = made.stats.get(column.index);
    const each = words.roughly(view.mean(costs));
    return [words.sure(sources) ? each : `≈ ${each}`, words.span(view.median(latencies)), words.share(stored, ended), [...sources].join(", ")];
  };

  // A figure and its unit stay together.
  const joined = (figures) => figures.map((text) => text.replaceAll(" ", "\u00a0")).join(" · ");

  const headSaid = (column) => [column.code, column.over, ...figures(column)].join();

  const headCell = (index) => {
    const column = made.columns[index];
    const title = view.label(column.code);
    const [cost, latency, success, sources] = figures(column);
    return make("div", { class: "colhead", role: "columnheader", "aria-colindex": index + 2,
      title: `${column.over === null ? "" : `${view.label(column.over)}\n`}${title}\nmean cost ${cost}${sources && ` (by ${sources})`}, median latency ${latency}, success ${success}` },
      make("b", {}, title), make("span", {}, joined([cost, latency, success])));
  };

  /** What all pictures of a gallery have in common, and the figures of a single column. */
  const galleryTitle = () => {
    const { x, y } = made.axes;
    if (made.columns.length > 1) return [view.label(made.rows[0].code), x.name];
    return [view.label(made.columns[0].code), y.name, joined(figures(made.columns[0]).slice(0, 3))];
  };

  const galleryHead = () => {
    const [title, by, said] = galleryTitle();
    return make("div", { class: "head", role: "row", "aria-rowindex": 1 },
      make("div", { class: "title", role: "columnheader", "aria-colindex": 1, "aria-colspan": metrics.slots },
        make("b", {}, title), said && make("span", {}, said), make("i", {}, `by ${visible(by)}`)));
  };

  /** The entry whose input pictures stand beside a row: all pictures of the row were made from the same. */
  const originOf = (row) => {
    if (!made.isEdited || !row) return undefined;
    const inputs = view.named("inputs").codes;
    const places = made.columns.slice(0, 200).map((column) => made.place(row, column)).filter((place) => place !== undefined);
    return new Set(places.map((place) => inputs[place])).size === 1 && inputs[places[0]] >= 0 ? places[0] : undefined;
  };

  const bodyRow = (row, index) => {
    if (!row) return make("div", { class: "row", role: "row", "aria-rowindex": lineNumber(index) });
    const origin = originOf(row);
    const begins = index > 0 && row.over !== made.rows[index - 1].over;
    const element = make("div", { class: begins ? "row begins" : "row", role: "row", "aria-rowindex": lineNumber(index) },
      make("div", { class: "rowhead", role: "rowheader", "aria-colindex": 1 },
        row.over !== null && make("i", {}, view.label(row.over)),
        make("p", {}, made.rowText(row)),
        button("copy", (event) => (event.stopPropagation(), words.copy(table.text(row.code))),
          { class: "copy", tabindex: -1, title: "Copy (c)", "aria-label": "Copy the text of this row" }),
        origin !== undefined && make("div", { class: "origin" })));
    if (origin !== undefined) soon(element.querySelector(".origin"), origin);
    return element;
  };

  /** All that a cell says, in one text; nothing where there is no cell. */
  const signature = (heads) => {
    if (!heads) return "";
    const { row, column } = heads;
    const place = made.place(row, column);
    const { state: ends, flags, thumb, cost, latency, reason } = table.columns;
    return [row.code, row.over, column.code, column.over, place, ends[place], flags[place], thumb[place], cost[place], latency[place], reason[place],
      made.passed.has(place), made.others(row, column), state.line, metrics.isGallery].join();
  };

  /** What stands below a picture: in a gallery what tells it from the others, then cost and latency. */
  const below = ({ row, column }, place) => {
    const known = place === undefined ? [] : [words.money(table.columns.cost[place]), words.span(table.columns.latency[place])];
    const figures = state.line && known.filter((text) => text !== words.NONE).join(" · ");
    if (!metrics.isGallery) return figures;
    const isRow = made.columns.length === 1;
    const over = isRow ? row.over : column.over;
    const label = `${over === null ? "" : `${view.label(over)} · `}${isRow ? made.rowText(row) : view.label(column.code)}`.replace(/\s+/g, " ");
    return [label, figures].filter(Boolean).join("\n");
  };

  const cell = (heads, line, slot) => {
    const { row, column } = heads;
    const place = made.place(row, column);
    const begins = !metrics.isGallery && slot > 0 && column.over !== made.columns[slot - 1].over;
    const at = {
      role: "gridcell", id: `c${line}-${slot}`, "aria-colindex": slot + (metrics.isGallery ? 1 : 2), "data-row": line, "data-column": slot,
      "data-line": below(heads, place), title: metrics.isGallery ? (made.columns.length === 1 ? made.rowText(row) : view.label(column.code)) : null,
    };
    const named = (...names) => ["cell", begins && "begins", ...names].filter(Boolean).join(" ");
    if (place === undefined) return make("div", { class: named("missing"), ...at }, "not run");
    const others = made.others(row, column);
    const element = make("div", { class: named(!made.passed.has(place) && "dim"), ...at,
      "data-badge": [view.badge(place), others ? `1 of ${others + 1}` : ""].filter(Boolean).join(", ") || null });
    soon(element, place);
    return element;
  };

  const soon = (element, place) => {
    late.add([element, place]);
    timer ??= setTimeout(settle, 30);
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
    if (element.matches(".origin")) return detail && element.replaceChildren(...detail.edited.slice(0, 1).map((file) => words.edited(file)));
    if (known !== "stored") unstored(element, place, known, detail);
    else if (detail && view.has(place, "file gone")) picture(element, [], detail, "its file is gone");
    else if (detail) picture(element, sources(place, detail), detail);
  };

  const sources = (place, detail) => {
    const label = words.short(`${view.label(made.axes.x.codes[place])}: ${view.label(made.axes.y.codes[place])}`, 160);
    const image = (src) => (error) => make("img", { src, alt: label, decoding: "async", draggable: "false", error });
    return [
      table.columns.thumb[place] && image(address(`${detail.base}compare/thumbs/${detail.sha256.slice(0, 2)}/${detail.sha256}.webp`)),
      DRAWABLE.has(detail.format) && detail.bytes <= LARGEST_ORIGINAL && image(address(detail.file)),
      words.isFilm(detail) && ((lost) => words.shown(detail, label, lost, { pointerenter: (event) => event.target.play(), pointerleave: (event) => event.target.pause() })),
    ].filter(Boolean);
  };

  /** The first of the sources that loads; a few words if none does. */
  const picture = (element, [first, ...rest], detail, why = "no preview; open it to see it") => {
    // As in the report, what was edited stands in a corner of what came of it, if it has no column of its own.
    const origin = metrics.isGallery && detail.edited.length > 0 && words.edited(detail.edited[0], { class: "from" });
    if (first) return element.replaceChildren(first(() => picture(element, rest, detail)), ...(origin ? [origin] : []));
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
    const { rowHeight, seen, step, lead, width, ratio, lines, slots } = metrics;
    active.row = Math.min(Math.max(row, 0), lines - 1);
    active.column = Math.min(Math.max(column, 0), slots - 1);
    while (!headsAt(active.row, active.column)) active.column--;
    root.scrollTop = within(active.row * rowHeight, rowHeight, root.scrollTop * ratio, seen) / ratio;
    root.scrollLeft = within(active.column * step, step, root.scrollLeft, width - lead);
    draw();
  };

  /** To the next picture, in a gallery also from one line to the next. */
  const aside = (step) => () => {
    const { isGallery, slots } = metrics;
    const index = active.row * slots + active.column + step;
    if (!isGallery) move(active.row, active.column + step);
    else if (index >= 0 && headsAt(Math.floor(index / slots), index % slots)) move(Math.floor(index / slots), index % slots);
  };

  /** Where to scroll to, from `shown`, so that `length` pixels from `start` on are in sight. */
  const within = (start, length, shown, room) => Math.min(start, Math.max(shown, start + length - room));

  const down = (lines) => () => move(active.row + lines(), active.column);
  const pageful = () => Math.max(1, Math.floor(metrics.seen / metrics.rowHeight));
  const open = () => {
    const heads = made.rows.length && headsAt(active.row, active.column);
    if (heads) app.zoom(heads.row, heads.column);
  };
  const KEYS = {
    ArrowUp: down(() => -1),
    ArrowDown: down(() => 1),
    ArrowLeft: aside(-1),
    ArrowRight: aside(1),
    PageUp: down(() => -pageful()),
    PageDown: down(pageful),
    Home: (event) => move(event.ctrlKey ? 0 : active.row, 0),
    End: (event) => move(event.ctrlKey ? Infinity : active.row, Infinity),
    Enter: open,
    " ": open,
    c: () => words.copy(table.text(headsAt(active.row, active.column)?.row.code)),
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
