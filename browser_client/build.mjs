// Builds the browser client and the dashboard into browser_client/dist.
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
/**
 * Source, file, and what the build lets pass, in bytes gzipped; the aim for the core is 10,000, for
 * bellwire.js 12,500. Of the worker no page waits for its first update.
 */
const CLIENT_FILES = [
  ["core.ts", "bellwire-core.js", 13_400],
  ["index.ts", "bellwire.js", 15_500],
  ["worker.ts", "bellwire-worker.js", 3_000],
];

/**
 * Fields that no application, server or debug hook sees, which get short names: of what the machine
 * keeps (src/protocol/machine.ts, Connection to Work), between socket and packets, of config and keys.
 */
const INNER_FIELDS = new RegExp(
  `^(${[
    "subscription subscribedMs caughtUpBy checks checkMs gapMs gapAnswers isCaughtUp isStale",
    "isRefused inFlight isAnswered failures notBeforeMs fetchedMs isProven isSuspect attempt",
    "openedMs deadlineMs pingMs fallbackMs isFallback hasBeenLive timerMs nextPollId",
    "hasWarned watches lines nowMs effects connection sequence pages askedFrom",
    "onOpened onSubscribed onPonged onPayload onLost returnCode packetId granted",
    "expiresMs renewMs refusals isSpent held left",
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

/** Pages load the client once, from where the server has it. */
const clientOfThePage = {
  name: "client-of-the-page",
  setup(bundle) {
    bundle.onResolve({ filter: /^(bellwire|.*\/src\/index\.ts)$/ }, ({ kind }) =>
      kind === "entry-point" ? null : { path: "/bellwire.js", external: true },
    );
  },
};

async function buildClient() {
  for (const [source, name, maxGzipBytes] of CLIENT_FILES) {
    const outfile = join(dist, name);
    const entryPoints = [join(here, "src", source)];
    await build({ ...shared, entryPoints, outfile, mangleProps: INNER_FIELDS });
    const bytes = await readFile(outfile);
    const gzipBytes = gzipSync(bytes, { level: 9 }).length;
    console.log(`${name}: ${bytes.length} bytes, ${gzipBytes} gzipped`);
    if (gzipBytes > maxGzipBytes) {
      throw new Error(`found ${gzipBytes} bytes of ${name}, expected at most ${maxGzipBytes}`);
    }
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

await buildClient();
await buildDashboard();
