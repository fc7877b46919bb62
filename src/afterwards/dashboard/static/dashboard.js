// Liveness, and comfort: nothing here is needed to read or to act. All markup is made and escaped by the server.

const root = document.documentElement;
const live = document.querySelector("#live");
const lamp = document.querySelector("#lamp");
const GRACE = 250; // milliseconds in which changes are gathered
const SHARE = 40; // of the time, in which this page may have itself made anew
let source, timer, took = 0;

root.classList.add("has-script");
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : wake()));
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
addEventListener("pagehide", rest);
addEventListener("pageshow", (event) => event.persisted && wake());
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
if (live?.dataset.live) wake(false);

function wake(look = true) {
  if (!live?.dataset.live || source) return;
  source = new EventSource(live.dataset.live);
  source.addEventListener("open", () => show("live", "Live"));
  source.addEventListener("error", () => show("away", "Not connected"));
  source.addEventListener("changed", soon);
  if (look) soon();
}

function rest() {
  source?.close();
  source = undefined;
  show("rests", "Paused");
}

function soon() {
  timer ??= setTimeout(refresh, Math.max(GRACE, took * SHARE));
}

// A page with a selection stays as it is: nobody wants rows to move below his hand.
async function refresh() {
  timer = undefined;
  if (boxes().some((box) => box.checked)) return show("rests", "Paused while you select");
  const began = performance.now();
  await htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerMorph" });
  took = performance.now() - began;
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
  if (!count && source) show("live", "Live");
}
