"use strict";

/** Numbers and foreign text as people read them, and elements made of them. No text ever becomes markup. */
const words = (() => {
  // Control characters, and those that reorder or hide text: spelled out, as everywhere in batchgen.
  const UNSEEN =
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  const NONE = "–";
  const FILMS = new Set(["mp4", "webm"]);

  const spelled = (character) => {
    const number = character.charCodeAt(0);
    return number < 0x100 ? `\\x${number.toString(16).padStart(2, "0")}` : `\\u${number.toString(16).padStart(4, "0")}`;
  };

  /** `text` in which nothing moves, hides or turns other text around. */
  const visible = (text) => String(text).replace(UNSEEN, spelled);

  const count = (number) => number.toLocaleString("en-US");

  /** `1 row`, `2,000 rows`. */
  const several = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

  /** Whole micro-dollars as dollars, exact, with two decimals at least. */
  const money = (microusd) => {
    if (microusd < 0) return NONE;
    const [whole, fraction] = (microusd / 1e6).toFixed(6).split(".");
    return `$${count(Number(whole))}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
  };

  /** An amount for the eye, as in the report: to the cent from a dollar on, below to three figures. */
  const near = (microusd) => {
    const unit = microusd >= 1e6 ? 10_000 : 10 ** Math.max(0, String(Math.round(microusd)).length - 3);
    return money(Math.round(microusd / unit) * unit);
  };

  /** Whether costs from these sources were all stated by a service; any other source makes an estimate. */
  const sure = (sources) => [...sources].every((source) => ["answer", "usage", "header", "reused"].includes(source));

  /** A mean need not be exact to the last place. */
  const roughly = (microusd) => {
    if (microusd === null) return NONE;
    const dollars = microusd / 1e6;
    return dollars >= 0.1 || dollars === 0 ? `$${dollars.toFixed(2)}` : `$${Number(dollars.toPrecision(2))}`;
  };

  const span = (milliseconds) => {
    if (milliseconds === null || milliseconds < 0) return NONE;
    const seconds = milliseconds / 1000;
    if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
    const whole = Math.round(seconds);
    return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  };

  /** 0 % and 100 % only if they are exact. */
  const share = (part, whole) => {
    if (!whole) return NONE;
    if (part === whole || !part) return `${part ? 100 : 0} %`;
    return `${Math.min(Math.max((100 * part) / whole, 0.1), 99.9).toFixed(1)} %`;
  };

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  const moment = (milliseconds) =>
    milliseconds < 0 ? NONE : `${new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ")} UTC`;

  const short = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

  /** An element with attributes (functions are listeners) and children; texts become text nodes. */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };

  const button = (title, click, attributes = {}, ...more) => make("button", { type: "button", click, ...attributes }, title, ...more);

  /** The pictures of a page that was shared as one file, by the names of their files. */
  const inlined = {};
  const inline = (pictures, files) => {
    for (const [file, number] of Object.entries(files)) inlined[file] = pictures[number];
  };

  /** The address of a file of the run folder: a name can't leave the folder or become another scheme. */
  const address = (file) => Object.hasOwn(inlined, file) ? inlined[file] : `./${file.split("/").map(encodeURIComponent).join("/")}`;

  const isFilm = (detail) => FILMS.has(detail.format);

  /** The element that shows a stored file; `lost` is called if the browser can't show it. */
  const shown = (detail, label, lost, more = {}) => {
    if (!isFilm(detail)) return make("img", { src: address(detail.file), alt: label, draggable: "false", error: lost });
    const film = make("video", { loop: true, playsinline: true, preload: "metadata", "aria-label": label || null, error: lost, ...more });
    film.muted = true;
    film.src = address(detail.file);
    return film;
  };

  /** A picture that an entry was made from; one that the browser can't show goes away. */
  const edited = (file, attributes = {}) =>
    make("img", { src: address(file), alt: "the picture that was edited", draggable: "false", error: (event) => event.target.remove(), ...attributes });

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page from disk may not have the clipboard of its own.
      const area = make("textarea", { class: "away", "aria-hidden": "true" });
      area.value = text;
      layer().append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say("copied");
  };

  /** What lies on top: an open dialog hides all else. */
  const layer = () => document.querySelector("dialog[open]") || document.body;

  let fading;
  /** A short notice, read aloud as well. */
  const say = (text) => {
    document.querySelector(".notice")?.remove();
    const notice = make("div", { class: "notice", role: "status" }, visible(text));
    layer().append(notice);
    clearTimeout(fading);
    fading = setTimeout(() => notice.remove(), 2500);
  };

  return { visible, count, several, money, near, roughly, sure, span, share, size, moment, short, make, button, inline, address, isFilm, shown, edited, copy, say, NONE };
})();
