"use strict";

/**
 * The entries of the run folder, one place each: columns of numbers over one dictionary of texts.
 * Rows come in batches (from rows-*.js, or from the server) and may replace earlier ones; details load on demand.
 */
const table = (() => {
  const NOTHING = -1;
  const texts = [];
  const codes = new Map();
  const dimensions = [];
  const columns = { state: [], reason: [], position: [], cost: [], maybe: [], latency: [], flags: [], thumb: [], twin: [] };
  const more = {};
  const wanted = new Map();
  const listeners = [];
  let facts = null;
  let stamped = null;
  let waiting = [];

  const code = (text) => {
    let found = codes.get(text);
    if (found === undefined) {
      found = texts.push(text) - 1;
      codes.set(text, found);
    }
    return found;
  };

  /** What the page is told first; `files` are the scripts that bring the rows, loaded one after the other. */
  const begin = (about, files) => {
    facts = about;
    waiting = files;
    app.begin();
    next();
  };

  const next = () => {
    if (waiting.length) load(waiting.shift(), next);
  };

  const load = (file, then) => {
    const script = words.make("script", { src: file, load: then, error: () => words.say(`${file} is missing`) });
    document.head.append(script);
  };

  /** Every script of rows or details names the page it was written for. */
  const stamp = (text) => (stamped = text);
  const foreign = () => {
    const other = !facts.live && stamped !== facts.stamp;
    if (other) words.say("The page was written anew: reload it");
    return other;
  };

  const rows = (batch) => {
    if (foreign()) return;
    const known = batch.strings.map(code);
    const lookup = (number) => (number < 0 ? NOTHING : known[number]);
    for (const dimension of batch.dimensions) {
      const mine = dimensionOf(dimension.kind, dimension.name);
      batch.at.forEach((place, index) => (mine.codes[place] = lookup(dimension.codes[index])));
    }
    for (const [name, column] of Object.entries(columns)) {
      const numbers = batch[name];
      const isText = name === "state" || name === "reason";
      batch.at.forEach((place, index) => (column[place] = isText ? lookup(numbers[index]) : numbers[index]));
    }
    tell();
  };

  const dimensionOf = (kind, name) => {
    let found = dimensions.find((one) => one.kind === kind && one.name === name);
    if (!found) dimensions.push((found = { kind, name, codes: [] }));
    return found;
  };

  const details = (batch) => {
    if (foreign()) return;
    for (const [name, values] of Object.entries(batch)) {
      if (name === "at") continue;
      const column = (more[name] ??= []);
      batch.at.forEach((place, index) => (column[place] = values[index]));
    }
  };

  /** The details of an entry, or `null` where they have to be loaded first; `then` is called once they are there. */
  const detail = (place, then) => {
    if (more.key?.[place] !== undefined) {
      const found = {};
      for (const [name, column] of Object.entries(more)) found[name] = column[place];
      return found;
    }
    const chunk = Math.floor(place / facts.chunk);
    if (facts.live) return null;
    if (!wanted.has(chunk)) {
      wanted.set(chunk, []);
      load(`compare/details-${String(chunk).padStart(5, "0")}.js`, () => {
        const calls = wanted.get(chunk);
        wanted.set(chunk, { push: () => {} });
        for (const call of calls) call();
      });
    }
    if (then) wanted.get(chunk).push(then);
    return null;
  };

  /** The details of an entry, sooner or later. */
  const detailed = (place) =>
    new Promise((resolve) => {
      const found = detail(place, () => resolve(detail(place)));
      if (found) resolve(found);
    });

  const text = (number) => (number < 0 || number === undefined ? "" : texts[number]);
  const tell = () => listeners.forEach((listener) => listener());

  return {
    begin, rows, details, stamp, detail, detailed, dimensions, columns, text, code, NOTHING,
    about: (changed) => (changed ? Object.assign(facts, changed) : facts),
    onChange: (listener) => listeners.push(listener),
    get length() { return columns.state.length; },
    get ready() { return facts !== null && !facts.live && !waiting.length; },
    state: (place) => text(columns.state[place]),
    reason: (place) => text(columns.reason[place]),
  };
})();
