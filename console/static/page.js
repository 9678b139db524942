// Sending photos, watching them come through, and keys that lead to the pages. Without it everything can still be read.
"use strict";

const byId = (id) => document.getElementById(id);

function replace(id, html) {
  const made = document.createElement("template");
  made.innerHTML = html; // from our own server, which escapes every name in it
  const element = made.content.firstElementChild;
  const before = byId(id);
  if (before) before.replaceWith(element);
  return { element, isNew: !before };
}

// ---- photos on their way

const live = byId("live");
const MOST_SHOWN = 60;

function show(card) {
  const { element, isNew } = replace(card.id, card.html);
  if (isNew) live.prepend(element);
  byId("arrivals").hidden = false;
  while (live.children.length > MOST_SHOWN) live.lastElementChild.remove();
}

// What happened while this page was made, or while it slept or was cut off, is told when it asks again.
const since = () => `since=${encodeURIComponent(live.dataset.lookedAt)}`;

async function ask() {
  const answer = await fetch(`/arrivals?${since()}`).catch(() => null);
  if (answer?.status === 401) return location.reload();
  if (answer?.ok) {
    const { cards, totals, looked_at: lookedAt } = await answer.json();
    live.dataset.lookedAt = lookedAt;
    for (const card of cards.reverse()) show(card);
    byId("totals").innerHTML = totals;
  }
  setTimeout(ask, document.hidden ? 15000 : 2000);
}

if (live && "ask" in live.dataset) ask(); // no stream comes through there
else if (live) {
  const stream = new EventSource(`/live?${since()}`);
  const arrived = new Map();
  stream.addEventListener("message", (message) => {
    const card = JSON.parse(message.data);
    if (!arrived.size) requestAnimationFrame(() => {
      for (const each of arrived.values()) {
        show(each);
        if (each.totals) byId("totals").innerHTML = each.totals;
      }
      arrived.clear();
    });
    arrived.set(card.id, card);
  });
  addEventListener("pagehide", () => stream.close());
}

// ---- sending

const AT_ONCE = 4;
const drop = byId("drop");
const waiting = [];
const counts = { sent: 0, refused: [], all: 0, running: 0 };

function say() {
  const left = counts.all - counts.sent - counts.refused.length;
  const lines = [left ? `Sending ${left} of ${counts.all}…` : `${counts.sent} sent.`, ...counts.refused.slice(-3)];
  byId("sending").textContent = lines.join(" ");
}

async function asked(answer) {
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// Straight to the bucket, whose answer no page may read: so our own server is asked whether the photo is there.
async function sendToBucket(file, name) {
  if (file.size > Number(drop.dataset.mostBytes)) throw new Error("The file is too large.");
  const wish = JSON.stringify({ name, content_type: file.type || "image/jpeg" });
  const { id, upload } = await asked(await fetch("/send", { method: "POST", body: wish }));
  const form = new FormData();
  for (const [field, value] of Object.entries(upload.fields)) form.append(field, value);
  form.append("file", file);
  await fetch(upload.url, { method: "POST", body: form, mode: "no-cors" });
  for (let tries = 0; tries < 10; tries += 1) {
    if ((await asked(await fetch(`/sent/${id}`))).state !== "AWAITED") return;
    await new Promise((done) => setTimeout(done, 1000));
  }
  throw new Error("It did not arrive. Send it again.");
}

async function send({ file, name }) {
  try {
    if ("mostBytes" in drop.dataset) {
      await sendToBucket(file, name);
      counts.sent += 1;
      return;
    }
    const answer = await fetch(`/photos?name=${encodeURIComponent(name)}`, { method: "POST", body: file });
    if (!answer.ok) throw new Error(await answer.text());
    counts.sent += 1;
    show(await answer.json());
  } catch (error) {
    counts.refused.push(`${name}: ${error.message}`);
  }
}

async function work() {
  counts.running += 1;
  while (waiting.length) {
    await send(waiting.shift());
    say();
  }
  counts.running -= 1;
}

function take(files) {
  const kept = files.filter(({ name }) => !name.split("/").pop().startsWith("."));
  counts.all += kept.length;
  waiting.push(...kept);
  say();
  while (counts.running < AT_ONCE && waiting.length > counts.running) work();
}

async function below(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ file, name: path + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const each of some) found.push(...(await below(each, `${path}${entry.name}/`)));
  }
}

if (drop) {
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    for (const entry of entries) take(await below(entry));
  });
  for (const id of ["choose", "choose-folder", "take"]) {
    byId(id).addEventListener("change", ({ target }) => {
      take([...target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      target.value = "";
    });
  }
}

// ---- a run that goes on

const run = byId("run");

async function watch() {
  const answer = await fetch(run.dataset.watch);
  if (!answer.ok) return;
  const chosen = location.hash;
  run.innerHTML = await answer.text();
  if (answer.headers.get("x-running") === "yes") setTimeout(watch, 1000);
  else delete run.dataset.running;
  if (chosen.startsWith("#state-")) location.replace(chosen); // :target points at what was replaced
}

if (run && "running" in run.dataset) setTimeout(watch, 700);

// ---- keys that lead from page to page

const LEADS = { 1: "/", 2: "/review", 3: "/model" };
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && byId("search")) {
    event.preventDefault();
    byId("search").focus();
  } else if (LEADS[event.key]) location.assign(LEADS[event.key]);
});
