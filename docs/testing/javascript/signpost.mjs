// All that a test needs of the server's HTTP API: a run of its own, waiting, DNS and faults.

import { randomUUID } from "node:crypto";

const api = process.env.SIGNPOST_URL ?? "http://127.0.0.1:8025";
const [host, port] = (process.env.SIGNPOST_SMTP ?? `${new URL(api).hostname}:1025`).split(":");

export const smtp = { host, port: Number(port) };

export class Mailbox {
  // A message is of this run if it is for somebody in the domain that the run is named by.
  run = `test-${randomUUID().slice(0, 8)}.example`;

  address(name = "user") {
    return `${name}@${this.run}`;
  }

  // The newest message that matches a search, such as `subject:welcome`. The server answers as
  // soon as it has one; when it has none in time, the error says what it has.
  async wait(query = "", timeout = "10s") {
    const { messages } = await this.#ask("GET", "/api/v1/wait", { query, timeout });
    return this.#whole(messages[0].ID);
  }

  async messages() {
    return (await this.#ask("GET", "/api/v1/messages")).messages;
  }

  // What DNS holds for messages of this run: {"shop.example": {TXT: ["v=spf1 -all"]}}.
  async zone(records) {
    await this.#ask("PUT", "/api/v1/dns", {}, records);
  }

  // fault({ phase: "rcpt-to" }, { reply: "451 4.7.1 later", times: 2 })
  async fault(match, ...script) {
    return this.#ask("POST", "/api/v1/faults", {}, { match, script });
  }

  async [Symbol.asyncDispose]() {
    for (const path of ["messages", "dns", "faults"]) await this.#ask("DELETE", `/api/v1/${path}`);
  }

  async #whole(id) {
    const path = `/api/v1/message/${id}`;
    const [message, { Links }, { Codes }] = await Promise.all(
      [path, `${path}/links`, `${path}/codes`].map((each) => this.#ask("GET", each)),
    );
    return { ...message, links: Links.map((link) => link.URL), codes: Codes };
  }

  async #ask(method, path, query = {}, body = undefined) {
    const url = new URL(path, api);
    url.search = new URLSearchParams({ run: this.run, ...query });
    const response = await fetch(url, { method, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    const isJson = response.headers.get("Content-Type").startsWith("application/json");
    return isJson ? JSON.parse(text) : text;
  }
}
