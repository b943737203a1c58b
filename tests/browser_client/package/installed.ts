/** The npm tarball, packed from what was built and installed in a project of its own. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const MODULES = join(REPOSITORY, "node_modules");
const run = promisify(execFile);

export class Project {
  private constructor(readonly path: string) {}

  /** Install the tarball offline, and beside it React, which an application has itself. */
  static async make(): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), "bellwire-consumer-")));
    const { path } = project;
    await writeFile(join(path, "package.json"), '{"type": "module", "private": true}');
    const packed = await npm(
      join(REPOSITORY, "browser_client"),
      "pack",
      "--pack-destination",
      path,
    );
    await npm(path, "install", "--offline", `./${packed.trim()}`);
    await mkdir(join(path, "node_modules/@types"));
    for (const name of ["react", "@types/react"]) {
      await symlink(join(MODULES, name), join(path, "node_modules", name));
    }
    return project;
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true });
  }

  /** Name the files of the package, such as `dist/bellwire.js`. */
  async files(): Promise<string[]> {
    const root = join(this.path, "node_modules/bellwire");
    const found = await readdir(root, { recursive: true, withFileTypes: true });
    const paths = found
      .filter((one) => one.isFile())
      .map((one) => relative(root, join(one.parentPath, one.name)));
    return paths.sort();
  }

  /** Run a module's text in Node until it ends by itself; return what it wrote. */
  async node(text: string): Promise<string> {
    const words = ["--input-type=module", "--eval", text];
    const { stdout } = await run(process.execPath, words, { cwd: this.path, timeout: 20_000 });
    return stdout.trim();
  }

  /** Compile a file of the project as strictly as can be; return what the compiler has to say. */
  async compile(file: string, ...words: string[]): Promise<string> {
    const tsc = join(MODULES, "typescript/bin/tsc");
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
    const all = [tsc, "--noEmit", "--skipLibCheck", "false", ...strict, ...words, file];
    return run(process.execPath, all, { cwd: this.path }).then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }) => stdout + stderr,
    );
  }
}

/** The words of an npm that runs the tests would be taken for words to this one. */
async function npm(cwd: string, ...words: string[]): Promise<string> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)),
  );
  const quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
  const { stdout } = await run("npm", [...words, ...quiet], { cwd, env });
  return stdout;
}
