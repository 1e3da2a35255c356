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
    // What two folders share as a request is the prompt, wherever it is voted on.
    const nameOf = ({ kind, name }) => (kind === "version" && name === "request" ? "prompt" : name);
    const named = held.filter(([, code]) => code !== null).map(([dimension, code]) => [nameOf(dimension), table.text(code)]);
    return JSON.stringify(Object.fromEntries(named.sort(([one], [other]) => (one < other ? -1 : 1))));
  };

  /**
   * What two pictures must share to stand against each other: the prompt, and the pictures that it edits. An axis of the
   * job may write itself into the prompt, as a look does: then a row of the plan stands for the prompt.
   */
  const subjects = () => {
    const { kind, name } = made.axes.x;
    if (name === "prompt" || name === "row") return [];
    const inputs = name !== "inputs" && view.named("inputs");
    const sharing = (dimension) => (place) => [dimension, inputs].map((one) => (one ? one.codes[place] : "")).join();
    return [view.named("prompt"), kind === "axis" && name !== "model" && view.named("row")].filter(Boolean).map(sharing);
  };

  /** The matches of one row in sight: the pictures that can be voted on, and where each stands. */
  const matchesOf = (row, all) => {
    for (const shared of all) {
      const found = matchesBy(row, shared);
      if (found.length) return found;
    }
    return [];
  };

  const matchesBy = (row, shared) => {
    const found = new Map();
    for (const column of made.columns) {
      const place = made.place(row, column);
      if (!made.passed.has(place) || !view.isThere(place)) continue;
      const key = `${column.over} ${shared(place)}`;
      if (!found.has(key)) found.set(key, { item: itemOf(row, column.over), pictures: new Map(), places: new Map() });
      const title = table.text(column.code);
      found.get(key).pictures.set(title, table.columns.twin[place] || `place ${place}`);
      found.get(key).places.set(title, place);
    }
    return [...found.values()].filter(({ pictures }) => pictures.size > 1);
  };

  const rows = () => {
    const all = subjects();
    return made.rows.flatMap((row) => matchesOf(row, all).map((one) => ({ ...one, label: view.label(row.code) })));
  };

  /** Whether the columns of a layout can be voted on. */
  const isPossible = (layout) => {
    if (layout.columns.length < 2) return false;
    made = dialog.open ? made : layout;
    const all = subjects();
    return made.rows.some((row) => matchesOf(row, all).length > 0);
  };

  const next = () => {
    const all = rows();
    const votes = standing();
    const found = pairs.choose(all, titles(), votes, { voter: ballot.voter(), seed, ratings: pairs.ratings(titles(), votes) });
    if (!found) return finish();
    const { item, a, b, side } = found;
    const row = all.find((one) => one.item === item && one.pictures.has(a) && one.pictures.has(b));
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
    arrange();
    showDetails(match);
    show(`${words.several(standing().filter((one) => one.voter === ballot.voter()).length, "vote")} by`);
    stage.focus();
  };

  /** A whole row fills the stage: as many columns as make its pictures largest. */
  const arrange = () => {
    if (stage.hidden || !match || mode !== "row") return stage.removeAttribute("style");
    const style = getComputedStyle(stage);
    const width = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const { columns, wide, tall } = fit.boxes(match.titles.length, match.ratio || 1, width, stage.clientHeight, parseFloat(style.columnGap));
    for (const [name, value] of Object.entries({ columns, wide: `${wide}px`, tall: `${tall}px` })) stage.style.setProperty(`--${name}`, value);
    return undefined;
  };

  /** The shape of the pictures; and what they were made from, if all were made from the same: else it would tell them apart. */
  const showDetails = async (shown) => {
    find(".edited").replaceChildren();
    const details = await Promise.all(shown.titles.map((title) => table.detailed(shown.row.places.get(title))));
    if (match !== shown) return;
    const ratios = details.filter(({ width, height }) => width && height).map(({ width, height }) => width / height).sort((one, other) => one - other);
    match.ratio = ratios[Math.floor(ratios.length / 2)];
    const [first, ...others] = details.map((detail) => detail.edited.join());
    if (first && others.every((files) => files === first)) find(".edited").replaceChildren(...details[0].edited.map((file) => words.edited(file)));
    arrange();
  };

  /** All that is there for a match, and what stands in its place if none is left. */
  const show = (counted) => {
    find("header span").textContent = counted;
    // Without names: whoever votes must not learn which are ahead.
    find("header p").dataset.missing = results.missing(axis());
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
    const few = !rows().length;
    find(".empty").replaceChildren(
      make("h2", {}, few ? "There is nothing to compare here" : "No pair is left for you"),
      make("p", {}, few ? `Pictures of one prompt stand against each other. Choose columns that such pictures differ in, as the model: now they are ${words.visible(axis())}.` : "Every pair of different pictures in these rows has your vote."),
      ...(few ? [] : [
        make("p", {}, table.about().live ? "Your votes are in votes.jsonl of the run folder." : "Export your votes into the run folder, then:"),
        make("code", {}, `batchgen rank ${words.visible(table.about().name)}`)]),
      ...(results.isThere() ? [button("What the votes say", () => (dialog.close(), results.open()))] : []));
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
  dialog.addEventListener("close", () => (stage.replaceChildren(), app.refresh()));
  new ResizeObserver(arrange).observe(stage);

  return { open, isPossible };
})();
