/** XMLHttpRequest over Node's own HTTP, as far as old browsers have it and the script uses it. */
import { type ClientRequest, type IncomingMessage, request as open } from "node:http";

const DONE = 4;

export class HttpRequest {
  /** Requests that are under way, of all that were made. */
  static readonly underWay = new Set<HttpRequest>();
  onreadystatechange: (() => void) | null = null;
  readyState = 0;
  status = 0;
  responseText = "";
  #response: IncomingMessage | null = null;
  #request: ClientRequest | null = null;

  open(method: string, url: string): void {
    this.#request = open(url, { method, agent: false });
    this.#request.on("response", (response) => this.#read(response));
    this.#request.on("error", () => this.#finish(0));
    this.readyState = 1;
  }

  setRequestHeader(name: string, value: string): void {
    this.#request?.setHeader(name, value);
  }

  send(body: string | null): void {
    HttpRequest.underWay.add(this);
    this.#request?.end(body ?? undefined);
  }

  abort(): void {
    this.#request?.destroy();
    HttpRequest.underWay.delete(this);
  }

  getResponseHeader(name: string): string | null {
    return (this.#response?.headers[name.toLowerCase()] as string | undefined) ?? null;
  }

  async #read(response: IncomingMessage): Promise<void> {
    this.#response = response;
    try {
      for await (const part of response.setEncoding("utf8")) this.responseText += part;
    } catch {
      return this.#finish(0);
    }
    return this.#finish(response.statusCode ?? 0);
  }

  #finish(status: number): void {
    if (this.readyState === DONE) return;
    HttpRequest.underWay.delete(this);
    this.readyState = DONE;
    this.status = status;
    this.onreadystatechange?.();
  }
}
