/** What somebody gets who installs the npm tarball. */
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { undocumented } from "./documented.ts";
import { Project } from "./installed.ts";

// Each of them runs npm, the compiler or Node.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let project: Project;
beforeAll(async () => {
  project = await Project.make();
});
afterAll(() => project.remove());

function read(file: string): Promise<string> {
  return readFile(join(project.path, "node_modules/bellwire", file), "utf8");
}

/** Bundle a module's text for a page, and return what is left of it. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project.path },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

describe("the tarball", () => {
  it("holds the entries, their maps and types, and nothing that is not for applications", async () => {
    const files = await project.files();
    expect(files).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        "dist/bellwire.js",
        "dist/core.js",
        "dist/react.js",
        "dist/types/core.d.ts",
        "dist/types/index.d.ts",
        "dist/types/react.d.ts",
        "package.json",
      ]),
    );
    const known =
      /^(LICENSE|README\.md|package\.json|dist\/[\w-]+\.js(\.map)?|dist\/types\/[\w/]+\.d\.ts)$/;
    expect(files.filter((file) => !known.test(file))).toEqual([]);
  });

  it("maps each module to sources that are in the map, by relative names", async () => {
    const scripts = (await project.files()).filter((file) => /(?<!-poll)\.js$/.test(file));
    expect(scripts.length).toBeGreaterThanOrEqual(3);
    for (const script of scripts) {
      const [, name] = (await read(script)).match(/\n\/\/# sourceMappingURL=([\w.-]+)\n$/) ?? [];
      const { sources, sourcesContent } = JSON.parse(await read(`dist/${name}`));
      expect(sources.filter((source: string) => !source.startsWith("../src/"))).toEqual([]);
      expect(sourcesContent.filter((text: string | null) => !text)).toEqual([]);
      expect(sourcesContent).toHaveLength(sources.length);
    }
  });

  it("says what every public name, field, option and event means", async () => {
    for (const entry of ["index", "core", "react"]) {
      expect(await undocumented(read, `dist/types/${entry}.d.ts`)).toEqual([]);
    }
  });
});

describe("the search for what has no comment", () => {
  it("finds declarations and members, in the entry and behind it", async () => {
    const files: Record<string, string> = {
      "a/index.d.ts": 'export type { Kept } from "./b/kept.js";\nexport declare const x: 1;\n',
      "a/b/kept.d.ts": [
        "export interface Kept {",
        "    /** Told. */",
        "    readonly told: string;",
        "    readonly silent: string;",
        "    silentToo(word: string): void;",
        "}",
      ].join("\n"),
    };
    const found = await undocumented(async (file) => files[file] ?? "", "a/index.d.ts");
    expect(found).toEqual(["Kept", "Kept.silent", "Kept.silentToo"]);
  });
});

describe("an application in TypeScript", () => {
  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("compiles with module %s and resolution %s", async (module, resolution) => {
    await copyFile(new URL("./consumer.ts", import.meta.url), join(project.path, "consumer.ts"));
    const words = ["--module", module, "--moduleResolution", resolution, "--target", "es2022"];
    expect(await project.compile("consumer.ts", ...words)).toBe("");
  });
});

describe("an import", () => {
  it.each([
    ["bellwire", "BellwireError connect"],
    ["bellwire/core", "BellwireError connect"],
    ["bellwire/react", "useChannel useStatus useUpdates"],
  ])("of %s does nothing by itself, without a browser", async (entry, names) => {
    const told = await project.node(`
      const before = Object.getOwnPropertyNames(globalThis).length;
      const names = Object.keys(await import("${entry}"));
      if (Object.getOwnPropertyNames(globalThis).length !== before) throw new Error("new globals");
      console.log(names.sort().join(" "));
    `);
    expect(told).toBe(names);
  });

  it("costs a page what it uses", async () => {
    const whole = await bundle('import { connect } from "bellwire"; connect({ url: "/v1" });');
    const error = await bundle(
      'import { BellwireError } from "bellwire"; throw new BellwireError("internal", "none");',
    );
    expect(await bundle('import { connect } from "bellwire";')).toBe("");
    expect(whole.length).toBeGreaterThan(20_000);
    expect(error.length).toBeLessThan(1500);
  });
});

describe("README", () => {
  it("shows how errors are caught", async () => {
    const [, example] =
      (await read("README.md")).match(/```js\n(import \{ BellwireError.*?)```/s) ?? [];
    expect(await project.node(`${example}\nwire.close();`)).toBe("true bad_channel");
  });
});
