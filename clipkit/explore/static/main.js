// Puts the page together: what is asked, the panes that answer, keys, pasting and dropping.
import { element, get, Refused, send } from "./api.js";
import { open } from "./detail.js";
import { Answer, Everything } from "./lists.js";
import { Pane } from "./pane.js";
import { scores } from "./scores.js";
import { asksNothing, hasPicture, load, save, state } from "./state.js";
import { isChinese, recall, remember, setChinese, t, translate } from "./words.js";

const $ = (id) => document.getElementById(id);
let info, panes = [], suggestions = [];

function trouble(e) {
  if (e?.name === "AbortError") return;
  const text = e instanceof Refused ? (e.status === 410 ? t("gone") : e.message) : e instanceof TypeError ? t("lost") : String(e?.message || e);
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
  clearTimeout(trouble.timer);
  trouble.timer = setTimeout(() => { $("trouble").hidden = true; }, 8000);
}

// What is asked.

let typing, asking = new AbortController();

// ask answers the state. An answer that a later question has overtaken is never shown: its request is dropped.
async function ask(step) {
  clearTimeout(typing);
  save(step);
  controls();
  asking.abort();
  asking = new AbortController();
  const signal = asking.signal, shown = panes.filter((p) => !p.section.hidden);
  try {
    if (asksNothing()) {
      for (const p of shown) {
        const all = new Everything(info.pictures);
        all.failed = trouble;
        p.show(all, null);
      }
      took();
    } else {
      const answers = await Promise.all(shown.map((p) => Answer.open(p.model, signal)));
      if (signal.aborted) return;
      shown.forEach((p, i) => {
        answers[i].failed = trouble;
        p.show(answers[i], answers.length > 1 ? answers[1 - i] : null);
      });
      took();
      tally(shown, answers, signal, !step);
    }
    scores.count();
    document.body.dataset.answered = location.hash; // for tests and for screen readers' status
    $("trouble").hidden = true;
  } catch (e) {
    if (e instanceof Refused && e.status === 410) { state.picture = null; chip(); controls(); }
    if (!signal.aborted) trouble(e);
  }
}

// took tells how long the answer that is shown has taken.
function took() {
  const f = panes.find((p) => !p.section.hidden)?.list?.found;
  $("state").textContent = f ? t("took", f.encode_ms.toFixed(1), f.search_ms.toFixed(1)) : "";
}

// tally counts labelled queries: each once however it is written, those for pictures and those for captions by themselves, and of what one types only
// what it comes to, so that a caption on the way to a longer text is none.
const asked = {};
let onTheWay = null; // the text that typing has come to, while it may go on
const same = (text) => text.trim().toLowerCase();

function tally(shown, answers, signal, typed) {
  const text = same(state.text), to = state.to;
  const key = to + " " + (state.image ?? "") + " " + text;
  if (typed && onTheWay && text !== onTheWay && text.startsWith(onTheWay)) {
    for (const counted of Object.values(asked)) delete counted[to]?.[to + "  " + onTheWay];
  }
  onTheWay = typed && state.image === null && text ? text : null;
  const write = () => shown.forEach((p) => {
    const all = Object.values(asked[p.model]?.[to] || {});
    if (!all.length || !p.sofar) return;
    const share = [0, 1, 2].map((k) => Math.round((100 * all.reduce((sum, at) => sum + at[k], 0)) / all.length));
    p.sofar.textContent = p.sofar.title = t("sofar", all.length, ...share);
  });
  write();
  setTimeout(() => {
    if (signal.aborted) return;
    shown.forEach((p, i) => {
      const l = answers[i].found.labelled;
      if (l) ((asked[p.model] ||= {})[to] ||= {})[key] = l.at;
    });
    write();
  }, 700);
}

function setPicture(image, key, url) {
  Object.assign(state, { image, picture: key });
  chip(url);
}

// chip shows the picture that is asked with.
function chip(url) {
  if ($("chip-picture").src.startsWith("blob:") && $("chip-picture").src !== url) URL.revokeObjectURL($("chip-picture").src);
  $("chip").hidden = !hasPicture();
  if (state.image !== null) $("chip-picture").src = `thumb/${info.set}/192/${state.image}`;
  else if (url) $("chip-picture").src = url;
  else $("chip-picture").removeAttribute("src");
}

// take searches with a file that was pasted, dropped or chosen.
async function take(file) {
  if (!file?.type.startsWith("image/")) { trouble(new Error(t("notPicture"))); return; }
  try {
    const { picture } = await send(file);
    setPicture(null, picture, URL.createObjectURL(file));
    await ask(true);
  } catch (e) { trouble(e); }
}

// controls follow the state.
function controls() {
  if ($("text").value !== state.text) $("text").value = state.text;
  $("mix").hidden = !(state.text.trim() && hasPicture());
  $("weight").value = state.weight;
  choose($("to"), info.models.every((m) => m.to_texts) ? [["images", t("toImages")], ["texts", t("toTexts")]] : [], "to");
  choose($("view"), info.models.length > 1 ? [["0", info.models[0].name], ["1", info.models[1].name], ["both", t("both")]] : [], "view");
  panes.forEach((p, i) => { p.section.hidden = state.view !== "both" && state.view !== String(i); });
}

function choose(place, options, key) {
  const had = place.contains(document.activeElement);
  place.replaceChildren(...options.map(([value, text]) => {
    const b = element("button", "", text), on = state[key] === value;
    b.type = "button";
    b.setAttribute("role", "radio");
    b.ariaChecked = on;
    b.tabIndex = on ? 0 : -1;
    b.onclick = () => { state[key] = value; ask(true); };
    b.onkeydown = (e) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (!step) return;
      const at = options.findIndex(([v]) => v === state[key]);
      state[key] = options[(at + step + options.length) % options.length][0];
      ask(true);
      e.preventDefault();
    };
    return b;
  }));
  if (had) place.querySelector("[aria-checked=true]")?.focus();
}

