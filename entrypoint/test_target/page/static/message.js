// A message: what it says, who sent it how, and the verdict on it.

import { copyButton, fill, h, icon } from "./dom.js";
import { exact, mailbox, number, size, visible, whole } from "./format.js";
import { readVerdict, strip, verdictPanel } from "./verdict.js";
import * as api from "./api.js";

const MOST_SHOWN = 200_000; // characters of a source or a text; the rest is for an editor
const MOST_LISTED = 500; // attachments, recipients
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const PORTS = { 25: "SMTP", 465: "submissions, TLS from the start", 587: "submission", 1025: "SMTP, login without TLS" };

export class MessagePane {
  /** actions: onBack, onUnread(id), onDelete(id), onRun(run), onSearch(query). */
  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
    this.id = null;
    this.wantedTab = "content";
    this.narrowPreview = false;
  }

  /** Show a message. The error, in words, if that is not possible. */
  async open(id) {
    this.close();
    this.id = id;
    this.controller = new AbortController();
    this.element.classList.add("loading");
    try {
      const message = await api.message(id, this.controller.signal);
      this.draw(message);
      return null;
    } catch (error) {
      if (error.name === "AbortError") return null;
      this.drawError(error);
      return error.message;
    } finally {
      if (this.id === id) this.element.classList.remove("loading");
    }
  }

  close() {
    this.controller?.abort();
    this.id = null;
    this.tabs = [];
  }

  drawError(error) {
    const gone = error.status === 404;
    fill(this.element, h("div", { class: "empty" },
      h("h2", {}, gone ? "This message is not here" : "The message cannot be shown"),
      h("p", {}, gone ? "It has been deleted, or was never received." : error.message),
      h("p", {}, h("button", { class: "button", type: "button", onclick: this.actions.onBack }, "All messages"))));
  }

  draw(message) {
    this.message = message;
    this.verdict = readVerdict(message.Extra?.Verdict);
    this.tabs = this.tabsOf(message);
    this.tablist = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the message" });
    this.panel = h("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
    this.codes = h("div", { class: "codes", hidden: true });
    fill(this.element, h("article", { class: "message" },
      this.head(message), this.tablist, this.panel));
    this.element.scrollTop = 0;
    this.drawTabs();
    const first = this.tabs.find((tab) => tab.kind === this.wantedTab) ?? this.tabs[0];
    this.select(first, { keep: true });
    this.findCodes(message.ID);
  }

  head(message) {
    const subject = visible(message.Subject) || "(no subject)";
    const run = message.Extra?.Run;
    const { onBack, onUnread, onDelete, onRun } = this.actions;
    const people = [["From", [message.From]], ["To", message.To], ["Cc", message.Cc], ["Bcc", message.Bcc], ["Reply-To", message.ReplyTo]];
    return h("header", { class: "message-head" },
      h("div", { class: "message-actions" },
        tool("back", "All messages (Esc)", onBack, "only-narrow"),
        h("span", { class: "grow" }),
        tool("unread", "Mark unread (u)", () => onUnread(message.ID)),
        h("a", { class: "tool icon-only", href: `${api.rawUrl(message.ID)}?dl=1`, title: "Download the source (.eml)", "aria-label": "Download the source" }, icon("download")),
        tool("trash", "Delete (#)", () => onDelete(message.ID))),
      h("h2", { class: "message-subject", dir: "auto", title: subject.length > 200 ? subject : null }, subject),
      h("dl", { class: "people" }, people.filter(([, list]) => list?.length && list[0]).flatMap(([name, list]) => [
        h("dt", {}, name), h("dd", {}, mailboxes(list)),
      ]), h("dt", {}, "Received"), h("dd", {}, h("time", { datetime: message.Created, title: exact(message.Created) }, whole(message.Created)))),
      h("div", { class: "chips" }, this.codes,
        run && h("button", { class: "chip run-chip", type: "button", title: "Show this run only", onclick: () => onRun(run) }, `run ${visible(run)}`),
        (message.Tags || []).filter((tag) => tag.toLowerCase() !== run?.toLowerCase()).map((tag) =>
          h("button", { class: "chip", type: "button", onclick: () => this.actions.onSearch(`tag:"${tag}"`) }, visible(tag)))),
      strip(this.verdict, () => this.show("verdict")));
  }

  tabsOf(message) {
    const files = [...(message.Attachments || []), ...(message.Inline || [])];
    return [
      message.HTML && { kind: "content", name: "HTML", draw: () => this.htmlPanel() },
      { kind: message.HTML ? "text" : "content", name: "Text", draw: () => this.textPanel() },
      files.length && { kind: "files", name: "Attachments", count: files.length, draw: () => this.filesPanel(files) },
      { kind: "links", name: "Links", draw: () => this.linksPanel() },
      { kind: "verdict", name: "Verdict", draw: () => verdictPanel(this.verdict) },
      { kind: "session", name: "Session", draw: () => this.sessionPanel() },
      { kind: "headers", name: "Headers", draw: () => this.headersPanel() },
      { kind: "source", name: "Source", draw: () => this.sourcePanel() },
    ].filter(Boolean);
  }

  drawTabs() {
    fill(this.tablist, this.tabs.map((tab, index) => {
      tab.button = h("button", {
        class: "tab", type: "button", role: "tab", id: `tab-${tab.kind}`, "aria-controls": "panel",
        title: `${tab.name} (${index + 1})`, onclick: () => this.select(tab),
      }, tab.name, tab.count ? h("span", { class: "tab-count" }, number(tab.count)) : null);
      return tab.button;
    }));
    this.tablist.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = this.tabs[(this.tabs.indexOf(this.tab) + step + this.tabs.length) % this.tabs.length];
      this.select(next);
      next.button.focus();
    };
  }

  /** By number, from 1. */
  showAt(number) {
    if (this.tabs?.[number - 1]) this.select(this.tabs[number - 1]);
  }

  show(kind) {
    const tab = this.tabs.find((one) => one.kind === kind);
    if (tab) this.select(tab);
  }

  async select(tab, { keep = false } = {}) {
    this.tab = tab;
    if (!keep) this.wantedTab = tab.kind;
    for (const one of this.tabs) {
      one.button.setAttribute("aria-selected", String(one === tab));
      one.button.tabIndex = one === tab ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${tab.kind}`);
    this.panel.dataset.kind = tab.kind === "content" && this.message.HTML ? "html" : tab.kind;
    const id = this.id;
    let drawn;
    try {
      drawn = await tab.draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      drawn = h("p", { class: "nothing" }, error.message);
    }
    if (this.tab === tab && this.id === id) fill(this.panel, drawn);
  }

  htmlPanel() {
    const frame = h("iframe", {
      class: "mail-frame", src: api.htmlUrl(this.id), title: "The message's HTML, without scripts and network",
      sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer",
    });
    const wrap = h("div", { class: `frame-wrap ${this.narrowPreview ? "phone" : ""}` }, frame);
    const toggle = h("button", { class: "tool small", type: "button", "aria-pressed": String(this.narrowPreview) }, icon("phone"), "Phone width");
    toggle.addEventListener("click", () => {
      this.narrowPreview = !this.narrowPreview;
      wrap.classList.toggle("phone", this.narrowPreview);
      toggle.setAttribute("aria-pressed", String(this.narrowPreview));
    });
    return [h("div", { class: "frame-bar" }, h("span", {}, "Scripts and the network are off"), toggle,
      h("a", { class: "tool small", href: api.htmlUrl(this.id), target: "_blank", rel: "noopener" }, "Open alone")), wrap];
  }

  textPanel() {
    const text = this.message.Text || "";
    if (!text.trim()) return h("p", { class: "nothing" }, "The message has no text.");
    return [h("pre", { class: "wrap text", dir: "auto" }, linked(text.slice(0, MOST_SHOWN))), this.cut(text.length > MOST_SHOWN)];
  }

  cut(is) {
    return is ? h("p", { class: "nothing" }, "The rest is not shown: ", h("a", { href: `${api.rawUrl(this.id)}?dl=1` }, "download the source"), ".") : null;
  }

  async sourcePanel() {
    const { text, complete } = await api.source(this.id, MOST_SHOWN, this.controller.signal);
    return [h("div", { class: "panel-bar" }, h("span", {}, `${number(this.message.Size)} bytes, as the client sent them`), copyButton(text, "the source")),
      h("pre", { class: "source", tabindex: "0", role: "region", "aria-label": "Source" }, text), this.cut(!complete)];
  }

  async headersPanel() {
    const found = await api.headers(this.id);
    return h("dl", { class: "pairs mono" }, Object.entries(found).flatMap(([name, values]) =>
      values.flatMap((value) => [h("dt", {}, visible(name)), h("dd", {}, h("bdi", {}, visible(value)))])));
  }

  async linksPanel() {
    const found = (await api.links(this.id))?.Links ?? [];
    if (!found.length) return h("p", { class: "nothing" }, "The message has no links.");
    return h("ul", { class: "links" }, found.slice(0, MOST_LISTED).map((link) =>
      h("li", {}, h("div", { class: "link-url" }, anchor(link.URL), copyButton(link.URL, "the link")),
        link.Text && link.Text !== link.URL ? h("div", { class: "link-text" }, h("bdi", {}, visible(link.Text))) : null)));
  }

  filesPanel(files) {
    return h("ul", { class: "files" }, files.slice(0, MOST_LISTED).map((file) => {
      const name = visible(file.FileName) || `part ${file.PartID}`;
      const url = api.partUrl(this.id, file.PartID);
      return h("li", { class: "file" },
        h("span", { class: "thumb" }, PICTURES.has(file.ContentType)
          ? h("img", { src: url, alt: "", loading: "lazy" }) : icon("attachment")),
        h("span", { class: "file-body" },
          h("bdi", { class: "file-name" }, name),
          h("span", { class: "file-facts" }, visible(file.ContentType), " · ", h("span", { title: `${number(file.Size)} bytes` }, size(file.Size)),
            file.ContentID ? ` · inline as ${visible(file.ContentID)}` : ""),
          file.Checksums?.SHA256 && h("span", { class: "file-sum" }, h("span", {}, "SHA-256"), h("code", {}, file.Checksums.SHA256), copyButton(file.Checksums.SHA256, "the checksum"))),
        h("a", { class: "button", href: url, download: file.FileName || `part-${file.PartID}`, "aria-label": `Download ${name}` }, icon("download"), "Download"));
    }));
  }

  sessionPanel() {
    const extra = this.message.Extra ?? {};
    const { Client: client = {}, TLS: tls, Envelope: envelope = {} } = extra;
    const port = client.Port ? `${client.Port}${PORTS[client.Port] ? ` – ${PORTS[client.Port]}` : ""}` : "–";
    const groups = [
      ["Envelope", [
        ["MAIL FROM", `<${envelope.From ?? ""}>`],
        ...(envelope.To ?? []).slice(0, MOST_LISTED).map((to) => ["RCPT TO", `<${to}>`]),
      ]],
      ["Session", [
        ["Client", client.Address || "–"], ["HELO", client.Helo || "–"], ["Port", port],
        ["TLS", tls ? `${tls.Version}, ${tls.Cipher}` : "none: in plaintext"],
        ["Login", extra.Login || "none"], ["Run", extra.Run || "none"],
      ]],
      ["Message", [
        ["ID", this.message.ID], ["Message-ID", this.message.MessageID],
        ["Date field", whole(this.message.Date)], ["Size", `${number(this.message.Size)} bytes`],
      ]],
    ];
    return groups.map(([title, pairs]) => h("section", { class: "block" }, h("h3", {}, title),
      h("dl", { class: "pairs" }, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, h("bdi", {}, visible(value)))]))));
  }

  async findCodes(id) {
    const found = (await api.codes(id).catch(() => null))?.Codes ?? [];
    if (this.id !== id || !found.length) return;
    this.codes.hidden = false;
    fill(this.codes, h("span", { class: "codes-title" }, found.length === 1 ? "One-time code" : "One-time codes"),
      found.slice(0, 5).map((one) => {
        const code = String(one?.Code ?? one);
        return h("span", { class: "code" }, h("code", {}, visible(code)), copyButton(code, "the code"));
      }));
  }
}

const tool = (name, title, onclick, more = "") =>
  h("button", { class: `tool icon-only ${more}`, type: "button", title, "aria-label": title.replace(/ \(.*\)$/, ""), onclick }, icon(name));

const MOST_NAMED = 20;

function mailboxes(list) {
  const named = list.slice(0, MOST_NAMED).flatMap((one, index) => [index ? ", " : "", h("bdi", {}, mailbox(one))]);
  return list.length > MOST_NAMED ? [...named, ` and ${number(list.length - MOST_NAMED)} more`] : named;
}

/** A link out, only where it is one that a browser may follow. */
function anchor(url) {
  const shown = visible(url);
  if (!/^(https?|mailto):/i.test(url)) return h("bdi", {}, shown);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, h("bdi", {}, shown));
}

const URLS = /https?:\/\/[^\s<>"'`{}|\\^]{1,2000}/gi;
const MOST_LINKS = 500;

function linked(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(URLS)) {
    if (parts.length > 2 * MOST_LINKS) break;
    const url = match[0].replace(/[.,;:!?)\]]+$/, "");
    parts.push(text.slice(at, match.index), anchor(url));
    at = match.index + url.length;
  }
  parts.push(text.slice(at));
  return parts;
}
