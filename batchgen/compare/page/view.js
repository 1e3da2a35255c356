"use strict";

/** What is to be seen: which rows, columns, tabs and cells follow from the chosen axes and filters. No elements here. */
const view = (() => {
  // Bits and words of batchgen/store/looks/flags.py, and one of this page's own.
  const FLAGS = {
    "other size": 1, "other format": 2, unreadable: 4, transparent: 8, blank: 16, "one colour": 32, duplicate: 64,
    "near duplicate": 128, "file gone": 256,
  };
  const FAILED = new Set(["refused", "spoiled", "in doubt"]);

  const FILTERS = { text: "", column: "", has: "", only: {}, states: [], flags: [], cost: ["", ""], latency: ["", ""], disagree: false };
  const fresh = () => structuredClone({ x: "", y: "", sx: "", sy: "", size: "m", line: true, tabs: {}, zoom: [], results: false, ...FILTERS });
  const unfiltered = () => structuredClone(FILTERS);

  /** The dimensions that can be an axis: of several with one name the first, and only those that vary. */
  const choices = () =>
    table.dimensions.filter((one) => one === named(one.name) && (one.name === "model" || one.name === "prompt" || varies(one.codes)));

  const varies = (codes) => {
    const { places } = table;
    return places.some((place) => codes[place] !== codes[places[0]]);
  };

  // So many values of one axis are boxes to be checked; of more, a text can be searched for.
  const MOST_VALUES = 20;

  /** The axes and columns of few values, each with its texts and how many entries have them, in the order of the plan. */
  const listed = () =>
    choices().filter(({ name }) => !(NUMBERS_ALONE[name] && named(NUMBERS_ALONE[name]))).flatMap((dimension) => {
      const counts = new Map();
      for (const place of table.places) counts.set(dimension.codes[place], (counts.get(dimension.codes[place]) || 0) + 1);
      if (dimension.name !== "model" && (counts.size < 2 || counts.size > MOST_VALUES)) return [];
      return [{ name: dimension.name, values: valuesOf(dimension).map((code) => [code, counts.get(code)]) }];
    });

  // Digests that stand beside the names of the same files.
  const NUMBERS_ALONE = { inputs: "input_paths", mask: "mask_path" };

  const named = (name) => table.dimensions.find((one) => one.name === name);

  /** The values of a dimension in the order of the plan, or by number if all are numbers. */
  const valuesOf = (dimension) => {
    const first = new Map();
    for (const place of table.places) {
      const code = dimension.codes[place];
      first.set(code, Math.min(first.get(code) ?? Infinity, table.columns.position[place]));
    }
    const values = [...first.keys()];
    const numbers = new Map(values.map((code) => [code, Number(table.text(code) || NaN)]));
    const order = [...numbers.values()].some(Number.isNaN) ? first : numbers;
    return values.sort((one, other) => order.get(one) - order.get(other));
  };

  /** The axes of `state`, with defaults if it names none: X is the model, Y the prompt. */
  const axesOf = (state) => {
    const all = choices();
    const pick = (name) => all.find((one) => one.name === name);
    const y = pick(state.y) || pick("request") || pick("prompt") || all.find((one) => one.name !== "model") || all[0];
    const across = pick(state.x);
    const usual = across || !y ? {} : usualAxes(all, y);
    const x = across || usual.x;
    // Whoever names one axis above another has named all that should be there.
    const [over, above] = state.sx || state.sy ? [state.sx, state.sy].map(pick) : [usual.sx, usual.sy];
    const extra = (one, ...taken) => (taken.includes(one) ? undefined : one);
    const sx = extra(over, x, y);
    return { x, y, sx, sy: extra(above, x, y, sx), all };
  };

  /** What stands across, and above, unless somebody chose. */
  const usualAxes = (all, y) => {
    const pick = (name) => all.find((one) => one.name === name && one !== y);
    const model = pick("model");
    const models = model && varies(model.codes) ? model : undefined;
    // Of two folders the versions of a request stand next to each other, below each model.
    const folder = pick("folder");
    if (folder?.kind === "version") return { x: folder, sx: models };
    const apart = undetermined(all, models ? [y, models] : [y]);
    // Edits of several pictures by the same words stand below what was edited.
    const source = apart.find(({ name }) => name === "input_paths" || name === "inputs");
    if (source && model) return { x: model, sy: source };
    return { x: models || apart[0] || model || y };
  };

  /** The dimensions that tell entries of one cell apart, once the axes are chosen: each of them is a tab strip. */
  const undetermined = (all, axes) => {
    const { places } = table;
    let groups = axes.reduce((made, axis) => split(made, axis.codes), places.map(() => 0));
    // The prompt and the row follow from the rest more often than the other way round, digests from the names of files.
    const late = ({ name }) => ["inputs", "mask", "prompt", "row"].indexOf(name);
    const rest = all.filter((one) => !axes.includes(one)).sort((one, other) => late(one) - late(other));
    return rest.filter(({ codes }) => {
      const first = new Map();
      const splits = groups.some((group, index) => {
        if (!first.has(group)) first.set(group, codes[places[index]]);
        return first.get(group) !== codes[places[index]];
      });
      if (splits) groups = split(groups, codes);
      return splits;
    });
  };

  /** The groups that entries, in the order of their places, fall into once `codes` tells them apart as well. */
  const split = (groups, codes) => {
    const known = new Map();
    const { places } = table;
    return groups.map((group, index) => {
      const key = group * 2 ** 26 + codes[places[index]] + 1;
      if (!known.has(key)) known.set(key, known.size);
      return known.get(key);
    });
  };

  /** Everything the grid draws: `rows` and `columns` in order, what stands in their cells, and how much is shown. */
  const layout = (state) => {
    const axes = axesOf(state);
    if (!table.length || !axes.y) return { axes, tabs: [], rows: [], columns: [], shown: 0, total: 0, all: 0 };
    const tabs = undetermined(axes.all, [axes.x, axes.y, axes.sx, axes.sy].filter(Boolean)).map((dimension) => tabOf(dimension, state));
    const rowLine = lineOf(axes.sy, axes.y);
    const columnLine = lineOf(axes.sx, axes.x);
    const width = columnLine.length;
    const cells = new Map();
    const extra = new Map();
    for (const place of table.places) {
      if (!tabs.every((tab) => tab.dimension.codes[place] === tab.chosen)) continue;
      const cell = rowLine.at(place) * width + columnLine.at(place);
      if (cells.has(cell)) extra.set(cell, (extra.get(cell) || 0) + 1);
      else cells.set(cell, place);
    }
    const made = {
      axes, tabs, total: cells.size, all: table.length,
      place: (row, column) => cells.get(row.index * width + column.index),
      others: (row, column) => extra.get(row.index * width + column.index) || 0,
      isEdited: named("inputs") !== undefined,
      ...kept(cells, rowLine, columnLine, state),
    };
    return { ...made, rowText: (row) => rowText(made, row) };
  };

  /** What a row is called: its value, and beside the number of a row of the plan the first prompt that it has. */
  const rowText = ({ axes, columns, place }, row) => {
    const prompt = axes.y.kind === "count" && axes.y.name === "row" && named("prompt");
    const first = prompt ? columns.map((column) => place(row, column)).find((one) => one !== undefined) : undefined;
    return first === undefined ? label(row.code) : `${label(row.code)}. ${label(prompt.codes[first])}`;
  };

  const tabOf = (dimension, state) => {
    const values = valuesOf(dimension);
    return { dimension, values, chosen: values.find((code) => brief(table.text(code)) === state.tabs[dimension.name]) ?? values[0] };
  };

  /** One direction of the grid: the values of an axis, once for each value of the axis above it. */
  const lineOf = (above, axis) => {
    const values = valuesOf(axis);
    const outer = above ? valuesOf(above) : [null];
    const [order, outerOrder] = [values, outer].map((all) => new Map(all.map((code, index) => [code, index])));
    return {
      length: values.length * outer.length,
      at: (place) => (above ? outerOrder.get(above.codes[place]) * values.length : 0) + order.get(axis.codes[place]),
      head: (index) => ({ index, code: values[index % values.length], over: outer[Math.floor(index / values.length)] }),
    };
  };

  /** Rows and columns without a cell that passes the filters are left out; other cells of the rest are dimmed. */
  const kept = (cells, rowLine, columnLine, state) => {
    const width = columnLine.length;
    const passes = passing(state);
    const apart = state.disagree ? disagreeing(cells, width) : null;
    const found = [...cells].filter(([cell, place]) => passes(place) && (!apart || apart.has(Math.floor(cell / width))));
    const heads = (line, number) => [...new Set(found.map(([cell]) => number(cell)))].sort((one, other) => one - other).map(line.head);
    return {
      rows: heads(rowLine, (cell) => Math.floor(cell / width)),
      columns: heads(columnLine, (cell) => cell % width),
      passed: new Set(found.map(([, place]) => place)),
      shown: found.length,
      stats: statsOf(found, width),
    };
  };

  const passing = (state) => {
    const column = state.column && named(state.column);
    const only = Object.entries(state.only).map(([name, texts]) => [named(name), new Set(texts)]).filter(([dimension]) => dimension);
    const flags = state.flags.reduce((sum, name) => sum | FLAGS[name], 0);
    const searched = state.text && memo(wordsIn(state.text));
    const has = column && state.has && memo((text) => text.includes(state.has.toLowerCase()));
    const prompts = table.dimensions.filter((one) => one.name === "prompt");
    const cost = within(state.cost, 1e6);
    const latency = within(state.latency, 1e3);
    return (place) =>
      (!searched || prompts.some((one) => searched(one.codes[place]))) &&
      only.every(([dimension, texts]) => texts.has(brief(table.text(dimension.codes[place])))) &&
      (!state.states.length || state.states.includes(table.state(place))) &&
      (!flags || (table.columns.flags[place] & flags) !== 0) &&
      (!has || has(column.codes[place])) &&
      cost(table.columns.cost[place]) && latency(table.columns.latency[place]);
  };

  const wordsIn = (asked) => {
    const all = asked.toLowerCase().split(/\s+/);
    return (text) => all.every((word) => text.includes(word));
  };

  const within = (ends, factor) => {
    const [least, most] = ends.map((text, end) => (text === "" ? end * Infinity || 0 : Number(text) * factor));
    return ends.join("") === "" ? () => true : (number) => number >= least && number <= most;
  };

  /** A text is searched once, in lower case, not once for each entry that has it. */
  const memo = (answer) => {
    const known = new Map();
    return (code) => {
      if (!known.has(code)) known.set(code, answer(table.text(code).toLowerCase()));
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
    return new Set([...rows.keys()].filter((row) => new Set(rows.get(row)).size > 1 || rows.get(row).length < used));
  };

  /** Mean cost, median latency and success of each column, over the cells that passed. */
  const statsOf = (found, width) => {
    const stats = new Map();
    const { cost, latency } = table.columns;
    for (const [cell, place] of found) {
      const column = cell % width;
      if (!stats.has(column)) stats.set(column, { costs: [], sources: new Set(), latencies: [], stored: 0, ended: 0 });
      const sum = stats.get(column);
      const stored = table.state(place) === "stored";
      if (cost[place] >= 0) sum.costs.push(cost[place]);
      if (cost[place] >= 0 && table.source(place)) sum.sources.add(table.source(place));
      if (stored && latency[place] >= 0) sum.latencies.push(latency[place]);
      sum.stored += Number(stored);
      sum.ended += Number(stored || FAILED.has(table.state(place)));
    }
    return stats;
  };

  const mean = (numbers) => (numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : null);

  const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor((numbers.length - 1) / 2)] ?? null;

  /** A value as it stands in an address: long ones by their digest (FNV-1a). */
  const brief = (text) => {
    if (text.length <= 40) return text;
    let digest = 0x811c9dc5;
    for (let index = 0; index < text.length; index++) digest = Math.imul(digest ^ text.charCodeAt(index), 0x01000193);
    return `~${(digest >>> 0).toString(16).padStart(8, "0")}`;
  };

  /** The state as the part of an address behind `#`: only what differs from a fresh page. */
  const toHash = (state) => {
    const parts = new URLSearchParams();
    const plain = fresh();
    for (const [name, value] of Object.entries(state)) {
      if (Array.isArray(value)) value.some(Boolean) && value.forEach((text) => parts.append(name, text));
      else if (name === "tabs") Object.entries(value).forEach(([tab, text]) => parts.set(`tab.${tab}`, text));
      else if (name === "only") Object.entries(value).forEach(([axis, texts]) => texts.forEach((text) => parts.append(`only.${axis}`, text)));
      else if (value !== plain[name]) parts.set(name, typeof value === "boolean" ? Number(value) : value);
    }
    return parts.toString();
  };

  const fromHash = (hash) => {
    const parts = new URLSearchParams(hash.replace(/^#/, ""));
    const state = fresh();
    for (const [name, value] of parts) {
      if (name.startsWith("tab.")) state.tabs[name.slice(4)] = value;
      else if (name.startsWith("only.")) (state.only[name.slice(5)] ??= []).push(value);
      else if (Array.isArray(state[name])) state[name] = parts.getAll(name);
      else if (typeof state[name] === "boolean") state[name] = value === "1";
      else if (typeof state[name] === "string") state[name] = value;
    }
    for (const name of ["cost", "latency"]) state[name] = [0, 1].map((end) => (Number(state[name][end]) >= 0 ? state[name][end] : ""));
    state.flags = state.flags.filter((name) => Object.hasOwn(FLAGS, name));
    if (!["s", "m", "l"].includes(state.size)) state.size = "m";
    return state;
  };

  const isFiltered = (state) =>
    Object.keys(FILTERS).some((name) => name !== "column" && (name === "only" ? Object.values(state.only) : [state[name]]).flat().some(Boolean));

  const has = (place, flag) => (table.columns.flags[place] & FLAGS[flag]) !== 0;

  /** What is wrong with an entry, in a word or two; empty if nothing is. */
  const badge = (place) => Object.keys(FLAGS).filter((name) => has(place, name)).join(", ");

  /** Whether there is a file to be seen. */
  const isThere = (place) => table.state(place) === "stored" && !has(place, "file gone");

  /** The text of a value, and what stands in its place if there is none. */
  const label = (code) => words.visible(table.text(code)) || "(none)";

  return { FLAGS, FAILED, fresh, listed, unfiltered, layout, mean, median, brief, toHash, fromHash, isFiltered, has, badge, isThere, label, named };
})();
