// Follows background tasks in a browser: import { watch } from "/tasks/afterwards.js"

const HERE = new URL(".", import.meta.url);
const PATIENCE = 5000; // milliseconds until it asks again after the server was away

export const ended = (task) => ["done", "failed", "cancelled", "unknown"].includes(task.state);

// Calls back with the task at once and at each change, until it has ended; returns what stops that. A task that is
// not there, or not for you, is "unknown". `base` is where the status router is, if not here.
export function watch(id, callback, { base = HERE } = {}) {
  const place = new URL(encodeURIComponent(id), new URL(base, location.href));
  let source, timer, last, over = false;

  const stop = () => { over = true; clearTimeout(timer); source?.close(); };
  const tell = (task) => {
    if (over) return;
    if (ended(task)) stop();
    const text = JSON.stringify(task);
    if (text !== last) callback(task);
    last = text;
  };
  const listen = () => {
    source = new EventSource(`${place}/events`, { withCredentials: true });
    source.addEventListener("task", (event) => tell(JSON.parse(event.data)));
    source.addEventListener("error", () => source.readyState === EventSource.CLOSED && ask());
  };
  const ask = async () => {
    try {
      const answer = await fetch(place, { credentials: "include", cache: "no-store" });
      if (answer.ok) tell(await answer.json());
      else if (answer.status < 500) tell({ id, state: "unknown", attempt: 0, progress: null });
    } catch {}
    if (!over) timer = setTimeout(listen, PATIENCE);
  };

  listen();
  return stop;
}

// Cancels a task, where the router has auth=.
export async function cancel(id, { base = HERE } = {}) {
  const place = new URL(encodeURIComponent(id), new URL(base, location.href));
  const answer = await fetch(place, { method: "DELETE", credentials: "include" });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}
