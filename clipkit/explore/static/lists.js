// What a grid shows: the whole set, or the answer to a question. Items come in parts, as they are wanted.
import { get, post } from "./api.js";
import { question, state } from "./state.js";

const part = 100;

class List {
  constructor(length) {
    this.length = length;
    this.items = [];
    this.wanted = new Set();
    this.changed = () => {}; // called when items have come
    this.failed = () => {};
  }
  get(i) { return this.items[i]; }
  want(i) {
    const at = Math.floor(i / part);
    if (this.wanted.has(at)) return;
    this.wanted.add(at);
    this.load(at * part).then(this.changed, (e) => { this.wanted.delete(at); this.failed(e); });
  }
  put(from, items) { items.forEach((x, k) => { this.items[from + k] = x; }); }
}

// Everything is the set in storage order.
export class Everything extends List {
  async load(from) {
    this.put(from, (await get(`api/pictures?from=${from}&n=${part}`)).pictures);
  }
}

// Answer is a ranking; open asks for its first part.
export class Answer extends List {
  static async open(model, signal) {
    const a = new Answer(0);
    a.question = question(model);
    a.lines = state.to === "texts";
    a.signal = signal;
    await a.load(0);
    a.wanted.add(0);
    return a;
  }
  async load(from) {
    const found = await post("api/search", { ...this.question, k: part, offset: from }, this.signal);
    this.put(from, found.hits);
    if (from === 0) {
      this.found = found;
      // Where a part is full there may be more, up to the depth of a ranking.
      this.length = found.hits.length < part ? found.hits.length : Math.min(found.total, 1000);
    } else if (found.hits.length < Math.min(part, this.length - from)) {
      this.length = from + found.hits.length;
    }
  }
  // rank is where an id stands among the items that have come, from 1; 0 is nowhere.
  rank(id) {
    this.ranks ||= new Map();
    if (this.ranks.size !== this.items.length) this.ranks = new Map(this.items.map((x, i) => [x.id, i + 1]));
    return this.ranks.get(id) || 0;
  }
}
