"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const STEP = 120; // people and bubbles drawn at a time; the rest as one scrolls
const NAMES = { sms: "Messages", whatsapp: "WhatsApp", email: "E-mail" };
const ZONES = { "Asia/Jakarta": "WIB", "Asia/Pontianak": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT" };
const PHONE = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><rect x="6" y="2" width="12" height="20" rx="2.5"/><path d="M11 18h2"/></svg>';
const OFFICE = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M3 21h18M5 21V9l7-5 7 5v12M9 21v-6h6v6"/></svg>';
const CLIP = '<svg viewBox="0 0 24 24" width="14" height="14" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" style="vertical-align:-2px"><path d="m21 11-8.6 8.600a5.5 5.5 0 0 1-7.8-7.800l8.6-8.600a3.7 3.7 0 0 1 5.2 5.200l-8.6 8.600a1.8 1.8 0 0 1-2.6-2.600l8-8"/></svg>';
const view = { channel: "", words: [], person: null, mail: null, plain: false };
const packs = new Map();
const formats = new Map();

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.onclick = value;
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
function drawing(markup, attributes) {
  const element = make("span", attributes);
  element.innerHTML = markup; // only the fixed drawings above
  return element;
}
function written(message, kind) {
  const key = (message.zone || "") + kind;
  if (!formats.has(key)) {
    const options = { day: { day: "numeric", month: "long", year: "numeric" }, short: { day: "numeric", month: "short" }, time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } }[kind];
    if (message.zone) options.timeZone = message.zone;
    formats.set(key, new Intl.DateTimeFormat("en-GB", options));
  }
  return formats.get(key).format(new Date(message.at));
}
const clock = (message) => written(message, "time") + (ZONES[message.zone] ? " " + ZONES[message.zone] : "");
const isBad = (message) => message.state === "failed" || message.state === "refused";

