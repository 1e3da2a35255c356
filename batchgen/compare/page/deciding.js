"use strict";

/** What the votes say, as `batchgen rank` works it out: which to buy, how sure that is, and how many votes are missing. */
const results = (() => {
  const { make, button, visible, count, several } = words;
  // Above this ratio of the dearest to the cheapest, a linear axis shows nothing of the cheap ones.
  const WIDE = 20;
  const dialog = document.querySelector("dialog.results");
  const body = make("div", { class: "body" });
  let known = null;

  const take = (found) => {
    known = found;
    app.refresh();
  };

  /** Whether there is a result, or a vote that will become one. */
  const isThere = () => Boolean(known) || ballot.hasVotes();

  /** How many votes on an axis are missing, in words without names; empty if none is, or nobody can say. */
  const missing = (axis) => {
    if (known?.axis !== axis) return "";
    const { prompts, votes: more } = known.missing;
    if (prompts) return `a result takes votes on ${several(prompts, "more prompt")}`;
    return more ? `about ${count(more)} more tell the first two apart` : "";
  };

  const open = async () => {
    // Nothing of it is there while it is closed: a screen of pictures has as few elements as can be.
    dialog.replaceChildren(
      make("header", {}, make("h2", {}, "What the votes say"), button("Vote", () => (dialog.close(), app.vote())),
        button("✕", () => dialog.close(), { class: "icon close", "aria-label": "Close", title: "Close (Esc)" })),
      body);
    if (!dialog.open) dialog.showModal();
    dialog.focus();
    app.set({ results: true }, true);
    if (table.about().live) await ask();
    draw();
  };

  const ask = async () => {
    try {
      const answer = await fetch("results");
      if (answer.ok) take(await answer.json());
      else words.say(await answer.text());
    } catch {
      words.say("The server has stopped; these results may be older than your votes");
    }
  };

  const draw = () => {
    if (!known) return body.replaceChildren(make("p", { class: "verdict" }, "Nobody has said yet which is better."), ...waiting());
    const { verdict, claims, rated, votes, voters, prompts, axis, by } = known;
    return body.replaceChildren(
      make("p", { class: "verdict" }, verdict),
      make("p", { class: "basis" }, basis({ votes, voters, prompts })),
      ...waiting(),
      make("div", { class: "sheets" }, chart(rated), scores(axis, rated)),
      make("ul", {}, ...claims.map((claim) => make("li", {}, claim))),
      ...Object.entries(by).map(([name, values]) => category(name, values)),
      make("p", { class: "basis" }, "Rating: 1000 would win half of its votes; 400 points more are odds of 10 to 1. The line is its 95 % interval over prompts like these. ",
        "A win: the price of a picture divided by the share of votes that its rating says it wins."));
  };

  const basis = ({ votes, voters, prompts }) => `${several(votes, "vote")} by ${several(voters, "voter")} on ${several(prompts, "prompt")}`;

  /** Votes of this browser that the figures don't have: only a server, or the folder, can count them. */
  const waiting = () => {
    const here = table.about().live ? 0 : ballot.uncounted();
    if (!here) return [];
    return [make("p", { class: "waiting" }, `${several(here, "vote")} of this browser ${here === 1 ? "is" : "are"} not counted yet: export ${here === 1 ? "it" : "them"} into the run folder, and write this page again. `,
      button("Export votes.jsonl", ballot.download))];
  };

  const price = ({ price: microusd, estimated }) => (microusd === null ? words.NONE : `${estimated ? "~" : ""}${words.near(microusd)}`);
  const interval = ({ low, high }) => {
    const [least, most] = [low, high].map((end) => (end === null ? null : count(Math.round(end))));
    if (least === null) return most === null ? words.NONE : `≤ ${most}`;
    return most === null ? `≥ ${least}` : `${least}–${most}`;
  };
  const rank = ({ best_rank: best, worst_rank: worst }) => (best === worst ? String(best) : `${best}–${worst}`);

  const COLUMNS = [
    ["rank", rank], ["rating", (one) => count(Math.round(one.rating))], ["95 %", interval], ["votes", (one) => count(one.votes)],
    ["wins", (one) => count(one.wins)], ["a picture", price], ["p50", (one) => words.span(one.p50)],
    ["a win", (one) => (one.win === null ? words.NONE : `${one.estimated ? "~" : ""}${words.near(one.win)}`)],
  ];

  const scores = (axis, rated, columns = COLUMNS) =>
    make("div", { class: "wide", tabindex: 0, role: "group", "aria-label": `Results by ${visible(axis)}` },
      make("table", {},
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, visible(axis)), ...columns.map(([name]) => make("th", { scope: "col", class: "n" }, name)))),
        make("tbody", {}, ...rated.map((one) =>
          make("tr", {}, make("th", { scope: "row" }, visible(one.title)), ...columns.map(([, said]) => make("td", { class: "n" }, said(one))))))));

  const category = (name, values) =>
    make("section", {}, make("h3", {}, `By ${visible(name)}`),
      make("div", { class: "parts" }, ...values.map((one) =>
        make("div", {}, make("h4", {}, visible(one.value), make("span", {}, ` ${basis(one)}`)), scores(known.axis, one.rated, COLUMNS.slice(0, 5))))));

  /** Rating, with its interval, against the price of a picture: what is up and to the left is better for less. */
  const chart = (rated) => {
    const shown = rated.filter((one) => one.price !== null);
    if (shown.length < 2) return null;
    // On a phone letters are larger against the drawing, which shrinks to its width.
    const [left, right, top, bottom, width, height] = innerWidth > 640 ? [54, 24, 16, 44, 620, 340] : [74, 24, 30, 62, 620, 430];
    const prices = shown.map((one) => one.price);
    const [least, most] = [Math.min(...prices), Math.max(...prices)];
    const isWide = least > 0 && most > WIDE * least;
    const ends = shown.flatMap((one) => [one.low ?? one.rating, one.high ?? one.rating]);
    const [floor, ceiling] = [Math.floor((Math.min(...ends) - 20) / 100) * 100, Math.ceil((Math.max(...ends) + 20) / 100) * 100];
    const part = (number) => (isWide ? Math.log(number / least) / Math.log(most / least) : most === 0 ? 0 : number / most);
    const x = (number) => left + 16 + (width - left - right - 60) * part(number);
    const y = (number) => top + ((height - top - bottom) * (ceiling - number)) / (ceiling - floor);
    const step = [50, 100, 200, 400, 1000].find((one) => (ceiling - floor) / one <= 6) || 2000;
    const levels = [];
    for (let level = Math.ceil(floor / step) * step; level <= ceiling; level += step) levels.push(level);
    const marks = isWide ? [...new Set(prices)] : [0, most / 2, most];
    const points = shown.map((one, index) => {
      const [atX, atY] = [x(one.price), y(one.rating)];
      const isRight = atX > width * 0.6;
      return svg("g", { class: `point p${index % 8}` },
        svg("line", { x1: atX, x2: atX, y1: y(one.high ?? ceiling), y2: y(one.low ?? floor) }),
        svg("circle", { cx: atX, cy: atY, r: 6 }),
        svg("text", { x: isRight ? atX - 11 : atX + 11, y: atY + 4, "text-anchor": isRight ? "end" : "start" }, words.short(visible(one.title.split("/").pop()), 34)));
    });
    const said = shown.map((one) => `${visible(one.title)}: rating ${Math.round(one.rating)}, ${price(one)} a picture, p50 ${words.span(one.p50)}`).join("; ");
    return make("figure", {},
      svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Rating against price. ${said}` },
        ...levels.flatMap((level) => [
          svg("line", { class: "grid", x1: left, x2: width - right, y1: y(level), y2: y(level) }),
          svg("text", { class: "tick", x: left - 8, y: y(level) + 4, "text-anchor": "end" }, count(level))]),
        ...apart(marks.map((mark) => [x(mark), mark])).map(([at, mark]) => svg("text", { class: "tick", x: at, y: height - bottom * 0.5, "text-anchor": "middle" }, words.near(mark))),
        svg("text", { class: "tick", x: width - right, y: height - 4, "text-anchor": "end" }, `price of a picture${isWide ? ", logarithmic" : ""} →`),
        svg("text", { class: "tick", x: left, y: top - 6 }, "↑ rating"),
        ...points));
  };

  /** Labels with room between them. */
  const apart = (marks) => marks.sort(([one], [other]) => one - other).filter(([at], index, all) => index === 0 || at - all[index - 1][0] > 46);

  const svg = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    app.set({ results: false }, true);
  });

  return { take, open, missing, isThere };
})();
