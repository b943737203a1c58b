/**
 * As many random histories as asked for, on all cores: `soak.ts [HISTORIES]`.
 *
 * Prints how far it is, at the end the number and the seconds, and of each failure the seed.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { play } from "./history.ts";

const DEFAULT_HISTORIES = 1_000_000;
const REPORT_EVERY = 1000;
const PRINT_EVERY_MS = 10_000;

interface Share {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

interface Report {
  readonly played: number;
  readonly failures: readonly string[];
}

/** Play every `step`th seed from `first` on. */
function playShare({ first, step, count }: Share): void {
  Error.stackTraceLimit = 0; // Errors are made by the million here.
  let failures: string[] = [];
  let played = 0;
  for (let index = 0; index < count; index++) {
    try {
      play((first + index * step) | 0);
    } catch (error) {
      failures.push((error as Error).message);
    }
    if (++played < REPORT_EVERY && index < count - 1) continue;
    parentPort?.postMessage({ played, failures } satisfies Report);
    failures = [];
    played = 0;
  }
}

async function soak(histories: number): Promise<void> {
  const cores = Math.min(availableParallelism(), histories);
  const first = Math.floor(Math.random() * 2 ** 31);
  const startedMs = performance.now();
  let printedMs = startedMs;
  let played = 0;
  let failed = 0;
  const print = () => {
    printedMs = performance.now();
    const seconds = ((printedMs - startedMs) / 1000).toFixed(0);
    console.log(`${played} of ${histories} histories in ${seconds} s, ${failed} failed`);
  };
  const onReport = ({ played: more, failures }: Report) => {
    played += more;
    failed += failures.length;
    for (const failure of failures) console.error(failure);
    if (performance.now() - printedMs > PRINT_EVERY_MS) print();
  };
  const shares = Array.from({ length: cores }, (_, index) => ({
    first: first + index,
    step: cores,
    count: Math.floor((histories + cores - 1 - index) / cores),
  }));
  await Promise.all(shares.map((share) => startWorker(share, onReport)));
  print();
  process.exitCode = failed > 0 ? 1 : 0;
}

function startWorker(share: Share, onReport: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    worker.on("message", onReport).on("error", reject);
    worker.on("exit", () => resolve());
  });
}

function historiesIn(word: string | undefined): number {
  const histories = Number(word ?? DEFAULT_HISTORIES);
  if (Number.isInteger(histories) && histories > 0) return histories;
  throw new Error(`found ${word}, expected how many histories to play`);
}

if (isMainThread) await soak(historiesIn(process.argv[2]));
else playShare(workerData);
