"use strict";
const all = selector => [...document.querySelectorAll(selector)];

const make = (tag, className, ...children) => {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
};
const part = (name, open, ...children) => {
  const made = make("details", "part", make("summary", "", name), ...children);
  made.open = open;
  return made;
};
const heads = names => make("thead", "", make("tr", "", ...names.map(name => make("th", "", name))));
const fields = record => make("table", "fields", ...Object.entries(record).map(([name, value]) =>
  make("tr", "", make("th", "", name), make("td", "", shown(value)))));
const list = records => {
  const names = [...new Set(records.flatMap(Object.keys))];
  const cell = (record, name) => {
    const made = make("td", "", shown(record[name] ?? null));
    made.dataset.label = name;
    return made;
  };
  const row = record => make("tr", "", ...names.map(name => cell(record, name)));
  return make("table", "list", heads(names), ...records.map(row));
};
// Octets are in one place; what holds some says where they are.
let pool = new Uint8Array();
const whole = value => {
  const [begin, length] = value?.["@"] ?? [];
  if (begin === undefined) return value;
  return Array.from(pool.subarray(begin, begin + length), octet => octet.toString(16).padStart(2, "0")).join("");
};
const shown = held => {
  const value = whole(held);
  if (Array.isArray(value) && typeof value[0] !== "object") return value.join(", ") || make("span", "none", "none");
  if (Array.isArray(value)) return list(value);
  if (value === null || value === "") return make("span", "none", "–");
  if (typeof value === "object") return fields(value);
  const text = String(value);
  return text.length > 24 && !text.includes(" ") ? make("span", "octets", text) : text;
};
// A message opened: its header, its payloads, its octets.
const message = ({header, encrypted, payloads, octets}) => {
  const parts = [part(payloads.length || !encrypted ? "header" : "packet", false, fields(header))];
  if (encrypted && payloads.length) parts.push(make("p", "where", "inside SK, decrypted"));
  parts.push(...payloads.map(([name, record]) => part(name, true, fields(record))));
  if (encrypted && !payloads.length && "exchange" in header) parts.push(make("p", "none", "SK contains no payloads."));
  parts.push(part("octets", false, ...octets.map(([where, held]) => [where, whole(held)]).flatMap(([where, hex]) =>
    [make("p", "where", `${where}, ${hex.length / 2} octets`), make("p", "octets", hex)])));
  return parts;
};

// The inside of each section is in one compressed text: unpacked at once, parsed when its section is opened.
let stories = [];
const unpacked = id => {
  const text = atob(document.getElementById(id).textContent), octets = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) octets[place] = text.charCodeAt(place);
  return new Response(new Blob([octets]).stream().pipeThrough(new DecompressionStream("gzip")));
};
const unpack = async () => {
  pool = new Uint8Array(await unpacked("octets").arrayBuffer());
  stories = await unpacked("stories").json();
};

// What is in a template costs nothing until its details element is opened.
const fill = details => {
  const story = details.dataset.story;
  if (story in stories && !details.dataset.filled) {
    details.dataset.filled = "true";
    details.insertAdjacentHTML("beforeend", stories[story]);
  }
  for (const inert of details.querySelectorAll(":scope > template")) inert.replaceWith(inert.content);
  for (const inert of details.querySelectorAll(":scope > .opened > template"))
    inert.replaceWith(...message(JSON.parse(inert.content.textContent)));
  for (const open of details.querySelectorAll("details[open]")) fill(open);
};
document.addEventListener("toggle", event => { if (event.target.open) fill(event.target); }, true);
const open = details => { details.open = true; fill(details); };

// Items with the same name are one thing: a row of the table, and its section.
const items = new Map();
for (const element of all("[data-item]")) {
  const name = element.dataset.item || element.id;
  items.set(name, [...(items.get(name) ?? []), element]);
}
const texts = new Map();
// A story as text, without the messages' fields, which are data.
const plain = story => story.replace(/<template>\{[^<]*<\/template>/g, " ").replace(/<[^>]*>/g, " ")
  .replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&#3[49];/g, "'").replace(/&amp;/g, "&");
const text = name => {
  if (!texts.has(name)) {
    const inside = element => [element, ...[...element.querySelectorAll("template")].map(inert => inert.content)];
    const untold = items.get(name).flatMap(element => [...element.querySelectorAll("[data-story]:not([data-filled])")]);
    const parts = items.get(name).flatMap(inside).map(part => part.textContent);
    parts.push(...untold.map(details => plain(stories[details.dataset.story] ?? "")));
    texts.set(name, parts.join(" ").toLowerCase());
  }
  return texts.get(name);
};
const bar = document.querySelector(".filter"), search = bar?.querySelector("[type=search]");
const narrow = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = all("[data-facet]").filter(facet => facet.value);
  let shown = 0;
  for (const [name, elements] of items) {
    const has = facet => elements.some(each => (each.dataset[facet.dataset.facet] ?? "").split("|").includes(facet.value));
    const fits = wanted.every(has) && words.every(word => text(name).includes(word));
    for (const element of elements) element.hidden = !fits;
    shown += fits;
  }
  // What was searched for is shown also where it is folded away.
  if (words.length || wanted.length)
    for (const folded of all("details.fold")) folded.open = Boolean(folded.querySelector("[data-item]:not([hidden])"));
  bar.querySelector("output").textContent = `${shown} of ${items.size} shown`;
};
if (bar) {
  bar.addEventListener("submit", event => event.preventDefault());
  bar.addEventListener("input", narrow);
  addEventListener("keydown", event => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
  narrow();
}

for (const button of all("[data-open]"))
  button.addEventListener("click", () => {
    for (const story of all("details.story, details.conversation").filter(each => !each.closest("[hidden]")))
      button.dataset.open === "true" ? open(story) : (story.open = false);
  });

// A link to a section opens it.
const visit = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const story = target?.querySelector("details.story");
  if (story) { open(story); target.scrollIntoView(); }
};
addEventListener("hashchange", visit);

// When all is there: what is open at first, or linked to, is shown.
const start = () => {
  all("details[open]").forEach(fill);
  texts.clear();
  if (bar) narrow();
  if (location.hash) visit();
  performance.mark("ready");
};
const packed = document.getElementById("stories");
const ready = packed ? unpack().then(start, error => {
  packed.before(make("p", "reason", `This browser cannot unpack the scenarios: ${error}`));
}) : start();

// Print what is shown, with its ladders.
addEventListener("beforeprint", () => {
  for (const kind of ["details.story, details.all", "details.requirements, details.conversation"])
    for (const closed of all(kind).filter(each => !each.closest("[hidden]"))) open(closed);
});
