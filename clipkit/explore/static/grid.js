// A grid that draws only what is in view, so that its length costs nothing. It asks its list for items as they come into view.
// To a screen reader it is a grid of rows and cells, of which one is current: the focus stays on the grid, and aria-activedescendant names the cell.
import { element } from "./api.js";

const overscan = 2; // rows drawn above and below the view

export class Grid {
  // draw(cell, item, index) fills an empty cell and returns its <img>, if any, with data-src; act(name, item, index) is what a reader did.
  constructor(place, draw, act) {
    Object.assign(this, { place, draw, act, list: null, cells: new Map(), rows: new Map(), here: -1 });
    this.space = element("div", "space");
    this.space.role = "rowgroup";
    place.append(this.space);
    place.tabIndex = 0;
    place.role = "grid";
    place.addEventListener("scroll", () => { this.render(); this.settle(); }, { passive: true });
    place.addEventListener("keydown", (e) => this.key(e));
    place.addEventListener("click", (e) => this.click(e));
    new ResizeObserver(() => { this.render(); this.settle(); }).observe(place);
  }

  // show begins with another list: {length, get(i), want(i), lines}.
  show(list) {
    this.list = list;
    this.here = -1;
    this.place.removeAttribute("aria-activedescendant");
    this.place.classList.toggle("lines", !!list.lines);
    this.place.scrollTop = 0;
    this.redraw();
  }

  redraw() {
    this.clear();
    this.render();
    this.fetch();
  }

  clear() {
    for (const r of this.rows.values()) r.remove();
    this.rows.clear();
    this.cells.clear();
  }

  measure() {
    const width = this.place.clientWidth, columns = this.list.lines ? 1 : Math.max(1, Math.floor(width / 146));
    if (columns !== this.columns) this.clear(); // every cell stands in another row
    this.columns = columns;
    this.width = Math.floor(width / this.columns);
    this.height = this.list.lines ? 66 : 178;
  }

  render() {
    if (!this.list || !this.place.clientWidth) return;
    this.measure();
    const n = this.list.length, rows = Math.ceil(n / this.columns);
    this.place.ariaRowCount = rows;
    this.place.ariaColCount = this.columns;
    this.space.style.height = rows * this.height + "px";
    const top = Math.max(0, Math.floor(this.place.scrollTop / this.height) - overscan);
    const end = Math.ceil((this.place.scrollTop + this.place.clientHeight) / this.height) + overscan;
    const from = top * this.columns, to = Math.min(n, end * this.columns);
    for (const [r, e] of this.rows) {
      if (r >= top && r < end) continue;
      if (e.contains(document.activeElement)) this.place.focus({ preventScroll: true });
      e.remove();
      this.rows.delete(r);
    }
    for (const i of this.cells.keys()) if (i < from || i >= to) this.cells.delete(i);
    for (let i = from; i < to; i++) this.cell(i);
  }

  // row is where the cells of row r stand, in the order in which they are read.
  row(r) {
    let e = this.rows.get(r);
    if (!e) {
      e = element("div", "row");
      e.role = "row";
      e.ariaRowIndex = r + 1;
      const next = Math.min(...[...this.rows.keys()].filter((k) => k > r));
      this.space.insertBefore(e, this.rows.get(next) || null);
      this.rows.set(r, e);
    }
    return e;
  }

  cell(i) {
    let c = this.cells.get(i);
    if (!c) {
      c = element("div", "cell");
      c.dataset.index = i;
      c.role = "gridcell";
      c.id = `cell-${this.place.dataset.model}-${i}`;
      c.ariaColIndex = (i % this.columns) + 1;
      this.cells.set(i, c);
      this.row(Math.floor(i / this.columns)).append(c);
    }
    c.style.width = this.width + "px";
    c.style.height = this.height + "px";
    c.style.transform = `translate(${(i % this.columns) * this.width}px, ${Math.floor(i / this.columns) * this.height}px)`;
    c.classList.toggle("here", i === this.here);
    c.ariaSelected = i === this.here;
    const item = this.list.get(i);
    if (item && !c.firstChild) this.draw(c, item, i);
    for (const b of c.querySelectorAll(".ask")) b.tabIndex = i === this.here ? 0 : -1; // Tab goes on from the grid to the current cell's
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
    if (e.target !== this.place && (e.key === "Enter" || e.key === " ")) return; // the button's own
    if (e.key in steps) {
      const to = this.here < 0 && e.key !== "End" ? 0 : this.here + steps[e.key];
      this.move(Math.min(Math.max(to, 0), this.list.length - 1));
      if (e.target !== this.place) this.place.focus({ preventScroll: true });
    } else if ((e.key === "Enter" || e.key === "w") && this.list.get(this.here)) {
      this.act(e.key === "w" ? "why" : "open", this.list.get(this.here), this.here);
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }

  // enter takes the focus, with a current cell: the key that brought it here has chosen the first.
  enter() {
    this.place.focus();
    if (this.list?.length) this.move(Math.max(this.here, 0));
  }

  // move makes i the current item and brings it into view.
  move(i) {
    if (i < 0) return;
    this.here = i;
    const y = Math.floor(i / this.columns) * this.height, view = this.place;
    if (y < view.scrollTop) view.scrollTop = y;
    if (y + this.height > view.scrollTop + view.clientHeight) view.scrollTop = y + this.height - view.clientHeight;
    this.render();
    this.place.setAttribute("aria-activedescendant", this.cells.get(i)?.id || "");
    this.settle();
  }
}
