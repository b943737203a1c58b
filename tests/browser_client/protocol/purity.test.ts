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

/** The names of neighbours as the folder lists them, of others as they stand. */
function importedBy(file: string): string[] {
  const source = readFileSync(join(folder, file), "utf8");
  const imported = source.matchAll(/\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/g);
  return [...imported].map(([, name, dynamic]) => (name ?? dynamic ?? "").replace(/^\.\//, ""));
}

describe("src/protocol", () => {
  it("is found", () => {
    expect(files).toContain("sequence.ts");
  });

  it.each(files)("%s imports its neighbours alone", (file) => {
    expect(importedBy(file).filter((name) => !files.includes(name))).toEqual([]);
  });

  it("imports in no circle", () => {
    const left = new Map(files.map((file) => [file, importedBy(file)]));
    for (let size = -1; size !== left.size; ) {
      size = left.size;
      for (const [file, names] of left)
        if (!names.some((name) => left.has(name))) left.delete(file);
    }
    expect([...left.keys()]).toEqual([]);
  });

  it.each(files)("%s reads no clock, chance or world", (file) => {
    const source = withoutComments(readFileSync(join(folder, file), "utf8"));
    expect(source.replace(/"[^"\n]*"|`[^`]*`/g, '""')).not.toMatch(IMPURE);
  });
});
