/** Finds what the declarations of an entry leave without a comment. */
import { posix } from "node:path";

type Read = (file: string) => Promise<string>;

const EXPORTED = /^export (?:declare )?(class|function|interface|type) (\w+)/;
const MEMBER = /^ {4}(?!#private|constructor|[*/ }])(?:readonly |get |override )*(\w+)/;
const RE_EXPORT = /^export (?:type )?(?:\*|\{([^}]+)\}) from "(\.[^"]+)\.js";/gm;

/** Return the names, such as `Client.status`, that an entry exports and says nothing about. */
export async function undocumented(read: Read, file: string): Promise<string[]> {
  const text = await read(file);
  const own = exportedBy(text).flatMap(([name, lines]) => bare(name, lines));
  for (const [, names, path] of text.matchAll(RE_EXPORT)) {
    const other = posix.join(posix.dirname(file), `${path}.d.ts`);
    own.push(
      ...(names ? await bareOf(read, other, namesIn(names)) : await undocumented(read, other)),
    );
  }
  return own;
}

function namesIn(list: string): string[] {
  const names = list.split(",").map((one) => one.trim());
  return names
    .filter((one) => one !== "")
    .map((one) => one.replace(/^type /, "").replace(/ as .*/, ""));
}

async function bareOf(read: Read, file: string, names: readonly string[]): Promise<string[]> {
  const declared = new Map(exportedBy(await read(file)));
  return names.flatMap((name) => {
    const lines = declared.get(name);
    return lines ? bare(name, lines) : [`${name}, which is not in ${file}`];
  });
}

/** Each exported declaration with its lines: the one before it first, of a body all. */
function exportedBy(text: string): [string, string[]][] {
  const lines = text.split("\n");
  return lines.flatMap((line, at): [string, string[]][] => {
    const [, kind, name] = EXPORTED.exec(line) ?? [];
    if (!name) return [];
    const hasBody = kind === "class" || kind === "interface";
    const end = hasBody ? lines.indexOf("}", at) : at + 1;
    return [[name, lines.slice(Math.max(0, at - 1), end)]];
  });
}

/** Name what has no comment that ends in the line before: `Client`, `Client.status`. */
function bare(name: string, lines: readonly string[]): string[] {
  return lines.slice(1).flatMap((line, at) => {
    const member = MEMBER.exec(line)?.[1];
    const isNamed = at === 0 || member !== undefined;
    if (!isNamed || lines[at]?.trimEnd().endsWith("*/")) return [];
    return [at === 0 ? name : `${name}.${member}`];
  });
}
