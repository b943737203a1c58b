/** A web server on a free port that answers from a table, and remembers what it was asked. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export class WebServer {
  readonly asked: Asked[] = [];
  /** Says what a request gets; null closes the connection without an answer. */
  reply: (asked: Asked) => Reply | null = () => ({ status: 404, body: "" });
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const { method = "", url = "", headers } = request;
      const asked = { method, url, headers, body: Buffer.concat(parts).toString() };
      this.asked.push(asked);
      const reply = this.reply(asked);
      if (reply === null) return request.socket.destroy();
      const { body } = reply;
      response.writeHead(reply.status ?? 200, reply.headers);
      return response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  }

  static async start(): Promise<WebServer> {
    const web = new WebServer();
    await new Promise<void>((resolve) => web.#server.listen(0, "127.0.0.1", resolve));
    return web;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
