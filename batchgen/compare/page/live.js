"use strict";

/** What the page asks of the local server, if one serves it: rows that are new, and votes to be saved. */
const live = (() => {
  const PAUSE_MS = 1500;
  let after = 0;
  let lost = false;
  let saving = false;
  const unsaved = [];

  const begin = async () => {
    if (!table.about().live) return;
    await votes();
    poll();
  };

  const poll = async () => {
    let pause = PAUSE_MS;
    try {
      const answer = await (await fetch(`rows?after=${after}`)).json();
      if (answer.after < after) {  // another server than before
        await saveAll();
        return location.reload();
      }
      after = answer.after;
      const ended = table.about().running !== answer.about.running;
      table.about(answer.about);
      if (answer.rows.at.length || answer.gone.length) {
        table.gone(answer.gone);
        table.details(answer.details);
        table.rows(answer.rows);
        pause = answer.more ? 0 : PAUSE_MS;
      } else if (ended) app.refresh();
      if (lost) words.say("Connected again");
      lost = false;
      saveAll();
    } catch {
      if (!lost) words.say("The server has stopped; the rows shown here stay");
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

  const save = (vote) => {
    unsaved.push(vote);
    return saveAll();
  };

  /** Saves what isn't yet, oldest first. A vote sent twice counts once, so an answer that was lost does no harm. */
  const saveAll = async () => {
    if (saving) return;
    saving = true;
    try {
      while (unsaved.length) {
        const answer = await fetch("votes", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(unsaved[0]) });
        if (!answer.ok) words.say(`Not saved: ${await answer.text()}`);
        unsaved.shift();
      }
    } catch {
      words.say("Not saved yet: the server has stopped. Export your votes to keep them");
    } finally {
      saving = false;
    }
  };

  return { begin, save };
})();
