/** Numbers and times as the dashboard writes them. */

import { expect, test } from "vitest";
import {
  formatBytes,
  formatClock,
  formatDelay,
  formatDuration,
  formatPercent,
  formatRate,
} from "../../../browser_client/dashboard/formats.ts";

/** The unbreakable space between number and unit, made visible. */
const shown = (text: string) => text.replaceAll("\u00a0", "_");

test.each([
  [0, "0_B"],
  [1023, "1023_B"],
  [1024, "1.0_KiB"],
  [1_610_612_736, "1.5_GiB"],
  [104_857_600, "100_MiB"],
  [1_073_741_823, "1.0_GiB"],
])("%d bytes", (bytes, text) => {
  expect(shown(formatBytes(bytes))).toBe(text);
});

test.each([
  [0.4, "0_B/s"],
  [999, "999_B/s"],
  [999.6, "1.0_kB/s"],
  [1500, "1.5_kB/s"],
  [125_000_000, "125_MB/s"],
])("%d bytes a second", (rate, text) => {
  expect(shown(formatRate(rate))).toBe(text);
});

test.each([
  [24.4, "24_ms"],
  [-3.2, "−3_ms"],
  [9_999, "9999_ms"],
  [12_040, "12.0_s"],
])("a delay of %d ms", (delayMs, text) => {
  expect(shown(formatDelay(delayMs))).toBe(text);
});

test.each([
  [-5, "0_s"],
  [59_999, "59_s"],
  [60_000, "1_min"],
  [14_700_000, "4_h 5_min"],
  [273_600_000, "3_d 4_h"],
])("a duration of %d ms", (durationMs, text) => {
  expect(shown(formatDuration(durationMs))).toBe(text);
});

test("a percentage has one decimal, a time of day two digits each", () => {
  expect(shown(formatPercent(23.44))).toBe("23.4_%");
  expect(formatClock(new Date(2026, 10, 23, 9, 5, 7).getTime())).toBe("09:05:07");
});
