// What there is beside the messages: how to send one, the faults, what DNS holds.

import { copyButton, fill, h, icon } from "./dom.js";
import { number, plural, visible } from "./format.js";
import * as api from "./api.js";

const MOST_NAMES = 200; // of a zone that are shown
const PORTS = [
  ["1025", "SMTP; a login needs no TLS", "what test suites want"],
  ["25", "SMTP, STARTTLS", "as other servers send"],
  ["587", "submission: STARTTLS and a login", "as mail programs send"],
  ["465", "submissions: TLS from the start", "as mail programs send"],
  ["143, 993", "IMAP: each recipient is a mailbox", "to read it"],
];

export class Overview {
  /** onGlance({faults, dns, active}): a few words on each, and how many faults wait. */
  constructor(element, { onGlance, onRun }) {
    this.element = element;
    this.onGlance = onGlance;
    this.onRun = onRun;
    this.found = {};
    this.shown = false;
    this.empty = false;
  }

  show(empty) {
    this.shown = true;
    this.empty = empty;
    this.draw();
    this.refresh();
  }

  hide() {
    this.shown = false;
  }

  /** Faults and zone have no event of their own: they are asked for where somebody can see them. */
  async refresh() {
    if (document.hidden) return;
    this.at = Date.now();
    const asked = await Promise.allSettled([api.faults(), api.zones(), api.chaos()]);
    const [faults, zones, chaos] = asked.map((one) => (one.status === "fulfilled" ? one.value : null));
    this.found = { faults: faults?.faults ?? faults?.Faults ?? null, zones, chaos };
    this.onGlance(this.glance());
    if (this.shown) this.draw();
  }

  /** With the mail of a test something else may have changed as well. */
  refreshSoon() {
    clearTimeout(this.timer);
    const since = Date.now() - (this.at ?? 0);
    this.timer = setTimeout(() => this.refresh(), Math.max(300, 3000 - since));
  }

  glance() {
    const { faults, zones } = this.found;
    const active = (faults ?? []).filter((one) => !one.done).length + this.chaosLines().length;
    const runs = zones?.runs?.length ?? 0, names = Object.keys(zones?.zone ?? {}).length;
    return {
      active,
      faults: faults ? (active ? plural(active, "fault") : "No faults") : "",
      dns: zones ? (names || runs ? `DNS: ${plural(names, "name")}${runs ? `, ${plural(runs, "run")}` : ""}` : "DNS: empty") : "",
    };
  }

  draw() {
    const scrolled = this.element.scrollTop;
    const news = [this.faultsSection(), this.zoneSection()];
    const sections = this.empty ? [this.sendSection(), ...news] : [...news, this.sendSection()];
    fill(this.element, h("div", { class: "overview" },
      this.empty
        ? h("header", { class: "overview-head" }, h("h2", {}, "No mail yet"),
          h("p", {}, "Send some: whatever this server accepts appears here at once. Nothing is sent out."))
        : h("header", { class: "overview-head" }, h("h2", {}, "This server"),
          h("p", {}, "Mail for any domain is accepted and kept here. Nothing is sent out.")),
      sections));
    this.element.scrollTop = scrolled;
  }

  sendSection() {
    const host = location.hostname.replace(/^\[|\]$/g, "") || "localhost";
    const swaks = `swaks --server ${host} --port 1025 --from alice@a.example --to bob+first@b.example`;
    const python = [
      "import smtplib",
      `with smtplib.SMTP("${host}", 1025) as smtp:`,
      '    smtp.sendmail("alice@a.example", ["bob+first@b.example"],',
      '                  "Subject: Hello\\n\\nThe first one.")',
    ].join("\n");
    return h("section", { class: "card", "aria-labelledby": "send-title" },
      h("h3", { id: "send-title" }, this.empty ? "Send the first mail" : "Send mail"),
      snippet("On a command line", swaks, "the swaks command"),
      snippet("In Python", python, "the Python lines"),
      h("table", { class: "ports" }, h("caption", { class: "sr" }, "Ports"),
        h("tbody", {}, PORTS.map(([port, what, who]) =>
          h("tr", {}, h("th", { scope: "row" }, port), h("td", {}, what), h("td", { class: "muted" }, who))))),
      h("p", { class: "note" }, "These are the container's ports; yours may differ, as ", h("code", {}, "docker run -p"), " says. ",
        h("code", {}, "bob+first@"), " makes ", h("q", {}, "first"), " the message's test run."));
  }

