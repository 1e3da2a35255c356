"use strict";

/** Which two pictures to show next: the rule that tests/compare/pairs.py states, step for step, and what it needs to know. */
const pairs = (() => {
  /** A number below 2^32 that looks drawn: FNV-1a over UTF-8, finished by MurmurHash3's mixer. */
  const lot = (seed, ...texts) => {
    let number = 0x811c9dc5;
    for (const byte of new TextEncoder().encode([seed, ...texts].join("\n"))) number = Math.imul(number ^ byte, 0x01000193);
    number = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
    number = Math.imul(number ^ (number >>> 13), 0xc2b2ae35);
    return (number ^ (number >>> 16)) >>> 0;
  };

  const both = (a, b) => (a < b ? `${a}\n${b}` : `${b}\n${a}`);

  /**
   * The match to show next, or `null`. `rows` are `{item, pictures: Map of title to digest}`, `titles` in the axis'
   * order, `votes` all that count on this axis.
   */
  const choose = (rows, titles, votes, { voter, seed, ratings = new Map() }) => {
    const needs = needsOf(votes, voter);
    let best = null;
    titles.forEach((a, first) => titles.slice(first + 1).forEach((b) => {
      const open = rows.filter((row) => canMatch(row, a, b) && !needs.done.has(`${row.item}\n${both(a, b)}`));
      if (!open.length) return;
      const need = [needs.byPair.get(both(a, b)) || 0, Math.abs((ratings.get(a) || 0) - (ratings.get(b) || 0))];
      if (!best || less(need, best.need)) best = { need, open, a, b };
    }));
    if (!best) return null;
    let row = null;
    for (const one of best.open) {
      const need = [needs.byItem.get(one.item) || 0, lot(seed, one.item)];
      if (!row || less(need, row.need)) row = { need, item: one.item };
    }
    const { a, b } = best;
    return { item: row.item, a, b, side: lot(seed, row.item, a, b) % 2 === 0 ? "a" : "b" };
  };

  const less = (one, other) => one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]);

  const canMatch = (row, a, b) => row.pictures.has(a) && row.pictures.has(b) && row.pictures.get(a) !== row.pictures.get(b);

  const needsOf = (votes, voter) => {
    const needs = { byPair: new Map(), byItem: new Map(), done: new Set() };
    const add = (map, key) => map.set(key, (map.get(key) || 0) + 1);
    for (const vote of votes) {
      if (vote.voter === voter) needs.done.add(`${vote.item}\n${both(vote.a, vote.b)}`);
      if (vote.winner === "skip") continue;
      add(needs.byPair, both(vote.a, vote.b));
      add(needs.byItem, vote.item);
    }
    return needs;
  };

  // The spread of the prior, in log-odds, as `batchgen rank` has it; it keeps every rating finite.
  const PRECISION = 1 / 1.5 ** 2;

  /** Bradley-Terry strengths in log-odds from wins, ties as half wins: near enough to tell which are close. */
  const ratings = (titles, votes) => {
    const found = new Map(titles.map((title) => [title, 0]));
    const games = [];
    for (const { a, b, winner } of votes) {
      const score = { a: 1, b: 0, tie: 0.5 }[winner];
      if (score !== undefined && found.has(a) && found.has(b)) games.push([a, b, score]);
    }
    for (let round = 0; round < 60; round++) {
      const slope = new Map();
      const bend = new Map();
      for (const [a, b, score] of games) {
        const chance = 1 / (1 + Math.exp(found.get(b) - found.get(a)));
        for (const [title, sign] of [[a, 1], [b, -1]]) {
          slope.set(title, (slope.get(title) || 0) + sign * (score - chance));
          bend.set(title, (bend.get(title) || 0) + chance * (1 - chance));
        }
      }
      // Half a Newton step for each title alone: all at once they would overshoot.
      for (const [title, rating] of found) {
        const climb = (slope.get(title) || 0) - PRECISION * rating;
        found.set(title, rating + (0.5 * climb) / ((bend.get(title) || 0) + PRECISION));
      }
    }
    return found;
  };

  return { choose, lot, ratings };
})();
