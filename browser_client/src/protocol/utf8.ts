/** UTF-8, which platforms read and write by themselves. */

export const utf8Encoder = new TextEncoder();
/** Fatal, because ill-formed UTF-8 must close the connection [MQTT-1.5.3-1]. */
export const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
