/** A service that knows guests and members, and whose channels all hold {"cpu": 1} at seq 1. */
import { decodeCursor, encodeCursor } from "../../browser_client/src/protocol/cursors.ts";
import type { Asked, Reply } from "./io/web_server.ts";

export const EPOCH = "k3f9x0ab";
export const GUEST = "us-east-1:guest";

/** What must be seen by nobody: logins, session tokens, keys. */
export const SECRET = /hush/;

interface Member {
  readonly identityId: string;
  readonly groups: readonly string[];
}

export class FakeService {
  /** Who comes with which login. */
  readonly members = new Map<string, Member>([
    ["hush-login-of-alice", { identityId: "us-east-1:alice", groups: ["red"] }],
    ["hush-login-of-bob", { identityId: "us-east-1:bob", groups: [] }],
  ]);
  guests = true;
  /** How long the sessions last that are opened from now on. */
  lifetimeMs = 3_600_000;
  /** Tokens of sessions that hold no more. */
  readonly revoked = new Set<string>();
  #sessions = 0;

  /** @param url where it is, for the config. */
  constructor(readonly url: string) {}

  readonly reply = (asked: Asked): Reply => {
    const { pathname, searchParams } = new URL(asked.url, this.url);
    if (pathname === "/v1/config") return { body: this.config() };
    if (pathname === "/v1/session") return this.#openSession(asked);
    if (pathname === "/v1/updates") return this.#answerPoll(asked, searchParams);
    if (pathname === "/v1/presence") return this.#tellPresence(asked, searchParams);
    return this.#answerCognito(asked);
  };

  config(): object {
    return {
      v: 1,
      stage: "dev",
      region: "us-east-1",
      iot_url: "ws://127.0.0.1:8081/mqtt",
      identity_pool_id: "us-east-1:pool",
      cognito_url: this.url,
      guests: this.guests,
    };
  }

  #openSession(asked: Asked): Reply {
    const member = this.members.get(bearerOf(asked) ?? "");
    if (!member) return refuse(401, "unauthenticated", asked);
    const expires_at = Date.now() + this.lifetimeMs;
    return {
      body: {
        identity_id: member.identityId,
        groups: member.groups,
        token: `hush-session-${++this.#sessions}-of-${member.identityId}`,
        expires_at,
        credentials: {
          access_key_id: `ASIA${member.identityId.slice(-3)}`,
          secret_access_key: "hush-key",
          session_token: "hush-token",
          expires_at,
        },
      },
    };
  }

  #answerPoll(asked: Asked, query: URLSearchParams): Reply {
    const cursor = query.get("cursor");
    const names = cursor
      ? [...decodeCursor(cursor).keys()]
      : (query.get("channels") ?? "").split(",");
    const isPublic = names.every((name) => name.startsWith("public/"));
    if (!(isPublic && this.guests) && !this.#holds(asked)) {
      return refuse(401, "unauthenticated", asked);
    }
    const part = cursor
      ? { e: EPOCH, f: 1, l: 1, recovered: true, u: [] }
      : { e: EPOCH, f: 1, l: 1, recovered: false, state: { cpu: 1 }, u: [] };
    const channels = Object.fromEntries(names.map((name) => [name, part]));
    const place = { epoch: EPOCH, seq: 1 };
    const next = encodeCursor(new Map(names.map((name) => [name, place])));
    return { body: { v: 1, cursor: next, poll_after_ms: 20, more: false, channels } };
  }

  #tellPresence(asked: Asked, query: URLSearchParams): Reply {
    const channel = query.get("channel");
    if (!channel?.startsWith("public/") && !this.#holds(asked)) {
      const [status, code] = bearerOf(asked) ? [401, "unauthenticated"] : [403, "not_allowed"];
      return refuse(status as number, code as string, asked);
    }
    const alice = { identity_id: "us-east-1:alice", user: "alice", connections: 1, since: 7 };
    return { body: { v: 1, channel, present: [alice] } };
  }

  #holds(asked: Asked): boolean {
    const bearer = bearerOf(asked);
    return bearer?.startsWith("hush-session-") === true && !this.revoked.has(bearer);
  }

  #answerCognito({ headers }: Asked): Reply {
    if (headers["x-amz-target"]?.toString().endsWith("GetId")) {
      return { body: { IdentityId: GUEST } };
    }
    const keys = { AccessKeyId: "ASIAguest", SecretKey: "hush-key", SessionToken: "hush-token" };
    const Credentials = { ...keys, Expiration: Date.now() / 1000 + 3600 };
    return { body: { IdentityId: GUEST, Credentials } };
  }
}

export function bearerOf({ headers }: Asked): string | undefined {
  return headers.authorization?.replace(/^Bearer /, "");
}

/** Refuse as a careless service would: quoting what it was given. */
function refuse(status: number, code: string, asked: Asked): Reply {
  const message = `found ${bearerOf(asked)}, expected another`;
  return { status, body: { error: { code, message, retryable: false } } };
}
