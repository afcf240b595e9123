// The page of the messages that came. Texts of messages become text nodes and attributes, never markup.

const PAGE = 100, MOST = 500;
// More of a message's source is to be had as a file.
const SOURCE = 512 * 1024;
const by = (id) => document.getElementById(id);
const list = by("list"), pane = by("messages"), view = by("message"), search = by("search");

/** An element with properties, attributes in `at`, and children. */
function make(name, { at = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(at)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Shows what was done; `quietly`: to who does not see it. */
function say(text, quietly = false) {
  by("status").className = quietly ? "hidden" : "";
  by("status").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { by("status").textContent = ""; }, 4000);
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error ?? `the server says ${answer.status}`), { status: answer.status });
}

const size = (bytes) => {
  if (bytes < 1000) return `${bytes} B`;
  const [number, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${unit}`;
};
const counted = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
// Whatever direction a text is written in, or pretends to be, it has no part in what stands beside it.
const apart = (text) => make("bdi", {}, text);
const person = ({ name, address }) => (name ? [apart(name), " <", apart(address), ">"] : [apart(address)]);
const listed = (nodes) => nodes.flatMap((some, at) => (at ? [", ", ...some] : some));
// The end of a file's name is where it seems to be.
const fileName = (name) => name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
const names = (people) => people.map(({ name, address }) => name || address).join(", ");

// --- What has been opened, as long as this window and that server live. ---

const seen = {
  since: null, numbers: new Set(),
  begin(since) {
    const known = JSON.parse(sessionStorage.getItem("seen") ?? "{}");
    this.since = since;
    this.numbers = new Set(known.since === since ? known.numbers : []);
  },
  add(number) {
    this.numbers.add(number);
    sessionStorage.setItem("seen", JSON.stringify({ since: this.since, numbers: [...this.numbers].slice(-5000) }));
  },
};

// --- The list: the newest first; older ones are asked for as they come into view. A row far from there is an empty element
// of the same height, so that 10,000 of them are not too many. ---

let rows = new Map(); // by numbers, in no order
const summaries = new WeakMap(); // what a row shows
let built = new Set(); // the rows that show it
let tally = null; // what the server has told last
let kept = 0; // how many messages it has
let own = 0; // how many deletions of ours it has not told of yet
let next = null; // what comes before this number is not there yet
let shown = 0; // the highest number that was asked for
let asked = new AbortController();
let loading = false;

function row(message) {
  const item = make("li", { className: seen.numbers.has(message.number) ? "" : "unseen" });
  item.dataset.number = message.number;
  rows.set(message.number, item);
  summaries.set(item, message);
  return item;
}

/** Builds the rows that are in view, and those a screen above and below; all have the same height. */
function draw() {
  const height = list.firstElementChild?.offsetHeight || 1, screen = pane.clientHeight;
  const from = Math.max(0, Math.floor((pane.scrollTop - screen) / height));
  const to = Math.min(list.children.length, Math.ceil((pane.scrollTop + 2 * screen) / height) + 1);
  const wanted = new Set();
  for (let at = from; at < to; at += 1) wanted.add(list.children[at]);
  for (const item of wanted) if (!item.firstChild) build(item);
  for (const item of built) {
    if (wanted.has(item) || !item.isConnected) continue;
    // Who is in it stays there.
    if (item.contains(document.activeElement)) { wanted.add(item); continue; }
    item.classList.remove("new");
    item.replaceChildren();
  }
  built = wanted;
}

function build(item) {
  const message = summaries.get(item);
  const sender = message.from.length ? names(message.from) : message.envelope.from || "nobody";
  const others = message.envelope.count - message.envelope.recipients.length;
  const to = message.envelope.recipients.join(", ") + (others > 0 ? ` and ${others} more` : "");
  const when = new Date(message.received);
  const today = when.toDateString() === new Date().toDateString();
  const time = today ? when.toLocaleTimeString([], { timeStyle: "short" }) : when.toLocaleDateString([], { dateStyle: "medium" });
  const link = make("a", { href: `#${message.number}`, at: { title: `To ${to}` } },
    make("span", { className: "who", dir: "auto" }, sender),
    make("time", { dateTime: message.received }, time),
    make("span", { className: "what", dir: "auto" }, message.subject || "(no subject)"),
    make("span", { className: "begin", dir: "auto" },
      message.attachments ? make("span", { className: "tag" }, counted(message.attachments, "file")) : null,
      message.preview || `to ${to}`));
  if (message.number === open) link.setAttribute("aria-current", "true");
  item.replaceChildren(link);
}

