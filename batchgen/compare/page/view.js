"use strict";

/** What is to be seen: which rows, columns, tabs and cells follow from the chosen axes and filters. No elements here. */
const view = (() => {
  // Bits and words of batchgen/store/flags.py, and one of this page's own.
  const FLAGS = {
    "other size": 1, "other format": 2, unreadable: 4, transparent: 8, blank: 16, "one colour": 32, duplicate: 64,
    "near duplicate": 128, "file gone": 256,
  };
  const ENDED = new Set(["stored", "refused", "spoiled", "in doubt"]);

  const fresh = () => ({
    x: "", y: "", sx: "", sy: "", tabs: {}, text: "", column: "", has: "", models: [], states: [], flags: [],
    cost: ["", ""], latency: ["", ""], disagree: false, size: "m", line: true, zoom: null,
  });

  /** The dimensions that can be an axis: of several with one name the first, and only those that vary. */
  const choices = () => {
    const named = new Map();
    for (const dimension of table.dimensions) if (!named.has(dimension.name)) named.set(dimension.name, dimension);
    return [...named.values()].filter((one) => one.name === "model" || one.name === "prompt" || varies(one.codes));
  };

  const varies = (codes) => codes.some((code) => code !== codes[0]);

  const named = (name) => table.dimensions.find((one) => one.name === name);

  /** The values of a dimension in the order of the plan, or by number where all are numbers. */
  const valuesOf = (dimension) => {
    const first = new Map();
    dimension.codes.forEach((code, place) => {
      const position = table.columns.position[place];
      if (!first.has(code) || position < first.get(code)) first.set(code, position);
    });
    const values = [...first.keys()];
    const numbers = new Map(values.map((code) => [code, Number(table.text(code) || NaN)]));
    const numeric = values.every((code) => !Number.isNaN(numbers.get(code)));
    return values.sort((one, other) =>
      numeric ? numbers.get(one) - numbers.get(other) : first.get(one) - first.get(other));
  };

  /** The axes of `state`, with defaults where it names none that is there: X is the model, Y the prompt. */
  const axesOf = (state) => {
    const all = choices();
    const pick = (name) => all.find((one) => one.name === name);
    const y = pick(state.y) || pick("prompt") || all.find((one) => one.name !== "model") || all[0];
    let x = pick(state.x);
    if (!x && y) {
      const model = pick("model");
      x = model && model !== y && varies(model.codes) ? model : undetermined(all, [y])[0] || (model !== y && model) || y;
    }
    const extra = (name, ...taken) => (name && !taken.includes(pick(name)) ? pick(name) : undefined);
    const sx = extra(state.sx, x, y);
    return { x, y, sx, sy: extra(state.sy, x, y, sx), all };
  };

  /** The dimensions that tell entries of one cell apart, once the axes are chosen: each of them is a tab strip. */
  const undetermined = (all, axes) => {
    let groups = axes.reduce((made, axis) => split(made, axis.codes), new Array(table.length).fill(0));
    const found = [];
    // The prompt and the row follow from the rest more often than the other way round.
    const late = (one) => (one.name === "row" ? 2 : one.name === "prompt" ? 1 : 0);
    const rest = all.filter((one) => !axes.includes(one)).sort((one, other) => late(one) - late(other));
    for (const dimension of rest) {
      const first = new Map();
      const splits = groups.some((group, place) => {
        if (!first.has(group)) first.set(group, dimension.codes[place]);
        return first.get(group) !== dimension.codes[place];
      });
      if (splits) {
        found.push(dimension);
        groups = split(groups, dimension.codes);
      }
    }
    return found;
  };

  /** The groups that entries fall into once `codes` tells them apart as well. */
  const split = (groups, codes) => {
    const known = new Map();
    return groups.map((group, place) => {
      const key = group * 2 ** 26 + (codes[place] ?? -1) + 1;
      if (!known.has(key)) known.set(key, known.size);
      return known.get(key);
    });
  };

  /** Everything the grid draws: see the fields at the end. */
  const layout = (state) => {
    const axes = axesOf(state);
    if (!table.length || !axes.y) return { axes, tabs: [], rows: [], columns: [], cells: new Map(), shown: 0, total: 0, all: 0 };
    const used = [axes.x, axes.y, axes.sx, axes.sy].filter(Boolean);
    const tabs = undetermined(axes.all, used).map((dimension) => tabOf(dimension, state));
    const rowLine = lineOf(axes.sy, axes.y);
    const columnLine = lineOf(axes.sx, axes.x);
    const width = columnLine.length;
    const cells = new Map();
    const extra = new Map();
    for (let place = 0; place < table.length; place++) {
      if (table.columns.state[place] === undefined || !tabs.every((tab) => tab.dimension.codes[place] === tab.chosen)) continue;
      const cell = rowLine.at(place) * width + columnLine.at(place);
      if (cells.has(cell)) extra.set(cell, (extra.get(cell) || 0) + 1);
      else cells.set(cell, place);
    }
    return kept({ axes, tabs, rowLine, columnLine, width, cells, extra }, state);
  };

  const tabOf = (dimension, state) => {
    const values = valuesOf(dimension);
    const asked = values.find((code) => brief(table.text(code)) === state.tabs[dimension.name]);
    return { dimension, values, chosen: asked ?? values[0] };
  };

  /** One direction of the grid: the values of an axis, once for each value of the axis above it. */
  const lineOf = (above, axis) => {
    const values = valuesOf(axis);
    const order = new Map(values.map((code, index) => [code, index]));
    const outer = above ? valuesOf(above) : [null];
    const outerOrder = new Map(outer.map((code, index) => [code, index]));
    return {
      length: values.length * outer.length,
      at: (place) => (above ? outerOrder.get(above.codes[place]) * values.length : 0) + order.get(axis.codes[place]),
      head: (index) => ({
        index,
        code: values[index % values.length],
        over: above ? outer[Math.floor(index / values.length)] : null,
      }),
    };
  };

  /** Rows and columns without a cell that passes the filters are left out; other cells of the rest are dimmed. */
  const kept = (made, state) => {
    const { rowLine, columnLine, width, cells } = made;
    const passes = passing(state);
    const apart = state.disagree ? disagreeing(cells, width) : null;
    const rows = new Set();
    const columns = new Set();
    const passed = new Set();
    for (const [cell, place] of cells) {
      const row = Math.floor(cell / width);
      if (!passes(place) || (apart && !apart.has(row))) continue;
      passed.add(place);
      rows.add(row);
      columns.add(cell % width);
    }
    const ordered = (set, line) => [...set].sort((one, other) => one - other).map(line.head);
    const found = { ...made, passed, rows: ordered(rows, rowLine), columns: ordered(columns, columnLine) };
    found.place = (row, column) => cells.get(row.index * width + column.index);
    found.others = (row, column) => made.extra.get(row.index * width + column.index) || 0;
    found.stats = statsOf(found);
    return Object.assign(found, { shown: passed.size, total: cells.size, all: table.length });
  };

  const passing = (state) => {
    const prompts = table.dimensions.filter((one) => one.name === "prompt");
    const texts = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const column = state.column && named(state.column);
    const model = named("model");
    const flags = state.flags.reduce((sum, name) => sum | FLAGS[name], 0);
    const within = ([low, high], factor) => {
      const [least, most] = [low, high].map((text) => (text === "" ? null : Number(text) * factor));
      return least === null && most === null
        ? () => true
        : (number) => number >= 0 && (least === null || number >= least) && (most === null || number <= most);
    };
    const cost = within(state.cost, 1e6);
    const latency = within(state.latency, 1e3);
    const searched = memo((code) => {
      const text = table.text(code).toLowerCase();
      return texts.every((word) => text.includes(word));
    });
    const has = memo((code) => table.text(code).toLowerCase().includes(state.has.toLowerCase()));
    return (place) =>
      (!texts.length || prompts.some((one) => searched(one.codes[place]))) &&
      (!state.models.length || state.models.includes(table.text(model.codes[place]))) &&
      (!state.states.length || state.states.includes(table.state(place))) &&
      (!flags || (table.columns.flags[place] & flags) !== 0) &&
      (!column || !state.has || has(column.codes[place])) &&
      cost(table.columns.cost[place]) && latency(table.columns.latency[place]);
  };

  /** A text is searched once, not once for each entry that has it. */
  const memo = (answer) => {
    const known = new Map();
    return (code) => {
      if (!known.has(code)) known.set(code, answer(code));
      return known.get(code);
    };
  };

  /** The rows whose cells ended differently, or in which one was not run. */
  const disagreeing = (cells, width) => {
    const rows = new Map();
    for (const [cell, place] of cells) {
      const row = Math.floor(cell / width);
      if (!rows.has(row)) rows.set(row, []);
      rows.get(row).push(table.state(place));
    }
    const used = new Set([...cells.keys()].map((cell) => cell % width)).size;
    return new Set([...rows].filter(([, ends]) => new Set(ends).size > 1 || ends.length < used).map(([row]) => row));
  };

  /** Mean cost, median latency and success of each column, over the cells that passed. */
  const statsOf = (found) => {
    const stats = new Map();
    const of = (column) => {
      if (!stats.has(column)) stats.set(column, { cost: 0, priced: 0, latency: [], stored: 0, ended: 0 });
      return stats.get(column);
    };
    for (const [cell, place] of found.cells) {
      if (!found.passed.has(place)) continue;
      const sum = of(cell % found.width);
      const { cost, latency } = table.columns;
      if (cost[place] >= 0) (sum.cost += cost[place]), sum.priced++;
      if (latency[place] >= 0 && table.state(place) === "stored") sum.latency.push(latency[place]);
      if (ENDED.has(table.state(place))) sum.ended++, (sum.stored += table.state(place) === "stored" ? 1 : 0);
    }
    for (const sum of stats.values()) sum.p50 = median(sum.latency);
    return stats;
  };

  const median = (numbers) => {
    if (!numbers.length) return null;
    const sorted = [...numbers].sort((one, other) => one - other);
    return sorted[Math.floor((sorted.length - 1) / 2)];
  };

  /** A value as it stands in an address: long ones by their digest (FNV-1a). */
  const brief = (text) => {
    if (text.length <= 40) return text;
    let digest = 0x811c9dc5;
    for (let index = 0; index < text.length; index++) digest = Math.imul(digest ^ text.charCodeAt(index), 0x01000193);
    return `~${(digest >>> 0).toString(16).padStart(8, "0")}`;
  };

  const WORDS = ["x", "y", "sx", "sy", "text", "column", "has", "size"];
  const LISTS = ["models", "states", "flags", "cost", "latency", "zoom"];

  /** The state as the part of an address behind `#`: only what differs from a fresh page. */
  const toHash = (state) => {
    const parts = new URLSearchParams();
    const plain = fresh();
    for (const name of WORDS) if (state[name] !== plain[name]) parts.set(name, state[name]);
    for (const name of LISTS) if (state[name]?.some((text) => text !== "")) state[name].forEach((text) => parts.append(name, text));
    for (const [name, value] of Object.entries(state.tabs)) parts.set(`tab.${name}`, value);
    if (state.disagree) parts.set("disagree", "1");
    if (!state.line) parts.set("line", "0");
    return parts.toString();
  };

  const fromHash = (hash) => {
    const parts = new URLSearchParams(hash.replace(/^#/, ""));
    const state = fresh();
    for (const name of WORDS) if (parts.has(name)) state[name] = parts.get(name);
    for (const name of LISTS) if (parts.has(name)) state[name] = parts.getAll(name);
    for (const name of ["cost", "latency"]) state[name] = [0, 1].map((end) => (Number(state[name][end]) >= 0 ? state[name][end] : ""));
    state.flags = state.flags.filter((name) => name in FLAGS);
    if (!["s", "m", "l"].includes(state.size)) state.size = "m";
    for (const [name, value] of parts) if (name.startsWith("tab.")) state.tabs[name.slice(4)] = value;
    state.disagree = parts.get("disagree") === "1";
    state.line = parts.get("line") !== "0";
    return state;
  };

  const isFiltered = (state) => {
    const { text, has, models, states, flags, cost, latency, disagree } = state;
    return Boolean(text || has || models.length || states.length || flags.length || disagree || [...cost, ...latency].join(""));
  };

  /** What is wrong with an entry, in a word or two; empty where nothing is. */
  const badge = (place) =>
    Object.entries(FLAGS).filter(([, bit]) => table.columns.flags[place] & bit).map(([name]) => name).join(", ");

  /** The text of a value, and what stands in its place where there is none. */
  const label = (code) => words.visible(table.text(code)) || "(none)";

  return { FLAGS, fresh, choices, valuesOf, layout, brief, toHash, fromHash, isFiltered, badge, label, named };
})();
