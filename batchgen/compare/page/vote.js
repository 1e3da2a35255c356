"use strict";

/** Blind votes: two pictures of a row, or the whole row shuffled, without names. */
const vote = (() => {
  const { make, button } = words;
  const MOST = 9;

  const dialog = document.querySelector("dialog.vote");
  const find = (selector) => dialog.querySelector(selector);
  const name = find("input");
  const ways = dialog.querySelectorAll(".modes button");
  const stage = find(".ballot");

  let made = null;
  let mode = "pair";
  let seed = 0;
  let match = null;
  let shownAt = 0;
  let history = [];

  const open = (layout) => {
    if (!layout.rows.length) return words.say("There is no picture to vote on");
    made = layout;
    seed = crypto.getRandomValues(new Uint32Array(1))[0];
    history = [];
    dialog.showModal();
    return next();
  };

  const axis = () => made.axes.x.name;
  const standing = () => ballot.standing(axis());
  const titles = () => [...new Set(made.columns.map((column) => table.text(column.code)))].filter(Boolean);

  /** What is held equal while the columns are compared, as `batchgen rank` reads it: names sorted, values as text. */
  const itemOf = (row, over) => {
    const { y, sy, sx } = made.axes;
    const held = [...made.tabs.map((tab) => [tab.dimension, tab.chosen]), [y, row.code], [sy, row.over], [sx, over]];
    const named = held.filter(([, code]) => code !== null).map(([dimension, code]) => [dimension.name, table.text(code)]);
    return JSON.stringify(Object.fromEntries(named.sort(([one], [other]) => (one < other ? -1 : 1))));
  };

  /** The rows in sight with the pictures that can be voted on, and where each stands. */
  const rows = () =>
    made.rows.flatMap((row) => {
      const byOver = new Map();
      for (const column of made.columns) {
        const place = made.place(row, column);
        if (!made.passed.has(place) || !view.isThere(place)) continue;
        if (!byOver.has(column.over)) byOver.set(column.over, { pictures: new Map(), places: new Map() });
        const title = table.text(column.code);
        byOver.get(column.over).pictures.set(title, table.columns.twin[place] || `place ${place}`);
        byOver.get(column.over).places.set(title, place);
      }
      return [...byOver].map(([over, one]) => ({ item: itemOf(row, over), label: view.label(row.code), ...one }));
    });

  const next = () => {
    const all = rows();
    const votes = standing();
    const found = pairs.choose(all, titles(), votes, { voter: ballot.voter(), seed, ratings: pairs.ratings(titles(), votes) });
    if (!found) return finish();
    const { item, a, b, side } = found;
    const row = all.find((one) => one.item === item);
    match = { ...found, row, titles: mode === "row" ? shuffled(row, found) : side === "a" ? [a, b] : [b, a] };
    return draw();
  };

  /** One of each digest, the two of the match among them, in an order drawn by lot. */
  const shuffled = (row, { a, b }) => {
    const digests = new Set();
    const kept = [a, b, ...row.pictures.keys()].filter((title) => {
      const isNew = !digests.has(row.pictures.get(title));
      digests.add(row.pictures.get(title));
      return isNew;
    });
    return kept.slice(0, MOST).sort((one, other) => pairs.lot(seed, row.item, one) - pairs.lot(seed, row.item, other));
  };

  const draw = () => {
    shownAt = performance.now();
    const keysOf = mode === "pair" ? ["←", "→"] : match.titles.map((_, index) => String(index + 1));
    const labels = mode === "pair" ? ["Left is better (←)", "Right is better (→)"] : keysOf.map((key) => `Number ${key} is best (${key})`);
    stage.className = `ballot ${mode === "row" ? "whole" : mode}`;
    stage.replaceChildren(...match.titles.map((title, index) => choice(title, index, keysOf[index], labels[index])));
    find(".prompt").textContent = match.row.label;
    showEdited(match);
    show(`${words.several(standing().filter((one) => one.voter === ballot.voter()).length, "vote")} by`);
    stage.focus();
  };

  /** What the pictures of a match were made from, if all were made from the same: else it would tell them apart. */
  const showEdited = async (shown) => {
    find(".edited").replaceChildren();
    const details = await Promise.all(shown.titles.map((title) => table.detailed(shown.row.places.get(title))));
    const [first, ...others] = details.map((detail) => detail.edited.join());
    if (match !== shown || !first || others.some((files) => files !== first)) return;
    find(".edited").replaceChildren(...details[0].edited.map((file) => words.edited(file)));
  };

  /** All that is there for a match, and what stands in its place if none is left. */
  const show = (counted) => {
    find("header span").textContent = counted;
    name.value = ballot.voter();
    for (const one of ways) one.setAttribute("aria-pressed", one.value === mode);
    for (const one of dialog.querySelectorAll("footer [value]")) one.hidden = !match || (mode === "row" && one.value !== "skip");
    stage.hidden = find(".prompt").hidden = find(".edited").hidden = !match;
    find(".empty").hidden = Boolean(match);
  };

  const choice = (title, index, key, label) => {
    const element = button(make("kbd", {}, key), () => say(index), { class: "choice", "aria-label": label });
    const lost = (event) => event.target.replaceWith(make("p", { class: "none" }, "it can't be shown: skip it (s)"));
    table.detailed(match.row.places.get(title)).then((detail) => element.append(words.shown(detail, "", lost, { autoplay: true })));
    return element;
  };

  /** What the voter said: `left`, `right`, `tie`, `both_bad`, `skip`, or the number of a picture. */
  const say = (what) => {
    const { item, a, b, side } = match;
    const [ts, ms] = [Date.now(), Math.round(performance.now() - shownAt)];
    const line = (one, other, winner) => ({ item, a: one, b: other, winner, ms, voter: ballot.voter(), ts, axis: axis(), seed, v: 1 });
    const right = side === "a" ? "b" : "a";
    const best = mode === "row" && match.titles[what];
    const votes = best
      ? match.titles.filter((title) => title !== best).map((title) => line(best, title, "a"))
      : [{ ...line(a, b, { left: side, right, 0: side, 1: right }[what] ?? what), ...(mode === "pair" ? { side } : {}) }];
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
    find(".empty").replaceChildren(
      make("h2", {}, few ? "There is nothing to compare here" : "No pair is left for you"),
      make("p", {}, few ? `Choose columns with more than one value: now they are ${words.visible(axis())}.` : "Every pair of different pictures in these rows has your vote."),
      ...(few ? [] : [
        make("p", {}, table.about().live ? "Your votes are in votes.jsonl of the run folder." : "Export your votes into the run folder, then:"),
        make("code", {}, `batchgen rank ${words.visible(table.about().name)}`)]));
    show(`${words.several(standing().length, "vote")} in all, you are`);
    find(".export").focus();
  };

  const KEYS = { ArrowLeft: "left", ArrowRight: "right", t: "tie", b: "both_bad", s: "skip" };

  const keys = (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const what = match && (match.titles[key - 1] ? key - 1 : (mode === "pair" || key === "s") && KEYS[key]);
    if (key === "u") undo();
    else if (what || what === 0) say(what);
    else return;
    event.preventDefault();
  };

  const on = (selector, act) => dialog.querySelectorAll(selector).forEach((one) => one.addEventListener("click", () => act(one.value)));
  on(".modes button", (way) => ((mode = way), next()));
  on("footer [value]", say);
  on(".undo", undo);
  on(".export", ballot.download);
  name.addEventListener("change", () => (ballot.voter(name.value.trim() || undefined), next()));
  dialog.addEventListener("keydown", keys);
  dialog.addEventListener("close", () => stage.replaceChildren());

  return { open };
})();