function query(words) {
  const all = new URLSearchParams({ limit: PAGE, ...words });
  if (search.value.trim()) all.set("search", search.value.trim());
  return `/api/messages?${all}`;
}

/** Begins the list anew. */
async function reload() {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  loading = true;
  try {
    const page = await ask(query({}), { signal });
    rows = new Map();
    list.replaceChildren(...page.messages.map(row));
    ({ next, last: shown, kept } = page);
    pane.scrollTop = 0;
    loading = false;
    arranged();
  } catch (error) {
    if (error.name !== "AbortError") failed(error);
  }
}

/** Adds what is older, below: the more, the more there is already. */
async function older() {
  if (loading || next === null) return;
  loading = true;
  const { signal } = asked;
  try {
    const page = await ask(query({ before: next, limit: Math.min(Math.max(rows.size, PAGE), MOST) }), { signal });
    list.append(...page.messages.filter(({ number }) => !rows.has(number)).map(row));
    next = page.next;
    loading = false;
    arranged();
  } catch (error) {
    if (error.name !== "AbortError") failed(error);
  }
}

/** Adds what has come, above. */
async function newer() {
  const { signal } = asked;
  const page = await ask(query({ after: shown }), { signal });
  if (signal.aborted) return;
  // More than a page at once: the list begins anew.
  if (page.next !== null) return reload();
  const fresh = page.messages.filter(({ number }) => !rows.has(number)).map(row);
  fresh.forEach((item) => item.classList.add("new"));
  list.prepend(...fresh);
  shown = Math.max(shown, page.last);
  kept = page.kept;
  if (fresh.length) say(counted(fresh.length, "new message"), true);
  arranged();
}

function failed(error) {
  loading = false;
  say(error.message);
}

/** After every change of the list. */
function arranged() {
  const words = search.value.trim();
  by("more").hidden = next === null;
  by("empty").hidden = rows.size > 0;
  if (rows.size === 0) nothing(words);
  by("count").textContent = words ? `${rows.size}${next === null ? "" : "+"} found` : counted(kept, "message");
  document.title = kept ? `(${kept}) mailwire` : "mailwire";
  draw();
  mark();
  fill();
}

/** Asks for older ones where the end of the list is near; not while a message is all that a small screen shows. */
function fill() {
  const below = pane.scrollHeight - pane.scrollTop - pane.clientHeight;
  if (next !== null && pane.clientHeight > 0 && below < 800) older();
}

let about = null;
async function nothing(words) {
  if (words) return by("empty").replaceChildren(make("p", {}, make("strong", {}, "Nothing is found.")), make("p", {}, "A search finds what has all of its words."));
  about ??= await ask("/api/server").catch(() => ({ listening: [] }));
  const places = about.listening.filter(({ protocol }) => ["smtp", "submission", "lmtp"].includes(protocol));
  by("empty").replaceChildren(
    make("p", {}, make("strong", {}, "No messages yet.")),
    make("p", {}, places.length ? "What is sent to one of these comes up here:" : "Nothing listens for messages: see --listen."),
    make("ul", {}, ...places.map(({ protocol, address, tls }) =>
      make("li", {}, `${protocol} `, make("code", {}, address), { implicit: " within TLS", starttls: " STARTTLS" }[tls] ?? ""))));
}

pane.addEventListener("scroll", () => { draw(); fill(); }, { passive: true });
new ResizeObserver(draw).observe(pane);

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(reload, 200);
});

