// One model's results: a heading with how its labelled query fared, and the grid.
import { element } from "./api.js";
import { Grid } from "./grid.js";
import { scores } from "./scores.js";
import { described, isChinese, t } from "./words.js";

export class Pane {
  constructor(place, info, model, act) {
    Object.assign(this, { info, model, other: null });
    this.section = element("section", "pane");
    this.head = element("h2");
    const box = element("div", "grid");
    box.dataset.model = model;
    box.ariaLabel = info.models[model].name;
    this.section.append(this.head, box);
    place.append(this.section);
    this.grid = new Grid(box, (c, item, i) => this.draw(c, item, i), (name, item, i) => act(name, item, i, this));
  }

  // show puts a list into the grid; other is the list of the model beside this one, or null.
  show(list, other) {
    this.list = list;
    this.other = other;
    list.changed = () => { this.grid.render(); this.grid.fetch(); scores.count(); };
    this.grid.show(list);
    this.title();
  }

  title() {
    this.head.replaceChildren(element("b", "", this.info.models[this.model].name));
    const f = this.list?.found;
    if (!f) {
      this.head.append(element("span", "quiet", t("all")));
      return;
    }
    if (f.cut) this.head.append(element("span", "down", t("cut", f.cut)));
    if (f.labelled) {
      const place = f.labelled.rank ? t("rank", f.labelled.rank) : t("beyond");
      this.head.append(element("span", f.labelled.rank === 1 ? "up" : "", place));
    }
    if (!f.hits.length) this.head.append(element("span", "quiet", t("none")));
    this.sofar = element("span", "quiet sofar");
    this.head.append(this.sofar);
  }

  draw(cell, item, i) {
    const text = item.text !== undefined, id = text ? item.pictures?.[0] : item.id;
    const frame = element("div", "frame"), img = element("img"), facts = element("div", "facts");
    const name = element("div", "name", text ? item.text : (item.captions?.[0] ?? "#" + item.id));
    name.title = text ? item.text : (item.captions || []).join("\n");
    name.dir = "auto";
    img.alt = text ? "" : described(item); // a caption stands beside its picture and says what is on it
    img.decoding = "async";
    img.dataset.src = `thumb/${this.info.set}/192/${id}`;
    img.onerror = () => img.classList.add("bad");
    if (id !== undefined && id !== null) frame.append(img);
    cell.classList.toggle("right", item.right === true);
    if (item.score !== undefined) {
      facts.append(element("span", "", `${i + 1}`), element("span", "", item.score.toFixed(3)));
      if (item.right) facts.append(element("span", "tick", "✓"));
      this.compare(facts, item, i);
      cell.dataset.score = item.score;
      cell.classList.toggle("below", scores.below(item.score));
    }
    cell.append(frame, name, facts);
    const says = [text ? item.text : described(item)];
    if (item.score !== undefined) {
      const ask = element("button", "ask");
      ask.append(element("span", "", t("why")));
      ask.ariaLabel = t("whyOf", i + 1);
      cell.append(ask);
      says.push(t("place", i + 1, item.score.toFixed(3)), ...(item.right ? [t("right")] : []), ...[...facts.querySelectorAll("[title]")].map((e) => e.title));
    }
    cell.ariaLabel = says.join(isChinese() ? "，" : ", ");
  }

  // compare marks what moved against the other model.
  compare(facts, item, i) {
    if (!this.other) return;
    const was = this.other.rank(item.id);
    if (!was) {
      const mark = element("span", "new", t("newHere"));
      mark.title = t("newHint", this.other.items.length);
      facts.append(mark);
    } else if (was !== i + 1) {
      const mark = element("span", was > i + 1 ? "up" : "down", (was > i + 1 ? "▲" : "▼") + Math.abs(was - i - 1));
      mark.title = t("moved", was);
      facts.append(mark);
    }
  }
}