  faultsSection() {
    const { faults } = this.found;
    if (!faults) return null;
    const chaos = this.chaosLines();
    return h("section", { class: "card", "aria-labelledby": "faults-title" },
      h("h3", { id: "faults-title" }, "Faults", faults.length ? h("span", { class: "tab-count" }, number(faults.length)) : null),
      faults.length || chaos.length ? h("ul", { class: "faults" }, chaos, faults.slice(0, 200).map((one) => this.fault(one)))
        : h("p", { class: "nothing-here" }, "None: every command is answered as in production. ", h("code", {}, "POST /api/v1/faults"), " adds one."));
  }

  fault(one) {
    const { phase, ...match } = one.match ?? {};
    const conditions = Object.entries(match).filter(([, value]) => value);
    return h("li", { class: one.done ? "fault done" : "fault" },
      h("div", { class: "fault-head" },
        h("span", { class: `mark ${one.done ? "neutral" : "warn"}` }, icon(one.done ? "check" : "warn"), h("span", {}, one.done ? "done" : "active")),
        h("strong", {}, visible(phase ?? "")),
        conditions.map(([name, value]) => h("span", { class: "chip" }, `${name} ${visible(value)}`)),
        one.run && h("button", { class: "chip run-chip", type: "button", onclick: () => this.onRun(one.run) }, `run ${visible(one.run)}`),
        h("span", { class: "fault-hits" }, plural(one.hits ?? 0, "hit"))),
      h("ol", { class: "script" }, (one.script ?? []).slice(0, 20).map((step) => h("li", {}, stepText(step))),
        h("li", { class: "muted" }, one.repeat ? "then from the first again" : "then as in production")));
  }

  chaosLines() {
    return Object.entries(this.found.chaos ?? {}).filter(([, one]) => one?.Probability > 0).map(([name, one]) =>
      h("li", { class: "fault" }, h("div", { class: "fault-head" },
        h("span", { class: "mark warn" }, icon("warn"), h("span", {}, "chaos")),
        h("strong", {}, visible(name)), h("span", {}, `${one.ErrorCode} for ${one.Probability} % of the commands`))));
  }

  zoneSection() {
    const { zones } = this.found;
    if (!zones) return null;
    const names = Object.entries(zones.zone ?? {});
    const runs = zones.runs ?? [];
    return h("section", { class: "card", "aria-labelledby": "zone-title" },
      h("h3", { id: "zone-title" }, "DNS", names.length ? h("span", { class: "tab-count" }, number(names.length)) : null),
      names.length ? h("div", { class: "scroll-x" }, h("table", { class: "zone" },
        h("thead", { class: "sr" }, h("tr", {}, h("th", {}, "Name"), h("th", {}, "Type"), h("th", {}, "Record"))),
        h("tbody", {}, names.slice(0, MOST_NAMES).flatMap(([name, node]) => rows(name, node)))))
        : h("p", { class: "nothing-here" }, "Empty: no domain has a record, and every verdict says so. ", h("code", {}, "PUT /api/v1/dns"), " sets what a test needs."),
      names.length > MOST_NAMES ? h("p", { class: "note" }, `and ${number(names.length - MOST_NAMES)} more names`) : null,
      runs.length ? h("p", { class: "runs" }, h("span", { class: "muted" }, "Runs with names of their own:"),
        runs.slice(0, 50).map((run) => h("button", { class: "chip run-chip", type: "button", onclick: () => this.onRun(run) }, visible(run)))) : null);
  }
}

function snippet(title, text, what) {
  return h("div", { class: "snippet-block" }, h("div", { class: "snippet-title" }, title, copyButton(text, what)), h("pre", { tabindex: "0" }, text));
}

function stepText(step) {
  const times = step.times > 1 ? `${number(step.times)} times ` : "";
  const parts = [];
  if (step.delay) parts.push(`wait ${step.delay} s`);
  if (step.reply) parts.push(step.reply);
  if (step.disconnect) parts.push("disconnect");
  if (step.greylist) parts.push(`greylist for ${step.greylist} s`);
  if (step.dsn) parts.push(`accept, then a DSN ${step.dsn}${step.dsn_after ? ` after ${step.dsn_after} s` : ""}`);
  return times + visible(parts.join(", ") || "accept");
}

function rows(name, node) {
  const shown = visible(name);
  if (typeof node === "string") return [row(shown, "", node, true)];
  return Object.entries(node ?? {}).flatMap(([type, records], first) => {
    const all = Array.isArray(records) ? records : [records];
    return all.map((record, index) => {
      const text = Array.isArray(record) ? record.join(type === "MX" ? " " : "") : String(record);
      const failed = typeof records === "string" && type !== "CNAME";
      return row(first || index ? "" : shown, type, visible(text), failed);
    });
  });
}

const row = (name, type, text, failed) =>
  h("tr", { class: name ? "first" : "" }, name ? h("th", { scope: "row" }, name) : h("td"), h("td", { class: "record-type" }, type),
    h("td", {}, h("code", { class: failed ? "failed" : "" }, text)));
