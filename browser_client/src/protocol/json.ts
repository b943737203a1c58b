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
  return [...texts].sort((left, right) => (rankOf(left) < rankOf(right) ? -1 : 1));
}

/** Put surrogates, which stand for the highest code points, behind all other units. */
function rankOf(text: string): string {
  return text.replace(/[\ud800-\uffff]/g, (unit) => {
    const code = unit.charCodeAt(0);
    return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
  });
}
