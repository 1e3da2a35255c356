"use strict";

/** The votes: kept by this browser, saved by the server if there is one, and exported as votes.jsonl. */
const ballot = (() => {
  const { say } = words;
  let lines = [];
  let foreign = [];
  let place = "";

  const begin = () => {
    place = `batchgen votes ${table.about().name} ${location.pathname}`;
    try {
      lines = JSON.parse(localStorage.getItem(place) || "[]");
    } catch {
      lines = [];  // no storage here, or not ours: votes last as long as the page
    }
    // Another tab of this page keeps its votes in the same place: without them, the next vote here would take theirs away.
    addEventListener("storage", ({ key, newValue }) => key === place && newValue && (lines = JSON.parse(newValue)));
  };

  const cast = (votes) => {
    lines.push(...votes);
    try {
      localStorage.setItem(place, JSON.stringify(lines));
    } catch {
      say("This browser keeps nothing: export your votes before you leave");
    }
    if (table.about().live) votes.forEach(live.save);
  };

  /** Takes votes back: a line that says so, as the file wants it. */
  const undo = (votes) => cast(votes.map((vote) => ({ ...vote, undo: true })));

  /** Those that count, of everybody, on one axis. */
  const standing = (axis) => {
    const known = new Map();
    const here = [...foreign, ...lines].filter((vote) => vote.axis === axis);
    for (const vote of here) if (!vote.undo) known.set(identity(vote), vote);
    for (const vote of here) if (vote.undo) known.delete(identity(vote));
    return [...known.values()];
  };

  const hasVotes = () => foreign.length + lines.length > 0;

  /** How many votes of this browser the folder doesn't have, as far as this page knows. */
  const uncounted = () => {
    const there = new Set(foreign.map(identity));
    const undone = new Set(lines.filter((vote) => vote.undo).map(identity));
    return lines.filter((vote) => !vote.undo && !undone.has(identity(vote)) && !there.has(identity(vote))).length;
  };

  const identity = ({ voter, ts, axis, item, a, b }) => JSON.stringify([voter, ts, axis, item, ...[a, b].sort()]);

  const exported = () => lines.map((vote) => `${JSON.stringify(vote)}\n`).join("");

  const download = () => {
    const href = URL.createObjectURL(new Blob([exported()], { type: "application/jsonl" }));
    words.make("a", { href, download: "votes.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  };

  /** Who votes here; a name given is remembered. */
  const voter = (name) => {
    try {
      if (name !== undefined) localStorage.setItem("batchgen voter", name);
      return localStorage.getItem("batchgen voter") || voter(`guest-${Math.random().toString(36).slice(2, 8)}`);
    } catch {
      return name || "guest";
    }
  };

  return { begin, cast, undo, standing, hasVotes, uncounted, exported, download, voter, others: (votes) => (foreign = votes) };
})();
