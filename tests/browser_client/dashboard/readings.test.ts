/** What the dashboard makes of values, good and bad, that somebody published. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  readCpu,
  readHost,
  readLoad,
  readMemory,
  readNetwork,
  readNews,
  readProcesses,
} from "../../../browser_client/dashboard/readings.ts";

const memory = {
  total_bytes: 8,
  used_bytes: 2,
  available_bytes: 6,
  percent: 25,
  swap_total_bytes: 0,
  swap_used_bytes: 0,
};

test("good values are taken as they are", () => {
  expect(readCpu({ percent: 23.4, cores: [12.1, 40] })).toEqual({
    percent: 23.4,
    cores: [12.1, 40],
  });
  expect(readMemory(memory)).toEqual(memory);
  expect(readNetwork({ received_bytes_per_s: 1, sent_bytes_per_s: 0 })).toEqual({
    received_bytes_per_s: 1,
    sent_bytes_per_s: 0,
  });
  const load = { m1: 0.5, m5: 0.4, m15: 0.3, cores: 2 };
  expect(readLoad(load)).toEqual(load);
  const host = { name: "desk", system: "Linux", cores: 2, booted_at_ms: 1_795_000_000_000 };
  expect(readHost(host)).toEqual(host);
});

test.each([
  ["nothing", readCpu, undefined],
  ["text for a figure", readCpu, { percent: "23", cores: [] }],
  ["over a hundred percent", readCpu, { percent: 100.5, cores: [] }],
  ["a core below zero", readCpu, { percent: 3, cores: [4, -1] }],
  ["too many cores", readCpu, { percent: 3, cores: Array(1025).fill(0) }],
  ["a figure missing", readMemory, { ...memory, percent: undefined }],
  ["more memory than there is", readMemory, { ...memory, percent: 101 }],
  ["null", readNetwork, null],
  ["a list", readLoad, [1, 2, 3]],
  ["no list", readProcesses, { pid: 1 }],
  ["a name that is none", readHost, { name: 5, system: "Linux", cores: 2, booted_at_ms: 1 }],
])("%s is no reading", (_, read, value) => {
  expect(read(value)).toBeNull();
});

test("processes that make no sense are left out, and eight are enough", () => {
  const one = { pid: 7, name: "node", cpu_percent: 140.5, memory_bytes: 1024 };
  expect(readProcesses([one, null, { ...one, name: 3 }])).toEqual([one]);
  expect(readProcesses(Array(9).fill(one))).toHaveLength(8);
});

describe("news", () => {
  test.each([
    [{ title: "hello" }, { title: "hello", text: "" }],
    [
      { title: "hello", text: "world" },
      { title: "hello", text: "world" },
    ],
    [
      { title: "hello", text: 4 },
      { title: "hello", text: "" },
    ],
    ["just text", { title: "just text", text: "" }],
    [{ title: "  " }, { title: "Untitled", text: '{"title":"  "}' }],
    [null, { title: "Untitled", text: "null" }],
    [[1, { two: 2 }], { title: "Untitled", text: '[1,{"two":2}]' }],
    [undefined, { title: "Untitled", text: "" }],
  ])("%j", (value, item) => {
    expect(readNews(value)).toEqual(item);
  });

  test("a long text is cut between characters", () => {
    const { title } = readNews("🙂".repeat(401));
    expect(title).toBe(`${"🙂".repeat(399)}…`);
  });
});

test("no JSON value makes a reader throw", () => {
  const readers = [readCpu, readMemory, readNetwork, readLoad, readProcesses, readHost, readNews];
  const value = fc.oneof(
    fc.jsonValue(),
    fc.record({ percent: fc.jsonValue(), cores: fc.jsonValue(), title: fc.jsonValue() }),
  );
  fc.assert(fc.property(value, (json) => readers.every((read) => read(json) !== undefined)));
});
