// The page: where one is (the address), the list, the message or the overview beside it, the keys.

import { byId, fill, h, icon, say } from "./dom.js";
import { number, person, plural, visible } from "./format.js";
import { MessageList } from "./list.js";
import { MessagePane } from "./message.js";
import { Overview } from "./overview.js";
import { QUICK_TERMS, confirmed, helpDialog } from "./help.js";
import * as api from "./api.js";

const BATCH = 60; // milliseconds in which events are collected
const AGAIN = 700; // milliseconds between two searches because of new mail
const MOST_RUNS = 200; // that the list of runs offers

const where = { view: "list", id: null, query: "", run: "" };
const runs = new Set();
let serverTotals = null;

const list = new MessageList(byId("list"), { onOpen: (item) => go({ view: "message", id: item.ID }), onChange: drawCounts, onItems: (items) => items.forEach(noteRun), onError: fail });
const pane = new MessagePane(byId("detail"), {
  onBack: back,
  onUnread: (id) => setRead(id, false),
  onDelete: remove,
  onRun: (run) => filterBy({ run }),
  onSearch: (query) => filterBy({ query }),
});
const overview = new Overview(byId("detail"), { onGlance: drawGlance, onRun: (run) => filterBy({ run }) });

// The address ------------------------------------------------------------------------------------

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const match = /^\/view\/([^/]+)$/.exec(location.pathname);
  return {
    view: match ? "message" : location.pathname === "/overview" ? "overview" : "list",
    id: match ? decodeURIComponent(match[1]) : null,
    query: parameters.get("q")?.trim() ?? "",
    run: parameters.get("run")?.trim() ?? "",
  };
}

function addressOf({ view, id, query, run }) {
  const path = view === "message" ? `/view/${encodeURIComponent(id)}` : view === "overview" ? "/overview" : "/";
  const parameters = new URLSearchParams();
  if (query) parameters.set("q", query);
  if (run) parameters.set("run", run);
  return path + (parameters.size ? `?${parameters}` : "");
}

function go(change, { replace = false } = {}) {
  const next = { ...where, ...change };
  if (addressOf(next) !== location.pathname + location.search) {
    history[replace ? "replaceState" : "pushState"](null, "", addressOf(next));
  }
  arrive(next);
}

function back() {
  go({ view: "list", id: null });
  list.focusRow();
}

const filterBy = (change) => {
  clearTimeout(typing);
  const narrow = matchMedia("(max-width: 820px)").matches;
  go({ query: byId("query").value.trim(), ...change, ...(narrow ? { view: "list", id: null } : {}) });
};

function arrive(next, first = false) {
  const filtered = first || next.query !== where.query || next.run !== where.run;
  const moved = first || next.view !== where.view || next.id !== where.id;
  Object.assign(where, next);
  if (filtered) {
    const field = byId("query");
    if (field.value.trim() !== where.query) field.value = where.query;
    byId("run").value = where.run;
    list.show({ query: where.query, run: where.run });
  }
  if (moved) showDetail();
}

function showDetail() {
  document.body.dataset.view = where.view;
  const detail = byId("detail");
  const isAlone = !byId("list").offsetParent;
  if (isAlone && detail.offsetParent) detail.focus();
  if (where.view === "message") {
    overview.hide();
    detail.setAttribute("aria-label", "Message");
    list.setOpen(where.id);
    const { id } = where;
    pane.open(id).then((error) => {
      if (where.id !== id) return;
      if (error) say(error);
      else list.update({ ID: id, Read: true });
    });
  } else {
    pane.close();
    list.setOpen(null);
    detail.setAttribute("aria-label", "This server");
    detail.classList.remove("loading");
    overview.show(isEmpty());
  }
  drawTitle();
}

// What the list says -----------------------------------------------------------------------------

const isFiltered = () => Boolean(where.query || where.run);
const isEmpty = () => list.total === 0 && !isFiltered();

function drawCounts() {
  if (list.total === null) return;
  if (!("ready" in document.body.dataset)) performance.mark("first-rows");
  document.body.dataset.ready = "";
  byId("title").textContent = where.query ? "Search" : where.run ? `Run ${visible(where.run)}` : "All messages";
  byId("counts").textContent = list.unread ? `${number(list.total)} · ${number(list.unread)} unread` : number(list.total);
  const empty = isEmpty();
  document.body.classList.toggle("is-empty", empty);
  if (overview.shown && overview.empty !== empty) overview.show(empty);
  drawNothing();
  const above = list.arrivedAbove;
  byId("news").hidden = !above;
  byId("news").textContent = `${plural(above, "new message")} ↑`;
  for (const id of ["mark-all", "delete-all"]) byId(id).disabled = !list.total;
  drawTitle();
}

