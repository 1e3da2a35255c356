"use strict";

/** What the page asks of the local server, where one serves it: rows that are new, and votes to be saved. */
const live = (() => {
  const PAUSE_MS = 1500;
  let after = 0;
  let lost = false;

  const begin = async () => {
    if (!table.about().live) return;
    await votes();
    poll();
  };

  const poll = async () => {
    let pause = PAUSE_MS;
    try {
      const answer = await (await fetch(`rows?after=${after}`)).json();
      if (answer.after < after) return location.reload();  // another server than before
      after = answer.after;
      const ended = table.about().running !== answer.about.running;
      table.about(answer.about);
      if (answer.rows.at.length) {
        table.details(answer.details);
        table.rows(answer.rows);
        pause = answer.more ? 0 : PAUSE_MS;
      } else if (ended) app.refresh();
      if (lost) words.say("Connected again");
      lost = false;
    } catch {
      if (!lost) words.say("The server has gone; what is here stays");
      lost = true;
      pause = 4 * PAUSE_MS;
    }
    return setTimeout(poll, pause);
  };

  const votes = async () => {
    try {
      ballot.others(await (await fetch("votes")).json());
    } catch {
      ballot.others([]);
    }
  };

  const save = async (vote) => {
    try {
      const answer = await fetch("votes", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(vote) });
      if (!answer.ok) words.say(`Not saved: ${await answer.text()}`);
    } catch {
      words.say("Not saved: the server has gone. Export your votes to keep them");
    }
  };

  return { begin, save };
})();
