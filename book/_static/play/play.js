// What the book's widgets share: they start when the reader comes near or presses a button, and are built from the same parts.
// A page holds <div class="play" data-play="NAME"> with a drawing inside, a sentence for readers without JavaScript, and this script.
"use strict";

window.gantut = window.gantut || {};

(function () {
  const script = document.currentScript && document.currentScript.src;
  const base = script ? script.slice(0, script.lastIndexOf("/") + 1) : "";

  // name -> { scripts, size, build }: a widget with a size waits for a press on its button, one without begins when it comes into view.
  const widgets = {
    latent: { scripts: ["decoders.js", "latent.js"], size: "0.4 MB" },
    gan: { scripts: ["tf/tf.min.js", "gan.js", "densities.js", "playground.js"], size: "0.2 MB" },
    games: { scripts: ["dynamics.js", "dirac.js"] },
  };
  const builders = {};

  const loaded = {};
  function load(name) {
    loaded[name] = loaded[name] || new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = base + name;
      element.onload = resolve;
      element.onerror = () => { delete loaded[name]; reject(new Error(`the file ${name} could not be loaded`)); };
      document.head.append(element);
    });
    return loaded[name];
  }

  // -- elements ----------------------------------------------------------------------------------------------------------------------------

  // element("p", { class: "x", onclick: f }, "text", child, …)
  function element(tag, attributes = {}, ...children) {
    const made = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
    set(made, attributes);
    made.append(...children);
    return made;
  }

  function set(made, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === false || value === null || value === undefined) made.removeAttribute(name);
      else made.setAttribute(name, value === true ? "" : value);
    }
    return made;
  }

  let count = 0;
  // A labelled list to choose from: { element, value }. `options` are values, or pairs of a value and the words for it.
  function choice(label, options, value, changed) {
    const id = `play-${(count += 1)}`;
    const select = element("select", { id, onchange: () => changed(select.value) });
    for (const option of options) {
      const [key, words] = Array.isArray(option) ? option : [option, option.replaceAll("_", " ")];
      select.append(element("option", { value: key, selected: key === value }, words));
    }
    const whole = element("div", { class: "play-control" }, element("label", { for: id }, label), select);
    return { element: whole, input: select, get value() { return select.value; }, set value(v) { select.value = v; } };
  }

  // A labelled slider with its value in words. `scale` maps the slider's 0 … 1 to the value; `show` writes it.
  function slider(label, { from, to, step, start, logarithmic = false, show = (v) => v.toFixed(2) }, changed) {
    const id = `play-${(count += 1)}`;
    const output = element("output", { for: id });
    const inward = (v) => (logarithmic ? Math.log10(v) : v);
    const outward = (v) => (logarithmic ? 10 ** v : v);
    const input = element("input", {
      id, type: "range", min: inward(from), max: inward(to), step: step || "any",
      oninput: () => { tell(); changed(outward(+input.value)); },
    });
    const name = element("label", { for: id }, label);
    function tell() {
      output.textContent = show(outward(+input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    }
    const control = {
      element: element("div", { class: "play-control" }, name, input, output),
      input,
      get value() { return outward(+input.value); },
      set value(v) { input.value = inward(v); tell(); },
      // Another quantity on the same slider.
      rename(words, range, v) {
        name.textContent = words;
        set(input, { min: inward(range.from), max: inward(range.to) });
        control.value = v;
      },
    };
    control.value = start;
    return control;
  }

  function button(words, pressed, attributes = {}) {
    return element("button", { type: "button", class: "play-button", onclick: pressed, ...attributes }, words);
  }

  // What few need, folded.
  function more(...controls) {
    return element("details", { class: "play-more" }, element("summary", {}, "More settings"), element("div", { class: "play-controls" }, ...controls));
  }

  function tick(label, checked, changed) {
    const input = element("input", { type: "checkbox", checked, onchange: () => changed(input.checked) });
    return { element: element("label", { class: "play-tick" }, input, ` ${label}`), get value() { return input.checked; } };
  }

  // -- surfaces ----------------------------------------------------------------------------------------------------------------------------

  // A square of the plane: `limit` is where its edges are. What it shows is drawn by `draw(context, side)`, anew when the size or the theme
  // changes.
  function canvas(label, draw) {
    const surface = element("canvas", { role: "img", "aria-label": label, class: "play-surface" });
    let asked = false;
    function redraw() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        // For a projector letters, lines and dots are larger, as if the surface were smaller and enlarged.
        const zoom = surface.closest(".play-large") ? 1.5 : 1;
        const side = surface.clientWidth / zoom;
        if (!side) return;
        const ratio = zoom * (window.devicePixelRatio || 1);
        if (surface.width !== Math.round(side * ratio)) surface.width = surface.height = Math.round(side * ratio);
        const context = surface.getContext("2d");
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, side, side);
        draw(context, side);
      });
    }
    new ResizeObserver(redraw).observe(surface);
    onTheme(redraw);
    return { element: surface, redraw };
  }

  // Let a pointer (mouse, touch, pen) and the arrow keys move a point on a surface. `moved(dx, dy)` gets the place in 0 … 1 from the left and
  // the bottom; `nudged(x, y)` gets steps of the keys: ±1, or ±5 with Shift. A finger that comes from elsewhere goes on to scroll the page.
  function draggable(surface, { label, moved, nudged, released = () => {}, active = () => true }) {
    set(surface, { tabindex: 0, role: "application", "aria-label": label });
    surface.style.touchAction = "pan-y";
    surface.addEventListener("focus", () => { surface.style.touchAction = active() ? "none" : "pan-y"; });
    surface.addEventListener("blur", () => { surface.style.touchAction = "pan-y"; });
    function at(event) {
      const box = surface.getBoundingClientRect();
      moved((event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height);
    }
    surface.addEventListener("pointerdown", (event) => {
      if (event.button || !active()) return;
      if (event.isTrusted) surface.setPointerCapture(event.pointerId);
      surface.focus({ preventScroll: true });
      at(event);
      event.preventDefault();
    });
    surface.addEventListener("pointermove", (event) => { if (event.buttons && active()) at(event); });
    surface.addEventListener("pointerup", () => released());
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    surface.addEventListener("keydown", (event) => {
      const move = keys[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      const size = event.shiftKey ? 5 : 1;
      nudged(size * move[0], size * move[1]);
      event.preventDefault();
    });
  }

  // -- colours -----------------------------------------------------------------------------------------------------------------------------

  const listeners = [];
  const onTheme = (changed) => listeners.push(changed);
  new MutationObserver(() => listeners.forEach((changed) => changed()))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-mode"] });

  // The colours of play.css as they are now: color("data") is --play-data.
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--play-${name}`).trim() || "#757575";
  const isDark = () => document.documentElement.dataset.theme === "dark";
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // -- numbers -----------------------------------------------------------------------------------------------------------------------------

  // A seeded source of random numbers: the same seed, the same numbers, on every machine.
  function random(seed) {
    let state = (seed * 2654435761) >>> 0;
    function uniform() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }
    // Box and Muller's pair, one at a time.
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal };
  }

  // Numbers that .ci/play.py stored in half precision, as text.
  function halves(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const words = new Uint16Array(bytes.buffer);
    return Float32Array.from(words, (word) => {
      const [sign, exponent, fraction] = [word >> 15 ? -1 : 1, (word >> 10) & 31, word & 1023];
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
    });
  }

  // -- the life of a widget ----------------------------------------------------------------------------------------------------------------

  // Put something in the place of the drawing, which stays for paper.
  function put(place, shown) {
    const poster = place.querySelector(".play-poster");
    place.replaceChildren(...(poster ? [poster, shown] : [shown]));
    if (poster) poster.hidden = true;
  }

  function fail(place, error) {
    put(place, element("p", { class: "play-message", role: "alert" }, `This figure cannot run here: ${error.message || error}.`));
    place.dataset.state = "failed";
  }

  async function start(place, name) {
    try {
      if (!window.ResizeObserver || !document.createElement("canvas").getContext("2d")) throw new Error("the browser is too old for it");
      place.dataset.state = "loading";
      put(place, element("p", { class: "play-message", role: "status" }, "Loading …"));
      // One after the other: the later ones use the earlier ones.
      for (const file of widgets[name].scripts) await load(file);
      const inside = element("div", { class: "play-inside" });
      put(place, inside);
      const run = builders[name](inside);
      inside.append(projector(place));
      place.dataset.state = "ready";
      return run;
    } catch (error) {
      fail(place, error);
    }
    return undefined;
  }

  // A button that shows the figure alone, over the whole window and with larger letters and lines; Escape leads back. With `?projector` in its
  // address a page begins so.
  function projector(place) {
    const large = () => place.classList.contains("play-large");
    function turn() {
      place.classList.toggle("play-large");
      document.documentElement.classList.toggle("play-alone", large());
      toggle.textContent = large() ? "✕" : "Large, for a projector";
      set(toggle, { "aria-label": large() && "Back to the page" });
      listeners.forEach((changed) => changed());
      if (!large()) place.scrollIntoView({ block: "nearest" });
    }
    const toggle = button("Large, for a projector", turn, { class: "play-button play-projector" });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && large()) turn(); });
    const first = !document.querySelector(".play-large");
    if (first && new URLSearchParams(location.search).has("projector")) setTimeout(turn);
    return toggle;
  }

  // Run `then` once, when the place is about to be seen.
  function whenSeen(place, then) {
    if (!window.IntersectionObserver) { then(); return; }
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      then();
    }, { rootMargin: "200px" });
    observer.observe(place);
  }

  function prepare(place) {
    const name = place.dataset.play;
    if (!(name in widgets)) { fail(place, new Error(`there is no figure called ${name}`)); return; }
    const { size } = widgets[name];
    place.querySelectorAll(".play-message").forEach((message) => message.remove());
    if (!size) { whenSeen(place, () => start(place, name)); return; }
    const begun = async () => {
      const run = await start(place, name);
      if (run && !calm()) run();
    };
    // On its own page a figure runs as soon as it is seen, unless the reader wants rest or to load little.
    if (place.hasAttribute("data-alive") && !calm() && !navigator.connection?.saveData) { whenSeen(place, begun); return; }
    const begin = button(`Start (loads ${size})`, async () => {
      await begun();
      const first = place.querySelector(".play-inside :is(.play-first, canvas[tabindex])");
      if (first) first.focus({ preventScroll: true });
    }, { class: "play-button play-first" });
    const poster = place.querySelector(".play-poster");
    (poster ? poster.lastElementChild : place).append(element("span", { class: "play-begin" }, begin));
    place.dataset.state = "waiting";
  }

  window.gantut.play = {
    build: (name, builder) => { builders[name] = builder; },
    element, set, choice, slider, button, more, tick, canvas, draggable, onTheme, color, isDark, calm, random, halves, fail,
  };

  if (base) {
    document.head.append(element("link", { rel: "stylesheet", href: `${base}play.css` }));
    const all = () => document.querySelectorAll(".play[data-play]").forEach(prepare);
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
    else all();
  }
})();
