// One key a label: no Enter, no mouse, and the next picture is there at once. A word waits here for ten seconds, to be
// undone; it is sent when they are over, or when the page is left.
"use strict";

const review = document.getElementById("review");
const correction = document.getElementById("correct");
const words = document.getElementById("words");
const UNDO_SECONDS = 10;
const TRIES = 3;
const KEPT_LINES = 5;
const pending = [];
const decidedAt = JSON.parse(sessionStorage.getItem("decided-at") ?? "[]");
let isBusy = false;

// ---- words that may still be undone

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function say(address, fields) {
  const name = review ? `${review.querySelector(".name").textContent}: ` : "";
  const word = { address, fields, name, due: Date.now() + UNDO_SECONDS * 1000 };
  word.line = element("p", "pending", "");
  word.clock = element("span", "faint", "");
  word.button = element("button", "quiet-button", "undo");
  word.button.addEventListener("click", () => undo(word));
  word.line.append(name, element("b", "", fields.label), ", ", word.clock, " ", word.button);
  words.querySelector("[data-pending]").prepend(word.line);
  word.timer = setTimeout(send, UNDO_SECONDS * 1000, word);
  pending.push(word);
  draw();
  return word;
}

function forget(word) {
  clearTimeout(word.timer);
  word.line.remove();
  if (pending.includes(word)) pending.splice(pending.indexOf(word), 1);
  draw();
}

async function send(word) {
  if (word.isSent || !pending.includes(word)) return;
  word.isSent = true;
  clearTimeout(word.timer);
  word.button.remove();
  draw();
  let text = "The page's server does not answer; nothing was announced.";
  let isTaken = false;
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries) await new Promise((done) => setTimeout(done, 1000));
    const answer = await fetch(word.address, {
      method: "POST", keepalive: true, headers: { accept: "text/plain" }, body: new URLSearchParams(word.fields),
    }).catch(() => null);
    if (!answer) continue;
    text = await answer.text();
    isTaken = answer.ok;
    if (answer.status < 500) break; // the same word twice is taken once
  }
  forget(word);
  tell(word.name + text, isTaken);
  if (isTaken && correction) location.reload();
}

async function undo(word = pending.findLast((each) => !each.isSent)) {
  if (!word || word.isSent || isBusy) return;
  forget(word);
  if (!review) return;
  count(-1);
  await show({ ...word.fields, action: "undo" });
}

function sendAll() {
  for (const word of [...pending]) send(word);
}
addEventListener("pagehide", sendAll);
document.addEventListener("visibilitychange", () => document.hidden && sendAll());

function tell(text, isGood) {
  const told = words.querySelector("[data-told]");
  told.prepend(element("p", isGood ? "taken" : "trouble", text));
  while (told.children.length > KEPT_LINES) told.lastElementChild.remove();
}

// ---- how it goes

function count(step) {
  if (step > 0) decidedAt.push(Date.now());
  else decidedAt.pop();
  sessionStorage.setItem("decided-at", JSON.stringify(decidedAt));
}

function draw() {
  for (const { isSent, due, clock } of pending) {
    clock.textContent = isSent ? "being announced" : `announced in ${Math.max(0, Math.ceil((due - Date.now()) / 1000))} s`;
  }
  const button = review?.querySelector("[data-undo]");
  if (button) button.disabled = pending.every((word) => word.isSent);
  const pace = document.getElementById("pace");
  if (!pace || !decidedAt.length) return;
  const last = decidedAt.slice(-20);
  const seconds = (last.at(-1) - last[0]) / 1000 / (last.length - 1);
  const left = Math.ceil((seconds * Number(document.getElementById("waiting").dataset.count)) / 60);
  pace.textContent = ` · ${decidedAt.length} done`
    + (last.length > 1 ? ` · ${seconds.toFixed(1)} s a picture${left ? `, about ${left} min left` : ""}` : "");
}
setInterval(() => pending.length && draw(), 500);

// ---- one picture after another

async function show(fields) {
  if (isBusy) return false;
  isBusy = true;
  let isDone = false;
  try {
    const answer = await fetch("/review", {
      method: "POST", headers: { accept: "application/x-part" }, body: new URLSearchParams(fields),
    });
    const text = await answer.text();
    isDone = answer.ok;
    if (isDone) review.innerHTML = text;
    else {
      tell(text, false);
      if (answer.status === 409 || answer.status === 404) await showNext();
    }
  } catch {
    tell("The page's server does not answer. Nothing was taken; try again when it does.", false);
  } finally {
    isBusy = false;
  }
  draw();
  return isDone;
}

// The picture went to somebody else.
async function showNext() {
  const answer = await fetch("/review", { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  review.innerHTML = page.getElementById("review").innerHTML;
}

async function press(button) {
  if ("zoom" in button.dataset) return zoom();
  if ("undo" in button.dataset) return undo();
  if (isBusy) return;
  const fields = Object.fromEntries(new FormData(button.form));
  fields[button.name] = button.value;
  if (fields.action !== "decide") return show(fields);
  const word = say("/review", fields);
  count(1);
  if (await show({ ...fields, action: "aside" })) return;
  forget(word);
  count(-1);
}

function zoom(event) {
  const stage = document.getElementById("stage");
  if (!stage) return;
  const isZoomed = stage.classList.toggle("zoomed");
  review.querySelector("[data-zoom]")?.setAttribute("aria-pressed", String(isZoomed));
  if (!isZoomed) return;
  const box = stage.getBoundingClientRect();
  const x = event?.clientX ? (event.clientX - box.left) / box.width : 0.5;
  const y = event?.clientY ? (event.clientY - box.top) / box.height : 0.5;
  stage.scrollTo((stage.scrollWidth - box.width) * x, (stage.scrollHeight - box.height) * y);
}

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const button = review?.querySelector(`button[data-key="${CSS.escape(key)}"]`);
  if (key === "u" && pending.length) undo();
  else if (button && !button.disabled) press(button);
  else return;
  event.preventDefault();
});

review?.addEventListener("submit", (event) => {
  if (!event.submitter) return;
  event.preventDefault();
  press(event.submitter);
});

review?.addEventListener("click", (event) => {
  if (event.target.id === "subject") zoom(event);
  else if (event.target.closest("[data-zoom], [data-undo]")) press(event.target.closest("button"));
});

correction?.addEventListener("submit", (event) => {
  event.preventDefault();
  for (const word of pending.filter((each) => !each.isSent)) forget(word); // who chooses again means that
  say("/photo/correct", { ...Object.fromEntries(new FormData(correction)), label: event.submitter.value });
});

if (review) draw();