// act is what a reader did with a result.
function act(name, item, i, pane) {
  if (name === "why") { open(info, pane.model, item, (next, x) => act(next, x, i, pane)); return; }
  if (item.text !== undefined) { // a caption: look for its pictures
    state.text = item.text;
    state.to = "images";
    setPicture(null, null);
  } else {
    state.text = "";
    if (name === "captions") state.to = "texts"; else state.to = "images";
    setPicture(item.id, null);
  }
  ask(true);
}

// Suggestions are captions of the set.
async function suggest() {
  if (!info.texts) return;
  const from = Math.floor(Math.random() * Math.max(1, info.texts - 200));
  const { texts } = await get(`api/texts?from=${from}&n=200`);
  suggestions = texts.filter((x) => x.text.length <= 80).sort(() => Math.random() - 0.5).slice(0, 12).map((x) => x.text);
  drawSuggestions();
}

function drawSuggestions() {
  $("try").hidden = !suggestions.length;
  $("try").replaceChildren(element("span", "", t("try")), ...suggestions.map((text) => {
    const b = element("button", "", text);
    b.type = "button";
    b.onclick = () => { state.text = text; setPicture(null, null); ask(true); };
    return b;
  }));
}

function dress() {
  translate();
  $("chip-picture").alt = t("asked");
  $("language").textContent = isChinese() ? "EN" : "中";
  $("set").textContent = t("set", info.pictures.toLocaleString(), info.texts.toLocaleString());
  controls();
  drawSuggestions();
  scores.draw();
  took();
  for (const p of panes) { p.title(); if (p.list) p.grid.redraw(); }
}

function keysHelp() {
  const table = element("table"), rows = [["/", "keySearch"], ["← ↑ ↓ → PgUp PgDn", "keyMove"], ["Enter", "keyLike"], ["w", "keyWhy"], ["t", "keyTo"], ["m", "keyView"], ["Esc", "keyEscape"]];
  for (const [key, what] of rows) {
    const tr = table.insertRow(), cell = tr.insertCell();
    for (const k of key.split(" ")) cell.append(element("kbd", "", k), " ");
    tr.insertCell().textContent = t(what);
  }
  const close = element("button", "plain close", "✕");
  close.ariaLabel = t("close");
  close.onclick = () => $("keys").close();
  $("keys").replaceChildren(close, element("h3", "", t("help")), table);
  $("keys").showModal();
}

function press(e) {
  if (e.isComposing || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
  const inText = e.target === $("text");
  if (e.key === "Escape") {
    if (asksNothing() && !inText) return;
    state.text = "";
    setPicture(null, null);
    ask(true);
  } else if (inText && e.key === "ArrowDown") {
    panes.find((p) => !p.section.hidden).grid.enter();
  } else if (inText || e.target.matches("input")) return;
  else if (e.key === "/") $("text").focus();
  else if (e.key === "?") keysHelp();
  else if (e.key === "t" && $("to").children.length) { state.to = state.to === "images" ? "texts" : "images"; ask(true); }
  else if (e.key === "m" && info.models.length > 1) { state.view = { 0: "1", 1: "both", both: "0" }[state.view]; ask(true); }
  else return;
  e.preventDefault();
}

function listen() {
  const typed = () => {
    state.text = $("text").value;
    clearTimeout(typing);
    typing = setTimeout(() => ask(false), 60);
  };
  $("text").addEventListener("input", (e) => { if (!e.isComposing) typed(); }); // not for the letters of an unfinished character
  $("text").addEventListener("compositionend", typed);
  $("ask").addEventListener("submit", (e) => { e.preventDefault(); ask(true); });
  $("weight").addEventListener("input", () => {
    state.weight = Number($("weight").value);
    clearTimeout(typing);
    typing = setTimeout(() => ask(false), 80);
  });
  $("file").addEventListener("change", () => { if ($("file").files[0]) take($("file").files[0]); $("file").value = ""; });
  $("chip-close").onclick = () => { setPicture(null, null); ask(true); $("text").focus(); };
  addEventListener("paste", (e) => {
    const file = [...(e.clipboardData?.files || [])].find((f) => f.type.startsWith("image/"));
    if (file) { e.preventDefault(); take(file); }
  });
  const files = (e) => e.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (e) => { if (files(e)) { e.preventDefault(); document.body.classList.add("dropping"); } });
  addEventListener("dragleave", (e) => { if (!e.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (e) => {
    document.body.classList.remove("dropping");
    if (files(e)) { e.preventDefault(); take(e.dataTransfer.files[0]); }
  });
  addEventListener("keydown", press);
  addEventListener("popstate", () => { load(info.models.length); chip(); ask(false); });
  $("language").onclick = () => { setChinese(!isChinese()); dress(); };
  $("theme").onclick = () => theme({ auto: "light", light: "dark", dark: "auto" }[recall("theme") || "auto"]);
  $("help").onclick = keysHelp;
}

function theme(which) {
  remember("theme", which);
  if (which === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = which;
}

async function begin() {
  theme(recall("theme") || "auto");
  translate();
  info = await get("api/info");
  $("title").textContent = document.title = info.title || info.source;
  load(info.models.length);
  panes = info.models.map((_, i) => new Pane($("panes"), info, i, act));
  scores.begin(info, panes);
  listen();
  dress();
  chip();
  await ask(false);
  if (window === window.top && !matchMedia("(pointer: coarse)").matches) $("text").focus(); // in a notebook the keys are the notebook's
  await suggest();
}

begin().catch(trouble);
