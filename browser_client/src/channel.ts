/** The application's handle of one channel. Several handles may follow the same one. */
import { type Listeners, startListeners } from "./listeners.ts";
import type { Sequence, SequenceOutput, Update } from "./protocol/sequence.ts";
import type { Position } from "./protocol/updates.ts";

/** What `channel.on` listens to, and what the listener is given. */
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

/** A channel that is followed until it is closed. */
export interface Channel {
  /** As it was asked for, such as `public/host` or `user/me/inbox`. */
  readonly name: string;
  /** The value of each key now; a new map after each change. */
  readonly state: ReadonlyMap<string, unknown>;
  /** Where in the channel's log this is; null until the first answer. */
  readonly position: Position | null;
  /** Listen; the function returned ends it. */
  on<Name extends keyof ChannelEvents>(
    name: Name,
    listener: (value: ChannelEvents[Name]) => void,
  ): () => void;
  /** Stop following. */
  close(): void;
}

/** What a step brought. */
export interface Delivery {
  readonly outputs: readonly SequenceOutput[];
  /** True when the channel's state has just become known. */
  readonly isFirst?: boolean | undefined;
}

const NOTHING: ReadonlyMap<string, unknown> = new Map();

/**
 * Make a handle, and what delivers to it.
 *
 * @param look returns the channel as the machine has it.
 * @param close ends what the handle follows.
 */
export function makeChannel(
  name: string,
  look: () => Sequence | undefined,
  close: () => void,
): [channel: Channel, deliver: (what: Delivery) => void] {
  const { on, has, tell, clear }: Listeners<ChannelEvents> = startListeners();
  const channel: Channel = {
    name,
    get state() {
      return look()?.state.map ?? NOTHING;
    },
    get position() {
      return look()?.position ?? null;
    },
    on,
    close() {
      clear();
      close();
    },
  };
  const deliver = (what: Delivery) => {
    let hasChanged = what.isFirst;
    for (const output of what.outputs) {
      if (output.kind === "reset") tell("reset", undefined);
      if (output.kind !== "update") continue;
      hasChanged ||= output.update.op !== "event";
      tell("update", output.update);
    }
    // A state that nobody looks at need not be put together; one withheld meanwhile is not told.
    if (hasChanged && has("state") && (what.isFirst || what.outputs[0]))
      tell("state", channel.state);
  };
  return [channel, deliver];
}
