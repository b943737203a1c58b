/**
 * What a tab and the hub that holds the socket say to each other. Builds of different ages talk by
 * this: whoever changes a shape changes `VERSION`, so that the old and the new do not meet.
 */

/** In every name that tabs meet under: of the worker, of a channel and of a lock. */
export const VERSION = "bellwire-1";

export type ToHub =
  /** A freshly signed URL, used when there is no socket yet. */
  | { readonly kind: "open"; readonly url: string; readonly clientId: string }
  /** At most 8 topics to subscribe, as in one SUBSCRIBE. */
  | { readonly kind: "subscribe" | "unsubscribe"; readonly topics: readonly string[] }
  | { readonly kind: "ping" };

export type FromHub =
  /** The hub is there for as long as somebody holds `lock`; without one, the tab is told otherwise. */
  | { readonly kind: "welcome"; readonly lock?: string | undefined }
  | { readonly kind: "opened" }
  /** For each topic asked, whether it is granted; false may come later too, and ends it. */
  | { readonly kind: "subscribed"; readonly topics: ReadonlyMap<string, boolean> }
  | { readonly kind: "ponged" }
  | {
      readonly kind: "payload";
      readonly topic: string;
      readonly payload: Uint8Array<ArrayBuffer>;
    }
  /**
   * Nothing follows; `message` when the server broke the protocol, null when the socket just ended,
   * undefined when the hub is going away.
   */
  | { readonly kind: "lost"; readonly message: string | null | undefined };

/** Where messages go: a MessagePort of the worker, or a BroadcastChannel that only two know. */
export type Port = Pick<MessagePort | BroadcastChannel, "postMessage" | "close"> & {
  onmessage: ((event: MessageEvent) => void) | null;
};
