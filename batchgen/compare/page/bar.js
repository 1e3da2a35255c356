"use strict";

/** What stands above the grid: the axes, a tab strip for every other axis, the filters, and how much is left of all. */
const bar = (() => {
  const { make, button, visible } = words;
  const find = (selector) => document.querySelector(selector);
  const axes = find(".axes");
  const selects = [...axes.querySelectorAll("select")];
  const search = find("[type=search]");
  const filter = find(".filter");
  const sizes = document.querySelectorAll(".sizes button");
  const strips = find(".tabs");
  const panel = find(".filters");
  const counts = find(".counts");
  const empty = find(".empty");
  const voting = find(".voting");
  // A strip of more values than this becomes one value with a step to either side.
  const MOST_TABS = 8;
  let drawn = "";
  let wide = false;

  const begin = (state) => {
    const about = table.about();
    document.title = `${visible(about.name)} · batchgen compare`;
    find("h1").textContent = visible(about.name);
    find(".about").textContent = about.simulated ? "simulated: no real money was spent" : "";
    find(".reporting").hidden = !about.report;
    search.value = state.text;
    search.addEventListener("input", () => app.set({ text: search.value }));
    filter.addEventListener("click", toggle);
    for (const one of sizes) one.addEventListener("click", () => app.set({ size: one.value }));
    find(".swap").addEventListener("click", app.swap);
    voting.addEventListener("click", app.vote);
    find(".deciding").addEventListener("click", results.open);
    find(".help").addEventListener("click", app.help);
  };

  const show = (made, state) => {
    document.body.classList.toggle("bare", !table.length);
    drawAxes(made);
    drawTabs(made);
    drawCounts(made, state);
    filter.setAttribute("aria-pressed", view.isFiltered(state));
    // The loudest button only if there is something to be said with it.
    voting.classList.toggle("primary", vote.isPossible(made));
    find(".deciding").hidden = !results.isThere();
    for (const one of sizes) one.setAttribute("aria-pressed", one.value === state.size);
    if (document.activeElement !== search) search.value = state.text;
  };

  const drawAxes = (made) => {
    const names = made.axes.all.map((one) => one.name);
    const chosen = Object.fromEntries(selects.map(({ name }) => [name, made.axes[name]?.name || ""]));
    const all = wide || Boolean(chosen.sx || chosen.sy);
    // Rebuilt only if it changed: a list may be open.
    const now = JSON.stringify([names, chosen, all]);
    if (now === drawn) return;
    drawn = now;
    for (const one of selects) {
      const taken = selects.filter(({ name }) => name !== one.name && (isOver(one.name) || isOver(name))).map(({ name }) => chosen[name]);
      fill(one, [...(isOver(one.name) ? [""] : []), ...names.filter((name) => !taken.includes(name))], chosen[one.name]);
      one.parentElement.hidden = isOver(one.name) && !all;
    }
    find(".more").hidden = all || names.length < 3;
  };

  const isOver = (axis) => axis.length > 1;

  const fill = (list, values, chosen) =>
    list.replaceChildren(...values.map((value) => make("option", { value, selected: value === chosen }, visible(value) || "–")));

  const widen = () => {
    wide = true;
    app.set({}, true);
    axes.elements.sy.focus();
  };

  const drawTabs = (made) => {
    const focused = document.activeElement?.dataset?.tab;
    strips.replaceChildren(...made.tabs.map(strip));
    strips.hidden = !made.tabs.length;
    if (focused) [...strips.querySelectorAll("[data-tab]")].find((one) => one.dataset.tab === focused && one.tabIndex === 0)?.focus();
  };

  const strip = ({ dimension, values, chosen }) => {
    const name = visible(dimension.name);
    const at = values.indexOf(chosen);
    const pick = (index) => app.tab(dimension.name, table.text(values[(index + values.length) % values.length]));
    const few = values.length <= MOST_TABS;
    const parts = few
      ? values.map((code, index) => button(words.short(view.label(code), 32), () => pick(index), {
        role: "radio", "aria-checked": String(index === at), tabindex: index === at ? 0 : -1, "data-tab": dimension.name, title: view.label(code),
        keydown: (event) => {
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
          if (step) event.preventDefault(), pick(index + step);
        } }))
      : [button("‹", () => pick(at - 1), { "aria-label": `Previous ${name}` }),
        make("span", { class: "at", title: view.label(chosen) }, `${words.count(at + 1)} of ${words.count(values.length)}: ${words.short(view.label(chosen), 60)}`),
        button("›", () => pick(at + 1), { "aria-label": `Next ${name}`, "data-tab": dimension.name })];
    return make("div", { class: "strip", role: few ? "radiogroup" : "group", "aria-label": name }, make("span", { class: "name", "aria-hidden": "true" }, name), ...parts);
  };

  const clearing = () => button("Clear filters", app.clear);

  const drawCounts = (made, state) => {
    const { live, running } = table.about();
    const part = made.shown === made.total ? "" : `${words.count(made.shown)} of `;
    const elsewhere = made.all > made.total ? `, of ${words.count(made.all)} in all tabs` : "";
    const text = `${part}${words.several(made.total, "cell")}${elsewhere} · ${words.several(made.rows.length, "row")}`
      + (live && running ? ` · running, ${words.count(made.all)} so far` : "");
    // Set only if it changed, since screen readers read it aloud.
    if (counts.dataset.text !== text) {
      counts.dataset.text = text;
      counts.replaceChildren(text, ...(view.isFiltered(state) ? [" ", clearing()] : []));
    }
    find(".grid").hidden = !made.rows.length;
    empty.hidden = made.rows.length > 0;
    if (made.rows.length) return;
    const nothing = running ? "No picture yet" : "Nothing was run yet";
    empty.replaceChildren(make("h2", {}, table.length ? "Nothing passes these filters" : nothing),
      table.length ? clearing() : make("p", {}, live ? "Rows appear here as they are made." : "Run the manifest, then write this page again."));
  };

  const toggle = () => {
    if (!panel.hidden) return close();
    panel.hidden = false;
    filter.setAttribute("aria-expanded", "true");
    drawPanel(app.state());
    return panel.querySelector("input, select")?.focus();
  };

  const close = () => {
    if (panel.hidden) return;
    panel.hidden = true;
    filter.setAttribute("aria-expanded", "false");
    grid.focus();
  };

  /** The filters say what the state says; what can be chosen is found out when they are opened. */
  const drawPanel = (state) => {
    if (panel.hidden) return;
    const flags = Object.keys(view.FLAGS).map((name) => [name, table.places.filter((place) => view.has(place, name)).length]);
    const lists = { states: tally(table.columns.state).sort(), flags: flags.filter(([name, count]) => count || state.flags.includes(name)) };
    for (const one of panel.querySelectorAll("[data-list]")) {
      const { list } = one.dataset;
      one.replaceChildren(one.firstElementChild, ...lists[list].map(([value, count]) => box(list, value, visible(value), count)));
      one.hidden = !lists[list].length;
    }
    panel.querySelectorAll("[data-axis]").forEach((one) => one.remove());
    panel.prepend(...view.listed().map(({ name, values }) =>
      make("fieldset", { "data-axis": name }, make("legend", {}, visible(name)),
        ...values.map(([code, count]) => box(`only.${name}`, view.brief(table.text(code)), words.short(view.label(code), 60), count)))));
    const names = [...new Set(table.dimensions.map((one) => one.name))];
    fill(panel.elements.column, names, state.column || names.find((name) => !["model", "prompt"].includes(name)));
    for (const name of Object.keys(state)) if (name !== "only") fields(name).forEach((one, index) => put(one, state[name], index));
    for (const one of panel.querySelectorAll('[name^="only."]')) one.checked = Boolean(state.only[one.name.slice(5)]?.includes(one.value));
  };

  const box = (name, value, label, count) =>
    make("label", { class: "check", "data-count": words.count(count) }, make("input", { type: "checkbox", name, value }), label);

  /** Each text of a column with how many entries have it, in the order they come. */
  const tally = (codes) => {
    const found = new Map();
    for (const place of table.places) found.set(codes[place], (found.get(codes[place]) || 0) + 1);
    return [...found].map(([code, count]) => [table.text(code), count]);
  };

  const fields = (name) => [...panel.querySelectorAll(`[name="${CSS.escape(name)}"]`)];

  const put = (one, said, index) => {
    if (one.type === "checkbox") one.checked = said === true || (said && said.includes(one.value));
    else if (one.name !== "column") one.value = Array.isArray(said) ? said[index] : said;
  };

  /** What the fields of one name say, in the form the state has it. */
  const read = (name) => {
    const all = fields(name);
    const isBox = all[0].type === "checkbox";
    if (Array.isArray(app.state()[name])) return all.filter((one) => !isBox || one.checked).map((one) => one.value);
    return isBox ? all[0].checked : all[0].value;
  };

  /** The state's `only` once the boxes of one axis say what they say now. */
  const chosen = (field) => {
    const [axis, texts] = [field.slice(5), fields(field).filter((one) => one.checked).map((one) => one.value)];
    const { [axis]: _, ...others } = app.state().only;
    return texts.length ? { ...others, [axis]: texts } : others;
  };

  panel.addEventListener("input", ({ target: { name } }) =>
    app.set(name.startsWith("only.") ? { only: chosen(name) } : { [name]: read(name), ...(name === "has" && { column: read("column") }) }));
  for (const form of [panel, axes]) form.addEventListener("submit", (event) => event.preventDefault());
  for (const one of selects) one.addEventListener("change", () => app.axis(one.name, one.value));
  find(".more").addEventListener("click", widen);

  return { begin, show, drawPanel, toggle, close, focusSearch: () => search.focus() };
})();
