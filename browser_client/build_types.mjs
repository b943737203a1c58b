// Writes the declarations of the package's entries, and of what these refer to, for consumers.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
/** How one declaration names another: `from "./channel.ts"`, `import("./channel.ts")`. */
const REFERENCE = /((?:from |import\()"\.{1,2}\/[^"]+)\.ts"/g;

/** Fill `target` with the declarations that `sources`, such as `index.ts`, lead to. */
export async function buildTypes(target, sources) {
  const emitted = await mkdtemp(join(tmpdir(), "bellwire-types-"));
  try {
    await emit(emitted);
    await rm(target, { recursive: true, force: true });
    for (const path of await collect(emitted, sources)) await copy(emitted, target, path);
  } finally {
    await rm(emitted, { recursive: true });
  }
}

async function emit(outDir) {
  const words = [tsc, "-p", join(here, "tsconfig.types.json"), "--outDir", outDir];
  await promisify(execFile)(process.execPath, words).catch(({ stdout, stderr }) => {
    throw new Error(`expected declarations of every entry, found:\n${stdout}${stderr}`);
  });
}

/** List the declarations within reach, such as `protocol/errors.d.ts`. */
async function collect(emitted, sources) {
  const found = new Set(sources.map((source) => source.replace(/\.ts$/, ".d.ts")));
  for (const path of found) {
    const text = await readFile(join(emitted, path), "utf8");
    for (const [, start] of text.matchAll(REFERENCE)) {
      found.add(join(dirname(path), `${start.slice(start.indexOf('"') + 1)}.d.ts`));
    }
  }
  return found;
}

/** Consumers resolve `./channel.js` to `./channel.d.ts`; `./channel.ts` is not in the package. */
async function copy(emitted, target, path) {
  const text = await readFile(join(emitted, path), "utf8");
  await mkdir(dirname(join(target, path)), { recursive: true });
  await writeFile(join(target, path), text.replace(REFERENCE, '$1.js"'));
}
