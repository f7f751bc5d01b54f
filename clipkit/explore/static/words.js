// Every word of the page, in Chinese and English.
const words = {
  ask: ["搜索：写一句话，或者粘贴、拖入一张图片", "Search: write something, or paste or drop a picture"],
  upload: ["选一张图片", "Choose a picture"],
  removePicture: ["去掉图片", "Remove the picture"],
  direction: ["找什么", "What to find"],
  toImages: ["找图片", "pictures"],
  toTexts: ["找文字", "captions"],
  models: ["模型", "Models"],
  both: ["并排比较", "side by side"],
  weight: ["图片的权重", "Weight of the picture"],
  mixText: ["文字", "text"],
  mixPicture: ["图片", "picture"],
  help: ["按键", "Keys"],
  theme: ["浅色、深色或随系统", "Light, dark or as the system"],
  language: ["English", "中文"],
  set: ["{0} 张图片，{1} 条说明", "{0} pictures, {1} captions"],
  try: ["试试：", "Try:"],
  all: ["全部图片，按存放的顺序", "All pictures, in storage order"],
  took: ["编码 {0} ms，搜索 {1} ms", "encoded in {0} ms, searched in {1} ms"],
  cut: ["太长：模型没有读最后 {0} 个词元", "too long: the model does not read the last {0} tokens"],
  rank: ["正确答案排第 {0}", "right answer at rank {0}"],
  beyond: ["正确答案在 1000 名之后", "right answer beyond rank 1000"],
  sofar: ["已问 {0} 个有答案的查询：R@1 {1}%  R@5 {2}%  R@10 {3}%", "Labelled queries so far: {0}.  R@1 {1}%  R@5 {2}%  R@10 {3}%"],
  threshold: ["分数的门槛", "Score threshold"],
  above: ["已读入的 {1} 个结果中 {0} 个不低于门槛", "{0} of the {1} results loaded reach it"],
  cosine: [
    "余弦不是概率，有意义的是高低的次序。它落在哪个范围由训练决定，每个模型不同（公开的权重大约 0.2 到 0.5）；图片与图片之间的余弦高得多，文字的门槛对它们没有意义。",
    "A cosine is no probability; what counts is the order. In what range it lies is a matter of training, and other for each model (0.2 to 0.5 in the published weights). Cosines between two pictures are much higher: a threshold for texts means nothing for them."],
  band: [
    "绿色是这套数据里配对的图文，灰色是不配对的。模型比较之前先乘以 {0}。以 {1} 为界最分明：配对的有 {2}% 不低于它，不配对的有 {3}%。",
    "Green are pairs of this set that belong together, grey are others. The model multiplies by {0} before it compares. {1} parts them best: {2}% of right pairs reach it, and {3}% of others."],
  noBand: [
    "模型比较之前先乘以 {0}。这套图片没有说明文字，所以不知道配对的余弦在哪里。",
    "The model multiplies by {0} before it compares. These pictures have no captions, so nobody knows where right pairs lie."],
  useBest: ["用 {0}", "Use {0}"],
  off: ["不设门槛", "No threshold"],
  why: ["为什么", "why"],
  whyOf: ["第 {0} 个为什么在这里", "Why number {0} ranks there"],
  place: ["第 {0}，余弦 {1}", "number {0}, cosine {1}"],
  right: ["正确答案", "a right answer"],
  numbered: ["图片 {0}", "picture {0}"],
  asked: ["用来搜索的图片", "the picture that is searched with"],
  heat: ["图片的各部分：蓝色支持这个分数，橙色妨碍它", "The parts of the picture: blue speaks for the score, orange against it"],
  chartOf: [
    "{0}：配对的余弦多在 {1} 到 {2}，不配对的多在 {3} 到 {4}",
    "{0}: most cosines of right pairs lie from {1} to {2}, of others from {3} to {4}"],
  like: ["找相似的图片", "More like this"],
  captionsOf: ["找它的说明文字", "Find its captions"],
  captions: ["真实的说明", "Its captions"],
  file: ["文件", "File"],
  score: ["余弦 {0}", "Cosine {0}"],
  working: ["正在逐块遮挡、重新编码……", "Hiding one part after another and encoding again …"],
  tokens: ["文字的每一部分贡献多少", "What each part of the text gives"],
  whyNote: [
    "遮挡法：把一个词元或一块图片藏起来，看余弦下降多少。蓝色支持这个分数，橙色妨碍它。图片的遮挡物是它自己模糊后的样子；各部分共同起作用，所以加起来不等于分数。",
    "By occlusion: a token or a part of the picture is hidden, and the fall of the cosine is shown. Blue speaks for the score, orange against it. What covers a part is the picture itself, blurred; parts act together, so they do not add up to the score."],
  noQuery: ["先搜索点什么，才有分数可解释。", "Search for something first: then there is a score to explain."],
  twoTexts: ["这里比的是两段文字；有图片参加的分数才能解释。", "Two texts are compared here; only a score with a picture in it can be explained."],
  close: ["关闭", "Close"],
  newHere: ["新", "new"],
  newHint: ["不在另一个模型的前 {0} 名", "not among the other model's first {0}"],
  moved: ["另一个模型排第 {0}", "rank {0} with the other model"],
  none: ["没有结果", "Nothing found"],
  drop: ["放开：用这张图片搜索", "Drop it: search with this picture"],
  notPicture: ["这不是图片", "This is no picture"],
  gone: ["这张图片服务器已经不留了，请再放一次", "The page has forgotten this picture; drop it again"],
  lost: ["页面的服务没有应答：在笔记本里重新运行那一格，或者重新启动", "The page's server does not answer: run the cell again, or start it again"],
  keySearch: ["回到搜索框", "to the search box"],
  keyMove: ["在结果中移动", "move among the results"],
  keyLike: ["找相似的图片；在文字上：用它搜索", "more like this; on a caption: search by it"],
  keyWhy: ["为什么排在这里", "why it ranks here"],
  keyTo: ["找图片 / 找文字", "pictures / captions"],
  keyView: ["换模型 / 并排", "other model / side by side"],
  keyEscape: ["关闭，或清空搜索", "close, or clear the search"],
};

let chinese = (recall("language") || (navigator.language.startsWith("zh") ? "zh" : "en")) === "zh";

export const isChinese = () => chinese;

// t is a word in the reader's language; {0}, {1} … are filled in.
export function t(key, ...values) {
  return words[key][chinese ? 0 : 1].replace(/\{(\d)\}/g, (_, i) => values[i]);
}

// described is what a picture is to those who do not see it: its captions, or its number.
export const described = (item) => (item.captions || []).join(isChinese() ? "；" : "; ") || t("numbered", item.id);

export function setChinese(on) {
  chinese = on;
  remember("language", on ? "zh" : "en");
  translate();
}

// translate puts words into the parts of the page that never change otherwise.
export function translate() {
  document.documentElement.lang = chinese ? "zh" : "en";
  document.body.dataset.drop = t("drop");
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
  for (const e of document.querySelectorAll("[data-title]")) e.title = e.ariaLabel = t(e.dataset.title);
  for (const e of document.querySelectorAll("[data-label]")) e.ariaLabel = t(e.dataset.label);
  for (const e of document.querySelectorAll("[data-placeholder]")) e.placeholder = t(e.dataset.placeholder);
}

// A frame may be denied storage; then the page forgets, and works.
export function recall(key) {
  try { return localStorage.getItem("clipkit." + key); } catch { return null; }
}

export function remember(key, value) {
  try { localStorage.setItem("clipkit." + key, value); } catch { /* as said above */ }
}
