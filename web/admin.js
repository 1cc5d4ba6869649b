// Comfort only: keys, local times, the choice of many rows, progress. Every
// page works without it.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("table.rows tbody tr")].filter((tr) => tr.querySelector("a.row"));
  const current = () => rows().findIndex((tr) => tr.contains(document.activeElement));

  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = current();
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
    all[next].querySelector("a.row").focus();
  };

  const choose = () => {
    const row = rows()[current()];
    row?.querySelector("input[type=checkbox]")?.click();
  };

  const press = (key) => {
    const button = document.querySelector(`[data-key="${key}"]`);
    if (!button) return;
    // Never at once: the key brings the eye there, Enter acts.
    button.focus();
    button.scrollIntoView({ block: "nearest" });
  };

  const typing = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox";

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const keys = {
      "/": () => document.querySelector("#q")?.focus(),
      j: () => step(1),
      k: () => step(-1),
      x: choose,
      r: () => press("r"),
      b: () => press("b"),
      g: () => press("g"),
      d: () => press("d"),
      "?": () => document.querySelector("#keys")?.showModal(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // One box chooses all rows of the page.
  const all = document.querySelector("input[data-all]");
  all?.addEventListener("change", () => {
    for (const box of document.querySelectorAll("input[name=pick]")) box.checked = all.checked;
  });

  // Work that goes on is looked at again until it is done.
  const work = document.querySelector("[data-refresh]");
  if (work) setTimeout(() => location.reload(), work.dataset.refresh * 1000);
})();
