"use strict";

/** The votes: kept by this browser, saved by the server where there is one, and exported as votes.jsonl. */
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
  };

  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(lines));
    } catch {
      say("This browser keeps nothing: export your votes before you leave");
    }
  };

  const cast = (votes) => {
    lines.push(...votes);
    keep();
    if (table.about().live) votes.forEach((vote) => live.save(vote));
  };

  /** Takes votes back: a line that says so, as the file wants it. */
  const undo = (votes) => cast(votes.map((vote) => ({ ...vote, undo: true })));

  /** Those that count, of everybody, on one axis. */
  const standing = (axis) => {
    const gone = new Set();
    const known = new Map();
    for (const vote of [...foreign, ...lines]) {
      if (vote.axis !== axis) continue;
      if (vote.undo) gone.add(identity(vote));
      else known.set(identity(vote), vote);
    }
    return [...known].filter(([name]) => !gone.has(name)).map(([, vote]) => vote);
  };

  const identity = ({ voter, ts, axis, item, a, b }) => JSON.stringify([voter, ts, axis, item, ...[a, b].sort()]);

  const exported = () => lines.map((vote) => `${JSON.stringify(vote)}\n`).join("");

  const download = () => {
    const link = words.make("a", { href: URL.createObjectURL(new Blob([exported()], { type: "application/jsonl" })), download: "votes.jsonl" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const voter = (name) => {
    try {
      if (name !== undefined) localStorage.setItem("batchgen voter", name);
      return localStorage.getItem("batchgen voter") || voter(`guest-${Math.random().toString(36).slice(2, 8)}`);
    } catch {
      return name || "guest";
    }
  };

  return { begin, cast, undo, standing, exported, download, voter, get count() { return lines.length; }, others: (votes) => (foreign = votes) };
})();
