// Schemas: as tables for people, and as an example to begin with.

import { make, prose } from "./elements.js";

const DEEPEST = 6;

export class Schemas {
  constructor(description) {
    this.components = description.components;
  }

  // Follows a reference, of which the document has no circles that matter.
  resolve(schema) {
    let found = schema ?? {};
    while (found.$ref) {
      const [, , part, name] = found.$ref.split("/");
      found = this.components[part][name];
    }
    return found;
  }

  // What may stand here, but for null.
  options(schema) {
    const found = this.resolve(schema);
    return (found.anyOf ?? found.oneOf ?? [found])
      .map((each) => this.resolve(each))
      .filter((each) => each.type !== "null");
  }

  isNullable(schema) {
    const found = this.resolve(schema);
    const types = [found.type ?? []].flat();
    return types.includes("null") || (found.anyOf ?? []).some((each) => each.type === "null");
  }

  // A few words on what may stand here.
  word(schema) {
    const words = this.options(schema).map((each) => {
      if (each.const !== undefined) return JSON.stringify(each.const);
      if (each.enum) return each.enum.map((value) => JSON.stringify(value)).join(" | ");
      const types = [each.type ?? "any"].flat().filter((type) => type !== "null");
      if (types[0] === "array") return `array of ${this.word(each.items)}`;
      const format = each.format ? ` (${each.format})` : "";
      return types.join(" | ") + format + bounds(each);
    });
    return [...words, ...(this.isNullable(schema) ? ["null"] : [])].join(" | ");
  }

  // The object whose fields can be listed, if there is one within.
  object(schema) {
    for (const option of this.options(schema)) {
      if (option.properties) return option;
      if (option.items) return this.object(option.items);
    }
    return null;
  }

  table(schema, depth = 0) {
    const object = this.object(schema);
    if (!object) return make("p", {}, make("code", {}, this.word(schema)));
    const rows = Object.entries(object.properties).map(([name, field]) =>
      this.row(name, field, (object.required ?? []).includes(name), depth),
    );
    const heading = ["Field", "Type", "What it is"].map((text) => make("th", {}, text));
    return make("table", {}, make("thead", {}, make("tr", {}, ...heading)), make("tbody", {}, ...rows));
  }

  row(name, field, isRequired, depth) {
    const found = this.resolve(field);
    const said = field.description ?? found.description;
    const usual = field.default ?? found.default;
    const below = depth < DEEPEST && this.object(field);
    return make(
      "tr",
      { class: "field" },
      make("td", { class: "name" }, make("code", isRequired ? { class: "must", title: "required" } : {}, name)),
      make("td", {}, make("code", {}, this.word(field))),
      make(
        "td",
        {},
        ...prose(said),
        isTold(usual) ? make("span", { class: "quiet" }, ` Usually ${JSON.stringify(usual)}.`) : null,
        below
          ? make("details", { class: "schema" }, make("summary", {}, "Its fields"), this.table(field, depth + 1))
          : null,
      ),
    );
  }

  // Something that fits, with what has to be given and no more.
  example(schema, depth = 0) {
    const found = this.resolve(schema);
    for (const told of [found.example, found.const, found.default]) {
      if (told !== undefined && told !== null) return told;
    }
    const [option] = this.options(schema);
    if (!option || depth > DEEPEST) return null;
    if (option.example !== undefined) return option.example;
    if (option.enum) return option.enum[0];
    switch ([option.type].flat()[0]) {
      case "object":
        return Object.fromEntries(
          (option.required ?? []).map((name) => [
            name,
            this.example(option.properties?.[name] ?? {}, depth + 1),
          ]),
        );
      case "array":
        return option.minItems ? [this.example(option.items, depth + 1)] : [];
      case "integer":
      case "number":
        return option.minimum ?? 1;
      case "boolean":
        return false;
      default:
        return "text";
    }
  }
}

function bounds({ minimum, maximum }) {
  if (minimum === undefined && maximum === undefined) return "";
  return ` ${minimum ?? ""}..${maximum ?? ""}`;
}

function isTold(usual) {
  return usual !== undefined && usual !== null && usual !== "" && JSON.stringify(usual) !== "[]";
}
