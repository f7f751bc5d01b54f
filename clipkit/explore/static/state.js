// What is asked: kept in the address's fragment, so that a reload or the Back button brings it back.
export const state = {
  text: "",
  image: null,   // id of a picture of the set
  picture: null, // key of a visitor's picture
  weight: 0.5,
  to: "images",
  view: "0",     // "0", "1" or "both"
};

export const asksNothing = () => !state.text.trim() && state.image === null && !state.picture;
export const hasPicture = () => state.image !== null || !!state.picture;

// question is the state as api/search takes it.
export function question(model) {
  const q = { model, to: state.to };
  if (state.text.trim()) q.text = state.text;
  if (state.image !== null) q.image = state.image;
  if (state.picture) q.picture = state.picture;
  if (q.text && hasPicture()) q.weight = state.weight;
  return q;
}

export function load(models) {
  const p = new URLSearchParams(location.hash.slice(1));
  const image = p.get("image");
  state.text = p.get("q") || "";
  state.image = /^-?\d+$/.test(image || "") ? Number(image) : null;
  state.picture = p.get("picture");
  state.weight = p.has("weight") ? Math.min(1, Math.max(0, Number(p.get("weight")) || 0)) : 0.5;
  state.to = p.get("to") === "texts" ? "texts" : "images";
  state.view = models > 1 && ["0", "1", "both"].includes(p.get("view")) ? p.get("view") : models > 1 ? "both" : "0";
}

// save writes the address; step makes it one that Back returns to.
export function save(step) {
  const p = new URLSearchParams();
  if (state.text.trim()) p.set("q", state.text);
  if (state.image !== null) p.set("image", state.image);
  if (state.picture) p.set("picture", state.picture);
  if (state.text.trim() && hasPicture()) p.set("weight", state.weight);
  if (state.to !== "images") p.set("to", state.to);
  if (state.view !== "0") p.set("view", state.view);
  const hash = "#" + p;
  if (hash === location.hash || (hash === "#" && !location.hash)) return;
  history[step ? "pushState" : "replaceState"](null, "", hash);
}
