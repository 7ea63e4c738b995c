"use strict";

// Opened as a file, a page may not read other pages. The search then lists titles without excerpts, instead of failing.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

document.documentElement.classList.add("scripts");

// Formulas are typeset as they come near, which spares a long page seconds, and all of them before printing. They have no menu: with it, each would be a stop of the Tab key.
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
      const near = new IntersectionObserver((seen) => {
        const places = seen.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
        places.forEach((place) => near.unobserve(place));
        // A table is typeset as a whole, since each formula may change its columns.
        const some = places.flatMap((place) => (place.matches(".math") ? place : [...place.querySelectorAll(".math")]));
        if (some.length) typeset(some);
      }, { rootMargin: "2000px 0px" });
      new Set(formulas().map((formula) => formula.closest("table") ?? formula)).forEach((place) => near.observe(place));
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

// A table or a figure that is wider than its place scrolls, so the Tab key stops at it; one that fits is no stop.
addEventListener("DOMContentLoaded", () => {
  const fitting = new ResizeObserver((places) => {
    for (const { target } of places) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".bd-article :is(table, .sheet)").forEach((place) => fitting.observe(place));
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
