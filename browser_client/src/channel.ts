/** The application's handle of one channel. Several handles may follow the same one. */
import { Listeners } from "./listeners.ts";
import type { Sequence, SequenceOutput, Update } from "./protocol/sequence.ts";
import type { Position } from "./protocol/updates.ts";

/** What a channel tells, and with what. */
export interface ChannelEvents {
  /** Every change of state and every event, once and in order. */
  update: Update;
  /** The state after it changed, and once when it first became known. */
  state: ReadonlyMap<string, unknown>;
  /**
   * Continuity was lost: updates that bring the state up to date follow. After a login or logout
   * these delete what a private channel held; the new identity's state comes when it is known.
   */
  reset: undefined;
}

const NOTHING: ReadonlyMap<string, unknown> = new Map();

/** One channel, followed until it is closed; all handles of a channel share what is fetched. */
export class Channel {
  /** As it was asked for, such as `public/host` or `user/me/inbox`. */
  readonly name: string;
  readonly #listeners = new Listeners<ChannelEvents>();
  readonly #look: () => Sequence | undefined;
  readonly #release: () => void;

  /** @internal Made by `client.channel(name)`. */
  constructor(name: string, look: () => Sequence | undefined, release: () => void) {
    this.name = name;
    this.#look = look;
    this.#release = release;
  }

  /** The value of each key now; a new map after each change. */
  get state(): ReadonlyMap<string, unknown> {
    return this.#look()?.state.map ?? NOTHING;
  }

  /** Where in the channel's log this is; null until the first answer. */
  get position(): Position | null {
    return this.#look()?.position ?? null;
  }

  /** Listen; the function returned ends it. */
  on<Name extends keyof ChannelEvents>(
    name: Name,
    listener: (value: ChannelEvents[Name]) => void,
  ): () => void {
    return this.#listeners.add(name, listener);
  }

  /** Stop following. */
  close(): void {
    this.#release();
  }

  /** @internal Tell the listeners what a step brought, while it is meant for them. */
  deliver(outputs: readonly SequenceOutput[], isFirst: boolean, isMeant: () => boolean): void {
    let hasChanged = isFirst;
    for (const output of outputs) {
      if (!isMeant()) return;
      if (output.kind === "reset") this.#listeners.tell("reset", undefined);
      if (output.kind !== "update") continue;
      hasChanged ||= output.update.op !== "event";
      this.#listeners.tell("update", output.update);
    }
    // A state that nobody looks at need not be put together.
    if (hasChanged && this.#listeners.has("state")) this.#listeners.tell("state", this.state);
  }
}
