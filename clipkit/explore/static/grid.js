// A grid that draws only what is in view, so that its length costs nothing. It asks its list for items as they come into view.
import { element } from "./api.js";

const overscan = 2; // rows drawn above and below the view

export class Grid {
  // draw(cell, item, index) fills an empty cell and returns its <img>, if any, with data-src; act(name, item, index) is what a reader did.
  constructor(place, draw, act) {
    Object.assign(this, { place, draw, act, list: null, cells: new Map(), here: -1 });
    this.space = element("div", "space");
    place.append(this.space);
    place.tabIndex = 0;
    place.setAttribute("role", "listbox");
    place.addEventListener("scroll", () => { this.render(); this.settle(); }, { passive: true });
    place.addEventListener("keydown", (e) => this.key(e));
    place.addEventListener("click", (e) => this.click(e));
    new ResizeObserver(() => this.render()).observe(place);
  }

  // show begins with another list: {length, get(i), want(i), lines}.
  show(list) {
    this.list = list;
    this.here = -1;
    this.place.classList.toggle("lines", !!list.lines);
    this.place.scrollTop = 0;
    this.redraw();
  }

  redraw() {
    for (const c of this.cells.values()) c.remove();
    this.cells.clear();
    this.render();
    this.fetch();
  }

  measure() {
    const width = this.place.clientWidth;
    this.columns = this.list.lines ? 1 : Math.max(1, Math.floor(width / 146));
    this.width = Math.floor(width / this.columns);
    this.height = this.list.lines ? 66 : 178;
  }

  render() {
    if (!this.list || !this.place.clientWidth) return;
    this.measure();
    const n = this.list.length, rows = Math.ceil(n / this.columns);
    this.space.style.height = rows * this.height + "px";
    const top = Math.max(0, Math.floor(this.place.scrollTop / this.height) - overscan);
    const end = Math.ceil((this.place.scrollTop + this.place.clientHeight) / this.height) + overscan;
    const from = top * this.columns, to = Math.min(n, end * this.columns);
    for (const [i, c] of this.cells) {
      if (i < from || i >= to) { c.remove(); this.cells.delete(i); }
    }
    for (let i = from; i < to; i++) this.cell(i);
  }

  cell(i) {
    let c = this.cells.get(i);
    if (!c) {
      c = element("div", "cell");
      c.dataset.index = i;
      c.setAttribute("role", "option");
      this.cells.set(i, c);
      this.space.append(c);
    }
    c.style.width = this.width + "px";
    c.style.height = this.height + "px";
    c.style.transform = `translate(${(i % this.columns) * this.width}px, ${Math.floor(i / this.columns) * this.height}px)`;
    c.classList.toggle("here", i === this.here);
    c.ariaSelected = i === this.here;
    const item = this.list.get(i);
    if (item && !c.firstChild) this.draw(c, item, i);
  }

  // settle loads pictures and further items once the view rests: a long pull at the scroll bar asks for nothing on its way.
  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(), 60);
  }

  fetch() {
    if (!this.list) return;
    for (const [i, c] of this.cells) {
      if (!this.list.get(i)) this.list.want(i);
      for (const img of c.querySelectorAll("img:not([src])")) img.src = img.dataset.src;
    }
  }

  click(e) {
    const c = e.target.closest(".cell");
    const item = c && this.list.get(Number(c.dataset.index));
    if (!item) return;
    this.move(Number(c.dataset.index));
    this.act(e.target.closest(".ask") ? "why" : "open", item, this.here);
  }

  key(e) {
    if (!this.list || e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.place.clientHeight / (this.height || 1))) * this.columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (e.key in steps) {
      const to = this.here < 0 ? 0 : this.here + steps[e.key];
      this.move(Math.min(Math.max(to, 0), this.list.length - 1));
    } else if ((e.key === "Enter" || e.key === "w") && this.list.get(this.here)) {
      this.act(e.key === "w" ? "why" : "open", this.list.get(this.here), this.here);
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }

  // move makes i the current item and brings it into view.
  move(i) {
    if (i < 0) return;
    this.here = i;
    const y = Math.floor(i / this.columns) * this.height, view = this.place;
    if (y < view.scrollTop) view.scrollTop = y;
    if (y + this.height > view.scrollTop + view.clientHeight) view.scrollTop = y + this.height - view.clientHeight;
    this.render();
    this.settle();
  }
}
