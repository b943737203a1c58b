// Builds the browser client, its types and the dashboard into browser_client/dist.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "@swc/core";
import { build } from "esbuild";
import { minify as minifyAgain } from "terser";
import { buildTypes } from "./build_types.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
/** The package's entries, and what each may weigh, gzipped. */
const ENTRIES = [
  { name: "bellwire", source: "index.ts", maxGzipBytes: 12_500 },
  { name: "core", source: "core.ts", maxGzipBytes: 10_000 },
  { name: "react", source: "react.ts", maxGzipBytes: 800 },
];
/** The script of the SharedWorker; no page waits for it before its first update. */
const WORKER = { name: "bellwire-worker", source: "worker.ts", maxGzipBytes: 3_000 };
/** Of the script for old browsers. */
const MAX_LEGACY_GZIP_BYTES = 2_500;

/**
 * Fields that no application, server or debug hook sees, which get short names: of what the machine
 * keeps (src/protocol/machine.ts, Connection to Work), between socket and packets, of config and keys.
 */
const INNER_FIELDS = new RegExp(
  `^(${[
    "subscription caughtUpBy checks checkMs gapMs gapAnswers isStale audience",
    "isRefused inFlight isAnswered failures notBeforeMs trustedMs wasRefused attempt",
    "openedMs deadlineMs pingMs fallbackMs isFallback timerMs nextPollId slowness",
    "firstPollId number changes prefix socket page client step startTexts",
    "hasWarned watches lines nowMs effects connection sequence pages askedFrom",
    "onOpened onSubscribed onPonged onPayload onLost returnCode packetId granted link phase asked heldMs",
    "expiresMs renewMs isSpent held left take tell skewMs bearer runner dispatch perform openSocket pending account",
    "identityPoolId cognitoUrl iotUrl accessKeyId secretAccessKey sessionToken",
  ]
    .join(" ")
    .replaceAll(" ", "|")})$`,
);

const shared = {
  bundle: true,
  format: "esm",
  minify: true,
  sourcemap: true,
  target: "es2022",
  logLevel: "warning",
};

/**
 * What esbuild leaves: it neither inlines a function of several lines nor merges statements much. SWC
 * does, and Terser makes of what comes out of that half a percent less.
 * What is called unsafe would be so for functions that use `this` or `arguments`; none here does.
 */
const COMPRESS = {
  keep_fargs: false,
  pure_getters: true,
  unsafe_arrows: true,
  unsafe_methods: true,
};
const SECOND_PASS = {
  module: true,
  compress: { ...COMPRESS, passes: 6, toplevel: true, ecma: 2022, sequences: false },
  mangle: { toplevel: true },
};
const THIRD_PASS = { module: true, compress: { ...COMPRESS, passes: 4, ecma: 2022 } };

/** Pages load the client once, from where the server has it. */
const clientOfThePage = {
  name: "client-of-the-page",
  setup(bundle) {
    bundle.onResolve({ filter: /^(bellwire|.*\/src\/index\.ts)$/ }, ({ kind }) =>
      kind === "entry-point" ? null : { path: "/bellwire.js", external: true },
    );
  },
};

async function buildEntry({ name, source, maxGzipBytes }) {
  const outfile = join(dist, `${name}.js`);
  const entryPoints = [join(here, "src", source)];
  const options = { ...shared, entryPoints, outfile, external: ["react"], write: false };
  const { outputFiles } = await build({ ...options, mangleProps: INNER_FIELDS });
  const [map, bundle] = outputFiles.map(({ text }) => text);
  // The map of each pass goes into the next, so that the last one leads to the sources.
  const second = await minify(bundle, { ...SECOND_PASS, sourceMap: { content: map } });
  const sourceMap = { content: second.map, includeSources: true };
  const third = await minifyAgain(second.code, { ...THIRD_PASS, sourceMap });
  await mkdir(dist, { recursive: true });
  await writeFile(outfile, `${third.code}\n//# sourceMappingURL=${name}.js.map\n`);
  await writeFile(`${outfile}.map`, third.map);
  await checkSize(outfile, maxGzipBytes);
}

/** A plain script without modules, so that its one global keeps its name; in ASCII, whatever a page's encoding. */
async function buildLegacy() {
  const outfile = join(dist, "bellwire-poll.js");
  const source = await readFile(join(here, "legacy/bellwire-poll.js"), "utf8");
  const compress = { passes: 6, ecma: 5, keep_fargs: false, pure_getters: true };
  const { code } = await minify(source, { compress, mangle: true, format: { ascii_only: true } });
  await writeFile(outfile, `${code}\n`);
  await checkSize(outfile, MAX_LEGACY_GZIP_BYTES);
}

/** Another zlib, such as that for ARM, finds other matches: limits are exact where they were set. */
const SLACK = process.platform === "linux" && process.arch === "x64" ? 1 : 1.01;

async function checkSize(outfile, maxBytes) {
  const most = Math.floor(maxBytes * SLACK);
  const bytes = await readFile(outfile);
  const gzipBytes = gzipSync(bytes, { level: 9 }).length;
  const name = basename(outfile);
  console.log(`${name}: ${bytes.length} bytes, ${gzipBytes} gzipped`);
  if (gzipBytes > most) {
    throw new Error(`found ${gzipBytes} bytes of ${name} gzipped, expected at most ${most}`);
  }
}

async function buildDashboard() {
  const source = join(here, "dashboard");
  const names = await readdir(source);
  const target = join(dist, "dashboard");
  await mkdir(target, { recursive: true });
  for (const page of ["main", "people"]) {
    const outfile = join(target, `${page}.js`);
    const entryPoints = [join(source, `${page}.ts`)];
    await build({ ...shared, entryPoints, outfile, plugins: [clientOfThePage] });
  }
  for (const name of names.filter((one) => /\.(html|css|svg)$/.test(one))) {
    await copyFile(join(source, name), join(target, name));
  }
}

for (const entry of [...ENTRIES, WORKER]) await buildEntry(entry);
await buildLegacy();
await buildTypes(
  join(dist, "types"),
  ENTRIES.map(({ source }) => source),
);
// npm packs no file from outside the package.
await copyFile(join(here, "../LICENSE"), join(here, "LICENSE"));
await buildDashboard();
