/** The public API of the client without its tabs sharing a connection: `bellwire/core`. */
export * from "./index.ts";
