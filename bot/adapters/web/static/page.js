// Wires the page together: players, the feed, what is sent, and where the focus goes.
import { avatar, drawMessage, element, moment } from "./cards.js";
import { composer } from "./composer.js";
import { openForm } from "./dialog.js";

const $ = (selector) => document.querySelector(selector);
const meta = (name) => $(`meta[name="torchquiz-${name}"]`).content;
const MAX_SHOWN = 300;

const log = $("#log");
const messages = $("#messages");
const waiting = new Map(); // answers we wait for: event id -> { card, button }
const early = new Map(); // answers that came before we learnt their id
let feed = null;
let me = "";
let live = false; // false while the past is being drawn
let now = 0; // the demo's time as last heard, in seconds since 1970
let mine = ""; // the message that answered us last; it stays in view while it grows

// ---- sending

async function post(path, payload) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Torchquiz-Token": meta("token") },
      body: JSON.stringify({ player: me, ...payload }),
    });
    const answer = await response.json();
    return response.ok ? { id: answer.id } : { error: answer.error };
  } catch {
    return { error: "The demo does not answer. Is it still running? What you sent may not have arrived." };
  }
}

function complain(text) {
  const box = $("#trouble");
  box.replaceChildren();
  if (!text) return;
  const dismiss = element("button", "", "Dismiss");
  dismiss.type = "button";
  dismiss.addEventListener("click", () => complain(""));
  box.append(element("p", "", text), dismiss);
}

function expect(id, card = null, button = null) {
  const message = early.get(id);
  early.delete(id);
  waiting.set(id, { card, button });
  if (message) arrive(message, true);
  think();
}

async function say(text) {
  const { id, error } = await post("/say", { text });
  complain(error);
  if (id) {
    bottom();
    expect(id);
  }
  return Boolean(id);
}

async function press(wire, button) {
  const card = button.closest(".message");
  lock(card, button);
  const { id, error } = await post("/press", { wire, message: card.dataset.id });
  complain(error);
  if (id) expect(id, card, button);
  else unlock(card);
}

function lock(card, button) {
  card.dataset.pending = "";
  button.dataset.pressed = "";
  for (const each of card.querySelectorAll(".action:not([aria-disabled])")) {
    each.setAttribute("aria-disabled", "true");
    each.dataset.locked = "";
  }
}

function unlock(card) {
  delete card.dataset.pending;
  for (const each of card.querySelectorAll("[data-locked]")) {
    each.removeAttribute("aria-disabled");
    delete each.dataset.locked;
  }
  for (const each of card.querySelectorAll("[data-pressed]")) delete each.dataset.pressed;
}

function think() {
  const busy = [...waiting.values()].some((each) => !each.button);
  $("#thinking").hidden = !busy;
  if (!busy) $("#next").removeAttribute("aria-disabled");
}

// ---- receiving

const atBottom = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;

function bottom() {
  log.scrollTop = log.scrollHeight;
  $("#newer").hidden = true;
}

function bringIntoView(article) {
  const tall = article.offsetHeight > log.clientHeight;
  article.scrollIntoView({ block: tall ? "start" : "nearest" });
  if (!tall && article.parentElement === messages.lastElementChild) bottom();
}

function announce(text) {
  const news = $("#news");
  news.append(element("p", "", text));
  while (news.childElementCount > 3) news.firstElementChild.remove();
}

// The list of replies below a message, or null when that message is not here.
function thread(id) {
  const root = drawn(id)?.parentElement;
  if (!root) return null;
  let box = root.querySelector(".thread");
  if (!box) {
    box = element("details", "thread");
    box.open = true;
    box.append(element("summary", "", "Thread"), element("ol"));
    root.append(box);
  }
  return box.lastElementChild;
}

function insert(message, article) {
  const list = (message.thread && thread(message.thread)) || messages;
  const item = element("li");
  item.dataset.position = message.position;
  item.append(article);
  const after = [...list.children].findLast((each) => Number(each.dataset.position) < message.position);
  list.insertBefore(item, after ? after.nextSibling : list.firstChild);
  while (messages.childElementCount > MAX_SHOWN) messages.firstElementChild.remove();
}

const drawn = (id) => messages.querySelector(`[data-id="${CSS.escape(id)}"]`);

function swap(old, article) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(article);
  if (!focused) return false;
  const twin = [...article.querySelectorAll("button")].find((each) => each.textContent === focused.textContent);
  (twin ?? article).focus({ preventScroll: true });
  return true;
}

// Whether the focus still is where the button was pressed: in that card, as it is drawn now, or nowhere.
function focusIsIn(id) {
  const focused = document.activeElement;
  return focused === document.body || focused.closest(".message")?.dataset.id === id;
}

