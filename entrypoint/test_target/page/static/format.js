// Moments, sizes and addresses as a person reads them.

const MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY_MONTH = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** "now", "4 min", "3 h", then the day. */
export function relative(moment, now = new Date()) {
  const seconds = (now - moment) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 10 && seconds > -60) return "now";
  if (seconds < 0) return DATE.format(moment);
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (moment.toDateString() === now.toDateString()) return CLOCK.format(moment);
  if (seconds < 300 * DAY) return DAY_MONTH.format(moment);
  return DATE.format(moment);
}

/** To the second here, and as the server wrote it. */
export function exact(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? text : `${WHOLE.format(moment)}\n${text}`;
}

export function whole(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? text : WHOLE.format(moment);
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

export const number = (value) => Number(value || 0).toLocaleString();

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// Signs that turn the order of letters round or cannot be seen: `photo‮gpj.exe` is no photo.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** A line of somebody else's, with the signs in it that one cannot see. */
export function visible(text) {
  return String(text ?? "").replace(/[\r\n\t]+/g, " ").replace(UNSEEN, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** How a list names somebody: by name, else by address. */
export const person = (mailbox) => visible(mailbox?.Name || mailbox?.Address || "(no sender)");

/** As a header field has it. */
export function mailbox({ Name: name, Address: address } = {}) {
  return visible(name ? (address ? `${name} <${address}>` : name) : address);
}