function matches(message) {
  if (view.channel && message.channel !== view.channel) return false;
  if (!view.words.length) return true;
  message.hay ??= [message.to, message.name, message.subject, message.snippet, message.text, message.from].join("\n").toLowerCase();
  return view.words.every((word) => message.hay.includes(word));
}
function people() {
  const found = new Map();
  for (const message of DATA.messages) {
    if (!matches(message)) continue;
    let person = found.get(message.to);
    if (!person) found.set(message.to, (person = { to: message.to, name: message.name || "", all: [], bad: 0 }));
    person.all.push(message);
    person.last = message;
    if (message.name) person.name = message.name;
    if (isBad(message)) person.bad += 1;
  }
  return [...found.values()].sort((one, other) => (one.last.at < other.last.at ? 1 : one.last.at > other.last.at ? -1 : other.last.n - one.last.n));
}
function face(person) {
  let hue = 0;
  for (const sign of person.to) hue = (hue * 31 + sign.codePointAt(0)) % 360;
  const style = "--hue:" + hue;
  if (!person.to.includes("@")) return drawing(PHONE, { class: "face", style, "aria-hidden": "true" });
  return make("span", { class: "face", style, "aria-hidden": "true" }, (person.name || person.to).slice(0, 1).toUpperCase());
}
function row(person) {
  const title = person.name || person.to;
  const last = person.last.subject || person.last.text || "";
  const tally = person.bad ? person.bad + " failed" : String(person.all.length);
  const button = make("button", { type: "button", "aria-current": String(person.to === view.person), onclick: () => choose(person.to) },
    face(person),
    make("span", { class: "line" }, make("span", { class: "who", dir: "auto" }, title), make("span", { class: "when" }, written(person.last, "short"))),
    make("span", { class: "line" }, make("span", { class: "last", dir: "auto" }, last.replace(/\s+/g, " ").slice(0, 90)),
      make("span", { class: person.bad ? "tally bad" : "tally", "aria-label": person.all.length + " messages, " + person.bad + " failed" }, tally)));
  button.dataset.to = person.to;
  return make("li", null, button);
}
/** Put items into a list, some now and more whenever the end comes into sight. */
function inParts(list, items, draw) {
  let next = 0;
  const more = () => {
    const end = Math.min(next + STEP, items.length);
    for (; next < end; next += 1) list.append(draw(items[next], next));
    if (next < items.length) {
      const sentinel = make("li", { "aria-hidden": "true", style: "height:1px" });
      list.append(sentinel);
      new IntersectionObserver((seen, watcher) => {
        if (!seen.some((each) => each.isIntersecting)) return;
        watcher.disconnect();
        sentinel.remove();
        more();
      }, { root: list, rootMargin: "400px" }).observe(sentinel);
    }
  };
  list.replaceChildren();
  more();
}
function refresh() {
  const found = people();
  if (!found.some((person) => person.to === view.person)) view.person = found.length ? found[0].to : null;
  const total = found.reduce((sum, person) => sum + person.all.length, 0);
  document.getElementById("count").textContent = total.toLocaleString("en") + (total === 1 ? " message to " : " messages to ") + found.length.toLocaleString("en") + (found.length === 1 ? " recipient" : " recipients");
  inParts(document.getElementById("people"), found, row);
  show(found.find((person) => person.to === view.person));
}
function choose(to) {
  view.person = to;
  view.mail = null;
  history.replaceState(null, "", "#" + encodeURIComponent(to));
  for (const button of document.querySelectorAll("#people button")) button.setAttribute("aria-current", String(button.dataset.to === to));
  show(people().find((person) => person.to === to));
}
function show(person) {
  const stage = document.getElementById("stage");
  if (!person) {
    const [title, text] = DATA.messages.length ? ["Nothing found", "No message fits this search and channel."] : ["No messages yet", "Messages that the sandbox delivers are shown here."];
    stage.replaceChildren(make("div", { class: "empty" }, make("h2", null, title), make("p", null, text)));
    return;
  }
  const mails = person.all.filter((message) => message.channel === "email");
  if (mails.length) return showMail(stage, person, mails.reverse());
  const phones = ["whatsapp", "sms"].map((channel) => [channel, person.all.filter((message) => message.channel === channel)]);
  stage.replaceChildren(make("div", { class: "phones" }, ...phones.filter(([, messages]) => messages.length).map(([channel, messages]) => phone(channel, person, messages))));
  for (const talk of stage.querySelectorAll(".talk")) talk.scrollTop = talk.scrollHeight;
}
function phone(channel, person, messages) {
  const recent = messages.slice(-STEP);
  const talk = make("div", { class: "talk", tabindex: "0", role: "log", "aria-label": NAMES[channel] + " of " + person.to });
  if (recent.length < messages.length) talk.append(make("p", { class: "day" }, messages.length - recent.length + " older messages are in inbox.jsonl"));
  let day = "";
  for (const message of recent) {
    if (written(message, "day") !== day) talk.append(make("p", { class: "day" }, (day = written(message, "day"))));
    talk.append(bubble(message));
  }
  const sender = messages[messages.length - 1].from.replace(/^whatsapp:/, "") || NAMES[channel];
  return make("article", { class: "phone " + channel }, make("div", { class: "screen" },
    make("header", null, drawing(OFFICE, { class: "face" }), make("div", null, make("h2", null, sender), make("p", null, NAMES[channel] + " on " + person.to))), talk));
}
function bubble(message) {
  const foot = make("div", { class: "foot" });
  if (message.segments) foot.append(make("span", { title: message.encoding }, message.segments + (message.segments === 1 ? " part" : " parts") + " " + message.encoding));
  foot.append(make("time", { datetime: message.at }, clock(message)), ticks(message));
  return make("div", { class: "bubble " + message.state },
    isBad(message) ? make("p", { class: "verdict" }, verdict(message)) : null,
    make("div", { class: "text", dir: "auto" }, ...pieces(message.text, message.channel === "whatsapp")), foot);
}
const verdict = (message) => (message.state === "refused" ? "Not sent: " : "Not delivered: ") + (message.why || "") + (message.code ? " (" + message.code + ")" : "");
function ticks(message) {
  const [signs, words] = { accepted: ["✓", "taken, no receipt"], delivered: ["✓✓", "delivered"], read: ["✓✓", "read"] }[message.state] || ["!", message.state];
  return make("span", { class: "ticks " + message.state, title: words, role: "img", "aria-label": words }, signs);
}
/** Text with links made to work, and WhatsApp's *bold* and _slanted_ shown as WhatsApp shows them. */
function pieces(text, styled) {
  const pattern = styled ? /(https?:\/\/[^\s<>"]+)|(?<![\w*])\*([^*\n]+)\*(?![\w*])|(?<![\w_])_([^_\n]+)_(?![\w_])/g : /(https?:\/\/[^\s<>"]+)/g;
  const out = [];
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    out.push(text.slice(from, found.index));
    if (found[1]) out.push(make("a", { href: found[1], target: "_blank", rel: "noreferrer noopener" }, found[1]));
    else out.push(make(found[2] ? "strong" : "em", null, found[2] || found[3]));
    from = found.index + found[0].length;
  }
  return [...out, text.slice(from)];
}
function showMail(stage, person, mails) {
  const list = make("div", { class: "subjects", role: "list", "aria-label": "Mails to " + person.to });
  const letter = make("article", { class: "letter" });
  const read = (mail) => {
    view.mail = mail;
    list.querySelectorAll("button").forEach((button) => button.setAttribute("aria-current", String(Number(button.dataset.n) === mail.n)));
    drawLetter(letter, person, mail);
  };
  inParts(list, mails, (mail) => {
    const button = make("button", { type: "button", role: "listitem", "data-n": mail.n, onclick: () => read(mail) },
      make("div", { class: "from" }, make("span", null, sender(mail)), make("span", null, written(mail, "short"))),
      make("div", { class: "subject", dir: "auto" }, mail.subject), make("span", { class: "last", dir: "auto" }, mail.snippet || ""));
    return button;
  });
  stage.replaceChildren(make("div", { class: "mail" }, list, letter));
  read(mails.find((mail) => view.mail && mail.n === view.mail.n) || mails[0]);
}
const sender = (mail) => mail.from.replace(/\s*<.*>$/, "").replace(/^"(.*)"$/, "$1") || mail.from;
function drawLetter(letter, person, mail) {
  const toggle = (plain, label) => make("button", { type: "button", "aria-pressed": String(view.plain === plain), onclick: () => { view.plain = plain; drawLetter(letter, person, mail); } }, label);
  const file = "email/delivery-" + mail.id + ".eml";
  const tools = make("div", { class: "tools" }, toggle(false, "As sent"), toggle(true, "Plain text"),
    ...(mail.attachments || []).map((each) => make("span", { class: "chip", title: each.type }, drawing(CLIP, { "aria-hidden": "true" }), each.name, make("small", null, size(each.size)))),
    mail.state === "refused" ? null : make("a", { class: "chip", href: file }, "Source file"),
    make("span", { class: "state" }, ticks(mail), " " + ({ accepted: "taken", delivered: "delivered" }[mail.state] || mail.state)));
  const facts = [["From", mail.from], ["To", mail.name ? mail.name + " <" + mail.to + ">" : mail.to], ["Sent", written(mail, "day") + ", " + clock(mail)], ["Language", mail.language]];
  letter.replaceChildren(make("header", null, isBad(mail) ? make("p", { class: "verdict" }, verdict(mail)) : null,
    make("h2", { dir: "auto" }, mail.subject), make("dl", null, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", null, name), make("dd", null, value)])), tools));
  bodyOf(mail).then((body) => {
    if (view.mail !== mail) return;
    letter.querySelector("iframe,pre")?.remove();
    letter.append(view.plain || !body.html ? make("pre", { dir: "auto", tabindex: "0" }, body.text) : frame(mail, body.html));
  }, () => letter.append(make("pre", null, "This browser cannot unpack the mail. Open " + file + " instead.")));
}
function frame(mail, html) {
  const rules = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'; img-src data:"><base target="_blank">';
  // No scripts, no access to this page; links open elsewhere.
  return make("iframe", { title: mail.subject, sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer", srcdoc: "<!doctype html>" + rules + html });
}
const size = (bytes) => (bytes < 1024 ? bytes + " B" : Math.round(bytes / 1024) + " kB");
/** The bodies of mails are packed by the dozen (gzip) and unpacked when one is opened. */
async function bodyOf(mail) {
  if (!packs.has(mail.pack)) {
    const bytes = Uint8Array.from(atob(DATA.packs[mail.pack]), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    packs.set(mail.pack, new Response(stream).json());
  }
  return (await packs.get(mail.pack))[mail.place];
}
function start() {
  for (const button of document.querySelectorAll(".channels button")) {
    const channel = button.dataset.channel;
    button.querySelector("b").textContent = DATA.messages.filter((message) => !channel || message.channel === channel).length.toLocaleString("en");
    button.onclick = () => {
      view.channel = channel;
      document.querySelectorAll(".channels button").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      refresh();
    };
  }
  let waiting = 0;
  document.getElementById("search").oninput = (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { view.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean); refresh(); }, 120);
  };
  document.getElementById("people").onkeydown = (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const next = step && document.activeElement.parentElement[step]?.querySelector("button");
    if (next) { event.preventDefault(); next.focus(); next.click(); }
  };
  view.person = decodeURIComponent(location.hash.slice(1)) || null;
  refresh();
}
start();