// --- What is new: the server says that something is, and the page asks for it. ---

let source = null, working = false, again = false;

function connect() {
  source?.close();
  source = new EventSource("/api/events");
  source.addEventListener("tally", ({ data }) => changed(JSON.parse(data)));
  source.addEventListener("open", () => live(true));
  source.addEventListener("error", () => live(false));
}

function live(is) {
  const words = is ? "Live: new messages show up by themselves" : "Not connected";
  by("live").className = is ? "" : "off";
  by("live").title = by("live").firstElementChild.textContent = words;
}

async function changed(told) {
  const before = tally;
  tally = told;
  kept = told.kept;
  if (!before || before.since !== told.since) {
    seen.begin(told.since);
    own = 0;
    about = null;
    await reload();
    return route();
  }
  // What was deleted here is gone from the list; what others have deleted may be anything.
  const forgotten = told.forgotten - before.forgotten, ours = Math.min(forgotten, own);
  own -= ours;
  if (forgotten > ours) return reload();
  if (working) { again = true; return; }
  working = true;
  try {
    do {
      again = false;
      if (tally.last > shown) await newer();
    } while (again);
  } catch (error) {
    if (error.name !== "AbortError") failed(error);
  } finally {
    working = false;
  }
  arranged();
}

// A browser has few connections to one server: a page that nobody sees leaves them to others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { source?.close(); live(false); } else connect();
});

// --- One message. ---

let open = null; // the number in the address, or null
let message = null;

function mark() {
  for (const item of list.querySelectorAll('a[aria-current="true"]')) item.removeAttribute("aria-current");
  rows.get(open)?.firstElementChild?.setAttribute("aria-current", "true");
}

async function route() {
  const [number, tab] = location.hash.slice(1).split("/");
  open = /^\d+$/.test(number) ? Number(number) : null;
  document.body.classList.toggle("open", open !== null);
  view.hidden = open === null;
  by("hint").hidden = open !== null;
  mark();
  if (open === null) { message = null; return; }
  if (message?.number === open) return choose(tab);
  const wanted = open;
  try {
    const told = await ask(`/api/messages/${wanted}`);
    if (wanted !== open) return;
    message = told;
    seen.add(wanted);
    rows.get(wanted)?.classList.remove("unseen");
    show(tab);
  } catch (error) {
    if (wanted !== open) return;
    message = null;
    view.replaceChildren(make("div", { className: "top" }, make("div", { className: "tools" }, back()), make("h2", {}, error.message)));
  }
}

const back = () => make("a", { href: "#", className: "button back", at: { "aria-label": "Back to the list" } }, "← Back");

function button(text, label, action, disabled = false) {
  return make("button", { type: "button", disabled, onclick: action, at: { "aria-label": label, title: label } }, text);
}

