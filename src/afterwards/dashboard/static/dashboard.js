// Liveness, and comfort: nothing here is needed to read or to act. All markup is made and escaped by the server.

const root = document.documentElement;
const live = document.querySelector("#live");
const lamp = document.querySelector("#lamp");
const GRACE = 100; // milliseconds in which changes are gathered
const SHARE = 80; // of the server's time, in which it may be asked for this page anew
const AGAIN = 3000; // milliseconds until what was refused is tried again
const OLD = 15000; // milliseconds after which "2 s ago" is made anew, though nothing has changed; the longest rest, too
const REFUSED = { 403: "Not for you any more", 404: "Not kept any more", 503: "The store is away" };
let source, timer, notBefore = 0, missed = false, pressed = false;

root.classList.add("has-script");
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : wake()));
document.addEventListener("htmx:before:swap", (event) => {
  missed ||= pressed;
  if (pressed || event.detail.ctx.response.status !== 200) event.preventDefault();
});
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, released, true);
document.addEventListener("change", (event) => {
  if (event.target.id === "every") boxes().forEach((box) => { box.checked = event.target.checked; });
  counted();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const search = document.querySelector("#search");
  if (!search) return;
  event.preventDefault();
  search.focus();
});
document.querySelector("#search")?.addEventListener("input", complete);
addEventListener("pagehide", rest);
addEventListener("pageshow", (event) => event.persisted && wake());
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
setInterval(() => source && soon(), OLD);
forgetWhatWasDone();
wake();

// The server says at once if the page has missed something.
function wake() {
  if (!live?.dataset.live || source || document.hidden) return;
  source = new EventSource(live.dataset.live);
  source.addEventListener("open", () => show("live", "Live"));
  source.addEventListener("error", away);
  source.addEventListener("changed", soon);
}

function rest() {
  source?.close();
  clearTimeout(timer);
  source = timer = undefined;
  show("rests", "Paused");
}

// Browsers come back by themselves to a server that is away, but not to one that has refused, as a proxy does meanwhile.
function away() {
  show("away", "Not connected");
  if (source?.readyState !== EventSource.CLOSED) return;
  source = undefined;
  setTimeout(wake, AGAIN);
}

function soon() {
  timer ??= setTimeout(refresh, Math.max(GRACE, notBefore - performance.now()));
}

// A link that is replaced or moved between the press and the release of a button would not be clicked.
function released() {
  pressed = false;
  if (missed && source) soon();
}

// A page with a selection stays as it is: nobody wants rows to move below his hand.
async function refresh() {
  timer = undefined;
  missed = pressed;
  if (missed) return;
  missed = boxes().some((box) => box.checked);
  if (missed) return show("rests", "Paused while you select");
  const began = performance.now();
  const answer = await picture();
  notBefore = performance.now() + (answer === 200 ? Math.min(SHARE * (spent() ?? performance.now() - began), OLD) : AGAIN);
  if (!source) return;
  if (answer === 200) return show("live", "Live");
  show("away", REFUSED[answer] ?? "Not connected");
  if (answer !== 403 && answer !== 404) soon();
}

// What is not the page leaves the old one standing.
async function picture() {
  let status = 0;
  const note = (event) => { status = event.detail.ctx.response.status; };
  performance.clearResourceTimings();
  document.addEventListener("htmx:before:response", note);
  try {
    await htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerMorph" });
  } catch { /* the server is away, and the stream will say so */ }
  document.removeEventListener("htmx:before:response", note);
  return status;
}

// How long the server needed for the picture, in milliseconds, if this browser tells.
function spent() {
  const entries = performance.getEntriesByType("resource").filter((entry) => entry.initiatorType === "fetch");
  return entries.at(-1)?.serverTiming?.[0]?.duration;
}

// Loaded again, or come back to, a page does not say once more what was done.
function forgetWhatWasDone() {
  const place = new URL(location.href);
  if (!place.searchParams.has("did")) return;
  place.searchParams.delete("did");
  place.searchParams.delete("n");
  history.replaceState(history.state, "", place);
}

function show(mood, words) {
  if (!lamp) return;
  lamp.className = `lamp ${mood}`;
  lamp.textContent = words;
}

function boxes() {
  return [...document.querySelectorAll("#live input[name=id]")];
}

function counted() {
  const count = boxes().filter((box) => box.checked).length;
  document.querySelectorAll("[data-selected]").forEach((place) => { place.textContent = count ? ` (${count})` : ""; });
  if (count || !source) return;
  show("live", "Live");
  if (missed) soon();
}

// Browsers offer what goes on as the whole text does: each offer is that, up to its last word.
function complete({ target }) {
  const before = target.value.replace(/\S*$/, "");
  for (const option of target.list?.options ?? []) option.value = before + option.dataset.term;
}
