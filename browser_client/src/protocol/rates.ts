/**
 * How much one connection is sent, and which topic has to go when it is too much.
 *
 * AWS IoT delivers at most 100 messages a second to one connection and drops what is more. The
 * busiest topic is given up shortly before that, so that what is dropped is not the others'.
 * Source: AWS IoT Core endpoints and quotas, "Outbound publish requests per second per connection".
 */

const WINDOW_MS = 2000;
/** 90 a second. */
const MAX_PER_WINDOW = 180;

/**
 * Return what counts the messages of one connection.
 *
 * It takes a message's topic and when it came, from a clock that does not jump; it returns the
 * busiest topic when that was one message too many, else undefined.
 */
export function startMeter(): (topic: string, nowMs: number) => string | undefined {
  let topics: string[] = [];
  let sinceMs = 0;
  return (topic, nowMs) => {
    if (nowMs - sinceMs >= WINDOW_MS || topics.length > MAX_PER_WINDOW) {
      topics = [];
      sinceMs = nowMs;
    }
    if (topics.push(topic) <= MAX_PER_WINDOW) return undefined;
    const countOf = (name: string) => topics.filter((one) => one === name).length;
    return topics.reduce((most, one) => (countOf(one) > countOf(most) ? one : most));
  };
}
