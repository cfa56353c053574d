// The keys and the search language, in a dialog.

import { fill, h } from "./dom.js";

const KEYS = [
  ["j k", "next, previous message"], ["↓ ↑", "the same, in the list"], ["Enter", "open"], ["Esc", "back to the list"],
  ["g G", "newest, oldest"], ["1 – 8", "HTML, text, … source"], ["u", "mark read or unread"],
  ["#", "delete"], ["/", "search"], ["t", "light or dark"], ["?", "this help"],
];
const TERMS = [
  ["from: to: cc: bcc: reply-to:", "part of a name or an address"],
  ["addressed:", "any of those"], ["addressed-exactly:", "a whole recipient's address"],
  ["subject:", "part of it"], ["message-id:", "part of it"], ["run:", "a test run"], ["tag:", "a tag"],
  ["is:read is:unread is:tagged", "state"], ["has:attachment has:inline", "parts"],
  ["after: before:", "2026-11-27, \"1 hour ago\""], ["larger: smaller:", "500k, 2m"],
  ["-term", "none of these"], ["\"two words\"", "as they stand, next to each other"],
];

/** The terms that can be clicked into the search. */
export const QUICK_TERMS = ["from:", "to:", "subject:", "run:", "is:unread", "has:attachment", "addressed-exactly:", "after:"];

export function helpDialog(areOn, onSwitch) {
  const dialog = h("dialog", { class: "help", "aria-labelledby": "help-title" });
  const close = h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Close");
  const box = h("input", { type: "checkbox", id: "keys-on" });
  box.checked = areOn();
  box.addEventListener("change", () => onSwitch(box.checked));
  fill(dialog,
    h("div", { class: "help-head" }, h("h2", { id: "help-title" }, "Keyboard and search"), close),
    h("div", { class: "help-columns" },
      h("section", {}, h("h3", {}, "Keys"), pairs(KEYS, (keys) => keys.split(" ").map((key) => (key === "–" ? "–" : h("kbd", {}, key)))),
        h("label", { class: "switch", for: "keys-on" }, box, "Keys of one letter are on")),
      h("section", {}, h("h3", {}, "Search"), h("p", { class: "note" }, "Words are found anywhere in a message, also within words. All terms have to fit."),
        pairs(TERMS, (term) => h("code", {}, term)))));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

const pairs = (list, left) => h("dl", { class: "help-pairs" }, list.flatMap(([name, text]) => [h("dt", {}, left(name)), h("dd", {}, text)]));

/** Whether the person says so. */
export function confirmed(question, action) {
  const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title" });
  return new Promise((resolve) => {
    const done = (value) => {
      resolve(value);
      dialog.close();
      dialog.remove();
    };
    const yes = h("button", { class: "button danger", type: "button", onclick: () => done(true) }, action);
    fill(dialog, h("h2", { id: "confirm-title" }, question), h("p", {}, "This cannot be undone."),
      h("div", { class: "confirm-buttons" }, h("button", { class: "button", type: "button", onclick: () => done(false) }, "Cancel"), yes));
    dialog.addEventListener("cancel", () => done(false));
    document.body.append(dialog);
    dialog.showModal();
    yes.focus();
  });
}
