/** Numbers and times as the dashboard writes them. Pure; the clock is given. */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const RATE_UNITS = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"] as const;
/** A space that neither breaks nor stretches, between number and unit. */
const GAP = "\u00a0";

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  // 999.5 would be written "1000": it belongs to the next unit.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit += 1;
  }
  const decimals = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${rest.toFixed(decimals)}${GAP}${units[unit]}`;
}

/** Write memory in binary units: `1.5 GiB`. */
export function formatBytes(size_bytes: number): string {
  return scaled(size_bytes, 1024, BYTE_UNITS);
}

/** Write network traffic in decimal units: `1.5 MB/s`. */
export function formatRate(bytes_per_s: number): string {
  return scaled(bytes_per_s, 1000, RATE_UNITS);
}

export function formatPercent(percent: number): string {
  return `${percent.toFixed(1)}${GAP}%`;
}

/** Write a delay: `24 ms`, from ten seconds on `12.0 s`; below zero when the publisher's clock is ahead of ours. */
export function formatDelay(delayMs: number): string {
  if (Math.abs(delayMs) >= 10_000) return `${(delayMs / 1000).toFixed(1)}${GAP}s`;
  return `${Math.round(delayMs)}${GAP}ms`.replace("-", "−");
}

/** Write a short time in tenths of a second: `0.8 s`. */
export function formatSeconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)}${GAP}s`;
}

/** Write a count with its thousands apart: `1,234`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Write how long something lasted in its two largest units: `12 s`, `3 min`, `4 h 5 min`, `3 d 4 h`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds}${GAP}s`;
  if (hours === 0) return `${minutes}${GAP}min`;
  if (hours < 24) return `${hours}${GAP}h ${minutes % 60}${GAP}min`;
  return `${Math.floor(hours / 24)}${GAP}d ${hours % 24}${GAP}h`;
}

/** Write the time of day in the local zone: `09:05:07`. */
export function formatClock(atMs: number): string {
  const at = new Date(atMs);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}
