/** Asks `GET /v1/presence`. */
import { malformed } from "../protocol/errors.ts";
import { fetchObject } from "./http.ts";

/** Somebody whose sockets follow a channel, as the server has it. */
export interface Present {
  /** As in `client.identity.id`. */
  readonly identity_id: string;
  /** The name that the application's login gave; null for a guest. */
  readonly user: string | null;
  /** How many sockets, such as one for each browser. */
  readonly connections: number;
  /** When the first of them came, in ms since the epoch. */
  readonly since: number;
}

/**
 * Return who follows the channel by push at the moment, the longest there first.
 *
 * @param url the API's prefix, such as `/v1`.
 * @throws BellwireError `not_allowed` when the channel may not be read or its namespace has none.
 */
export async function fetchPresence(
  url: string,
  channel: string,
  bearer: string | null,
): Promise<readonly Present[]> {
  const query = `channel=${encodeURIComponent(channel)}`;
  const [{ present }] = await fetchObject(`${url}/presence?${query}`, {}, bearer);
  if (!Array.isArray(present)) throw malformed(present, "a list in present");
  return present;
}
