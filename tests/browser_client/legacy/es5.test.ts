/** The script is ES5, as it is written and as it is shipped, and asks for nothing newer. */
import { readFileSync } from "node:fs";
import { type Node, parse } from "acorn";
import { describe, expect, it } from "vitest";
import { load, SHIPPED, SOURCE } from "./script.ts";

/** What old browsers have not. */
const NEWER =
  /^(Promise|fetch|Map|Set|Symbol|WeakMap|Proxy|Reflect|URL|URLSearchParams|AbortController|TextEncoder|btoa|globalThis)$/;

/** The names that stand as values or callees somewhere. */
function namesIn(node: unknown, names = new Set<string>()): Set<string> {
  if (Array.isArray(node)) for (const one of node) namesIn(one, names);
  else if (node && typeof node === "object") {
    const { type, name, ...rest } = node as Node & { name?: string };
    if (type === "Identifier") names.add(name as string);
    const isMember = type === "MemberExpression" && !(rest as { computed?: boolean }).computed;
    const { property: _, ...object } = rest as { property?: unknown };
    namesIn(Object.values(isMember ? object : rest), names);
  }
  return names;
}

describe.each([
  ["source", SOURCE],
  ["shipped file", SHIPPED],
])("the %s", (_, file) => {
  it("is ES5", () => {
    const text = readFileSync(file, "utf8");
    expect(parse(text, { ecmaVersion: 5 }).type).toBe("Program");
    expect(() => parse(`${text}\nlet newer;`, { ecmaVersion: 5 })).toThrow();
  });

  it("makes one global", () => {
    expect(Object.keys(load({}, "", file))).toEqual(["start"]);
  });

  it("is a module of CommonJS as well", () => {
    const module = { exports: {} };
    load({ module }, "", file);
    expect(Object.keys(module.exports)).toEqual(["start"]);
  });
});

it("names nothing that old browsers have not", () => {
  const newerIn = (text: string) =>
    [...namesIn(parse(text, { ecmaVersion: 5 }))].filter((name) => NEWER.test(name));
  expect(newerIn("new Map(fetch(x))")).toEqual(["Map", "fetch"]);
  expect(newerIn(readFileSync(SOURCE, "utf8"))).toEqual([]);
});

it("is sent in ASCII, so that no page's encoding alters it", () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what ASCII is.
  expect(readFileSync(SHIPPED, "utf8")).toMatch(/^[\x00-\x7f]*$/);
});
