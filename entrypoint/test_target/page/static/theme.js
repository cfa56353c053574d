// Runs before the page is drawn, so that it does not flash in the other colours.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's colours.
}

// A file of the page did not come: browsers drop what is under way when a network of the machine
// comes or goes, as it does with every container. Then once more, a few times at most.
addEventListener("error", ({ target }) => {
  const isNeeded = target instanceof HTMLScriptElement || target?.rel === "stylesheet";
  const tries = Number(new URLSearchParams(location.hash.slice(1)).get("try"));
  if (!isNeeded || tries >= 5) return;
  location.hash = `try=${tries + 1}`;
  setTimeout(() => location.reload(), 300);
}, true);
