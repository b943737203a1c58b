/**
 * Values of `public/host` and `public/news`, checked before use: anybody with the right to publish may write anything there, so
 * each reader answers `null` for what it cannot show. No drawing here.
 */

export interface Cpu {
  readonly percent: number;
  readonly cores: readonly number[];
}
export interface Memory {
  readonly total_bytes: number;
  readonly used_bytes: number;
  readonly available_bytes: number;
  readonly percent: number;
  readonly swap_total_bytes: number;
  readonly swap_used_bytes: number;
}
export interface Network {
  readonly received_bytes_per_s: number;
  readonly sent_bytes_per_s: number;
}
export interface Load {
  readonly m1: number;
  readonly m5: number;
  readonly m15: number;
  readonly cores: number;
}
export interface HostProcess {
  readonly pid: number;
  readonly name: string;
  readonly cpu_percent: number;
  readonly memory_bytes: number;
}
export interface Host {
  readonly name: string;
  readonly system: string;
  readonly cores: number;
  readonly booted_at_ms: number;
}
export interface NewsItem {
  readonly title: string;
  readonly text: string;
}

const CORES_MAX = 1024;
const PROCESSES_MAX = 8;
const NAME_CHARACTERS_MAX = 80;
const NEWS_CHARACTERS_MAX = 400;

function field(value: unknown, name: string): unknown {
  const isObject = typeof value === "object" && value !== null && Object.hasOwn(value, name);
  return isObject ? Reflect.get(value, name) : undefined;
}

function isAmount(value: unknown, ceiling = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && value >= 0 && value <= ceiling;
}

/** Read the named amounts (finite, not negative); `null` if one is missing or is none. */
function amounts<Name extends string>(
  value: unknown,
  names: readonly Name[],
): Record<Name, number> | null {
  const found = names.map((name) => [name, field(value, name)] as const);
  if (!found.every(([, amount]) => isAmount(amount))) return null;
  return Object.fromEntries(found) as Record<Name, number>;
}

function shorten(text: string, characters: number): string {
  const points = Array.from(text);
  return points.length <= characters ? text : `${points.slice(0, characters - 1).join("")}…`;
}

export function readCpu(value: unknown): Cpu | null {
  const percent = field(value, "percent");
  const cores = field(value, "cores");
  if (!isAmount(percent, 100) || !Array.isArray(cores) || cores.length > CORES_MAX) return null;
  return cores.every((core) => isAmount(core, 100)) ? { percent, cores } : null;
}

export function readMemory(value: unknown): Memory | null {
  const memory = amounts(value, [
    "total_bytes",
    "used_bytes",
    "available_bytes",
    "percent",
    "swap_total_bytes",
    "swap_used_bytes",
  ]);
  return memory !== null && memory.percent <= 100 ? memory : null;
}

export function readNetwork(value: unknown): Network | null {
  return amounts(value, ["received_bytes_per_s", "sent_bytes_per_s"]);
}

export function readLoad(value: unknown): Load | null {
  return amounts(value, ["m1", "m5", "m15", "cores"]);
}

function readProcess(value: unknown): HostProcess | null {
  const name = field(value, "name");
  const figures = amounts(value, ["pid", "cpu_percent", "memory_bytes"]);
  if (typeof name !== "string" || figures === null) return null;
  return { ...figures, name: shorten(name, NAME_CHARACTERS_MAX) };
}

/** Read the busiest processes; entries that make no sense are left out. */
export function readProcesses(value: unknown): readonly HostProcess[] | null {
  if (!Array.isArray(value)) return null;
  const processes = value.map(readProcess).filter((process) => process !== null);
  return processes.slice(0, PROCESSES_MAX);
}

export function readHost(value: unknown): Host | null {
  const name = field(value, "name");
  const system = field(value, "system");
  const figures = amounts(value, ["cores", "booted_at_ms"]);
  if (typeof name !== "string" || typeof system !== "string" || figures === null) return null;
  return {
    ...figures,
    name: shorten(name, NAME_CHARACTERS_MAX),
    system: shorten(system, NAME_CHARACTERS_MAX),
  };
}

/** Make something to show of any JSON value: `{"title", "text"?}` as meant, a string as a title, the rest as JSON text. */
export function readNews(value: unknown): NewsItem {
  const title = field(value, "title");
  const text = field(value, "text");
  if (typeof title === "string" && title.trim() !== "") {
    const body = typeof text === "string" ? shorten(text, NEWS_CHARACTERS_MAX) : "";
    return { title: shorten(title, NEWS_CHARACTERS_MAX), text: body };
  }
  if (typeof value === "string" && value.trim() !== "") {
    return { title: shorten(value, NEWS_CHARACTERS_MAX), text: "" };
  }
  return { title: "Untitled", text: shorten(JSON.stringify(value) ?? "", NEWS_CHARACTERS_MAX) };
}
