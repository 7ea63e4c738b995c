"use strict";

// Opened as a file, a page may not read other pages. The search then lists titles without excerpts, instead of failing.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

document.documentElement.classList.add("scripts");

// The page's colours are known before it is drawn; the theme would find them after, and have all of it styled once more.
{
  const { dataset } = document.documentElement;
  if (dataset.mode === "auto") dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Formulas are typeset as they come near, those in view first, which spares a long page seconds, and all of them before printing. They have no menu: with it, each would be a stop of the Tab key.
const formulas = () => [...document.querySelectorAll(".math:not(:has(mjx-container))")];
let typesetting = Promise.resolve();
const typeset = (some) => (typesetting = typesetting.then(() => MathJax.typesetPromise(some)).catch(console.error));
window.typesetAll = async () => { if (window.MathJax) { await MathJax.startup.promise; await typeset(formulas()); } };
if (window.MathJax) {
  // One size for all, a little above the text's: lines keep their height, and nothing has to be measured.
  MathJax.chtml = { ...MathJax.chtml, matchFontHeight: false, scale: 1.14 };
  MathJax.options = { ...MathJax.options, enableMenu: false };
  MathJax.startup = {
    typeset: false,
    ready() {
      MathJax.startup.defaultReady();
      // What is in view comes first, and then what is near.
      const watch = (rootMargin, then) => {
        const seen = new IntersectionObserver((places) => {
          const close = places.filter((place) => place.isIntersecting).map((place) => place.target);
          close.forEach((place) => seen.unobserve(place));
          // A table is typeset as a whole, since each formula may change its columns.
          const some = close.flatMap((place) => (place.matches(".math") ? place : [...place.querySelectorAll(".math")]));
          if (some.length) typeset(some);
          if (!then) return;
          seen.disconnect();
          typesetting.then(then);
        }, { rootMargin });
        new Set(formulas().map((formula) => formula.closest("table") ?? formula)).forEach((place) => seen.observe(place));
      };
      watch("0px", () => watch("2000px 0px"));
    },
  };
  addEventListener("beforeprint", () => MathJax.typeset?.(formulas()));
}

// On paper nothing can be unfolded: proofs, solutions and hidden code are opened for printing, and closed again after it.
let unfolded = [];
addEventListener("beforeprint", () => {
  for (const element of document.querySelectorAll("details:not([open])")) {
    element.open = true;
    unfolded.push(() => (element.open = false));
  }
  for (const element of document.querySelectorAll(".toggle-hidden")) {
    element.classList.remove("toggle-hidden");
    unfolded.push(() => element.classList.add("toggle-hidden"));
  }
});
addEventListener("afterprint", () => {
  unfolded.forEach((fold) => fold());
  unfolded = [];
});

// What is wider than its place scrolls, so the Tab key stops at it; what fits is no stop. All are read before any is written, or the page would be laid out once for each.
addEventListener("DOMContentLoaded", () => {
  const fitting = new ResizeObserver((places) => {
    const scrolls = places.map(({ target }) => target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight + 1);
    places.forEach(({ target }, k) => (scrolls[k] ? target.setAttribute("tabindex", "0") : target.removeAttribute("tabindex")));
  });
  document.querySelectorAll(".bd-article :is(table, .sheet, pre, .cell_output > .output)").forEach((place) => fitting.observe(place));
});

// What moves can be stopped: then its last frame is shown.
addEventListener("DOMContentLoaded", () => {
  for (const picture of document.querySelectorAll("picture.moving")) {
    const button = document.createElement("button");
    const [still, media] = [picture.querySelector("source"), picture.querySelector("source").media];
    const say = () => (button.textContent = still.media === media ? "Stop the motion" : "Let it move");
    button.type = "button";
    button.className = "motion";
    button.addEventListener("click", () => { still.media = still.media === media ? "all" : media; say(); });
    say();
    picture.after(button);
  }
});
