// The list: only the rows that can be seen are in the page, and only what was looked at is asked for.
//
// `items` has a place for each message that matches, newest first; most are empty. What comes in
// live goes in front, so a page of the server's is put where it belongs counted from the end: its
// `start` is of a moment that may be earlier or later than ours.

import { fill, h, icon } from "./dom.js";
import { exact, number, person, relative, visible } from "./format.js";
import { inShort } from "./verdict.js";
import * as api from "./api.js";

const PAGE = 100; // messages a request
const OVERSCAN = 8; // rows above and below those that can be seen
const MOST_KEPT = 3000; // messages in memory; those far from what can be seen go first
const SIGNS = { pass: "check", fail: "cross", warn: "warn", neutral: "dash" };

export class MessageList {
  /** onOpen(item), onChange(): totals have changed; onItems(items): seen; onError(text). */
  constructor(element, { onOpen, onChange, onItems, onError }) {
    this.element = element;
    this.onOpen = onOpen;
    this.onChange = onChange;
    this.onItems = onItems;
    this.onError = onError;
    this.filter = { query: "", run: "" };
    this.total = null; // that match; null until the first answer
    this.unread = 0;
    this.items = [];
    this.known = new Map();
    this.cursor = -1;
    this.cursorId = null;
    this.openId = null;
    this.readId = null; // the one that was read last; a list that was asked for before does not know
    this.error = ""; // why there is nothing
    this.arrivedAbove = 0;
    this.generation = 0;
    this.asked = new Map();
    this.rows = new Map();
    this.spacer = h("ol", { class: "rows" });
    element.append(this.spacer);
    this.rowHeight = parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 76;
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(element);
    setInterval(() => this.retime(), 15_000);
  }

  /** Show what matches, from the top. */
  async show(filter) {
    this.filter = filter;
    this.element.scrollTop = 0;
    this.forget();
    this.total = null;
    this.cursor = -1;
    this.cursorId = null;
    await this.ask(0);
  }

  /** Ask again for what is in view; the rest when it is looked at. */
  async refresh() {
    const [first] = this.inView();
    const start = Math.max(0, first - PAGE / 2);
    await this.ask(start, { anew: true });
  }

  forget() {
    this.generation += 1;
    for (const controller of this.asked.values()) controller.abort();
    this.asked.clear();
    this.items = [];
    this.known.clear();
    this.arrivedAbove = 0;
  }

  async ask(start, { anew = false } = {}) {
    if (this.asked.has(start) && !anew) return;
    this.asked.get(start)?.abort();
    const controller = new AbortController();
    this.asked.set(start, controller);
    const generation = this.generation;
    try {
      const answer = await api.page(this.filter, start, PAGE, controller.signal);
      if (generation !== this.generation || controller.signal.aborted) return;
      if (anew) this.forget();
      this.take(answer, anew);
    } catch (error) {
      if (error.name === "AbortError" || generation !== this.generation) return;
      if (this.total === null && error.status === 400) {
        this.error = error.message;
        this.clear();
      } else {
        if (this.total === null) setTimeout(() => generation === this.generation && this.ask(start), 2000);
        this.onError(error.message);
      }
    } finally {
      if (this.asked.get(start) === controller) this.asked.delete(start);
    }
  }

  take(answer, anew) {
    const { messages, messages_count: count, messages_unread: unread, start } = answer;
    if (this.total === null || anew) {
      this.total = count;
      this.unread = unread;
      this.items.length = count;
    }
    this.error = "";
    this.onItems(messages);
    const at = start + this.total - count;
    messages.forEach((item, offset) => {
      const index = at + offset;
      if (index < 0 || index >= this.total) return;
      const known = this.known.get(item.ID);
      if (known && this.items[index] !== known) return; // a live one that this page has as well
      if (item.ID === this.readId) item.Read = true;
      this.items[index] = item;
      this.known.set(item.ID, item);
    });
    const cursor = this.cursorId ? this.indexOf(this.cursorId) : -1;
    if (cursor >= 0) this.cursor = cursor;
    if (this.cursor >= this.total) this.cursor = this.total - 1;
    this.draw();
    this.onChange();
  }

  /** New messages, the oldest first; those that do not match are not for this list. */
  add(arrived) {
    const fresh = arrived.filter((item) => !this.known.has(item.ID));
    if (!fresh.length || this.total === null) return;
    for (const item of fresh) {
      item.fresh = true;
      this.known.set(item.ID, item);
    }
    this.items = fresh.reverse().concat(this.items);
    this.total += fresh.length;
    this.items.length = this.total;
    this.unread += fresh.filter((item) => !item.Read).length;
    if (this.cursor >= 0) this.cursor += fresh.length;
    if (this.element.scrollTop > this.rowHeight / 2) {
      // Who reads further down keeps the place.
      this.arrivedAbove += fresh.length;
      this.spacer.style.height = `${this.total * this.rowHeight}px`;
      this.element.scrollTop += fresh.length * this.rowHeight;
    }
    this.draw();
    this.onChange();
  }

