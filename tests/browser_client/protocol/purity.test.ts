/** src/protocol is pure: it imports nothing outside itself and reads no clock, chance or world. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const folder = join(import.meta.dirname, "../../../browser_client/src/protocol");
const files = readdirSync(folder);

const IMPURE =
  /\b(Date\.now|new Date\(\)|performance|Math\.random|crypto|fetch|WebSocket|XMLHttpRequest|setTimeout|setInterval|queueMicrotask|localStorage|sessionStorage|window|document|navigator|location|process|globalThis|console)\b/;

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

describe("src/protocol", () => {
  it("is found", () => {
    expect(files).toContain("sequence.ts");
  });

  it.each(files)("%s imports its neighbours alone", (file) => {
    const source = readFileSync(join(folder, file), "utf8");
    const imported = [...source.matchAll(/\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/g)];
    const names = imported.map(([, name, dynamic]) => name ?? dynamic ?? "");
    expect(names.filter((name) => !/^\.\/[a-z_]+\.ts$/.test(name))).toEqual([]);
  });

  it.each(files)("%s reads no clock, chance or world", (file) => {
    const source = withoutComments(readFileSync(join(folder, file), "utf8"));
    expect(source.replace(/"[^"\n]*"|`[^`]*`/g, '""')).not.toMatch(IMPURE);
  });
});
