/** Real runs of the machine, and the story that is told of them. */

import { expect, test } from "vitest";
import { Story } from "../../../../browser_client/dashboard/misbehave/story.ts";
import { rowWords, verdictWords } from "../../../../browser_client/dashboard/misbehave/words.ts";
import { BellwireError } from "../../../../browser_client/src/protocol/errors.ts";
import { Rig } from "../../protocol/rig.ts";

const HOST = "public/host";
const down = new BellwireError("upstream", "down");

class Told {
  readonly story = new Story();
  readonly rig = new Rig();

  constructor() {
    this.rig.debug = (what) => this.story.take(what, this.rig.nowMs);
    this.rig.goLive(HOST);
    // Let the checks after SUBACK pass, so that a test sees no polls but those it causes.
    for (let seconds = 0; seconds < 10; seconds++) this.rig.pass(1000).answerPolls();
  }

  get words(): string[] {
    return this.story.rows.map(rowWords).slice(1);
  }
}

test("a quiet start is live, and nothing is lost", () => {
  const { story } = new Told();
  expect(story.rows.map(rowWords)).toEqual(["Live"]);
  expect(verdictWords(story.counts)).toBe(
    "lost\u00a00 · doubled\u00a00 · out\u00a0of\u00a0order\u00a00",
  );
});

test("what is dropped is missed, asked for and filled", () => {
  const told = new Told();
  const { rig } = told;
  rig.push(HOST, 0, 3).push(HOST, 5, 6).pass(1000);
  rig.answerUpTo(rig.poll(), 6);
  expect(told.words).toEqual([
    "2 updates missing on public/host, waiting",
    "Asked the log of public/host from 3",
    "Filled: 3 updates of public/host",
  ]);
  expect(told.story.counts).toEqual({
    received: 2,
    dropped: 0,
    gaps: 1,
    filled: 3,
    told: 6,
    lost: 0,
    doubled: 0,
    outOfOrder: 0,
  });
});

test("what is overtaken comes late, and the log is not asked", () => {
  const told = new Told();
  told.rig.push(HOST, 1, 2).push(HOST, 0, 1).pass(1000);
  expect(told.words).toEqual([
    "1 update missing on public/host, waiting",
    "The missing came late on public/host: nothing to ask",
  ]);
  expect(told.rig.taken("Poll")).toEqual([]);
});

test("doubles and what came by poll already are dropped; the same again is one row", () => {
  const told = new Told();
  const { rig } = told;
  rig.push(HOST, 0, 1).push(HOST, 0, 1).push(HOST, 0, 1);
  rig.push(HOST, 2, 3).pass(1000);
  rig.answerUpTo(rig.poll(), 3).push(HOST, 1, 2);
  expect(told.words).toEqual([
    "Duplicate dropped on public/host, 2 times",
    "1 update missing on public/host, waiting",
    "Asked the log of public/host from 1",
    "Filled: 2 updates of public/host",
    "Came too late on public/host, had it already",
  ]);
  expect(told.story.counts).toMatchObject({ received: 5, dropped: 3, told: 3, doubled: 0 });
});

test("a cut is told from the loss to the filling, with how long it took", () => {
  const told = new Told();
  const { rig } = told;
  rig.push(HOST, 0, 1);
  rig.send({ kind: "Lost" }).pass(800).send({ kind: "Opened" }).grant(HOST).pass(0);
  rig.answerUpTo(rig.poll(), 18);
  expect(told.words).toEqual([
    "Socket lost",
    "Socket open again",
    "Filled: 17 updates of public/host",
    "Live again after 0.8\u00a0s",
  ]);
});

test("a socket that is refused is polled for meanwhile", () => {
  const told = new Told();
  const { rig } = told;
  rig.send({ kind: "Lost" });
  for (let seconds = 1; seconds <= 10; seconds++) {
    for (const effect of rig.pass(1000).take()) {
      if (effect.kind === "OpenSocket") rig.send({ kind: "Lost" });
      if (effect.kind === "FetchCredentials") rig.credentials();
      if (effect.kind === "Poll") rig.answerUpTo(effect, seconds);
    }
  }
  expect(told.words.slice(0, 2)).toEqual(["Socket lost", "Socket refused"]);
  const meanwhile = told.words.indexOf("Polling over HTTP meanwhile");
  expect(meanwhile).toBeGreaterThan(1);
  const polled = "Polled: 2 updates of public/host";
  expect(told.words.indexOf(polled, meanwhile)).toBeGreaterThan(meanwhile);
  expect(told.story.counts).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0 });
});

test("a reset is said, and is no loss", () => {
  const told = new Told();
  const { rig } = told;
  rig.push(HOST, 0, 1).push(HOST, 5, 6).pass(1000);
  const { id } = rig.poll();
  const state = new Map([["cpu", 1]]);
  const run = { epoch: "another0", after: 9, last: 9, updates: [] };
  rig.answer(id, new Map([[HOST, { ...run, recovered: false, state, next: null }]]));
  expect(told.words.at(-1)).toBe("Continuity lost on public/host: whole state taken anew");
  expect(told.story.counts).toMatchObject({ told: 1, lost: 0, doubled: 0, outOfOrder: 0 });
});

test("polls and credentials that fail, and messages that make no sense, are said", () => {
  const told = new Told();
  const { rig } = told;
  rig.send({ kind: "PayloadDropped", channel: HOST, error: down }).pass(1000);
  rig.failPoll(rig.poll(), "upstream");
  rig.failCredentials(down).credentials();
  expect(told.words).toEqual([
    "Unreadable message on public/host",
    "A poll failed",
    "No new credentials yet",
    "New credentials",
  ]);
});

test("a story without end keeps its last hundred rows", () => {
  const told = new Told();
  const { rig } = told;
  for (let seq = 1; seq < 300; seq += 2) rig.push(HOST, seq, seq + 1).push(HOST, seq - 1, seq);
  expect(told.story.rows).toHaveLength(100);
  expect(told.story.counts).toMatchObject({ gaps: 150, told: 300, lost: 0 });
});