function drawNothing() {
  byId("nothing")?.remove();
  if (list.total !== 0) return;
  const nothing = isFiltered()
    ? h("div", { class: "nothing-list", id: "nothing" }, h("p", {}, list.error ? "This search is not possible" : "Nothing matches"),
      list.error && h("p", { class: "muted" }, visible(list.error)),
      h("button", { class: "button", type: "button", onclick: () => go({ query: "", run: "" }) }, "Show all messages"))
    : h("div", { class: "nothing-list", id: "nothing" }, icon("delivered"), h("p", {}, "Waiting for mail"),
      h("p", { class: "muted" }, "Messages appear here as they arrive."));
  byId("list").append(nothing);
}

function drawTitle() {
  const unread = serverTotals?.Unread ?? list.unread;
  const subject = where.view === "message" && pane.message?.ID === where.id ? `${visible(pane.message.Subject).slice(0, 80)} – ` : "";
  document.title = `${unread ? `(${number(unread)}) ` : ""}${subject}Signpost test`;
}

function drawGlance({ faults, dns, active }) {
  fill(byId("glance"), faults && h("span", {}, faults), faults && dns && h("span", { class: "more" }, " · "),
    dns && h("span", { class: "more" }, dns), !faults && !dns && "Overview");
  const link = byId("overview-link");
  link.classList.toggle("attention", active > 0);
  link.querySelector(".icon")?.remove();
  if (active > 0) link.prepend(icon("warn"));
}

function fail(text) {
  const state = byId("state");
  state.dataset.state = "failed";
  byId("state-text").textContent = text;
  say(text);
  clearTimeout(fail.timer);
  fail.timer = setTimeout(drawConnection, 8000);
}

// What happens in the mailbox --------------------------------------------------------------------

let arrived = [];
let batch = null;
let searching = null;

function happened(type, data) {
  if (type === "new") {
    arrived.push(data);
    batch ??= setTimeout(takeArrived, BATCH);
  } else if (type === "update") {
    takeArrived();
    list.update(data); // what is read stays in a search for the unread, until the next search
  } else if (type === "delete") {
    takeArrived();
    if (!list.delete(data.ID)) searchAgain();
    if (where.id === data.ID) go({ view: "list", id: null }, { replace: true });
  } else if (type === "truncate") {
    arrived = [];
    runs.clear();
    list.clear();
    if (where.view === "message") go({ view: "list", id: null }, { replace: true });
  } else if (type === "prune") {
    searchAgain();
  } else if (type === "stats") {
    takeArrived();
    serverTotals = data;
    drawTitle();
    // Whatever was missed, the sum shows it.
    if (!isFiltered() && (data.Total !== list.total || data.Unread !== list.unread)) searchAgain();
  }
}

function takeArrived() {
  clearTimeout(batch);
  batch = null;
  if (!arrived.length) return;
  const mine = arrived;
  arrived = [];
  mine.forEach(noteRun);
  overview.refreshSoon();
  if (where.query) {
    searchAgain();
    return;
  }
  const run = where.run.toLowerCase();
  const matching = run ? mine.filter((item) => item.Extra?.Run?.toLowerCase() === run) : mine;
  if (!matching.length) return;
  list.add(matching);
  const last = matching.at(-1);
  say(matching.length === 1 ? `New message from ${person(last.From)}: ${visible(last.Subject)}` : plural(matching.length, "new message"));
}

function searchAgain() {
  searching ??= setTimeout(() => {
    searching = null;
    list.refresh();
  }, AGAIN);
}

function noteRun(item) {
  const run = item?.Extra?.Run;
  if (!run || runs.has(run)) return;
  runs.add(run);
  if (runs.size > MOST_RUNS) runs.delete(runs.values().next().value);
  clearTimeout(noteRun.timer);
  noteRun.timer = setTimeout(() => fill(byId("runs"), [...runs].reverse().map((one) => h("option", { value: one }))), 300);
}

let wasOpen = false;

let isOpen = false;

function drawConnection() {
  byId("state").dataset.state = isOpen ? "live" : "lost";
  byId("state-text").textContent = isOpen ? "Live" : wasOpen ? "Connection lost, trying again…" : "Connecting…";
}

function connection(open) {
  isOpen = open;
  drawConnection();
  if (!open) return;
  // What happened between the first answer and now was told to nobody here.
  if (list.total !== null) list.refresh();
  else list.show({ query: where.query, run: where.run });
  overview.refresh();
  wasOpen = true;
}

// What a person does -----------------------------------------------------------------------------

async function attempt(action) {
  try {
    await action;
  } catch (error) {
    fail(error.message);
  }
}

function setRead(id, read) {
  list.update({ ID: id, Read: read });
  attempt(api.setRead([id], read));
}

function remove(id) {
  const index = list.indexOf(id);
  const next = index >= 0 ? list.items[index + 1] ?? list.items[index - 1] : null;
  list.delete(id);
  if (where.id === id) go(next ? { view: "message", id: next.ID } : { view: "list", id: null }, { replace: true });
  say("Deleted");
  attempt(api.remove([id]));
}

