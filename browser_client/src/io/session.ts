/**
 * Opens a session: the config, and what a guest or a member is granted.
 *
 * Here: the member's one call. Not here: the guest's (credentials.ts), when a session is renewed
 * (protocol/sessions.ts).
 */
import { type Config, fetchConfig } from "./config.ts";
import { fetchGuest, type Grant } from "./credentials.ts";
import { fetchObject, memberIn, timesOf } from "./http.ts";

/** All that a session is, its secrets included. */
export type OpenedSession = Config & Grant;

/** What a member may say of the session to be opened. */
export interface Wish {
  /** The provider whose login the token is, such as `graph.facebook.com`; without it, its issuer tells. */
  readonly provider?: string;
  /** All that the session is to be good for; it is renewed every 15 minutes then. */
  readonly channels?: readonly string[];
}

/**
 * Fetch all that sockets and private polls need.
 *
 * @param url the API's prefix, such as `/v1`.
 * @param login the application's token; null for a guest.
 * @throws BellwireError retryable when the network or the service is at fault; `unauthenticated`
 * for a login that does not hold, else as for a guest (credentials.ts).
 */
export async function fetchSession(
  url: string,
  login: string | null,
  wish: Wish = {},
  before?: OpenedSession | null,
): Promise<OpenedSession> {
  const config = fetchConfig(url);
  const grant =
    login === null
      ? config.then((place) => fetchGuest(place, before))
      : fetchMember(`${url}/session`, login, wish);
  const [place, granted] = await Promise.all([config, grant]);
  return { ...place, ...granted };
}

/** AWS credentials, as the session's answer has them. */
interface Keys {
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token: string;
}

/** Ask for a session with credentials: `{"identity_id","token","expires_at","groups",…}`. */
async function fetchMember(url: string, login: string, wish: Wish): Promise<Grant> {
  const mode = wish.channels && "sts";
  const body = JSON.stringify({ credentials: true, mode, ...wish });
  const [answer, headers] = await fetchObject(url, { method: "POST", body }, login);
  const keys = answer["credentials"] as Keys;
  const endsMs = Math.min(
    memberIn(answer, "expires_at", "number"),
    memberIn(keys, "expires_at", "number"),
  );
  return {
    identityId: memberIn(answer, "identity_id"),
    groups: answer["groups"] as string[],
    accessKeyId: keys.access_key_id,
    secretAccessKey: keys.secret_access_key,
    sessionToken: keys.session_token,
    token: memberIn(answer, "token"),
    ...timesOf(endsMs, headers),
  };
}
