// What cypress-mailpit uses of Cypress: its commands are registered here, and its requests are made.
// Cypress bundles packages; Node has to be told that this one consists of ES modules.

import { register } from "node:module";

register(
  "data:text/javascript," +
    encodeURIComponent(`
      export async function resolve(name, context, next) {
        const ours = context.parentURL?.includes("/cypress-mailpit/");
        return next(ours && name.startsWith(".") ? name + ".js" : name, context);
      }
      export async function load(url, context, next) {
        const ours = url.includes("/cypress-mailpit/");
        return next(url, ours ? { ...context, format: "module" } : context);
      }
    `),
);

export const commands = {};
export const requests = [];

globalThis.Cypress = {
  Commands: {
    add(name, options, run) {
      commands[name] = run;
    },
  },
  expose: (name) => (name === "MAILPIT_URL" ? process.env.MAILPIT_URL : undefined),
  config: () => 4000,
};

globalThis.cy = {
  env: async (names) => Object.fromEntries(names.map((name) => [name, process.env[name]])),
  wrap: async (value) => value,
  wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
  async request({ method, url, qs, body, auth }) {
    const target = new URL(url);
    for (const [name, value] of Object.entries(qs ?? {})) target.searchParams.set(name, value);
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    if (auth) headers.Authorization = "Basic " + btoa(`${auth.user}:${auth.pass}`);
    const response = await fetch(target, { method, headers, body: JSON.stringify(body) });
    requests.push(`${method} ${target.pathname}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    const isJson = response.headers.get("Content-Type").startsWith("application/json");
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  },
};

await import("cypress-mailpit");
