// The search as this book wants it. Sphinx puts this file behind its own language data, on the page of the search alone (html_search_scorer in _config.yml).
// First comes the term of the glossary, then the sections whose headings hold the words, chapters before the reference, then all pages with the words in their text.

var Scorer = {
  // A result is [page, title, anchor, description, score, file].
  score: ([page, title, anchor, description, score]) => score + worth(page),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

const worth = (page) => {
  if (page === "book/how-to") return 4;
  if (["book/api", "book/losses", "book/checks", "book/references", "book/runs", "book/gallery", "genindex"].includes(page)) return -14;
  if (page.startsWith("notebooks/16-")) return -4;
  return page.startsWith("notebooks/") ? 6 : 0;
};

// Words that say nothing about what is looked for, in a question as in "how do I save".
const EMPTY = new Set("a an and are can do does for how i in is it me my of on or the to what when where which why with you your".split(" "));
// Other names for what the book calls otherwise.
const OTHERWISE = {
  "wgan-gp": "gradient penalty", "wgan gp": "gradient penalty", wgangp: "gradient penalty", lsgan: "least squares loss", dcgan: "train a gan",
  cgan: "conditional model", "kl divergence": "kullback–leibler divergence", "reconstruction loss": "distortion", "aggregate posterior": "average posterior",
  "vqvae": "vq-vae", "beta vae": "beta-vae", "β-vae": "beta-vae", "batchnorm": "batch normalisation", "spectral norm": "spectral normalisation",
  "earth mover": "wasserstein distance", "nash": "equilibrium", "jensen shannon": "jensen–shannon divergence", "own pictures": "your own pictures", "own images": "your own pictures",
  "custom dataset": "your own pictures", "resume": "save and go on", "checkpoint": "save and go on", "save": "save and go on", "install": "run", "colab": "run", "binder": "run", "jupyter": "run",
  "梯度惩罚项": "梯度惩罚", "鉴别网络": "判别器", "判别网络": "判别器", "生成网络": "生成器", "重参数技巧": "重参数化", "模式坍缩": "模式坍塌", "模式崩塌": "模式坍塌", "变分下界": "证据下界",
};

// One spelling for both: the book writes -isation and -our, a reader may write -ization and -or.
const plain = (text) =>
  text.toLowerCase().normalize("NFKC").replace(/[–—]/g, "-").replace(/iz(ation|ations|e|es|ed|ing|er|ers)\b/g, "is$1").replace(/\b(col|behavi|neighb)or/g, "$1our").replace(/\s+/g, " ").trim();
const wordsOf = (text) => plain(text).split(/[^\p{Letter}\p{Number}_\-²]+/u).filter((word) => word && !EMPTY.has(word));

// How many letters differ, to forgive a slip; no further than `most`.
const slips = (a, b, most = 2) => {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = [...Array(b.length + 1).keys()], before = row;
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
};

// Words of the glossary and of headings: what a misspelt word may have meant.
const vocabulary = () => {
  const found = new Set();
  for (const [name] of glossary()) wordsOf(name).forEach((word) => found.add(word));
  Object.keys(Search._index.alltitles).forEach((title) => wordsOf(title).forEach((word) => found.add(word)));
  return found;
};

// The terms of the glossary: name and anchor. TERMS is put below this file when the pages are written (ship.py), since Sphinx leaves them out of its index.
const glossary = () => (typeof TERMS === "undefined" ? [] : TERMS);

// What is asked for, in the book's words.
const understood = (query) => {
  const asked = OTHERWISE[plain(query)] ?? query;
  const words = wordsOf(asked);
  const stemmer = new Stemmer();
  const known = (word) => word.length < 5 || /[^\x00-\x7f]/.test(word) || Search._index.terms.hasOwnProperty(stemmer.stemWord(word)) || Search._index.titleterms.hasOwnProperty(stemmer.stemWord(word));
  if (words.every(known)) return { asked: words.map((word) => OTHERWISE[word] ?? word).join(" "), mended: false };
  const names = [...vocabulary()];
  const mended = words.map((word) => (known(word) ? word : names.map((name) => [slips(word, name), name]).sort(([a], [b]) => a - b).find(([off]) => off <= 2)?.[1] ?? word));
  return { asked: mended.join(" "), mended: mended.join() !== words.join() };
};

// The glossary's terms and the headings that hold all words asked for.
const first = (asked) => {
  const { docnames, titles, alltitles, filenames } = Search._index;
  const words = wordsOf(asked), whole = words.join(" "), found = [];
  if (!words.length) return found;
  const holds = (text) => {
    const its = wordsOf(text);
    return words.every((word) => its.some((other) => other === word || (word.length > 3 && other.startsWith(word)) || (/[^\x00-\x7f]/.test(word) && other.includes(word))));
  };
  const page = docnames.indexOf("book/glossary");
  for (const [name, anchor] of glossary()) {
    const pieces = name.split(/[,，()（）]/).map((piece) => wordsOf(piece).join(" "));
    const exact = pieces.some((piece) => piece === whole || piece.split(" ").sort().join() === [...words].sort().join());
    if (exact || holds(name)) found.push([docnames[page], name, `#${anchor}`, "Glossary", (exact ? 300 : 150) - name.length / 4, filenames[page]]);
  }
  for (const [title, places] of Object.entries(alltitles))
    if (title && holds(title))
      for (const [place, anchor] of places) {
        const name = titles[place] !== title ? `${titles[place]} > ${title}` : title;
        const exact = wordsOf(title).join(" ") === whole;
        found.push([docnames[place], name, anchor !== null ? `#${anchor}` : "", null, 90 + (exact ? 60 : 0) - wordsOf(title).length + worth(docnames[place]), filenames[place]]);
      }
  return found;
};

const usual = { parse: Search._parseQuery, perform: Search._performSearch };
const MOST = 25;

Search._parseQuery = (query) => {
  const { asked } = understood(query);
  const [, terms, without, , objects] = usual.parse(asked);
  const shown = new Set(wordsOf(asked).filter((word) => word.length > 1));
  if (SPHINX_HIGHLIGHT_ENABLED) localStorage.setItem("sphinx_highlight_terms", [...shown].join(" "));
  return [asked, terms, without, shown, objects];
};

Search._performSearch = (asked, ...others) => {
  const best = first(asked);
  const places = new Set(best.map((result) => result[0] + result[2]));
  const rest = usual.perform(asked, ...others).filter((result) => !places.has(result[0] + result[2]));
  // The last is shown first.
  return [...rest, ...best.sort((a, b) => a[4] - b[4])].slice(-MOST);
};

// An excerpt is prose: no contents list, no code, and formulas without their marks.
Search.htmlToText = (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  page.querySelectorAll("script, style, nav, .headerlink, .cell_input, .cell_output, .facts, .section-number, .play").forEach((node) => node.remove());
  page.querySelectorAll(".math").forEach((node) => {
    node.textContent = node.textContent.replace(/^\\[[(]|\\[\])]$/g, "").replace(/\\(?:mathbb|mathcal|mathrm|operatorname|text|left|right|,|;|!|quad)\b\*?/g, "").replace(/[{}]/g, "").replace(/\\/g, "");
  });
  const article = page.querySelector("article.bd-article, .bd-article, [role=main]");
  const place = anchor ? page.getElementById(decodeURIComponent(anchor.slice(1))) : article;
  if (!place) return article?.textContent ?? "";
  return place.tagName === "DT" ? place.nextElementSibling?.textContent ?? "" : place.textContent;
};
