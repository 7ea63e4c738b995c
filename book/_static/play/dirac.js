// The Dirac-GAN with its controls: the phase portrait, the eigenvalues of one step on the unit circle, and the distance from the equilibrium.
"use strict";

(function () {
  const { play, dynamics } = window.gantut;
  const { element, set, choice, slider, button, draggable } = play;
  const { LOSSES, METHODS } = dynamics;
  const LIMIT = 2; // the portrait shows −2 … 2 on both axes
  const STEPS = 200;
  const SIDE = 300;
  const OPTION_WORDS = { momentum: "momentum", gamma: "γ of consensus", strength: "strength of the adjustment" };

  const place = ([x, y]) => [SIDE / 2 + (x / LIMIT) * (SIDE / 2), SIDE / 2 - (y / LIMIT) * (SIDE / 2)];
  const clip = (v) => Math.max(-LIMIT, Math.min(LIMIT, v));

  function surface(label) {
    return element("svg:svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "play-surface", role: "img", "aria-label": label });
  }

  // Two thin lines through the middle and what they stand for.
  function axes(svg, across, up) {
    const line = { stroke: "var(--play-faint)", "stroke-width": 1 };
    svg.append(
      element("svg:line", { x1: 0, x2: SIDE, y1: SIDE / 2, y2: SIDE / 2, ...line }),
      element("svg:line", { x1: SIDE / 2, x2: SIDE / 2, y1: 0, y2: SIDE, ...line }),
      element("svg:text", { x: SIDE - 6, y: SIDE / 2 - 6, "text-anchor": "end" }, across),
      element("svg:text", { x: SIDE / 2 + 6, y: 14 }, up),
    );
  }

  function polyline(points, color, width) {
    return element("svg:polyline", { points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), fill: "none", stroke: `var(--play-${color})`, "stroke-width": width, "stroke-linejoin": "round" });
  }

  play.build("games", (inside) => {
    let start = [1, 0.5];
    let shown = STEPS; // how much of the path is drawn
    let timer = null;

    const loss = choice("loss", Object.keys(LOSSES), "minimax", update);
    const method = choice("method", Object.keys(METHODS), "simultaneous", changeMethod);
    const lr = slider("step size η", { from: 0.01, to: 1, start: 0.2, logarithmic: true }, update);
    const gamma = slider("γ of R1", { from: 0, to: 2, step: 0.01, start: 0 }, update);
    const option = slider("momentum", { from: -0.9, to: 0.9, start: 0 }, update);
    const x = slider("generator x", { from: -LIMIT, to: LIMIT, step: 0.01, start: start[0] }, (v) => { start = [v, start[1]]; update(); });
    const y = slider("discriminator y", { from: -LIMIT, to: LIMIT, step: 0.01, start: start[1] }, (v) => { start = [start[0], v]; update(); });
    const run = button("Play", toggle, { class: "play-button play-first" });

    const portrait = surface("");
    const circle = surface("");
    const distance = surface("");
    const arrows = element("svg:g", { stroke: "var(--play-theory)", "stroke-width": 1, opacity: 0.75 });
    const path = element("svg:g");
    axes(portrait, "x: generator", "y: discriminator");
    portrait.append(arrows, path);
    axes(circle, "real", "imaginary");
    const roots = element("svg:g");
    circle.append(element("svg:circle", { cx: SIDE / 2, cy: SIDE / 2, r: SIDE / 3, fill: "none", stroke: "var(--play-theory)", "stroke-width": 1.5 }), roots);
    const curves = element("svg:g");
    distance.append(curves);
    const words = element("p", { class: "play-words", role: "status" });

    draggable(portrait, {
      label: "Phase portrait. The arrow keys move the starting point, with Shift in larger steps; the sliders for x and y do the same.",
      moved: (u, v) => from([(2 * u - 1) * LIMIT, (2 * v - 1) * LIMIT]),
      nudged: (u, v) => from([start[0] + 0.05 * u, start[1] + 0.05 * v]),
    });

    function from(place) {
      start = place.map(clip);
      [x.value, y.value] = start;
      update();
    }

    function changeMethod() {
      const its = METHODS[method.value].option;
      option.element.hidden = !its;
      if (its) option.rename(OPTION_WORDS[its.name], its, its.start);
      update();
    }

    // Draw the path step by step, or stop doing so.
    function toggle() {
      if (timer) return stop();
      shown = 0;
      timer = setInterval(() => {
        shown += 1;
        if (shown >= STEPS) stop();
        else drawPath();
      }, 60);
      run.textContent = "Pause";
      return drawPath();
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      run.textContent = "Play";
      shown = STEPS;
      drawPath();
    }

    let found = [];
    let radius = 1;
    function update() {
      const its = METHODS[method.value];
      const game = dynamics.diracGAN(loss.value, gamma.value);
      drawArrows(game);
      if (its.zeroSum && loss.value === "non_saturating") {
        found = [];
        radius = NaN;
        roots.replaceChildren();
        drawPath();
        words.textContent = "Competitive gradients need a zero-sum game, and the non-saturating loss makes none. Choose another loss.";
        return;
      }
      const map = its.map(game.jacobian([0, 0]), lr.value, option.value);
      const values = dynamics.eigenvalues(map);
      radius = dynamics.spectralRadius(map);
      inside.dataset.radius = radius;
      found = dynamics.play(game, method.value, lr.value, option.value, start, STEPS);
      drawRoots(values);
      drawPath();
      words.textContent = `Spectral radius of one step at the equilibrium: ${radius.toFixed(5)}. ${verdict()} Eigenvalues: ${values.map(write).join(", ")}.`;
    }

    function verdict() {
      if (Math.abs(radius - 1) < 1e-9) return "The distance neither grows nor shrinks: the players circle.";
      if (radius > 1) return `Close to the equilibrium the distance doubles every ${steps(Math.LN2 / Math.log(radius))}.`;
      return `Close to the equilibrium the distance halves every ${steps(Math.LN2 / -Math.log(radius))}.`;
    }
    const steps = (n) => (n < 1.5 ? "step" : `${n < 10 ? n.toFixed(1) : Math.round(n)} steps`);
    const write = ([re, im]) => (Math.abs(im) < 1e-9 ? re.toFixed(3) : `${re.toFixed(3)} ${im < 0 ? "−" : "+"} ${Math.abs(im).toFixed(3)}i`);

    function drawArrows(game) {
      const marks = [];
      for (let i = 0; i < 13; i++) {
        for (let j = 0; j < 13; j++) {
          const z = [-1.8 + 0.3 * i, -1.8 + 0.3 * j];
          const [a, b] = game.slopes(z).map((v) => -v);
          const length = Math.hypot(a, b);
          if (length < 1e-9) continue;
          const size = (0.24 * length) / (length + 0.4);
          const [tx, ty] = place([z[0] + (size * a) / length, z[1] + (size * b) / length]);
          const [sx, sy] = place(z);
          const [ux, uy] = [a / length, -b / length];
          const head = [[-4 * ux + 2.5 * uy, -4 * uy - 2.5 * ux], [-4 * ux - 2.5 * uy, -4 * uy + 2.5 * ux]];
          marks.push(`M${sx.toFixed(1)} ${sy.toFixed(1)}L${tx.toFixed(1)} ${ty.toFixed(1)}`);
          for (const [hx, hy] of head) marks.push(`M${tx.toFixed(1)} ${ty.toFixed(1)}l${hx.toFixed(1)} ${hy.toFixed(1)}`);
        }
      }
      arrows.replaceChildren(element("svg:path", { d: marks.join(""), fill: "none" }));
    }

    function drawRoots(values) {
      const dots = values.map(([re, im]) => element("svg:circle", {
        cx: SIDE / 2 + (re * SIDE) / 3, cy: SIDE / 2 - (im * SIDE) / 3, r: 5,
        fill: Math.hypot(re, im) > 1 + 1e-9 ? "var(--play-generator)" : "var(--play-discriminator)",
      }));
      roots.replaceChildren(...dots);
      set(circle, { "aria-label": `Eigenvalues of one step in the complex plane, with the unit circle: ${values.map(write).join(", ")}` });
    }

    function drawPath() {
      const part = found.slice(0, shown + 1).map((z) => z.map((v) => Math.max(-50, Math.min(50, v))));
      const pieces = [];
      if (part.length) {
        const [px, py] = place(part[part.length - 1]);
        pieces.push(polyline(part.map(place), "generator", 2), element("svg:circle", { cx: px, cy: py, r: 4, fill: "var(--play-generator)" }));
      }
      const [sx, sy] = place(start);
      pieces.push(element("svg:circle", { cx: sx, cy: sy, r: 7, fill: "var(--play-data)", stroke: "var(--play-ground)", "stroke-width": 2 }));
      path.replaceChildren(...pieces);
      drawDistance();
    }

    // The logarithm of the distance after each step, from 10⁻⁶ to 10², and the line that the spectral radius predicts.
    function drawDistance() {
      const [low, high] = [-6, 2];
      const at = (k, r) => [46 + (k / STEPS) * (SIDE - 52), 8 + ((high - Math.max(low, Math.min(high, Math.log10(r)))) / (high - low)) * (SIDE - 36)];
      const pieces = [];
      for (const power of [-6, -4, -2, 0, 2]) {
        const [, height] = at(0, 10 ** power);
        pieces.push(
          element("svg:line", { x1: 46, x2: SIDE - 6, y1: height, y2: height, stroke: "var(--play-faint)" }),
          element("svg:text", { x: 42, y: height + 5, "text-anchor": "end" }, power === 0 ? "1" : `10${[...String(power)].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`),
        );
      }
      pieces.push(element("svg:text", { x: SIDE - 8, y: SIDE - 8, "text-anchor": "end" }, `${STEPS} steps`));
      const lengths = found.map((z) => Math.hypot(...z));
      if (lengths.length) {
        const predicted = lengths[0] && [0, STEPS].map((k) => lengths[0] * radius ** k);
        if (predicted) {
          const line = Array.from({ length: 41 }, (_, i) => at((i * STEPS) / 40, lengths[0] * radius ** ((i * STEPS) / 40)));
          pieces.push(set(polyline(line, "theory", 1.5), { "stroke-dasharray": "5 4" }));
        }
        pieces.push(polyline(lengths.slice(0, shown + 1).map((r, k) => at(k, Math.max(r, 1e-9))), "generator", 2));
      }
      curves.replaceChildren(...pieces);
      const last = lengths.length ? lengths[lengths.length - 1].toPrecision(3) : "not defined";
      set(distance, { "aria-label": `Distance from the equilibrium on a logarithmic scale; after ${Math.max(0, lengths.length - 1)} steps it is ${last}` });
      if (lengths.length) inside.dataset.distance = lengths[lengths.length - 1];
    }

    const figure = (surfaceOf, caption) => element("figure", {}, surfaceOf, element("figcaption", {}, caption));
    inside.append(
      element("div", { class: "play-controls play-main" }, loss.element, method.element, lr.element, gamma.element, option.element, x.element, y.element, run),
      words,
      element("div", { class: "play-row play-led" },
        figure(portrait, "The phase portrait. Arrows: where a gradient step leads. The blue point is the start; drag it. The orange line is the path."),
        figure(circle, "The eigenvalues of one step. Inside the circle the step contracts, outside it drives away."),
        figure(distance, "The distance from the equilibrium after each step, and the dashed line that the spectral radius predicts."),
      ),
    );
    changeMethod();
  });
})();
