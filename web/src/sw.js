// The service worker: it keeps the page, so that it opens without the server. What is not the page's
// own (the API, Socket.IO, the doctor's checks) goes past it.

/** Put in by the build: the files to keep, and a name that changes with them. */
const FILES = __FILES__;
const CACHE = `llm-cast ${__VERSION__}`;
/** A server that is slower than this, in ms, is not waited for when the page is opened. */
const PATIENCE_MS = 4_000;

addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => skipWaiting()),
  );
});

addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith('llm-cast ') && name !== CACHE)
            .map((name) => caches.delete(name)),
        ),
      ),
  );
});

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  const url = new URL(request.url);
  const path = url.pathname.slice(new URL(registration.scope).pathname.length);
  if (url.origin !== location.origin) return;
  if (path.startsWith('assets/')) event.respondWith(keptFirst(request));
  else if (path === '' || path === 'page.json') event.respondWith(serverFirst(request, path));
});

/** A file of the build never changes under its name. */
async function keptFirst(request) {
  const kept = await caches.match(request);
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  if (response.ok) await keep(request.url, response);
  return response;
}

/** The page and what it has to know: of the server, or as they were when it answered last. */
async function serverFirst(request, path) {
  const response = fetch(request);
  try {
    const answer = await Promise.race([response, late()]);
    if (answer.ok) await keep(path === '' ? './' : path, answer);
    return answer;
  } catch (error) {
    const kept = await caches.match(path === '' ? './' : path);
    if (kept !== undefined) return kept;
    return response.catch(() => Promise.reject(error));
  }
}

function late() {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error('The server is slow.')), PATIENCE_MS);
  });
}

async function keep(name, response) {
  const cache = await caches.open(CACHE);
  await cache.put(name, response.clone());
}
