"use strict";

// Opened as a file, a page may not read other pages. The search then lists titles without excerpts, instead of failing.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
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
