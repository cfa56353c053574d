// Making elements. Whatever a mail says gets into the page as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Attributes that are null or false are left out; `onclick` and the like take a
 * function. Children are elements and texts. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** The same element with other children. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
}

export const byId = (id) => document.getElementById(id);

const ICONS = {
  attachment: "M13.5 7.2 8 12.700a3.4 3.4 0 0 1-4.8-4.800l5.7-5.700a2.2 2.2 0 0 1 3.2 3.200l-5.7 5.600a1.1 1.1 0 0 1-1.6-1.500l5-5",
  auto: "M8 2a6 6 0 1 0 0 12V2M8 2a6 6 0 0 1 0 12",
  back: "M13 8H3.500M7.5 3.5 3 8l4.5 4.5",
  check: "M3.5 8.500l3 3 6-7",
  copy: "M5.5 5.500h8v8h-8zM2.5 10.500v-8h8",
  cross: "M4.2 4.200l7.6 7.600M11.8 4.200l-7.6 7.6",
  dark: "M13.2 9.600A5.8 5.8 0 1 1 6.4 2.800a4.7 4.7 0 0 0 6.8 6.800z",
  dash: "M4 8h8",
  delivered: "M2.5 9.500l2-6.500h7l2 6.500v4h-11zM2.5 9.500h3.500l1 1.500h2l1-1.500h3.5",
  download: "M8 2.500v8M4.5 7.5 8 11l3.5-3.500M3 13.500h10",
  help: "M5.8 6a2.2 2.2 0 1 1 3.4 1.900C8.3 8.4 8 8.8 8 9.700M8 12v.1",
  light: "M8 5.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600M8 1.500v1M8 13.500v1M1.5 8h1M13.5 8h1M3.4 3.400l.7.7M11.9 11.900l.7.7M3.4 12.600l.7-.7M11.9 4.100l.7-.7",
  phone: "M4.5 1.800h7v12.400h-7zM7.2 12h1.6",
  read: "M2.5 6.5 8 2.500l5.5 4v7h-11zM2.5 6.7 8 10l5.5-3.3",
  trash: "M2.5 4.500h11M6 4.500v-2h4v2M4 4.500l.6 9h6.800l.6-9M6.7 7v4M9.3 7v4",
  unread: "M2.5 3.500h11v9h-11zM2.5 4 8 8.7 13.5 4",
  warn: "M8 3.500v5.500M8 11.800v.1",
};

/** A drawing beside words; screen readers pass over it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that puts a text into the clipboard and says so. */
export function copyButton(text, what) {
  const label = `Copy ${what}`;
  const button = h("button", { class: "copy", type: "button", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    const done = await copy(text);
    fill(button, icon(done ? "check" : "cross"));
    say(done ? `Copied ${what}` : "Copying is not possible here");
    setTimeout(() => fill(button, icon("copy")), 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS only localhost may use the clipboard; the old way still works.
    const area = h("textarea", { class: "sr", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Tell who cannot see the page. */
export function say(text) {
  byId("live").textContent = text;
}
