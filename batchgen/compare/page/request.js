"use strict";

/** One request in the words of a manifest and of a shell, to be made again elsewhere. No key is ever part of it. */
const request = (() => {
  const PATHS = { imagerouter: "/v1/openai/images", simulator: "/v1/openai/images" };
  const KEYS = { imagerouter: "IMAGEROUTER_API_KEY", simulator: "IMAGEROUTER_API_KEY", openai: "OPENAI_API_KEY" };

  const described = (place, kinds) => {
    const found = {};
    for (const { kind, name, codes } of table.dimensions) {
      if (codes[place] >= 0 && kinds(kind) && !Object.hasOwn(found, name)) found[name] = table.text(codes[place]);
    }
    return found;
  };

  /** What describes an entry by name: the first of each name, as the axes have it. */
  const columns = (place) => described(place, () => true);

  /** What reached the wire: model and parameters, by name. */
  const sent = (place) => described(place, (kind) => kind === "parameter" || kind === "model");

  const provider = (place) => table.text(view.named("provider").codes[place]);

  // A JSON text is a YAML text: quotes, colons and line ends need no rules of their own.
  const yaml = (place) => {
    const { model, prompt, inputs, mask, ...parameters } = sent(place);
    const line = (name, value, indent = "  ") => `${indent}${name}: ${JSON.stringify(value)}\n`;
    // The paths as they were written; without them, a picture is known by its digest alone.
    const { input_paths: pictures, mask_path: maskFile } = columns(place);
    const comment = (name, value) => (value ? `  # ${name}: ${words.visible(value).replace(/\s+/g, " ")}\n` : "");
    return line("provider", provider(place), "") + (prompt ? line("prompt", prompt.replace(/[{}]/g, "$&$&"), "") : "") + "defaults:\n"
      + line("model", model) + Object.entries(parameters).map(([name, value]) => line(name, value)).join("")
      + (pictures ? line("image", pictures.split("\n")) : comment("image", inputs))
      + (maskFile ? line("mask", maskFile) : comment("mask", mask));
  };

  const curl = (place) => {
    const { inputs, mask, ...fields } = sent(place);
    const kind = provider(place);
    const base = table.about().base_url.replace(/\/$/, "") + (PATHS[kind] || "/images");
    const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;
    const files = inputs || mask;
    const body = files
      ? Object.entries(fields).map(([name, value]) => `  --form-string ${quoted(`${name}=${value}`)} \\\n`).join("") + "  -F image=@PICTURE"
      : `  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(fields))}`;
    return `curl ${quoted(`${base}/${files ? "edits" : "generations"}`)} \\\n  -H "Authorization: Bearer $${KEYS[kind] || "API_KEY"}" \\\n${body}\n`;
  };

  return { columns, yaml, curl };
})();
