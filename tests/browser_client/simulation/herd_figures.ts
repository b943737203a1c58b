/**
 * Prints what each absence of the broker leads to, for a herd of 10,000 and AWS IoT's quota: on
 * each line a label, a tab, and the figures.
 */
import { runHerd } from "./herd.ts";

const MACHINES = 10_000;
/** Source: AWS IoT Core endpoints and quotas, "connect requests per second per account". */
const ACCEPTED_PER_S = 500;

for (const awayS of [0, 5, 60]) {
  const options = { machines: MACHINES, awayMs: awayS * 1000, acceptedPerS: ACCEPTED_PER_S };
  const { liveAgainMs, connectsPerS, sessionsPerS, pollsPerS, connectsEach } = runHerd(options);
  const figures = [
    `99 % live ${(liveAgainMs / 1000).toFixed(1)} s after it is back`,
    `most in a second: ${connectsPerS} connects, ${sessionsPerS} sessions, ${pollsPerS} polls`,
    `${connectsEach.toFixed(1)} connects each`,
  ];
  console.log(`${MACHINES} clients, broker away for ${awayS} s\t${figures.join(" · ")}`);
}