function show(tab) {
  const { envelope, client } = message;
  const lines = [
    ["From", message.from.length ? listed(message.from.map(person)) : ["—"]],
    ["To", listed(message.to.map(person))],
    ["Cc", listed(message.cc.map(person))],
    ["Envelope", [apart(envelope.from || "<>"), " → ", ...listed(envelope.recipients.map((to) => [apart(to)]))]],
    ["Came", [`${new Date(message.received).toLocaleString()} by ${message.protocol}${client.tls ? " with TLS" : ""}${client.user ? ` as ${client.user}` : ""}, ${size(message.size)}`]],
  ].filter(([, value]) => value.length);
  const file = (part, more) => make("li", {},
    make("a", { href: `/api/messages/${message.number}/parts/${part.number}`, at: { download: "", title: `${part.type}, part ${part.number}` } },
      make("span", { dir: "auto" }, fileName(part.name)), make("span", { className: "weak" }, `${size(part.size ?? 0)}${more}`)));
  const files = [...message.attachments.map((part) => file(part, "")), ...message.inline.map((part) => file(part, ", in the HTML"))];
  const tabs = make("div", { at: { role: "tablist", "aria-label": "Views of the message" } },
    ...Object.entries(VIEWS).filter(([, { is }]) => is(message)).map(([name, { title }]) =>
      make("button", { type: "button", id: `tab-${name}`, onclick: () => { location.replace(`#${message.number}/${name}`); },
        at: { role: "tab", "aria-controls": "panel" } }, title(message))));
  view.replaceChildren(
    make("div", { className: "top" },
      make("div", { className: "tools" }, back(),
        button("↑", "Message above (k)", () => step(-1)), button("↓", "Message below (j)", () => step(1)),
        make("span", { className: "gap" }),
        make("a", { className: "button", href: `/api/messages/${message.number}/raw`, at: { download: "", "aria-label": "Download the message" } }, "Download"),
        button("Delete", "Delete this message (d)", erase)),
      make("h2", { dir: "auto" }, message.subject || "(no subject)"),
      make("dl", { className: "about" }, ...lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { dir: "auto" }, ...value)])),
      files.length ? make("ul", { className: "files", at: { "aria-label": "Attachments" } }, ...files) : null,
      tabs),
    make("div", { id: "panel", tabIndex: 0, at: { role: "tabpanel" } }));
  choose(tab);
}

