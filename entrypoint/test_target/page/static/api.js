// What the page asks of the server: the REST API for what there is, the websocket for what changes.

const API = "/api/v1";
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "";

/** status: HTTP's; the message is the server's own. */
export class ApiError extends Error {
  constructor(status, text) {
    super(text || `The server answered ${status}`);
    this.status = status;
  }
}

// Before each further try, in milliseconds. Browsers drop what is under way when a network of the
// machine comes or goes, as it does with every container; all that is asked for here can be repeated.
const PAUSES = [100, 400, 1500];

async function ask(path, options = {}) {
  let response;
  for (const pause of [...PAUSES, null]) {
    try {
      response = await fetch(path, options);
      break;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (pause === null) throw new ApiError(0, "The server cannot be reached");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  if (!response.ok) throw new ApiError(response.status, (await response.text()).trim().slice(0, 400));
  return response;
}

const json = async (path, options) => (await ask(path, options)).json();

/** The value, or null where this server has no such thing. */
async function jsonIfAny(path) {
  try {
    return await json(path);
  } catch (error) {
    if ([404, 405, 501].includes(error.status)) return null;
    throw error;
  }
}

function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method, headers, body: JSON.stringify(body) });
}

function parameters(filter, more = {}) {
  const found = new URLSearchParams();
  if (filter.query) {
    found.set("query", filter.query);
    if (ZONE) found.set("tz", ZONE);
  }
  if (filter.run) found.set("run", filter.run);
  for (const [name, value] of Object.entries(more)) found.set(name, value);
  return found;
}

const listPath = (filter) => `${API}/${filter.query ? "search" : "messages"}`;
const messagePath = (id) => `${API}/message/${encodeURIComponent(id)}`;

export const page = (filter, start, limit, signal) =>
  json(`${listPath(filter)}?${parameters(filter, { start, limit })}`, { signal });

export const message = (id, signal) => json(messagePath(id), { signal });
export const headers = (id) => json(`${messagePath(id)}/headers`);
export const links = (id) => jsonIfAny(`${messagePath(id)}/links`);
export const codes = (id) => jsonIfAny(`${messagePath(id)}/codes`);
export const label = async () => (await jsonIfAny(`${API}/webui`))?.Label || "";
export const faults = () => jsonIfAny(`${API}/faults`);
export const zones = () => jsonIfAny(`${API}/dns`);
export const chaos = () => jsonIfAny(`${API}/chaos`);

export const rawUrl = (id) => `${messagePath(id)}/raw`;
export const partUrl = (id, part) => `${messagePath(id)}/part/${encodeURIComponent(part)}`;
export const htmlUrl = (id) => `/view/${encodeURIComponent(id)}.html?embed=1`;

/** The first bytes of a message, and whether that is all of it. */
export async function source(id, most, signal) {
  const response = await ask(rawUrl(id), { signal });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "", read = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text: text + decoder.decode(), complete: true };
    text += decoder.decode(value, { stream: true });
    read += value.length;
    if (read > most) {
      await reader.cancel();
      return { text: text.slice(0, most), complete: false };
    }
  }
}

export const setRead = (ids, read) => send("PUT", `${API}/messages`, { IDs: ids, Read: read });

export function setAllRead(filter) {
  const body = { Read: true, Search: filter.query || "" };
  return send("PUT", `${API}/messages?${parameters({ run: filter.run }, ZONE ? { tz: ZONE } : {})}`, body);
}

export function remove(ids) {
  if (!ids.length) throw new Error("a deletion without IDs would delete all");
  return send("DELETE", `${API}/messages`, { IDs: ids });
}

export const removeAll = (filter) =>
  ask(`${listPath(filter)}?${parameters(filter)}`, { method: "DELETE" });

const FIRST_PAUSE = 500, LONGEST_PAUSE = 10_000; // milliseconds between two tries

/** Calls `onEvent(type, data)` for ever, and `onState(open)` when the connection comes and goes. */
export function listen(onEvent, onState) {
  let pause = FIRST_PAUSE;
  const open = () => {
    const url = new URL("/api/events", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.onopen = () => {
      pause = FIRST_PAUSE;
      onState(true);
    };
    socket.onmessage = (event) => {
      const { Type: type, Data: data } = JSON.parse(event.data);
      onEvent(type, data);
    };
    socket.onclose = () => {
      onState(false);
      setTimeout(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };
  open();
}
