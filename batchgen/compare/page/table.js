"use strict";

/**
 * The entries of the run folder, one place each: columns of numbers over one dictionary of texts.
 * Rows come in batches (from rows-*.js, or from the server) and may replace earlier ones; details load on demand.
 */
const table = (() => {
  const texts = [];
  const codes = new Map();
  const dimensions = [];
  const columns = { state: [], reason: [], position: [], cost: [], maybe: [], source: [], latency: [], flags: [], thumb: [], twin: [] };
  const more = {};
  const wanted = new Map();
  let facts = null;
  let stamped = null;
  let waiting = [];
  let places = null;

  const code = (text) => {
    if (!codes.has(text)) codes.set(text, texts.push(text) - 1);
    return codes.get(text);
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

  const load = (file, then) =>
    document.head.append(words.make("script", { src: words.address(file), load: then, error: () => words.say(`${file} is missing`) }));

  /** Every script of rows or details names the page it was written for. */
  const stamp = (text) => (stamped = text);
  const foreign = () => {
    const other = !facts.live && stamped !== facts.stamp;
    if (other) words.say("The page was written again: reload it");
    return other;
  };

  const rows = (batch) => {
    if (foreign()) return;
    const known = batch.strings.map(code);
    const lookup = (number) => (number < 0 ? number : known[number]);
    const put = (column, values, read) => batch.at.forEach((place, index) => (column[place] = read(values[index])));
    for (const { kind, name, codes: values } of batch.dimensions) put(dimensionOf(kind, name).codes, values, lookup);
    for (const [name, column] of Object.entries(columns)) {
      put(column, batch[name], name === "state" || name === "reason" || name === "source" ? lookup : (number) => number);
    }
    // What an entry doesn't have is as good as empty.
    for (const { codes: known } of dimensions) for (const place of batch.at) known[place] ??= -1;
    changed();
  };

  /** Entries that went to the trash: their places stay empty. */
  const gone = (left) => {
    for (const place of left) for (const column of Object.values(columns)) delete column[place];
    changed();
  };

  const changed = () => {
    places = null;
    app.refresh();
  };

  const taken = () => {
    const found = [];
    columns.state.forEach((_, place) => found.push(place));
    return found;
  };

  const dimensionOf = (kind, name) => {
    let found = dimensions.find((one) => one.kind === kind && one.name === name);
    if (!found) dimensions.push((found = { kind, name, codes: new Array(columns.state.length).fill(-1) }));
    return found;
  };

  const details = ({ at, ...batch }) => {
    if (foreign()) return;
    for (const [name, values] of Object.entries(batch)) {
      const column = (more[name] ??= []);
      at.forEach((place, index) => (column[place] = values[index]));
    }
  };

  /** The details of an entry, or `null` if they have to be loaded first; `then` is called once they are there. */
  const detail = (place, then) => {
    if (more.key?.[place] !== undefined) return Object.fromEntries(Object.entries(more).map(([name, column]) => [name, column[place]]));
    if (facts.live) return null;
    const chunk = Math.floor(place / facts.chunk);
    if (!wanted.has(chunk)) {
      const calls = [];
      wanted.set(chunk, calls);
      load(`${facts.files}/details-${String(chunk).padStart(5, "0")}.js`, () => calls.forEach((call) => call()));
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

  const text = (number) => texts[number] ?? "";

  return {
    begin, rows, gone, details, stamp, detail, detailed, dimensions, columns, text,
    about: (news) => Object.assign(facts, news),
    /** Where an entry stands; there are gaps if one went away. */
    get places() { return (places ??= taken()); },
    get length() { return table.places.length; },
    state: (place) => text(columns.state[place]),
    // As a person reads it: the ledger joins its words.
    source: (place) => text(columns.source[place]),
    reason: (place) => text(columns.reason[place]).replaceAll("_", " "),
  };
})();