// `again`: it was drawn already, before we knew that it answers us.
function arrive(message, again = false) {
  const asked = waiting.get(message.answers);
  waiting.delete(message.answers);
  think();
  if (asked?.card) unlock(asked.card);
  if (message.form) {
    const back = asked?.button;
    openForm(message.form, (values) => submit(message.form.wire, values), () => (back ?? $("#line")).focus());
    return;
  }
  if (message.at > now) today(message.at);
  if (message.gone) {
    drawn(message.id)?.parentElement.remove();
    return;
  }
  const stay = atBottom();
  const old = drawn(message.id);
  const article = again && old ? old : drawMessage(message, press);
  const followsFocus = asked?.card && focusIsIn(asked.card.dataset.id);
  if (!old) insert(message, article);
  else if (old !== article) swap(old, article);
  if (!live) return;
  if (followsFocus && !article.contains(document.activeElement)) article.focus({ preventScroll: true });
  if (asked) mine = message.id;
  const follow = stay || message.id === mine;
  if (message.id === mine) bringIntoView(article);
  else if (stay) bottom();
  else if (!old) $("#newer").hidden = false;
  for (const image of follow ? article.querySelectorAll("img") : []) {
    image.addEventListener("load", () => bringIntoView(article), { once: true });
  }
  if (again) return;
  if (message.card?.final) announce(`${message.author}: ${message.card.fallback}`);
  else if (message.text && message.author !== me) announce(`${message.author}: ${message.text}`);
}

async function submit(wire, values) {
  const { id, error } = await post("/submit", { wire, values });
  if (id) expect(id);
  return error ?? "";
}

function receive(message) {
  if (message.answers && !waiting.has(message.answers)) {
    early.set(message.answers, message); // another player's or window's, or the id of our own is still on its way
    if (early.size > 20) early.delete(early.keys().next().value);
    if (message.form) return;
  }
  arrive(message);
}

function connect() {
  feed?.close();
  live = false;
  waiting.clear();
  early.clear();
  think();
  messages.replaceChildren();
  $("#news").replaceChildren();
  feed = new EventSource(`/feed?player=${encodeURIComponent(me)}`);
  feed.addEventListener("hello", (event) => {
    const hello = JSON.parse(event.data);
    if (hello.start !== meta("start")) startAgain();
    if (!hello.resumed) messages.replaceChildren();
    today(hello.at);
    chat.suggest(hello.suggestions);
    starters(hello.suggestions);
    linked(true);
  });
  feed.addEventListener("ready", () => {
    live = true;
    bottom();
  });
  feed.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  feed.addEventListener("error", () => {
    linked(false);
    const broken = feed;
    if (broken.readyState === EventSource.CLOSED) setTimeout(() => { if (feed === broken) connect(); }, 3000);
  });
}

// The demo was started again, so this page's token is void; what was typed is kept.
function startAgain() {
  sessionStorage.setItem("torchquiz-draft", $("#line").value);
  location.reload();
}

function linked(yes) {
  $("#link").dataset.state = yes ? "linked" : "waiting";
  $("#link").textContent = yes ? "Connected" : "Reconnecting";
}

// The demo's date, which only goes forward.
function today(at) {
  now = at;
  const shown = moment(at, { weekday: "short", day: "numeric", month: "short" });
  $("#today").textContent = shown.textContent;
  $("#today").dateTime = shown.dateTime;
}

$("#next").addEventListener("click", async () => {
  if ($("#next").getAttribute("aria-disabled") === "true") return;
  $("#next").setAttribute("aria-disabled", "true");
  if (!(await say("/next"))) $("#next").removeAttribute("aria-disabled");
});

function starters(suggestions) {
  for (const list of document.querySelectorAll(".starters")) {
    list.replaceChildren(...suggestions.slice(0, 5).map((each) => {
      const item = element("li");
      const button = element("button", "starter");
      button.type = "button";
      button.append(element("span", "command", each.line), element("span", "about", each.about));
      button.addEventListener("click", () => {
        chat.focus();
        chat.send(each.line);
      });
      item.append(button);
      return item;
    }));
  }
}

// ---- players: each window plays as one of them

function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

let names = stored("torchquiz-players", ["Ada", "Grace", "Linus"]);

function playAs(name) {
  me = name;
  sessionStorage.setItem("torchquiz-player", name);
  $("#line").placeholder = innerWidth < 480 ? "Message, or type /" : `Message #torch-quiz as ${name}, or type / for commands`;
  drawPlayers();
  connect();
}

function drawPlayers() {
  const focused = $("#players").contains(document.activeElement);
  $("#players").replaceChildren(...names.map((name) => {
    const label = element("label", "player");
    const input = element("input", "unseen");
    input.type = "radio";
    input.name = "player";
    input.checked = name === me;
    input.addEventListener("change", () => playAs(name));
    label.append(input, avatar(name), element("bdi", "", name));
    return label;
  }));
  if (focused) $("#players input:checked").focus();
}

$("#add").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("#name").value.trim();
  if (!name) return;
  if (!names.includes(name)) names = [...names, name].slice(-8);
  localStorage.setItem("torchquiz-players", JSON.stringify(names));
  $("#name").value = "";
  $("#newcomer").open = false;
  playAs(name);
  chat.focus();
});
$("#newcomer").addEventListener("toggle", () => {
  if ($("#newcomer").open) $("#name").focus();
});
$("#newer").addEventListener("click", () => {
  bottom();
  chat.focus();
});
log.addEventListener("scroll", () => {
  if (atBottom()) $("#newer").hidden = true;
});

const chat = composer(say);
chat.draft(sessionStorage.getItem("torchquiz-draft"));
sessionStorage.removeItem("torchquiz-draft");
const before = sessionStorage.getItem("torchquiz-player");
playAs(names.includes(before) ? before : names[0]);
