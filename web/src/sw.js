// The service worker: it keeps the page, so that it opens without the server. What is not the page's
// own (the API, Socket.IO, the doctor's checks) goes past it.

/** Put in by the build: the files to keep, and a name that changes with them. */
const FILES = __FILES__;
const { scope } = registration;
/** Of the page below this path: below another one there may be another llm-cast. */
const CACHES = `llm-cast ${scope} `;
const CACHE = CACHES + __VERSION__;
/** A server that is slower than this, in ms, is not waited for when the page is opened. */
const PATIENCE_MS = 4_000;

addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => Promise.all(FILES.map((name) => add(cache, name))))
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
            .filter((name) => name.startsWith(CACHES) && name !== CACHE)
            .map((name) => caches.delete(name)),
        ),
      ),
  );
});

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(scope)) return;
  const path = new URL(request.url).pathname.slice(new URL(scope).pathname.length);
  if (path.startsWith('assets/')) event.respondWith(keptFirst(request));
  else if (path === '' || path === 'page.json') event.respondWith(serverFirst(request, path));
});

/** A file of the build never changes under its name. */
async function keptFirst(request) {
  const kept = await find(request);
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  await keep(request, response);
  return response;
}

/** The page and what it has to know: of the server, or as they were when it answered last. */
async function serverFirst(request, path) {
  const name = path === '' ? './' : path;
  const response = fetch(request);
  const answer = await Promise.race([response.catch(() => undefined), patience()]);
  if (answer !== undefined) await keep(name, answer);
  // A proxy answers in the place of a server that is away.
  if (answer !== undefined && answer.status < 500) return answer;
  return (await find(name)) ?? answer ?? response;
}

/** Resolves when there was time enough for an answer. */
function patience() {
  return new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
}

/** @returns undefined where nothing of that name is kept, or the browser does not let it be read */
async function find(name) {
  try {
    const cache = await caches.open(CACHE);
    return await cache.match(name);
  } catch {
    return undefined;
  }
}

/** Without one of them the page would not open: then this worker does not take over. */
async function add(cache, name) {
  const response = await fetch(name);
  if (!(await isOurs(name, response))) throw new Error(`A proxy answers for ${name}.`);
  await cache.put(name, response);
}

/** Whether it is of the page, and not what a proxy answers in its place: its page to sign in is HTML too. */
async function isOurs(name, response) {
  if (!response.ok || response.redirected || response.type !== 'basic') return false;
  if (name !== './') return !response.headers.get('content-type')?.startsWith('text/html');
  return (await response.clone().text()).includes('<title>llm-cast</title>');
}

/** Where the browser has no room for it, the page does without. */
async function keep(name, response) {
  if (!(await isOurs(name, response))) return;
  const copy = response.clone();
  try {
    const cache = await caches.open(CACHE);
    await cache.put(name, copy);
  } catch (error) {
    console.warn('The page is not kept for a time without the server.', error);
  }
}