async function removeAll() {
  const what = isFiltered() ? `the ${plural(list.total, "message")} that match` : `all ${plural(list.total, "message")}`;
  if (await confirmed(`Delete ${what}?`, "Delete")) attempt(api.removeAll({ query: where.query, run: where.run }));
}

function step(by) {
  const at = list.cursor < 0 ? (by > 0 ? 0 : -1) : list.cursor + by;
  if (at < 0) return;
  const item = list.moveTo(at);
  if (item && where.view === "message") go({ view: "message", id: item.ID }, { replace: true });
}

function current() {
  return where.view === "message" ? where.id : list.cursorId;
}

const SEARCH_PAUSE = 250; // milliseconds without a key

let typing = null;

function search(now = false) {
  clearTimeout(typing);
  const query = byId("query").value.trim();
  const change = () => query !== where.query && filterBy({ query });
  if (now) change();
  else typing = setTimeout(change, SEARCH_PAUSE);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  Enter: () => list.cursorId && go({ view: "message", id: list.cursorId }),
  o: () => list.cursorId && go({ view: "message", id: list.cursorId }),
  g: () => list.moveTo(0),
  G: () => list.moveTo((list.total ?? 1) - 1),
  u: () => {
    const id = current();
    const item = id && list.item(id);
    if (item) setRead(id, !item.Read);
  },
  "#": () => current() && remove(current()),
  Delete: () => current() && remove(current()),
  "/": () => byId("query").select(),
  "?": () => help.showModal(),
  t: () => nextTheme(),
};

function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  const isWriting = target.closest?.("input, textarea, select, [contenteditable]");
  if (key === "Escape") {
    if (isWriting) target.blur();
    else if (where.view !== "list") back();
    return;
  }
  if (isWriting) return;
  if (key === "Enter" && target.closest?.("a, button")) return;
  const inList = byId("list").contains(target) || target === document.body;
  if (inList && (key === "ArrowDown" || key === "ArrowUp")) {
    event.preventDefault();
    step(key === "ArrowDown" ? 1 : -1);
    return;
  }
  const isLetter = key.length === 1;
  if (isLetter && !keysAreOn()) return;
  if (/^[1-9]$/.test(key)) pane.showAt(Number(key));
  else if (Object.hasOwn(KEYS, key)) {
    event.preventDefault();
    KEYS[key]();
  }
}

// The choices of this browser --------------------------------------------------------------------

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

const keysAreOn = () => stored("keys") !== "off";
const THEMES = { auto: "light", light: "dark", dark: "auto" };

function drawTheme() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  const words = theme === "auto" ? "as the system" : theme;
  const button = fill(byId("theme"), icon(theme));
  button.title = `Colours: ${words} (t)`;
  button.setAttribute("aria-label", `Colours: ${words}`);
}

function nextTheme() {
  const next = THEMES[document.documentElement.dataset.theme ?? "auto"];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  store("theme", next === "auto" ? null : next);
  drawTheme();
}

// The beginning ----------------------------------------------------------------------------------

const help = helpDialog(keysAreOn, (on) => store("keys", on ? null : "off"));

function button(id, name, title, onclick) {
  const element = fill(byId(id), icon(name));
  element.title = title;
  element.setAttribute("aria-label", title);
  element.addEventListener("click", onclick);
}

button("mark-all", "read", "Mark all as read", () => attempt(api.setAllRead({ query: where.query, run: where.run })));
button("delete-all", "trash", "Delete all", removeAll);
fill(byId("help"), icon("help")).addEventListener("click", () => help.showModal());
byId("theme").addEventListener("click", nextTheme);
byId("news").addEventListener("click", () => list.toTop());
byId("query").addEventListener("input", () => search());
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search(true);
  byId("query").blur();
});
byId("run").addEventListener("change", (event) => filterBy({ run: event.target.value.trim() }));
fill(byId("terms"), QUICK_TERMS.map((term) => h("button", { class: "chip", type: "button", tabindex: "-1", onclick: () => addTerm(term) }, term)));
byId("search").addEventListener("focusin", () => { byId("terms").hidden = false; });
byId("search").addEventListener("focusout", (event) => {
  byId("terms").hidden = !byId("search").contains(event.relatedTarget);
});

function addTerm(term) {
  const field = byId("query");
  field.value = `${field.value.trim()} ${term}`.trim() + (term.endsWith(":") ? "" : " ");
  field.focus();
  if (!term.endsWith(":")) search(true);
}

for (const [id, change] of [["home", { view: "list", id: null, query: "", run: "" }], ["overview-link", { view: "overview", id: null }]]) {
  byId(id).addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(change);
  });
}
document.addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", () => overview.refresh());
addEventListener("popstate", () => arrive(readAddress()));

if (location.hash.startsWith("#try=")) history.replaceState(null, "", location.pathname + location.search);
drawTheme();
api.label().then((label) => {
  byId("label").hidden = !label;
  byId("label").textContent = visible(label);
}, () => {});
arrive(readAddress(), true);
api.listen(happened, connection);
