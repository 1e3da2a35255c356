"use strict";

/** What stands above the grid: the axes, a tab strip for every other axis, the filters, and how much is left of all. */
const bar = (() => {
  const { make, visible } = words;
  const axes = document.querySelector(".axes");
  const tools = document.querySelector(".tools");
  const strips = document.querySelector(".tabs");
  const panel = document.querySelector(".filters");
  const counts = document.querySelector(".counts");
  const empty = document.querySelector(".empty");
  // A strip of more values than this becomes one value with a step to either side.
  const MOST_TABS = 8;
  const MOST_BOXES = 12;
  let drawn = "";
  let wide = false;

  const TITLES = { x: "Columns", y: "Rows", sx: "Over columns", sy: "Over rows" };

  const show = (made, state) => {
    drawAxes(made, state);
    drawTabs(made);
    drawCounts(made, state);
    tools.querySelector(".filter").setAttribute("aria-pressed", view.isFiltered(state));
    const search = tools.querySelector("[type=search]");
    if (document.activeElement !== search) search.value = state.text;
  };

  const drawAxes = (made, state) => {
    const names = made.axes.all.map((one) => one.name);
    const chosen = Object.fromEntries(Object.keys(TITLES).map((axis) => [axis, made.axes[axis]?.name || ""]));
    const all = wide || chosen.sx || chosen.sy;
    const now = JSON.stringify([names, chosen, all]);
    if (now === drawn) return;
    drawn = now;
    const focused = document.activeElement?.name;
    axes.replaceChildren(
      select("y", names, chosen),
      make("button", { type: "button", class: "swap", title: "Swap rows and columns (x)", "aria-label": "Swap rows and columns", click: app.swap }, "⇄"),
      select("x", names, chosen),
      ...(all ? [select("sy", names, chosen), select("sx", names, chosen)] : []),
      ...(!all && names.length > 2 ? [more(made, state)] : []));
    if (focused in TITLES) axes.elements[focused]?.focus();
  };

  const more = (made, state) => make("button", { type: "button", class: "more", title: "More axes", "aria-label": "More axes", click: () => {
    wide = true;
    drawAxes(made, state);
    axes.elements.sy.focus();
  } }, "+");

  const select = (axis, names, chosen) => {
    const optional = axis.length > 1;
    const taken = Object.entries(chosen).filter(([other]) => other !== axis && (optional || other.length > 1)).map(([, name]) => name);
    const options = names.filter((name) => !taken.includes(name))
      .map((name) => make("option", { value: name, selected: name === chosen[axis] }, visible(name)));
    if (optional) options.unshift(make("option", { value: "" }, "–"));
    return make("label", { class: optional ? "optional" : "" }, TITLES[axis],
      make("select", { name: axis, "aria-label": TITLES[axis], change: (event) => app.axis(axis, event.target.value) }, ...options));
  };

  const drawTabs = (made) => {
    const focused = document.activeElement?.dataset?.tab;
    strips.replaceChildren(...made.tabs.map((tab) => (tab.values.length > MOST_TABS ? stepper(tab) : strip(tab))));
    strips.hidden = !made.tabs.length;
    if (focused) [...strips.querySelectorAll("[data-tab]")].find((one) => one.dataset.tab === focused && one.tabIndex === 0)?.focus();
  };

  const strip = ({ dimension, values, chosen }) => {
    const pick = (index) => app.tab(dimension.name, table.text(values[(index + values.length) % values.length]));
    return make("div", { class: "strip", role: "radiogroup", "aria-label": visible(dimension.name) },
      make("span", { class: "name", "aria-hidden": "true" }, visible(dimension.name)),
      ...values.map((code, index) => make("button", {
        type: "button", role: "radio", "aria-checked": String(code === chosen), tabindex: code === chosen ? 0 : -1,
        "data-tab": dimension.name, title: view.label(code), click: () => pick(index),
        keydown: (event) => {
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
          if (step) event.preventDefault(), pick(index + step);
        },
      }, words.short(view.label(code), 32))));
  };

  const stepper = ({ dimension, values, chosen }) => {
    const index = values.indexOf(chosen);
    const step = (by) => app.tab(dimension.name, table.text(values[(index + by + values.length) % values.length]));
    const name = visible(dimension.name);
    return make("div", { class: "strip", role: "group", "aria-label": name },
      make("span", { class: "name", "aria-hidden": "true" }, name),
      make("button", { type: "button", "aria-label": `Previous ${name}`, click: () => step(-1) }, "‹"),
      make("span", { class: "at", title: view.label(chosen) }, `${words.count(index + 1)} of ${words.count(values.length)}: ${words.short(view.label(chosen), 60)}`),
      make("button", { type: "button", "aria-label": `Next ${name}`, "data-tab": dimension.name, click: () => step(1) }, "›"));
  };

  const drawCounts = (made, state) => {
    const part = made.shown === made.total ? words.count(made.shown) : `${words.count(made.shown)} of ${words.count(made.total)}`;
    const cells = made.total === 1 ? "cell" : "cells";
    const here = made.all > made.total ? `, of ${words.count(made.all)} in all tabs` : "";
    const text = `${part} ${cells}${here} · ${words.count(made.rows.length)} ${made.rows.length === 1 ? "row" : "rows"}`;
    const about = table.about();
    const more = about.live && about.running ? ` · running, ${words.count(made.all)} so far` : "";
    if (counts.dataset.text !== text + more) {
      counts.dataset.text = text + more;
      counts.replaceChildren(text + more);
      if (view.isFiltered(state)) counts.append(" ", make("button", { type: "button", click: app.clear }, "Clear filters"));
    }
    empty.hidden = made.rows.length > 0;
    document.querySelector(".grid").hidden = !made.rows.length;
    if (made.rows.length) return;
    empty.replaceChildren(...(table.length
      ? [make("h2", {}, "Nothing passes these filters"), make("button", { type: "button", click: app.clear }, "Clear filters")]
      : [make("h2", {}, about?.running ? "No picture yet" : "Nothing was run yet"),
         make("p", {}, about?.live ? "Rows appear here as they are made." : "Run the manifest, then write this page again.")]));
  };

  const drawTools = (state) => {
    const search = make("input", { type: "search", placeholder: "Search prompts", "aria-label": "Search prompts",
      input: (event) => app.set({ text: event.target.value }) });
    search.value = state.text;
    const button = (name, title, act, more = {}) => make("button", { type: "button", class: name, title, click: act, ...more }, title.split(" (")[0]);
    tools.replaceChildren(search,
      button("filter", "Filter (f)", toggle, { "aria-expanded": "false", "aria-pressed": "false" }),
      make("div", { class: "sizes", role: "group", "aria-label": "Size of the pictures" },
        ...["s", "m", "l"].map((size) => make("button", { type: "button", "data-size": size, "aria-label": `Size ${size.toUpperCase()}`,
          click: () => app.set({ size }) }, size.toUpperCase()))),
      button("vote primary", "Vote (v)", app.vote),
      make("button", { type: "button", class: "help", title: "Keys (?)", "aria-label": "Keys", click: app.help }, "?"));
  };

  const toggle = () => {
    panel.hidden = !panel.hidden;
    tools.querySelector(".filter").setAttribute("aria-expanded", String(!panel.hidden));
    if (panel.hidden) return grid.focus();
    drawPanel(app.state());
    return panel.querySelector("input, select")?.focus();
  };

  /** The filters are made when they are opened, and only then are elements. */
  const drawPanel = (state) => {
    if (panel.hidden) return;
    const models = view.named("model") ? view.valuesOf(view.named("model")).map(table.text) : [];
    const states = [...new Set(table.columns.state)].map(table.text).sort();
    panel.replaceChildren(
      models.length > 1 && boxes("Model", "models", models, state),
      boxes("Status", "states", states, state),
      boxes("Flag", "flags", Object.keys(view.FLAGS), state),
      columnFilter(state),
      range("Cost, $", "cost", state),
      range("Latency, s", "latency", state),
      make("label", { class: "check" }, box(state.disagree, (on) => app.set({ disagree: on })), "Only rows that ended differently"),
      make("label", { class: "check" }, box(state.line, (on) => app.set({ line: on })), "Cost and latency below pictures"));
    panel.querySelectorAll("fieldset").forEach((one) => one.lastChild === null && one.remove());
  };

  const box = (checked, act) => {
    const input = make("input", { type: "checkbox", change: (event) => act(event.target.checked) });
    input.checked = checked;
    return input;
  };

  const boxes = (title, list, values, state) => {
    const flip = (value, on) => app.set({ [list]: on ? [...app.state()[list], value] : app.state()[list].filter((one) => one !== value) });
    if (values.length > MOST_BOXES) {
      const options = values.map((value) => make("option", { value, selected: state[list].includes(value) }, visible(value)));
      return make("fieldset", {}, make("legend", {}, title), make("select", { multiple: true, size: 5, "aria-label": title,
        change: (event) => app.set({ [list]: [...event.target.selectedOptions].map((one) => one.value) }) }, ...options));
    }
    return make("fieldset", {}, make("legend", {}, title), ...values.map((value) =>
      make("label", { class: "check" }, box(state[list].includes(value), (on) => flip(value, on)), visible(value))));
  };

  const columnFilter = (state) => {
    const names = [...new Set(table.dimensions.map((one) => one.name))];
    const has = make("input", { type: "text", "aria-label": "Text in that column", placeholder: "contains", input: (event) => app.set({ has: event.target.value, column: app.state().column || column }) });
    has.value = state.has;
    const column = state.column || names.find((name) => !["model", "prompt"].includes(name)) || names[0];
    return make("fieldset", {}, make("legend", {}, "Column"),
      make("select", { "aria-label": "Column", change: (event) => app.set({ column: event.target.value }) },
        ...names.map((name) => make("option", { value: name, selected: name === column }, visible(name)))),
      has);
  };

  const range = (title, name, state) => {
    const end = (index, label) => {
      const input = make("input", { type: "number", min: 0, step: "any", placeholder: label, "aria-label": `${title}, ${label}`,
        input: (event) => app.set({ [name]: app.state()[name].map((text, at) => (at === index ? event.target.value : text)) }) });
      input.value = state[name][index];
      return input;
    };
    return make("fieldset", {}, make("legend", {}, title), end(0, "from"), end(1, "to"));
  };

  const drawTitle = () => {
    const about = table.about();
    document.title = `${visible(about.name)} · batchgen compare`;
    document.querySelector("h1").textContent = visible(about.name);
    document.querySelector(".about").textContent = about.simulated ? "simulated: no real money was spent" : "";
  };

  const drawSizes = (state) =>
    tools.querySelectorAll("[data-size]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.size === state.size)));

  return { show, drawTools, drawTitle, drawPanel, drawSizes, toggle, focusSearch: () => tools.querySelector("input").focus() };
})();
