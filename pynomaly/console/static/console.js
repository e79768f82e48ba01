// What the pages add where scripts run: keys, choosing lines, live changes, the theme. All of it works without.
"use strict";

const announce = (text) => {
  const place = document.getElementById("announce");
  if (place) place.textContent = text;
};

// Theme: as the system, light, dark.
const themes = ["system", "light", "dark"];
const showTheme = () => {
  const button = document.getElementById("theme");
  if (!button) return;
  const now = document.documentElement.dataset.theme || "system";
  button.setAttribute("aria-label", `Theme: ${now === "system" ? "as the system" : now}`);
  button.textContent = { system: "◐", light: "○", dark: "●" }[now];
};
document.addEventListener("click", (event) => {
  if (event.target.id !== "theme") return;
  const now = document.documentElement.dataset.theme || "system";
  const next = themes[(themes.indexOf(now) + 1) % themes.length];
  if (next === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  showTheme();
  document.dispatchEvent(new Event("theme"));
});
showTheme();

// Lines: one is current, some are chosen.
const lines = () => [...document.querySelectorAll("[data-line]")];
const current = () => document.querySelector("[data-line].current");
const countChosen = () => {
  const place = document.querySelector("[data-chosen]");
  if (!place) return;
  const count = document.querySelectorAll("input[name=chosen]:checked").length;
  place.textContent = count ? `${count} chosen` : "none chosen";
};
const go = (step) => {
  const all = lines();
  if (!all.length) return;
  const place = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, place + step))];
  current()?.classList.remove("current");
  next.classList.add("current");
  next.querySelector("[data-open]")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
};
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]"))
    document.querySelectorAll("input[name=chosen]").forEach((box) => (box.checked = event.target.checked));
  if (event.target.matches("input[type=checkbox]")) countChosen();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const box = () => current()?.querySelector("input[name=chosen]");
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.key === "x" && box()) {
    box().checked = !box().checked;
    countChosen();
  } else if (event.key === "/") document.querySelector("[data-search]")?.focus();
  else if (event.key === "v") document.querySelector("[data-views] a, [data-views] summary")?.focus();
  else if (event.key === "?") document.getElementById("keys")?.showModal();
  else {
    const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    if (box() && !document.querySelector("input[name=chosen]:checked")) {
      box().checked = true;
      countChosen();
    }
    button.click();
  }
  event.preventDefault();
});

// Live: what changed is offered, and never moves what somebody reads.
const fresh = document.getElementById("fresh");
if (document.body.dataset.live !== undefined && "EventSource" in window) {
  let changes = 0;
  const source = new EventSource("/api/v1/events");
  const offer = () => {
    changes += 1;
    if (!fresh) return;
    const link = fresh.querySelector("a");
    link.href = location.href;
    link.textContent = changes === 1 ? "Something changed: show it" : `${changes} changes: show them`;
    if (fresh.hidden) announce("Something changed");
    fresh.hidden = false;
  };
  for (const kind of ["alert", "reset"]) source.addEventListener(kind, offer);
  window.addEventListener("pagehide", () => source.close());
  document.addEventListener("htmx:afterSwap", (event) => {
    changes = 0;
    if (fresh) fresh.hidden = true;
    countChosen();
    const note = event.detail.elt.querySelector?.(".note[role]") || document.querySelector("#results .note, #state .note");
    if (note) announce(note.textContent);
  });
}

// Requests of htmx say that one of our pages asks.
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-Pynomaly-Proof"] = document.querySelector("meta[name=proof]").content;
});
document.addEventListener("htmx:responseError", (event) => {
  let text = `The console answered ${event.detail.xhr.status}.`;
  try {
    text = JSON.parse(event.detail.xhr.responseText).detail;
  } catch {
    // no problem of ours: the status says enough
  }
  announce(text);
  const place = document.createElement("p");
  place.className = "note bad";
  place.setAttribute("role", "alert");
  place.textContent = text;
  document.querySelector("main").prepend(place);
});

// Read again what was seen last, where there is no connection.
if ("serviceWorker" in navigator && document.body.dataset.live !== undefined)
  navigator.serviceWorker.register("/worker.js").catch(() => {});
for (const form of document.querySelectorAll('form[action="/logout"]'))
  form.addEventListener("submit", () => navigator.serviceWorker?.controller?.postMessage("forget"));
const seen = document.querySelector("meta[name=seen]");
if (seen) {
  document.getElementById("offline").hidden = false;
  document.getElementById("offline-time").textContent = seen.content;
}

// A file may be dropped anywhere on its form.
const drop = document.querySelector("[data-drop]");
if (drop) {
  const field = drop.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"])
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    field.files = event.dataTransfer.files;
    drop.requestSubmit();
  });
}

// What is left as it was read makes the address no longer.
document.querySelector("[data-lean]")?.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
