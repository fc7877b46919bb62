// Keeps the page in step with the app: fetches it again and again, and changes only what has changed.
// All content is rendered and escaped by the server; nothing here builds HTML from text.

const EVERY = 600; // milliseconds between looks
const EVERY_WHILE_DOWN = 200;
const PEOPLE = [
  "Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov", "Donald Knuth", "Hedy Lamarr",
  "Katherine Johnson", "Dennis Ritchie", "Radia Perlman", "Tony Hoare", "Margaret Hamilton", "John Backus",
  "Frances Allen", "Niklaus Wirth", "Karen Spärck Jones", "Leslie Lamport", "Annie Easley", "Ken Thompson", "姚期智",
];

const BACK_IS_SHOWN_FOR = 6000;

const toast = document.querySelector("#toast");
const notice = document.querySelector("#notice");
const said = document.querySelector("#said");
let down = false;
let timer;
let fading;

document.documentElement.classList.add("has-script");
document.addEventListener("submit", send);
document.querySelector("#twenty")?.addEventListener("click", registerTwenty);
document.addEventListener("visibilitychange", () => document.hidden || look());
plan(EVERY);

function plan(wait) {
  clearTimeout(timer);
  timer = setTimeout(look, wait);
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    await show(await fetch(location.pathname, { cache: "no-store" }));
    plan(EVERY);
  } catch {
    goneDown();
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const began = performance.now();
  try {
    const answer = await post(form.action, new FormData(form));
    if (accepted(answer)) {
      if (form.matches(".register")) welcomed(form, performance.now() - began);
      await look();
    } else {
      say("", await reason(answer));
    }
  } catch {
    goneDown();
  }
}

function post(address, fields) {
  return fetch(address, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });
}

function accepted(answer) {
  return answer.type === "opaqueredirect";
}

function welcomed(form, milliseconds) {
  say(`Answered after ${milliseconds.toFixed(0)} ms.`);
  form.reset();
  form.elements.name.focus();
}

async function registerTwenty() {
  const began = performance.now();
  const mark = Date.now().toString(36).slice(-5);
  const answers = await Promise.allSettled(PEOPLE.map((name, number) =>
    post("/register", { name, email: `${name.split(" ")[0].toLowerCase().replace(/[^a-z]/g, "") || "yao"}.${mark}${number}@example.com` })));
  const answered = answers.filter((answer) => answer.status === "fulfilled" && accepted(answer.value)).length;
  say(`${answered} of ${PEOPLE.length} answered within ${(performance.now() - began).toFixed(0)} ms.`);
  look();
}

async function show(answer) {
  if (!isPage(answer)) {
    say("", await answer.text());
    return;
  }
  const fresh = parsed(await answer.text());
  if (down) cameBack(fresh.querySelector("#process")?.textContent);
  blend(document.querySelector("header"), fresh.querySelector("header"));
  blend(document.querySelector("main"), fresh.querySelector("main"));
}

async function reason(answer) {
  const text = await answer.text();
  return isPage(answer) ? parsed(text).querySelector("#notice").textContent : text;
}

function isPage(answer) {
  return answer.headers.get("content-type")?.startsWith("text/html");
}

function parsed(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

function goneDown() {
  if (!down) float("down", "The app is down. Whatever it had answered for is on disk, and goes on when it is back.");
  down = true;
  plan(EVERY_WHILE_DOWN);
}

function cameBack(process) {
  down = false;
  float("back", process ? `The app is back, as process ${process}.` : "The app is back.");
  fading = setTimeout(() => { toast.hidden = true; }, BACK_IS_SHOWN_FOR);
}

function float(mood, text) {
  clearTimeout(fading);
  toast.className = `toast ${mood}`;
  toast.textContent = text;
  toast.hidden = false;
}

function say(text, refusal = "") {
  if (!said) return;
  said.textContent = text;
  notice.textContent = refusal;
}

// Makes `old` like `fresh`. Elements are kept where they can be, so that focus, typing and selection stay.
function blend(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || "keep" in old.dataset) return;
  blendAttributes(old, fresh);
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = twin(old, next, child);
    if (!same) {
      old.insertBefore(child, next);
      continue;
    }
    if (same === next) next = next.nextSibling;
    else old.insertBefore(same, next);
    blend(same, child);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function twin(parent, next, child) {
  if (child.id) {
    const same = document.getElementById(child.id);
    return same?.parentNode === parent ? same : null;
  }
  return next && !next.id && next.nodeName === child.nodeName ? next : null;
}

function blendAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}
