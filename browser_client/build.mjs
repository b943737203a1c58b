// Builds the browser client and the dashboard into browser_client/dist.
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "@swc/core";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
/** What each bundle of the client may weigh, gzipped. */
const BUNDLES = [
  { source: "index.ts", target: "bellwire.js", maxGzipBytes: 12_500 },
  { source: "core.ts", target: "core.js", maxGzipBytes: 10_000 },
];

/**
 * Fields that no application, server or debug hook sees, which get short names: of what the machine
 * keeps (src/protocol/machine.ts, Connection to Work), between socket and packets, of config and keys.
 */
const INNER_FIELDS = new RegExp(
  `^(${[
    "subscription caughtUpBy checks checkMs gapMs gapAnswers isStale audience",
    "isRefused inFlight isAnswered failures notBeforeMs trustedMs wasRefused attempt",
    "openedMs deadlineMs pingMs fallbackMs isFallback timerMs nextPollId slowness",
    "hasWarned watches lines nowMs effects connection sequence pages askedFrom",
    "onOpened onSubscribed onPonged onPayload onLost returnCode packetId granted link phase asked heldMs",
    "expiresMs renewMs isSpent held left bearer runner dispatch perform openSocket pending account",
    "identityPoolId cognitoUrl iotUrl accessKeyId secretAccessKey sessionToken skewMs",
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

/** What esbuild leaves: it neither inlines a function of several lines nor merges statements much. */
const SECOND_PASS = {
  module: true,
  compress: { passes: 4, toplevel: true },
  mangle: { toplevel: true },
};

/** Pages load the client once, from where the server has it. */
const clientOfThePage = {
  name: "client-of-the-page",
  setup(bundle) {
    bundle.onResolve({ filter: /^(bellwire|.*\/src\/index\.ts)$/ }, ({ kind }) =>
      kind === "entry-point" ? null : { path: "/bellwire.js", external: true },
    );
  },
};

async function buildClient({ source, target, maxGzipBytes }) {
  const outfile = join(dist, target);
  const entryPoints = [join(here, "src", source)];
  const { outputFiles } = await build({
    ...shared,
    entryPoints,
    outfile,
    mangleProps: INNER_FIELDS,
    write: false,
  });
  const [map, bundle] = outputFiles.map(({ text }) => text);
  // The map of the first pass goes in, so that the one of both leads to the sources.
  const { code: minified, map: chained } = await minify(bundle, {
    ...SECOND_PASS,
    sourceMap: { content: map },
  });
  const code = `${minified}\n//# sourceMappingURL=${target}.map\n`;
  await writeFile(outfile, code);
  await writeFile(`${outfile}.map`, chained);
  const gzipBytes = gzipSync(code, { level: 9 }).length;
  console.log(`${target}: ${code.length} bytes, ${gzipBytes} gzipped`);
  if (gzipBytes > maxGzipBytes) {
    throw new Error(
      `${target}: found ${gzipBytes} bytes gzipped, expected ${maxGzipBytes} at most`,
    );
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

await mkdir(dist, { recursive: true });
for (const bundle of BUNDLES) await buildClient(bundle);
await buildDashboard();
