/** The public API of the browser client. */
export {};