  /** What is new about a message. */
  update({ ID: id, ...fields }) {
    const item = this.known.get(id);
    if ("Read" in fields) this.readId = fields.Read ? id : null;
    if (!item) return false;
    if ("Read" in fields && fields.Read !== item.Read) this.unread += fields.Read ? -1 : 1;
    Object.assign(item, fields);
    item.version = (item.version ?? 0) + 1;
    this.draw();
    this.onChange();
    return true;
  }

  /** Whether it was here. */
  delete(id) {
    const index = this.known.has(id) ? this.indexOf(id) : -1;
    if (index < 0) return false;
    if (!this.items[index].Read) this.unread -= 1;
    this.items.splice(index, 1);
    this.known.delete(id);
    this.total -= 1;
    if (this.cursorId === id) {
      this.cursor = Math.min(index, this.total - 1);
      this.cursorId = this.items[this.cursor]?.ID ?? null;
    } else if (index < this.cursor) {
      this.cursor -= 1;
    }
    this.draw();
    this.onChange();
    return true;
  }

  clear() {
    this.forget();
    this.total = 0;
    this.unread = 0;
    this.cursor = -1;
    this.cursorId = null;
    this.element.scrollTop = 0;
    this.draw();
    this.onChange();
  }

  indexOf(id) {
    return this.items.findIndex((item) => item?.ID === id);
  }

  item(id) {
    return this.known.get(id);
  }

  /** The row that the keyboard is at; null if there is none to go to. */
  moveTo(index) {
    if (!this.total) return null;
    this.cursor = Math.max(0, Math.min(index, this.total - 1));
    const item = this.items[this.cursor];
    this.cursorId = item?.ID ?? null;
    this.reveal(this.cursor);
    this.draw();
    if (this.element.contains(document.activeElement)) this.focusRow();
    return item ?? null;
  }

  focusRow() {
    this.rows.get(this.cursorId)?.link.focus({ preventScroll: true });
  }

  setOpen(id) {
    this.openId = id;
    const index = id ? this.indexOf(id) : -1;
    if (index >= 0) {
      this.cursor = index;
      this.cursorId = id;
      this.reveal(index);
    }
    this.draw();
  }

  reveal(index) {
    const top = index * this.rowHeight, bottom = top + this.rowHeight;
    const view = this.element;
    if (!view.clientHeight) return;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (bottom > view.scrollTop + view.clientHeight) view.scrollTop = bottom - view.clientHeight;
  }

  toTop() {
    this.element.scrollTop = 0;
    this.draw();
  }