const VIEWS = {
  html: { title: () => "HTML", is: ({ html }) => html !== null, show: framed },
  text: { title: () => "Text", is: ({ text }) => text !== null, show: ({ text }) => [make("pre", { className: "text", dir: "auto" }, text), cutNote()] },
  links: { title: ({ links }) => `Links (${links.length})`, is: ({ links }) => links.length > 0, show: linked },
  headers: { title: () => "Headers", is: () => true, show: ({ headers }) => [make("table", {}, make("tbody", {}, ...headers.map(({ name, value }) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", { dir: "auto" }, value)))))] },
  structure: { title: () => "Structure", is: () => true, show: ({ structure }) => [make("ul", { className: "tree" }, branch(structure))] },
  source: { title: () => "Source", is: () => true, show: sourced },
};

function choose(tab) {
  const there = Object.keys(VIEWS).filter((name) => VIEWS[name].is(message));
  const name = there.includes(tab) ? tab : there[0];
  for (const button of view.querySelectorAll('[role="tab"]')) {
    const is = button.id === `tab-${name}`;
    button.setAttribute("aria-selected", is);
    button.tabIndex = is ? 0 : -1;
  }
  const panel = by("panel");
  panel.className = name === "html" ? "frame" : "";
  panel.setAttribute("aria-labelledby", `tab-${name}`);
  panel.replaceChildren(...VIEWS[name].show(message).filter(Boolean));
  panel.scrollTop = 0;
}

const cutNote = () => (message.cut ? make("p", { className: "weak" }, "It goes on: the whole is in the download.") : null);

// The frame may do nothing: see the policy that its content is served with, too.
function framed({ number, links }) {
  const frame = make("iframe", { title: "The HTML of the message", referrerPolicy: "no-referrer", at: { sandbox: "" } });
  frame.src = `/html/${number}`;
  const note = `Nothing here runs or is loaded from elsewhere${links.length ? ", and links lead nowhere: see “Links”." : "."}`;
  return [make("p", { className: "note" }, note), frame];
}

function linked({ links }) {
  // As the browser reads it: the host in ASCII, and nothing in it that is written backwards.
  const out = (href) => {
    const link = make("a", { href, target: "_blank", rel: "noopener noreferrer" });
    link.textContent = link.href;
    return link;
  };
  return [make("ul", { className: "links" }, ...links.map((href) => make("li", {}, out(href))))];
}

function branch({ number, type, name, disposition, charset, encoding, size: bytes, parts }) {
  const more = [charset, encoding, disposition, bytes === undefined || bytes === null ? null : size(bytes)].filter(Boolean).join(", ");
  const file = number && !parts ? make("a", { href: `/api/messages/${message.number}/parts/${number}`, at: { download: "" } }, fileName(name)) : null;
  return make("li", {}, number ? make("code", {}, number) : null, " ", make("strong", {}, type), " ",
    make("span", { className: "weak" }, more), " ", file, parts ? make("ul", {}, ...parts.map(branch)) : null);
}

function sourced({ number }) {
  const text = make("pre", {}, "…");
  const read = async () => {
    const reader = (await fetch(`/api/messages/${number}/raw`)).body.getReader();
    const decoder = new TextDecoder();
    let whole = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) { text.textContent = whole; return; }
      whole += decoder.decode(value, { stream: true });
      if (whole.length > SOURCE) {
        reader.cancel();
        text.textContent = whole.slice(0, SOURCE);
        text.after(make("p", { className: "weak" }, "It goes on: the whole is in the download."));
        return;
      }
    }
  };
  read().catch((error) => { text.textContent = error.message; });
  return [text];
}

/** Opens the message that is so many below. */
async function step(by) {
  const item = rows.get(open);
  let other = item ? (by > 0 ? item.nextElementSibling : item.previousElementSibling) : list.firstElementChild;
  if (!other && by > 0 && next !== null) {
    await older();
    other = item.nextElementSibling;
  }
  if (other) go(other);
}

function go(item) {
  const tab = location.hash.split("/")[1];
  const address = `#${item.dataset.number}${tab ? `/${tab}` : ""}`;
  if (open === null) location.hash = address; else location.replace(address);
  item.scrollIntoView({ block: "nearest" });
}

async function erase() {
  if (open === null) return;
  const item = rows.get(open);
  const neighbour = item?.nextElementSibling ?? item?.previousElementSibling;
  own += 1;
  try {
    await ask(`/api/messages/${open}`, { method: "DELETE" });
  } catch (error) {
    own -= 1;
    if (error.status !== 404) return say(error.message);
  }
  say("The message is deleted");
  rows.delete(open);
  item?.remove();
  arranged();
  if (neighbour) go(neighbour); else location.hash = "";
}

async function eraseAll() {
  by("erasing").close();
  try {
    await ask(`/api/messages${by("mailboxes").checked ? "?mailboxes" : ""}`, { method: "DELETE" });
    say("All messages are deleted");
    location.hash = "";
  } catch (error) {
    say(error.message);
  }
}

// --- Buttons and keys. ---

by("erase").onclick = () => { by("mailboxes").checked = false; by("erasing").showModal(); };
by("erase-no").onclick = () => by("erasing").close();
by("erase-yes").onclick = eraseAll;
by("help").onclick = () => by("helping").showModal();
by("help-end").onclick = () => by("helping").close();
by("home").onclick = () => { if (search.value) { search.value = ""; reload(); } };

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => search.focus(),
  d: erase,
  Delete: erase,
  "?": () => by("helping").showModal(),
  Escape: () => { if (open !== null) location.hash = ""; else if (search.value) { search.value = ""; reload(); } },
};
for (let number = 1; number <= 6; number += 1) KEYS[number] = () => view.querySelectorAll('[role="tab"]')[number - 1]?.click();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  if (target === search) {
    if (key === "Escape" || key === "Enter") search.blur();
    if (key === "Escape" && search.value) { search.value = ""; reload(); }
    if (key === "ArrowDown") { event.preventDefault(); list.querySelector("a")?.focus(); }
    return;
  }
  const item = target.closest?.("#list li");
  if (item && (key === "ArrowDown" || key === "ArrowUp")) {
    event.preventDefault();
    (key === "ArrowDown" ? item.nextElementSibling : item.previousElementSibling)?.firstElementChild?.focus();
    return;
  }
  if (target.role === "tab" && (key === "ArrowRight" || key === "ArrowLeft")) {
    const other = key === "ArrowRight" ? target.nextElementSibling : target.previousElementSibling;
    other?.click();
    other?.focus();
    return;
  }
  if (KEYS[key]) {
    event.preventDefault();
    KEYS[key]();
  }
});

window.addEventListener("hashchange", route);
connect();
