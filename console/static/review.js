// One key a label: no Enter, no mouse, and the next picture is there at once.
"use strict";

const review = document.getElementById("review");
let isBusy = false;

async function post(fields) {
  if (isBusy) return;
  isBusy = true;
  try {
    const answer = await fetch("/review", {
      method: "POST", headers: { accept: "application/x-part" }, body: new URLSearchParams(fields),
    });
    const text = await answer.text();
    if (answer.ok) review.innerHTML = text;
    else if (answer.status === 409 || answer.status === 404) {
      say(text);
      await post_next();
    } else say(text);
  } catch {
    say("The page's server does not answer. Nothing was taken; try again when it does.");
  } finally {
    isBusy = false;
  }
  wait();
}

// The picture went to somebody else: show the next one, and keep what was said.
async function post_next() {
  const answer = await fetch("/review", { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const said = document.getElementById("said")?.textContent;
  review.innerHTML = page.getElementById("review").innerHTML;
  if (said) say(said);
}

function say(text) {
  document.getElementById("said")?.remove();
  const line = document.createElement("p");
  line.id = "said";
  line.className = "trouble";
  line.setAttribute("role", "alert");
  line.textContent = text;
  document.getElementById("strip").prepend(line);
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

function press(button) {
  if ("zoom" in button.dataset) return zoom();
  const fields = Object.fromEntries(new FormData(button.form));
  fields[button.name] = button.value;
  return post(fields);
}

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const button = review.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button && !button.hidden) {
    event.preventDefault();
    press(button);
  }
});

review.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter) press(event.submitter);
});

review.addEventListener("click", (event) => {
  if (event.target.id === "subject") zoom(event);
  else if (event.target.closest("[data-zoom]")) zoom();
});

// What can be undone runs out: say so each second, while there is any.
let timer = 0;
function wait() {
  clearTimeout(timer);
  if (!review.querySelector("[data-pending]")) return;
  timer = setTimeout(async () => {
    const answer = await fetch("/review/strip").catch(() => null);
    const strip = document.getElementById("strip");
    if (answer?.ok && strip && !isBusy) strip.innerHTML = await answer.text();
    wait();
  }, 1000);
}
wait();
