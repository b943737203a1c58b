/** Payloads become text in the order they came. */
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { startTexts } from "../../../browser_client/src/io/gzip.ts";

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function gzipped(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gzipSync(text));
}

/** Push payloads and wait for as many texts. */
async function read(...payloads: Uint8Array<ArrayBuffer>[]) {
  const texts: [string | null, number][] = [];
  await new Promise<void>((resolve) => {
    const push = startTexts((_, text, sizeBytes) => {
      texts.push([text, sizeBytes]);
      if (texts.length === payloads.length) resolve();
    });
    for (const payload of payloads) push("dev/public/a", payload);
  });
  return texts;
}

it("hands a plain payload over at once", () => {
  const texts: (string | null)[] = [];
  const push = startTexts((_, text) => texts.push(text));
  push("dev/public/a", bytesOf("one"));
  expect(texts).toEqual(["one"]);
});

it("keeps plain payloads behind the gzipped ones before them", async () => {
  const large = "x".repeat(200_000);
  expect(await read(gzipped(large), bytesOf("two"), gzipped("three"), bytesOf("four"))).toEqual([
    [large, 200_000],
    ["two", 3],
    ["three", 5],
    ["four", 4],
  ]);
});

it("is plain again after the gzipped ones are through", async () => {
  const texts: (string | null)[] = [];
  await new Promise<void>((resolve) => {
    const push = startTexts((_, text) => {
      texts.push(text);
      if (text === "one") {
        push("dev/public/a", bytesOf("two"));
        resolve();
      }
    });
    push("dev/public/a", gzipped("one"));
  });
  expect(texts).toEqual(["one", "two"]);
});

it("says of damaged payloads that they cannot be read, and goes on", async () => {
  const hello = gzipped("hello");
  const damaged = [2, 3, 12, hello.length - 1].map((length) => hello.slice(0, length));
  expect(await read(...damaged, Uint8Array.of(0xff), hello, bytesOf("next"))).toEqual([
    ...damaged.map(() => [null, 0]),
    [null, 1],
    ["hello", 5],
    ["next", 4],
  ]);
});

it("does not inflate beyond 1 MiB", async () => {
  const tooLarge = gzipped("x".repeat(1024 * 1024 + 1));
  const justRight = gzipped("x".repeat(1024 * 1024));
  const texts = await read(tooLarge, justRight);
  expect(texts.map(([text]) => text?.length)).toEqual([undefined, 1_048_576]);
});
