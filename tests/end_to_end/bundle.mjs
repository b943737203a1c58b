// Builds an application as its bundler does by default: `bundle.mjs BUNDLER PROJECT OUT`.
// PROJECT has main.js, index.html which loads it, and the package in node_modules.
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

const [bundler, project, out] = process.argv.slice(2);
const main = join(project, "main.js");
const bundlers = { "vite-7": () => vite("vite-7"), "vite-5": () => vite("vite-5"), webpack, esbuild };

async function vite(name) {
  const { build } = await import(name);
  await build({ root: project, base: "./", build: { outDir: out, emptyOutDir: true }, logLevel: "warn" });
}

async function webpack() {
  const { default: run } = await import("webpack");
  const options = { mode: "production", context: project, entry: main, output: { path: out } };
  const stats = await new Promise((resolve, reject) =>
    run(options, (error, done) => (error ? reject(error) : resolve(done))),
  );
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString());
  await copyFile(join(project, "index.html"), join(out, "index.html"));
}

/** It leaves URLs alone, so the worker's file has to be put beside the bundle. */
async function esbuild() {
  const { build } = await import("esbuild");
  const options = { absWorkingDir: project, entryPoints: [main], outfile: join(out, "main.js") };
  await build({ ...options, bundle: true, format: "esm", minify: true, logLevel: "warning" });
  await copyFile(join(project, "index.html"), join(out, "index.html"));
  const worker = "bellwire-worker.js";
  await copyFile(join(project, "node_modules/bellwire/dist", worker), join(out, worker));
}

await mkdir(out, { recursive: true });
await bundlers[bundler]();
