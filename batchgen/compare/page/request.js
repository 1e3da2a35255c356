"use strict";

/** One request in the words of a manifest and of a shell, to be made again elsewhere. No key is ever part of it. */
const request = (() => {
  const PATHS = { imagerouter: "/v1/openai/images", simulator: "/v1/openai/images", openai: "/images" };
  const KEYS = { imagerouter: "IMAGEROUTER_API_KEY", simulator: "IMAGEROUTER_API_KEY", openai: "OPENAI_API_KEY" };

  /** What describes an entry by name: the first of each name, as the axes have it. */
  const columns = (place) => {
    const known = new Map();
    for (const { name, codes } of table.dimensions) {
      if (!known.has(name) && codes[place] >= 0) known.set(name, table.text(codes[place]));
    }
    return [...known].map(([name, value]) => ({ name, value }));
  };

  /** What reached the wire: model and parameters, by name. */
  const sent = (place) => {
    const found = {};
    for (const { kind, name, codes } of table.dimensions) {
      if ((kind === "parameter" || kind === "model") && codes[place] >= 0) found[name] = table.text(codes[place]);
    }
    return found;
  };

  const provider = (place) => table.text(view.named("provider").codes[place]);

  // A JSON text is a YAML text: quotes, colons and line ends need no rules of their own.
  const yaml = (place) => {
    const { model, prompt, inputs, mask, ...parameters } = sent(place);
    const lines = [`provider: ${JSON.stringify(provider(place))}`];
    if (prompt) lines.push(`prompt: ${JSON.stringify(prompt.replace(/[{}]/g, "$&$&"))}`);
    lines.push("defaults:", `  model: ${JSON.stringify(model)}`);
    for (const [name, value] of Object.entries(parameters)) lines.push(`  ${name}: ${JSON.stringify(value)}`);
    if (inputs) lines.push(`  # image: ${visibleLine(inputs)}`);
    if (mask) lines.push(`  # mask: ${visibleLine(mask)}`);
    return `${lines.join("\n")}\n`;
  };

  const visibleLine = (text) => words.visible(text).replace(/\s+/g, " ");

  const curl = (place) => {
    const { inputs, mask, ...fields } = sent(place);
    const { base_url: base } = table.about();
    const kind = provider(place);
    const path = PATHS[kind] || PATHS.openai;
    const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;
    const files = inputs || mask;
    const body = files
      ? Object.entries(fields).map(([name, value]) => `  --form-string ${quoted(`${name}=${value}`)} \\\n`).join("") + "  -F image=@PICTURE"
      : `  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(fields))}`;
    return `curl ${quoted(`${base.replace(/\/$/, "")}${path}/${files ? "edits" : "generations"}`)} \\\n  -H "Authorization: Bearer $${KEYS[kind] || "API_KEY"}" \\\n${body}\n`;
  };

  return { columns, sent, yaml, curl };
})();
