"use strict";

/** Blind votes: two pictures of a row, or the whole row shuffled, without names. */
const vote = (() => {
  const { make, address, count } = words;
  const MOST = 9;

  let dialog = null;
  let made = null;
  let mode = "pair";
  let seed = 0;
  let match = null;
  let shown = 0;
  let history = [];

  const open = (layout) => {
    made = layout;
    seed = crypto.getRandomValues(new Uint32Array(1))[0];
    history = [];
    dialog ??= build();
    dialog.showModal();
    next();
  };

  const build = () => {
    const element = make("dialog", { class: "vote", "aria-label": "Blind vote", keydown: keys, close: () => (element.replaceChildren(), grid.focus()) });
    document.body.append(element);
    return element;
  };

  const axis = () => made.axes.x.name;
  const titles = () => [...new Set(made.columns.map((column) => table.text(column.code)))].filter(Boolean);

  /** What is held equal while the columns are compared, as `batchgen rank` reads it: names sorted, values as text. */
  const itemOf = (row, over) => {
    const held = Object.fromEntries(made.tabs.map((tab) => [tab.dimension.name, table.text(tab.chosen)]));
    held[made.axes.y.name] = table.text(row.code);
    if (row.over !== null) held[made.axes.sy.name] = table.text(row.over);
    if (over !== null) held[made.axes.sx.name] = table.text(over);
    return JSON.stringify(Object.fromEntries(Object.entries(held).sort(([one], [other]) => (one < other ? -1 : 1))));
  };

  /** The rows in sight with the pictures that can be voted on, and where each stands. */
  const rows = () => {
    const found = [];
    for (const row of made.rows) {
      const byOver = new Map();
      for (const column of made.columns) {
        const place = made.place(row, column);
        if (place === undefined || !made.passed.has(place) || !isThere(place)) continue;
        if (!byOver.has(column.over)) byOver.set(column.over, { pictures: new Map(), places: new Map() });
        const one = byOver.get(column.over);
        const title = table.text(column.code);
        one.pictures.set(title, table.columns.twin[place] || `place ${place}`);
        one.places.set(title, place);
      }
      for (const [over, one] of byOver) found.push({ item: itemOf(row, over), label: view.label(row.code), ...one });
    }
    return found;
  };

  const isThere = (place) => table.state(place) === "stored" && !(table.columns.flags[place] & view.FLAGS["file gone"]);

  const next = () => {
    const votes = ballot.standing(axis());
    const all = rows();
    const names = titles();
    const ratings = pairs.ratings(names, votes);
    const found = pairs.choose(all, names, votes, { voter: ballot.voter(), seed, ratings });
    if (!found) return finish();
    const row = all.find((one) => one.item === found.item);
    match = { ...found, row };
    match.titles = mode === "pair" ? (found.side === "a" ? [found.a, found.b] : [found.b, found.a]) : shuffled(row, found);
    return draw();
  };

  /** One of each digest, the two of the match among them, in an order drawn by lot. */
  const shuffled = (row, { a, b }) => {
    const others = [...row.pictures.keys()].filter((title) => title !== a && title !== b);
    const digests = new Set([row.pictures.get(a), row.pictures.get(b)]);
    const kept = others.filter((title) => !digests.has(row.pictures.get(title)) && digests.add(row.pictures.get(title)));
    return [a, b, ...kept].slice(0, MOST).sort((one, other) => pairs.lot(seed, row.item, one) - pairs.lot(seed, row.item, other));
  };

  const draw = () => {
    shown = performance.now();
    const isPair = mode === "pair";
    const names = isPair ? ["Left is better (←)", "Right is better (→)"] : match.titles.map((_, index) => `Number ${index + 1} is best (${index + 1})`);
    const stage = make("div", { class: `ballot ${isPair ? "pair" : "whole"}`, tabindex: -1 }, ...match.titles.map((title, index) => choice(title, index, names[index])));
    const act = (name, key, work) => make("button", { type: "button", "data-vote": name, click: work }, name, make("kbd", {}, key));
    dialog.replaceChildren(
      top(`${count(ballot.standing(axis()).filter((one) => one.voter === ballot.voter()).length)} votes by`),
      make("p", { class: "prompt" }, match.row.label),
      stage,
      make("footer", {},
        ...(isPair ? [act("Left", "←", () => say("left")), act("Tie", "T", () => say("tie")), act("Right", "→", () => say("right")), act("Both bad", "B", () => say("both_bad"))] : []),
        act("Skip", "S", () => say("skip")), act("Undo", "U", undo)));
    // Not on one of the pictures: a ring around it would speak for it.
    stage.focus();
  };

  const top = (text) => make("header", {},
    make("h2", {}, "Which is better?"),
    make("p", {}, text, " ", make("input", { "aria-label": "Your name", value: ballot.voter(), maxlength: 60, size: 12, change: (event) => (ballot.voter(event.target.value.trim() || undefined), next()) })),
    make("div", { class: "modes", role: "group", "aria-label": "How to vote" },
      ...[["pair", "Two"], ["row", "Whole row"]].map(([name, title]) => make("button", { type: "button", "aria-pressed": String(name === mode), click: () => ((mode = name), next()) }, title))),
    make("button", { type: "button", click: ballot.download }, "Export votes.jsonl"),
    make("button", { type: "button", "aria-label": "Close", title: "Close (Esc)", click: () => dialog.close() }, "✕"));

  const choice = (title, index, name) => {
    const button = make("button", { type: "button", class: "choice", "aria-label": name, click: () => say(index) }, make("kbd", {}, mode === "pair" ? ["←", "→"][index] : String(index + 1)));
    const image = make("img", { alt: "", draggable: "false", error: () => image.replaceWith(make("p", { class: "none" }, "the file is gone: skip it (s)")) });
    table.detailed(match.row.places.get(title)).then((detail) => detail && (image.src = address(detail.file)));
    button.append(image);
    return button;
  };

  /** What the voter said: `left`, `right`, `tie`, `both_bad`, `skip`, or the number of a picture. */
  const say = (what) => {
    const [ts, ms] = [Date.now(), Math.round(performance.now() - shown)];
    const { item, a, b, side } = match;
    const line = (one, other, winner) => ({ item, a: one, b: other, winner, ms, voter: ballot.voter(), ts, axis: axis(), seed, v: 1 });
    let votes;
    if (mode === "row" && typeof what === "number") {
      const best = match.titles[what];
      votes = match.titles.filter((title) => title !== best).map((title) => line(best, title, "a"));
    } else if (mode === "row") {
      votes = [line(a, b, what)];
    } else {
      const left = side;
      const right = side === "a" ? "b" : "a";
      votes = [{ ...line(a, b, { left, right, 0: left, 1: right }[what] ?? what), side }];
    }
    ballot.cast(votes);
    history.push(votes);
    next();
  };

  const undo = () => {
    const last = history.pop();
    if (!last) return words.say("Nothing to take back");
    ballot.undo(last);
    return next();
  };

  const finish = () => {
    match = null;
    const few = titles().length < 2;
    dialog.replaceChildren(top(`${count(ballot.standing(axis()).length)} votes, you are`),
      make("div", { class: "empty" },
        make("h2", {}, few ? "There is nothing to compare here" : "No pair is left for you"),
        make("p", {}, few ? `Choose columns with more than one value: now they are ${words.visible(axis())}.` : "Every pair of different pictures in these rows has your vote."),
        make("p", {}, table.about().live ? "Your votes are in votes.jsonl of the run folder." : "Export your votes into the run folder, then:"),
        make("code", {}, `batchgen rank ${words.visible(table.about().name)}`)),
      make("footer", {}, make("button", { type: "button", click: undo }, "Undo", make("kbd", {}, "U"))));
    dialog.querySelector("button").focus();
  };

  const KEYS = { ArrowLeft: () => say("left"), ArrowRight: () => say("right"), t: () => say("tie"), b: () => say("both_bad") };

  const keys = (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = key === "u" ? undo : !match ? null : key === "s" ? () => say("skip") : mode === "pair" && KEYS[key];
    const number = Number(key);
    if (act) act();
    else if (match && number >= 1 && number <= match.titles.length) say(number - 1);
    else return;
    event.preventDefault();
  };

  return { open };
})();
