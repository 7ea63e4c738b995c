// The playground: a GAN in two dimensions that learns in front of the reader. Its mathematics is in gan.js; this file draws and asks.
"use strict";

(function () {
  const { play, densities } = window.gantut;
  const { element, canvas, choice, slider, button, more, tick, draggable, color, random } = play;
  const LIMIT = 2.8; // the plane shows −2.8 … 2.8
  const FIELD = 36; // places on a side where D is asked
  const ARROWS = 11;
  const SHOWN = 400; // points of each kind that are drawn
  const PEN = 0.08; // the deviation of a drawn point
  const BATCHES = [64, 128, 256];
  const TILES = 16; // hidden units of a layer that are shown
  const GRAIN = 18; // places on a side of such a tile
  const SLOW = 350; // milliseconds of a step in slow motion
  // What one can see happen with one press: settings that differ from those at the start.
  const EXPERIMENTS = {
    "It learns the ring": {},
    "Take the penalty away": { penalty: "none" },
    "Let the loss saturate": { loss: "minimax", penalty: "none" },
    "A critic without a leash": { loss: "wasserstein", penalty: "none" },
    "The leash": { loss: "wasserstein", penalty: "gradient_penalty", weight: 10, critic: "5" },
    "Plain gradient steps": { optimizer: "sgd", lr: 0.1 },
    "Too small to cover all": { width: "16", data: "grid", penalty: "none" },
  };

  // A draw from equal round Gaussians, as in gantut.data.densities.
  function sample({ centres, std }, n, source) {
    return Array.from({ length: n }, () => {
      const [x, y] = centres[Math.floor(source.uniform() * centres.length)];
      return [x + std * source.normal(), y + std * source.normal()];
    });
  }

  const noise = (n, source) => Array.from({ length: n }, () => [source.normal(), source.normal()]);

  // The protocol of metrics.mode_coverage: a sample is good within 3σ of its nearest mode, and a mode is covered if a good sample is nearest.
  function coverage(points, { modes, std }) {
    const covered = new Set();
    let good = 0;
    for (let k = 0; k < points.length; k += 2) {
      const distances = modes.map(([x, y]) => Math.hypot(points[k] - x, points[k + 1] - y));
      const least = Math.min(...distances);
      if (!(least <= 3 * std)) continue; // nor is what is no number good
      good += 1;
      covered.add(distances.indexOf(least));
    }
    return { covered: covered.size, share: good / (points.length / 2) };
  }
  window.gantut.coverage = coverage;

  const grid = (n) => Array.from({ length: n * n }, (_, k) => [LIMIT * ((2 * (k % n) + 1) / n - 1), LIMIT * (1 - (2 * Math.floor(k / n) + 1) / n)]);

  play.build("gan", (inside) => {
    const gan = window.gantut.createGAN(window.tf);
    const drawn = { centres: [], std: PEN, modes: [] };
    let pen = [0, 0];
    let trainer; let source; let z; let real; let history;
    let running = false;
    let problem = "";

    const byData = () => (data.value === "drawn" ? drawn : densities[data.value]);
    const data = choice("data", [...Object.keys(densities), ["drawn", "your own drawing"]], "ring", reset);
    const loss = choice("loss", Object.keys(gan.LOSSES), "non_saturating", reset);
    const penalty = choice("penalty", Object.keys(gan.PENALTIES), "r1", reset);
    const weight = slider("weight of the penalty", { from: 0.01, to: 100, start: 0.1, logarithmic: true, show: (v) => v.toPrecision(2) }, reset);
    const optimizer = choice("optimizer", [...Object.keys(gan.PLAYER_OPTIMIZERS), ...Object.keys(gan.GAME_OPTIMIZERS)], "adam", reset);
    const lr = slider("learning rate", { from: 1e-4, to: 0.3, start: 2e-3, logarithmic: true, show: (v) => v.toPrecision(2) }, reset);
    const critic = choice("steps of D for one of G", ["1", "2", "5"], "1", reset);
    const width = choice("units in a layer", ["16", "32", "64"], "32", reset);
    const batch = choice("batch", BATCHES.map(String), "128", reset);
    const seed = slider("seed", { from: 0, to: 20, step: 1, start: 0, show: (v) => v.toFixed(0) }, reset);
    const average = tick("show the average of G", true, () => plane.redraw());
    const arrows = tick("arrows", true, () => plane.redraw());

    const start = button("Start", () => (running ? pause() : go()), { class: "play-button play-first" });
    const one = button("One step", () => { if (ready()) { step(); look(); tell(true); } });
    const alone = ["D", "G"].map((player) =>
      button(`Only ${player}`, () => { if (running) pause(); if (ready()) { step(player); look(); tell(true); } }, { title: player === "D" ? "One step of the discriminator; the generator stands still" : "One step of the generator; the discriminator stands still" }));
    const slow = tick("slow motion", false, () => {});
    const anew = button("Reset", reset);
    const clear = button("Clear the drawing", () => { drawn.centres = []; reset(); });
    const words = element("p", { class: "play-words" });
    const spoken = element("p", { class: "visually-hidden", role: "status" });

    // -- drawing -------------------------------------------------------------------------------------------------------------------------

    const at = ([x, y], side) => [(x / LIMIT + 1) * (side / 2), (1 - y / LIMIT) * (side / 2)];
    let field = null;

    // D's logits as a small picture: blue where it says real, orange where it says fake. A critic's level means nothing, so its mean is taken off.
    function askField() {
      const logits = trainer.logits(grid(FIELD));
      const level = /wasserstein|relativistic/.test(loss.value) ? logits.reduce((a, b) => a + b, 0) / logits.length : 0;
      const made = document.createElement("canvas");
      made.width = made.height = FIELD;
      const context = made.getContext("2d");
      const image = context.createImageData(FIELD, FIELD);
      const [forReal, forFake] = [rgb("data"), rgb("generator")];
      logits.forEach((logit, k) => {
        const value = Math.tanh((logit - level) / 2);
        image.data.set([...(value > 0 ? forReal : forFake), 130 * Math.abs(value)], 4 * k);
      });
      context.putImageData(image, 0, 0);
      field = made;
    }

    function rgb(name) {
      const hex = color(name).replace("#", "");
      return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
    }

    function dots(context, points, side, name) {
      context.fillStyle = color(name);
      for (let k = 0; k < points.length; k += 2) {
        const [x, y] = at([points[k], points[k + 1]], side);
        context.fillRect(x - 1.5, y - 1.5, 3, 3);
      }
    }

    function drawArrows(context, side) {
      const places = grid(ARROWS);
      const pushes = trainer.pushes(places);
      const lengths = places.map((_, k) => Math.hypot(pushes[2 * k], pushes[2 * k + 1]));
      const middle = [...lengths].sort((a, b) => a - b)[lengths.length >> 1] || 1;
      context.strokeStyle = color("ink");
      context.lineWidth = 1;
      context.beginPath();
      places.forEach((place, k) => {
        if (!(lengths[k] > 0)) return;
        const size = ((0.45 * side) / ARROWS) * (lengths[k] / (lengths[k] + middle)) * 2;
        const [x, y] = at(place, side);
        const [dx, dy] = [(size * pushes[2 * k]) / lengths[k], (-size * pushes[2 * k + 1]) / lengths[k]];
        context.moveTo(x, y);
        context.lineTo(x + dx, y + dy);
        for (const turn of [2.6, -2.6]) {
          context.moveTo(x + dx, y + dy);
          context.lineTo(x + dx + 0.35 * (dx * Math.cos(turn) - dy * Math.sin(turn)), y + dy + 0.35 * (dx * Math.sin(turn) + dy * Math.cos(turn)));
        }
      });
      context.stroke();
    }

    const plane = canvas("", (context, side) => {
      if (field) {
        context.imageSmoothingEnabled = true;
        context.drawImage(field, 0, 0, side, side);
      }
      if (arrows.value && trainer) drawArrows(context, side);
      dots(context, real, side, "data");
      if (trainer) dots(context, trainer.sample(z, average.value), side, "generator");
      if (data.value === "drawn") {
        context.strokeStyle = color("ink");
        const [x, y] = at(pen, side);
        context.strokeRect(x - 5, y - 5, 10, 10);
      }
    });

    // The means of so many equal parts of the values, one after the other.
    function thinned(values, parts) {
      return Array.from({ length: parts }, (_, k) => {
        const [from, to] = [k, k + 1].map((j) => Math.floor((j * values.length) / parts));
        return values.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
      });
    }

    // Both losses over all steps, thinned out to the width of the picture.
    const curves = canvas("Losses of both players over the steps", (context, side) => {
      const names = ["discriminator", "generator"];
      const all = names.flatMap((name) => history[name]).filter(Number.isFinite);
      if (all.length < 2) return;
      const sorted = [...all].sort((a, b) => a - b);
      const [low, high] = [sorted[Math.floor(0.01 * (all.length - 1))], sorted[Math.ceil(0.99 * (all.length - 1))]];
      const span = Math.max(high - low, 1e-3);
      const y = (v) => 12 + (1 - (Math.max(low, Math.min(high, v)) - low) / span) * (side - 40);
      context.font = "12px sans-serif";
      context.fillStyle = color("ink");
      context.fillText(high.toPrecision(3), 4, 11);
      context.fillText(low.toPrecision(3), 4, side - 18);
      context.fillText(`step ${trainer.steps}`, side - 70, side - 4);
      for (const name of names) {
        const values = history[name];
        context.strokeStyle = color(name);
        context.lineWidth = 1.5;
        context.beginPath();
        const bins = Math.min(values.length, Math.floor(side / 2));
        thinned(values, bins).forEach((mean, k) => context.lineTo(bins > 1 ? (k / (bins - 1)) * side : 0, y(mean)));
        context.stroke();
      }
    });

    // The point (loss of D, loss of G) over the steps, thinned out. The cross is where samples are distributed as the data and D is at its best.
    const rests = {};
    const portrait = canvas("Phase portrait: the loss of D across and the loss of G upwards, step by step", (context, side) => {
      const rest = (rests[loss.value] ??= gan.equilibrium(gan.LOSSES[loss.value]));
      const parts = Math.min(history.generator.length, 150);
      const [forD, forG] = [history.discriminator, history.generator].map((values) => thinned(values, parts));
      const path = forD.map((value, k) => [value, forG[k]]);
      const [[left, right], [bottom, top]] = [0, 1].map((axis) => {
        const values = [rest, ...path].map((point) => point[axis]);
        const [low, high] = [Math.min(...values), Math.max(...values)];
        const room = Math.max(0.1 * (high - low), 0.05);
        return [low - room, high + room];
      });
      const place = ([d, g]) => [4 + ((d - left) / (right - left)) * (side - 8), side - 18 - ((g - bottom) / (top - bottom)) * (side - 32)];
      context.font = "12px sans-serif";
      context.fillStyle = color("ink");
      context.fillText(`G ${top.toPrecision(2)}`, 4, 11);
      context.fillText(`D ${left.toPrecision(2)}`, 4, side - 4);
      const label = `D ${right.toPrecision(2)}`;
      context.fillText(label, side - 4 - context.measureText(label).width, side - 4);
      context.lineWidth = 1.5;
      context.strokeStyle = context.fillStyle = color("generator");
      path.slice(1).forEach((point, k) => {
        context.globalAlpha = 0.15 + (0.85 * (k + 1)) / path.length; // what is long ago is faint
        context.beginPath();
        context.moveTo(...place(path[k]));
        context.lineTo(...place(point));
        context.stroke();
      });
      context.globalAlpha = 1;
      context.beginPath();
      path.slice(-1).forEach((last) => context.arc(...place(last), 4, 0, 2 * Math.PI));
      context.fill();
      const [x, y] = place(rest);
      context.strokeStyle = color("ink");
      context.beginPath();
      context.moveTo(x - 5, y);
      context.lineTo(x + 5, y);
      context.moveTo(x, y - 5);
      context.lineTo(x, y + 5);
      context.stroke();
    });

    // Inside D: the first units of each hidden layer as maps of the plane, and how long each layer's gradient was.
    const within = canvas("What the first units of both hidden layers of the discriminator say of each place, and the lengths of the gradients of all layers", (context, side) => {
      if (!trainer) return;
      const places = grid(GRAIN);
      const cell = side / 8;
      const tile = document.createElement("canvas");
      tile.width = tile.height = GRAIN;
      const ink = tile.getContext("2d");
      const [forReal, forFake] = [rgb("data"), rgb("generator")];
      context.font = `${Math.round(side / 30)}px sans-serif`;
      trainer.units(places).forEach((values, layer) => {
        const units = values.length / places.length;
        const top = layer * (side * 0.36);
        context.fillStyle = color("ink");
        context.fillText(`layer ${layer + 1}, ${Math.min(units, TILES)} of ${units} units`, 2, top + side / 24);
        for (let unit = 0; unit < Math.min(units, TILES); unit += 1) {
          const own = places.map((_, k) => values[k * units + unit]);
          const most = Math.max(...own.map(Math.abs), 1e-6);
          const image = ink.createImageData(GRAIN, GRAIN);
          own.forEach((value, k) => image.data.set([...(value > 0 ? forReal : forFake), 235 * Math.sqrt(Math.abs(value) / most)], 4 * k));
          ink.putImageData(image, 0, 0);
          context.drawImage(tile, (unit % 8) * cell + 1, top + side / 18 + Math.floor(unit / 8) * cell, cell - 2, cell - 2);
        }
      });
      const bars = [["D", "discriminator"], ["G", "generator"]].flatMap(([player, name]) => trainer.lengths(player).map((length, k) => [`${player}${k + 1}`, length, name]));
      const longest = Math.max(...bars.map(([, length]) => length), 1e-9);
      const [base, wide] = [side * 0.97, side / Math.max(bars.length, 1)];
      context.fillStyle = color("ink");
      if (bars.length) context.fillText("length of the gradient, layer by layer", 2, side * 0.765);
      bars.forEach(([label, length, name], k) => {
        const high = (length / longest) * side * 0.14;
        context.fillStyle = color(name);
        context.fillRect(k * wide + 4, base - side / 26 - high, wide - 8, high);
        context.fillText(`${label}  ${length.toPrecision(2)}`, k * wide + 4, base);
      });
    });

    // -- drawing a distribution ----------------------------------------------------------------------------------------------------------

    function dab(place) {
      pen = place.map((v) => Math.max(-LIMIT, Math.min(LIMIT, v)));
      drawn.centres.push(pen);
      real = sample(drawn, SHOWN, random(1)).flat();
      plane.redraw();
      tell(false);
    }

    draggable(plane.element, {
      label: "Plane with data, samples and the discriminator's field. With the data of your own drawing, draw with the pointer, or move the pen with the arrow keys and put a dab with the space bar.",
      active: () => data.value === "drawn",
      moved: (u, v) => dab([(2 * u - 1) * LIMIT, (2 * v - 1) * LIMIT]),
      nudged: (x, y) => { pen = [pen[0] + 0.1 * x, pen[1] + 0.1 * y].map((v) => Math.max(-LIMIT, Math.min(LIMIT, v))); plane.redraw(); },
      released: () => { if (data.value === "drawn") tell(true); },
    });
    plane.element.addEventListener("keydown", (event) => {
      if (event.key !== " " || data.value !== "drawn") return;
      event.preventDefault();
      dab(pen);
    });

    // -- training ------------------------------------------------------------------------------------------------------------------------

    function reset() {
      const source0 = random(1000 + seed.value);
      const hidden = +width.value;
      const make = (out, scale) => {
        const widths = [2, hidden, hidden, out];
        return { widths, values: gan.initialise(widths, source0, scale) };
      };
      // The library shrinks a generator's last layer tenfold at the start.
      trainer = new gan.GANTrainer(make(2, 0.1), make(1), {
        loss: loss.value, penalty: penalty.value, weight: weight.value, optimizer: optimizer.value, lr: lr.value, n_critic: +critic.value,
      });
      const together = optimizer.value in gan.GAME_OPTIMIZERS;
      weight.element.hidden = penalty.value === "none";
      critic.element.hidden = together;
      alone.forEach((step) => { step.hidden = together; });
      remember();
      clear.hidden = data.value !== "drawn";
      source = random(2000 + seed.value);
      z = noise(SHOWN, random(3000 + seed.value));
      real = byData().centres.length ? sample(byData(), SHOWN, random(1)).flat() : [];
      history = { discriminator: [], generator: [] };
      problem = "";
      look();
      tell(false);
    }

    function ready() {
      if (byData().centres.length) return true;
      problem = "There is no data yet: draw some with the pointer on the picture.";
      pause();
      return false;
    }

    function step(only = "") {
      const n = +batch.value;
      const uniform = trainer.noisePerExample;
      const extra = uniform ? Array.from({ length: n }, () => Array.from({ length: uniform }, source.uniform)) : null;
      try {
        const logs = trainer.step(sample(byData(), n, source), noise(n, source), extra, only);
        for (const [name, value] of Object.entries(logs)) history[name].push(value);
      } catch (error) {
        problem = `Training stopped. ${error.message}. Lower the learning rate, or add a penalty, and reset.`;
        pause();
      }
    }

    function look() {
      askField();
      plane.redraw();
      curves.redraw();
      portrait.redraw();
      if (layers.open) within.redraw();
    }

    let drawnAt = 0;
    let steppedAt = 0;
    function turn() {
      if (!running) return;
      const begin = performance.now();
      if (slow.value) {
        if (begin - steppedAt > SLOW) { steppedAt = begin; step(); }
      } else do step(); while (running && performance.now() - begin < 14);
      if (performance.now() - drawnAt > 120) {
        drawnAt = performance.now();
        look();
        tell(false);
      }
      requestAnimationFrame(turn);
    }

    function go() {
      problem = "";
      if (!ready()) return;
      running = true;
      start.textContent = "Pause";
      spoken.textContent = "Training.";
      requestAnimationFrame(turn);
    }

    function pause() {
      running = false;
      start.textContent = "Start";
      if (trainer) look();
      tell(true);
    }

    // What is seen, in words; aloud only where nothing moves.
    function tell(aloud) {
      const parts = [`Step ${trainer.steps}.`];
      const last = (name) => history[name][history[name].length - 1];
      const losses = [["D", "discriminator"], ["G", "generator"]].filter(([, name]) => history[name].length).map(([player, name]) => `${player} ${last(name).toFixed(3)}`);
      if (losses.length) parts.push(`Losses: ${losses.join(", ")}.`);
      const { modes } = byData();
      if (trainer.steps && modes.length) {
        const { covered, share } = coverage(trainer.sample(z, average.value), byData());
        parts.push(`${covered} of ${modes.length} modes, ${Math.round(100 * share)} % of ${SHOWN} samples within 3σ.`);
      }
      if (data.value === "drawn" && !drawn.centres.length) parts.push("Draw on the picture: what you draw is the data.");
      words.textContent = [problem, ...parts].filter(Boolean).join(" ");
      inside.dataset.steps = trainer.steps;
      if (aloud) spoken.textContent = words.textContent;
    }

    // The settings stand in the page's address, so that a link leads to them.
    const settings = { data, loss, penalty, weight, optimizer, lr, critic, width, batch, seed };
    const own = inside.closest("[data-alive]");
    let start0 = {};
    function remember() {
      if (!own) return;
      const told = (value) => (typeof value === "number" ? String(+value.toPrecision(3)) : value);
      const changed = Object.entries(settings).filter(([name, { value }]) => told(value) !== told(start0[name]) && value !== "drawn");
      const said = new URLSearchParams(changed.map(([name, { value }]) => [name, told(value)]));
      window.history.replaceState(null, "", changed.length ? `#${said}` : location.pathname + location.search);
    }
    function choose(values) {
      for (const [name, value] of Object.entries(values)) {
        const control = settings[name];
        if (!control) continue;
        if (typeof control.value === "number") { if (Number.isFinite(+value)) control.value = +value; }
        else if ([...control.input.options].some((option) => option.value === String(value))) control.value = String(value);
      }
    }
    const experiments = element("div", { class: "play-experiments", role: "group", "aria-label": "Experiments" }, ...Object.entries(EXPERIMENTS).map(([name, values]) =>
      button(name, () => { if (running) pause(); choose({ ...start0, ...values }); reset(); go(); })));
    const layers = element("details", { class: "play-more", ontoggle: () => { if (layers.open) within.redraw(); } },
      element("summary", {}, "Inside the discriminator"),
      element("figure", { class: "play-within" }, within.element, element("figcaption", {}, "Each tile is the plane as one hidden unit sees it, blue where it is positive, orange where it is negative. Below, how long each layer's gradient was in the last step.")));

    const figure = (surface, caption) => element("figure", {}, surface.element, element("figcaption", {}, caption));
    const colored = (name, text) => element("span", { style: `color: var(--play-${name})` }, text);
    // The picture stands high, so that it is seen at once; below it is what one sets.
    inside.append(
      experiments,
      element("div", { class: "play-controls" }, start, one, ...alone, anew, clear, slow.element),
      element("div", { class: "play-row play-led" },
        figure(plane, element("span", {}, colored("data", "Blue"), " points are data, ", colored("generator", "orange"),
          " points are samples. The ground is blue where D says real and orange where it says fake. An arrow shows where a sample would be pushed.")),
        figure(curves, element("span", {}, "The losses of ", colored("discriminator", "the discriminator"), " and ", colored("generator", "the generator"), " over the steps.")),
        figure(portrait, "The phase portrait: D's loss across, G's upwards, old steps faint. The cross is where both would rest."),
      ),
      words,
      spoken,
      element("div", { class: "play-controls play-main" }, ...[data, loss, penalty, weight].map((c) => c.element)),
      element("div", { class: "play-controls" }, average.element, arrows.element),
      layers,
      more(...[optimizer, lr, critic, width, batch, seed].map((c) => c.element)),
    );
    start0 = Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value]));
    if (own) choose(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
    reset();
    return () => { if (!running) go(); };
  });
})();
