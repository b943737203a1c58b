/** What JSON values need beside the language: equality by content, and one order of keys. */

/** Tell whether two JSON values have the same content, whatever the order of their members. */
export function isEqualJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || !left || !right) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const members = Object.entries(left);
  return (
    members.length === Object.keys(right).length &&
    members.every(
      ([key, value]) =>
        Object.hasOwn(right, key) && isEqualJson(value, (right as Record<string, unknown>)[key]),
    )
  );
}

/** Sort texts by code point, as Python does; `sort()` alone goes by UTF-16 unit. */
export function orderByCodePoint(texts: Iterable<string>): string[] {
  return [...texts].sort(compareCodePoints);
}

function compareCodePoints(left: string, right: string): number {
  const others = right[Symbol.iterator]();
  for (const point of left) {
    const other = others.next();
    if (other.done) return 1;
    if (point !== other.value) return codeOf(point) - codeOf(other.value);
  }
  return others.next().done ? 0 : -1;
}

function codeOf(point: string): number {
  return point.codePointAt(0) as number;
}