  inView() {
    const first = Math.floor(this.element.scrollTop / this.rowHeight);
    const last = Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.rowHeight);
    return [Math.max(0, first), Math.min(this.total ?? 0, last)];
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      this.drawNow();
    });
  }

  drawNow() {
    const total = this.total ?? 0;
    this.spacer.style.height = `${total * this.rowHeight}px`;
    const [first, last] = this.inView();
    const from = Math.max(0, first - OVERSCAN), until = Math.min(total, last + OVERSCAN);
    const wanted = new Map();
    const missing = new Set();
    for (let index = from; index < until; index += 1) {
      const item = this.items[index];
      if (!item) missing.add(Math.floor(index / PAGE) * PAGE);
      wanted.set(item?.ID ?? `hole-${index}`, index);
    }
    for (const [key, row] of this.rows) {
      if (!wanted.has(key)) {
        row.element.remove();
        this.rows.delete(key);
      }
    }
    const tabbable = this.cursor >= from && this.cursor < until ? this.cursor : first;
    // In the page's order as on the screen, for who has it read out; those that stay are not moved.
    let next = this.spacer.firstChild;
    for (const [key, index] of wanted) {
      const element = this.place(key, index, index === tabbable);
      if (element === next) next = next.nextSibling;
      else this.spacer.insertBefore(element, next);
    }
    if (this.element.scrollTop < this.rowHeight / 2 && this.arrivedAbove) {
      this.arrivedAbove = 0;
      this.onChange();
    }
    for (const start of missing) this.askSoon(start);
    if (this.known.size > MOST_KEPT) this.drop(from, until);
  }

  /** A page that is flown past is not asked for. */
  askSoon(start) {
    if (this.asked.has(start)) return;
    clearTimeout(this.soon);
    this.soon = setTimeout(() => {
      const [first, last] = this.inView();
      for (let page = Math.floor(first / PAGE) * PAGE; page < last + OVERSCAN; page += PAGE) {
        for (let index = Math.max(page, first - OVERSCAN); index < Math.min(page + PAGE, last + OVERSCAN, this.total ?? 0); index += 1) {
          if (!this.items[index]) {
            this.ask(page);
            break;
          }
        }
      }
    }, 40);
  }

  drop(from, until) {
    const near = MOST_KEPT / 4;
    for (const index in this.items) {
      if (index < from - near || index > until + near) {
        this.known.delete(this.items[index].ID);
        delete this.items[index];
      }
    }
  }

  place(key, index, tabbable) {
    const item = this.items[index];
    let row = this.rows.get(key);
    if (!row) {
      row = emptyRow();
      this.rows.set(key, row);
    }
    const look = [index, this.total, item?.version, item?.Read, this.openId === item?.ID, this.cursor === index, tabbable].join();
    if (row.look === look && row.item === item) return row.element;
    row.element.style.transform = `translateY(${index * this.rowHeight}px)`;
    row.element.setAttribute("aria-setsize", this.total);
    row.element.setAttribute("aria-posinset", index + 1);
    row.element.classList.toggle("open", Boolean(item) && this.openId === item.ID);
    row.element.classList.toggle("cursor", this.cursor === index);
    row.element.classList.toggle("unread", Boolean(item) && !item.Read);
    if (row.item !== item || row.version !== item?.version) this.write(row, item);
    row.link.tabIndex = tabbable ? 0 : -1;
    if (item && this.openId === item.ID) row.link.setAttribute("aria-current", "true");
    else row.link.removeAttribute("aria-current");
    row.read.textContent = item && !item.Read ? "Unread. " : "";
    row.look = look;
    row.item = item;
    row.version = item?.version;
    return row.element;
  }

  write(row, item) {
    row.element.classList.toggle("hole", !item);
    if (!item) return;
    row.element.classList.toggle("fresh", Boolean(item.fresh));
    delete item.fresh;
    row.link.href = `/view/${encodeURIComponent(item.ID)}`;
    row.link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.onOpen(item);
    };
    row.from.textContent = person(item.From);
    row.time.textContent = relative(new Date(item.Created));
    row.time.dateTime = item.Created;
    row.time.title = exact(item.Created);
    row.subject.textContent = visible(item.Subject) || "(no subject)";
    row.snippet.textContent = visible(item.Snippet);
    const to = recipients(item);
    row.to.textContent = to.length ? `to ${visible(to[0])}${to.length > 1 ? ` +${number(to.length - 1)}` : ""}` : "no recipient";
    const found = inShort(item.Extra?.Verdict);
    // A run that is the recipient's domain stands there already.
    const run = to[0]?.toLowerCase().endsWith(`@${item.Extra?.Run}`) ? "" : item.Extra?.Run;
    const tags = (item.Tags || []).filter((tag) => tag.toLowerCase() !== run?.toLowerCase()).slice(0, 2);
    fill(row.marks,
      tags.map((tag) => h("span", { class: "chip" }, visible(tag))),
      run && h("span", { class: "chip run-chip", title: `Test run ${visible(run)}` }, visible(run)),
      item.Attachments ? h("span", { class: "paper", title: `${item.Attachments} attached` }, icon("attachment"), h("span", { class: "sr" }, `${item.Attachments} attached`)) : null,
      found && h("span", { class: `dot ${found.tone}`, title: `${found.method} ${found.word}` }, icon(SIGNS[found.tone]), h("span", { class: "sr" }, `${found.method} ${found.word}`)));
  }

  retime() {
    const now = new Date();
    for (const row of this.rows.values()) {
      if (row.item) row.time.textContent = relative(new Date(row.item.Created), now);
    }
  }
}

/** Where it went to: the envelope knows best. */
function recipients(item) {
  const envelope = item.Extra?.Envelope?.To;
  if (envelope?.length) return envelope;
  return [...(item.To || []), ...(item.Cc || []), ...(item.Bcc || [])].map((one) => one.Address);
}

function emptyRow() {
  const read = h("span", { class: "sr" });
  const from = h("span", { class: "from" });
  const time = h("time", { class: "time" });
  const subject = h("span", { class: "subject" });
  const snippet = h("span", { class: "snippet" });
  const to = h("span", { class: "to" });
  const marks = h("span", { class: "marks" });
  const link = h("a", { class: "row-link", href: "/" },
    h("span", { class: "row-1" }, read, from, time),
    h("span", { class: "row-2" }, subject, snippet),
    h("span", { class: "row-3" }, to, marks));
  return { element: h("li", { class: "row hole" }, link), link, read, from, time, subject, snippet, to, marks };
}
