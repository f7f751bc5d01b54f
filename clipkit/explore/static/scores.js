// The threshold: a slider under the bands of cosines that right pairs and others have with each model.
import { element } from "./api.js";
import { t } from "./words.js";

const svg = "http://www.w3.org/2000/svg";

function shape(kind, attributes) {
  const e = document.createElementNS(svg, kind);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}

// most tells from where to where nine tenths of the cosines lie.
function most(b, counts) {
  const all = counts.reduce((a, n) => a + n, 0), step = (b.high - b.low) / counts.length;
  let sum = 0, from = null;
  for (const [i, n] of counts.entries()) {
    sum += n;
    if (from === null && sum > 0.05 * all) from = b.low + i * step;
    if (sum >= 0.95 * all) return [from, b.low + (i + 1) * step].map((v) => v.toFixed(2));
  }
  return ["–", "–"];
}

export const scores = {
  lines: [], // where the threshold is, in each picture
  cut: null, // below it a score is dim; null: no threshold
  below(score) { return this.cut !== null && score < this.cut; },

  begin(info, panes) {
    Object.assign(this, { info, panes });
    this.draw();
  },

  draw() {
    const bands = this.info.models.map((m) => m.scores).filter(Boolean);
    this.low = Math.min(0, ...bands.map((b) => b.low));
    this.high = Math.max(...bands.map((b) => b.high), bands.length ? -1 : 1);
    const place = document.querySelector("#bars");
    this.lines = [];
    place.replaceChildren(element("p", "", t("cosine")), ...this.info.models.map((m) => this.band(m)));
    this.count();
  },

  band(m) {
    const box = element("div"), slide = element("div", "slide"), say = element("div", "say"), b = m.scores;
    const scale = Math.round(m.logit_scale * 10) / 10;
    const slider = element("input");
    Object.assign(slider, { type: "range", min: this.low, max: this.high, step: 0.001, value: this.cut ?? this.low, ariaLabel: m.name + ": " + t("threshold") });
    slider.oninput = () => this.set(Number(slider.value));
    if (b) slide.append(this.picture(m.name, b));
    slide.append(slider);
    say.append(element("p", "", b ? t("band", scale, b.threshold.toFixed(3), Math.round(100 * b.caught), Math.round(100 * b.fooled)) : t("noBand", scale)));
    if (b) say.append(this.button(t("useBest", b.threshold.toFixed(3)), b.threshold), " ");
    say.append(this.button(t("off"), null));
    box.append(slide, say);
    return box;
  },

  button(text, cut) {
    const b = element("button", "", text);
    b.onclick = () => this.set(cut);
    return b;
  },

  picture(name, b) {
    const w = 460, h = 74, base = 60, x = (v) => ((v - this.low) / (this.high - this.low)) * w;
    const s = shape("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": t("chartOf", name, ...most(b, b.right), ...most(b, b.other)) });
    for (const [kind, counts] of [["other", b.other], ["own", b.right]]) {
      const step = (b.high - b.low) / counts.length;
      counts.forEach((n, i) => {
        if (n) s.append(shape("rect", { class: kind, x: x(b.low + i * step), width: Math.max(1, x(b.low + step) - x(b.low) - 0.5), y: base - 44 * n, height: 44 * n }));
      });
    }
    const line = shape("line", { class: "cut", y1: 10, y2: base, x1: 0, x2: 0 });
    s.append(line);
    this.lines.push({ line, x });
    for (const v of [this.low, (this.low + this.high) / 2, this.high]) {
      const mark = shape("text", { x: Math.min(Math.max(x(v), 14), w - 14), y: h - 3, "text-anchor": "middle" });
      mark.textContent = v.toFixed(2);
      s.append(mark);
    }
    const title = shape("text", { x: 2, y: 10 });
    title.textContent = name;
    s.append(title);
    return s;
  },

  set(cut) {
    this.cut = cut;
    for (const i of document.querySelectorAll("#bars input")) i.value = cut ?? this.low;
    for (const c of document.querySelectorAll(".cell[data-score]")) c.classList.toggle("below", this.below(Number(c.dataset.score)));
    this.count();
  },

  count() {
    document.querySelector("#threshold-value").textContent = this.cut === null ? "" : this.cut.toFixed(3);
    const items = this.panes.flatMap((p) => (p.list?.found ? p.list.items : []));
    document.querySelector("#above").textContent =
      this.cut === null || !items.length ? "" : t("above", items.filter((x) => x && x.score >= this.cut).length, items.length);
    for (const { line, x } of this.lines) {
      line.setAttribute("transform", `translate(${x(this.cut ?? this.low)}, 0)`);
      line.style.display = this.cut === null ? "none" : "";
    }
  },
};
