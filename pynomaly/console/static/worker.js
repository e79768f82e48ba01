// Keeps what was seen last, to be read where there is no connection; it is marked so. Answers are never kept.
"use strict";

const SHELF = "seen-1";
const isPage = (request) => request.mode === "navigate" && request.method === "GET";
const isPart = (url) => url.pathname.startsWith("/static/") || url.pathname === "/palette.css";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const keep = async (request, answer) => {
  const shelf = await caches.open(SHELF);
  await shelf.put(request, answer);
  const kept = await shelf.keys();
  for (const old of kept.slice(0, Math.max(0, kept.length - 60))) await shelf.delete(old);
};

const mark = async (answer) => {
  const text = await answer.text();
  const time = new Date(answer.headers.get("date") || 0).toISOString().slice(0, 16).replace("T", " ");
  const marked = text.replace("<head>", `<head>\n<meta name="seen" content="${time} UTC">`);
  return new Response(marked, { status: 200, headers: answer.headers });
};

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin || (!isPage(request) && !isPart(url))) return;
  event.respondWith(
    fetch(request)
      .then((answer) => {
        if (answer.ok && !answer.redirected) event.waitUntil(keep(request, answer.clone()));
        return answer;
      })
      .catch(async () => {
        const kept = await caches.match(request, { ignoreVary: true });
        if (!kept) return Response.error();
        return isPage(request) ? mark(kept) : kept;
      }),
  );
});

// Whoever signs out leaves nothing behind.
self.addEventListener("message", (event) => {
  if (event.data === "forget") event.waitUntil(caches.delete(SHELF));
});
