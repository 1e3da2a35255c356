"use strict";
// Without this script every table stands in its own order and every command can be selected with one click.
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, heads, head, column));
  });
}

function sort(table, heads, head, column) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: value(row.cells[column]) }));
  const numbers = rows.some((one) => typeof one.value === "number");
  // What is asked first of numbers is which are the highest, of names where they stand.
  const first = numbers ? "descending" : "ascending";
  const other = numbers ? "ascending" : "descending";
  const direction = head.getAttribute("aria-sort") === first ? other : first;
  const sign = direction === "ascending" ? 1 : -1;
  for (const one of heads) one.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  rows.sort((one, two) => {
    if (one.value === null || two.value === null) return (one.value === null) - (two.value === null);
    return sign * (numbers ? one.value - two.value : collator.compare(one.value, two.value));
  });
  body.append(...rows.map((one) => one.row));
}

// Sent without its run folder, the page says why its pictures are missing.
addEventListener("load", () => {
  const tried = [...document.images].filter((image) => image.complete);
  if (!tried.length || tried.some((image) => image.naturalWidth)) return;
  const note = document.createElement("p");
  note.className = "alone";
  note.setAttribute("role", "status");
  note.textContent = "The pictures of this page lie in the folder images beside it, which is missing here. Keep both in "
    + "one place, or ask for the folder as one file: batchgen share FOLDER pictures.zip";
  document.body.prepend(note);
});

const collator = new Intl.Collator(undefined, { numeric: true });

// Cells of figures say what they are worth; what is unknown comes last either way.
function value(cell) {
  const worth = cell.dataset.v;
  if (worth === undefined) return cell.textContent.trim();
  return worth === "" ? null : Number(worth);
}

if (navigator.clipboard) {
  for (const code of document.querySelectorAll("code.copy")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copies";
    button.textContent = "copy";
    button.setAttribute("aria-label", `copy: ${code.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
    code.after(button);
  }
}
