// A look at one result, and why it ranks where it does.
import { element, post } from "./api.js";
import { asksNothing, hasPicture, state } from "./state.js";
import { described, t } from "./words.js";

const dialog = document.querySelector("#detail");

// open shows a picture of the set, or a caption with the picture that was asked; act takes "like" and "captions" further.
export async function open(info, model, item, act) {
  const caption = item.text !== undefined;
  const id = caption ? state.image ?? item.pictures?.[0] : item.id;
  const look = element("div", "look"), facts = element("div", "facts"), canvas = element("canvas");
  if (caption && state.picture) {
    const own = element("img");
    own.src = document.querySelector("#chip-picture").src;
    own.alt = t("asked");
    look.append(own);
  } else {
    const img = element("img");
    img.src = `thumb/${info.set}/768/${id}`;
    img.alt = caption ? (state.image === null ? item.text : t("asked")) : described(item);
    look.append(img);
  }
  look.append(canvas);
  facts.append(element("h3", "", item.score === undefined ? "#" + item.id : t("score", item.score.toFixed(4)) + " · " + info.models[model].name));
  facts.append(element("div", "quiet", t("captions")));
  const list = element("ul");
  for (const text of caption ? [item.text] : item.captions || []) {
    const line = element("li", "", text);
    line.dir = "auto";
    list.append(line);
  }
  facts.append(list);
  const why = element("div"), row = element("div", "row"), close = element("button", "plain close", "✕");
  why.id = "why";
  close.ariaLabel = t("close");
  close.onclick = () => dialog.close();
  for (const [name, key] of caption ? [] : [["like", "like"], ...(info.models[model].to_texts ? [["captions", "captionsOf"]] : [])]) {
    const b = element("button", "", t(key));
    b.onclick = () => { dialog.close(); act(name, item); };
    row.append(b);
  }
  facts.append(why, row);
  const sides = element("div", "sides");
  sides.append(look, facts);
  dialog.ariaLabel = t("why");
  dialog.replaceChildren(close, sides);
  dialog.showModal();
  close.focus();
  if (asksNothing() || (caption && !hasPicture())) {
    why.append(element("p", "note", t(caption ? "twoTexts" : "noQuery")));
    return;
  }
  why.append(element("p", "note", t("working")));
  await explain(model, item, id, caption, why, canvas);
}

async function explain(model, item, id, caption, why, canvas) {
  const ask = { model };
  if (caption) { // the pair is this caption and the picture that was asked
    ask.text = item.text;
    if (state.picture) ask.picture = state.picture; else ask.image = id;
  } else {
    ask.image = id;
    if (state.text.trim()) ask.text = state.text;
    if (state.image !== null) ask.near_image = state.image;
    if (state.picture) ask.near_picture = state.picture;
    if (ask.text && hasPicture()) ask.weight = state.weight;
  }
  const stop = new AbortController();
  dialog.addEventListener("close", () => stop.abort(), { once: true });
  try {
    const w = await post("api/why", ask, stop.signal);
    why.replaceChildren();
    if (w.tokens.length) why.append(element("div", "quiet", t("tokens")), tokens(w.tokens));
    why.append(element("p", "note", t("whyNote")));
    heat(canvas, w);
    canvas.role = "img";
    canvas.ariaLabel = t("heat");
    why.dataset.done = "1";
  } catch (e) {
    if (!stop.signal.aborted) why.replaceChildren(element("p", "down", e.message));
  }
}

// Blue and orange: colours that most pictures leave free, and that nobody takes for each other.
const support = [29, 78, 216], hinder = [234, 88, 12];
const colour = (share, most) => `rgb(${(share >= 0 ? support : hinder).join(" ")} / ${Math.min(0.7, (0.7 * Math.abs(share)) / most)})`;
const largest = (shares) => Math.max(1e-6, ...shares.map(Math.abs));

function tokens(list) {
  const box = element("div", "tokens"), most = largest(list.map((x) => x.share));
  for (const x of list) {
    const e = element("span", "", x.text);
    e.style.background = colour(x.share, most);
    e.append(element("small", "", (x.share >= 0 ? "+" : "") + x.share.toFixed(3)));
    box.append(e);
  }
  return box;
}

// heat lays the cells over the picture; the browser smooths them.
function heat(canvas, w) {
  canvas.width = canvas.height = w.grid;
  const g = canvas.getContext("2d"), most = largest(w.patches);
  w.patches.forEach((share, i) => {
    g.fillStyle = colour(share, most);
    g.fillRect(i % w.grid, Math.floor(i / w.grid), 1, 1);
  });
}
