// The software under test: a shop that mails its customers. It knows nothing of the tests.

import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import nodemailer from "nodemailer";

export class Shop {
  #transport;

  // options: nodemailer's, such as { host, port, secure, auth }.
  constructor(options) {
    this.#transport = nodemailer.createTransport(options);
  }

  async signUp(customer) {
    const url = `https://shop.example/confirm?token=${randomUUID()}`;
    await this.#send(customer, "Confirm your address", {
      text: `Please confirm: ${url}`,
      html: `<p>Please <a href="${url}">confirm</a>.</p>`,
    });
  }

  async logIn(customer) {
    const code = String(randomInt(1_000_000)).padStart(6, "0");
    await this.#send(customer, "Your code", { text: `Your code is ${code}.` });
    return code;
  }

  // A 4xx is tried again; a 5xx is final.
  async #send(to, subject, content, tries = 5) {
    const from = "Shop <orders@shop.example>";
    try {
      await this.#transport.sendMail({ from, to, subject, ...content });
    } catch (error) {
      if (tries === 1 || error.responseCode >= 500) throw error;
      await pause(50);
      await this.#send(to, subject, content, tries - 1);
    }
  }
}
