// The latent-space explorer: one point z in the plane, and what a VAE's decoder and a GAN's generator draw for it.
"use strict";

(function () {
  const { play } = window.gantut;
  const { element, canvas, choice, slider, button, draggable, color } = play;
  const LIMIT = 3; // the plane shows −3 … 3
  const CELLS = 15; // pictures on a side of the background
  const CLASS_COLORS = ["#3b87c8", "#d9641a", "#179c78", "#b8659a", "#a8831a", "#2a9fb8", "#c0504d", "#7a6fc4", "#7d9a2b", "#808080"];

  // The two networks, from the stored numbers: z (a list of pairs) -> pictures, one Float32Array with values in 0 … 1.
  function drawers(tf) {
    const { decoders } = window.gantut;
    const { mlp, ACTIVATIONS } = window.gantut.createGAN(tf);
    const make = (text) => {
      const numbers = play.halves(text);
      const weights = [];
      let place = 0;
      decoders.widths.slice(1).forEach((out, k) => {
        for (const shape of [[out, decoders.widths[k]], [out]]) {
          const size = shape.reduce((a, b) => a * b);
          weights.push(tf.tensor(numbers.slice(place, place + size), shape));
          place += size;
        }
      });
      return (z) => {
        const out = tf.tidy(() => tf.sigmoid(mlp(weights, tf.tensor2d(z), ACTIVATIONS.leaky_relu)));
        const pictures = out.dataSync();
        out.dispose();
        return pictures;
      };
    };
    return { vae: make(decoders.vae), gan: make(decoders.gan) };
  }
  window.gantut.createDrawers = drawers;

  // A picture of grey values as a small canvas, ink on the ground of the theme.
  function stamp(values, side) {
    const made = document.createElement("canvas");
    made.width = made.height = side;
    const context = made.getContext("2d");
    const image = context.createImageData(side, side);
    const ink = play.isDark() ? 255 : 20;
    values.forEach((value, k) => image.data.set([ink, ink, ink, 255 * value], 4 * k));
    context.putImageData(image, 0, 0);
    return made;
  }

  play.build("latent", (inside) => {
    const { decoders } = window.gantut;
    const side = decoders.shape[1];
    const size = side * side;
    const draw = drawers(window.tf);
    const codes = play.halves(decoders.codes);
    let z = [0.5, 0.5];
    let walking = null;

    const place = (point, length) => [(point[0] / LIMIT + 1) * (length / 2), (1 - point[1] / LIMIT) * (length / 2)];

    // The pictures that a network draws on a grid of codes, made once for each network and theme.
    const grids = {};
    function grid(name) {
      const key = `${name} ${play.isDark()}`;
      if (!grids[key]) {
        const line = Array.from({ length: CELLS }, (_, k) => LIMIT * ((2 * k + 1) / CELLS - 1));
        const pictures = draw[name](line.flatMap((y) => line.map((x) => [x, y])));
        grids[key] = line.map((_, k) => line.map((__, j) => stamp(pictures.slice((k * CELLS + j) * size, (k * CELLS + j + 1) * size), side)));
      }
      return grids[key];
    }

    function background(context, length) {
      if (map.value === "codes") {
        for (let k = 0; k < decoders.labels.length; k++) {
          const [x, y] = place([codes[2 * k], codes[2 * k + 1]], length);
          context.fillStyle = CLASS_COLORS[decoders.labels[k]];
          context.fillText(decoders.labels[k], x - 3, y + 4);
        }
        return;
      }
      const cell = length / CELLS;
      grid(map.value).forEach((row, k) => row.forEach((picture, j) => context.drawImage(picture, j * cell, length - (k + 1) * cell, cell, cell)));
    }

    const plane = canvas("", (context, length) => {
      context.font = "10px sans-serif";
      context.globalAlpha = 0.75;
      background(context, length);
      context.globalAlpha = 1;
      context.strokeStyle = color("theory");
      context.lineWidth = 1.5;
      // One and two standard deviations of the prior.
      for (const radius of [1, 2]) {
        context.beginPath();
        context.arc(length / 2, length / 2, (radius / LIMIT) * (length / 2), 0, 2 * Math.PI);
        context.stroke();
      }
      const [x, y] = place(z, length);
      context.lineWidth = 3;
      context.strokeStyle = color("ground");
      context.fillStyle = color("generator");
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    });

    const shown = {};
    const pictures = {};
    for (const name of ["vae", "gan"]) {
      shown[name] = canvas(name === "vae" ? "The VAE's picture" : "The GAN's picture", (context, length) => {
        if (!pictures[name]) return;
        context.imageSmoothingEnabled = false;
        context.drawImage(stamp(pictures[name], side), 0, 0, length, length);
      });
    }

    const map = choice("background", [["vae", "what the VAE draws"], ["gan", "what the GAN draws"], ["codes", "codes of test digits"]], "vae", plane.redraw);
    const sliders = [0, 1].map((k) => slider(`z${"₁₂"[k]}`, { from: -LIMIT, to: LIMIT, step: 0.01, start: z[k] }, (v) => {
      stop();
      go(k ? [z[0], v] : [v, z[1]]);
    }));
    const walk = button("Walk in a circle", () => (walking ? stop() : begin()));
    const words = element("p", { class: "play-words", role: "status" });

    draggable(plane.element, {
      label: "Plane of codes. The arrow keys move the point z, with Shift in larger steps; the sliders for z₁ and z₂ do the same.",
      moved: (u, v) => { stop(); go([(2 * u - 1) * LIMIT, (2 * v - 1) * LIMIT]); },
      nudged: (u, v) => { stop(); go([z[0] + 0.05 * u, z[1] + 0.05 * v]); },
    });

    function go(point) {
      z = point.map((v) => Math.max(-LIMIT, Math.min(LIMIT, v)));
      z.forEach((v, k) => { sliders[k].value = v; });
      for (const name of ["vae", "gan"]) {
        pictures[name] = draw[name]([z]);
        shown[name].redraw();
      }
      plane.redraw();
      tell();
    }

    // Speaking every place on the way would drown a screen reader: the last one is told.
    let later = null;
    function tell() {
      inside.dataset.z = z.map((v) => v.toFixed(2)).join(" ");
      clearTimeout(later);
      later = setTimeout(() => {
        const farther = Math.exp(-(z[0] ** 2 + z[1] ** 2) / 2);
        words.textContent = `z = (${z.map((v) => v.toFixed(2)).join(", ")}). ${Math.round(100 * farther)} % of the prior's draws lie farther out. The nearest code of a test digit is that of a ${nearest()}.`;
      }, 150);
    }

    function nearest() {
      let [best, least] = [0, Infinity];
      for (let k = 0; k < decoders.labels.length; k++) {
        const distance = (codes[2 * k] - z[0]) ** 2 + (codes[2 * k + 1] - z[1]) ** 2;
        if (distance < least) [best, least] = [k, distance];
      }
      return decoders.labels[best];
    }

    function begin() {
      walk.textContent = "Stop";
      const radius = Math.max(0.5, Math.hypot(...z));
      const from = Math.atan2(z[1], z[0]);
      const start = performance.now();
      // A step every 50 ms, or a slow one where the reader asked for little motion.
      walking = setInterval(() => {
        const angle = from + (performance.now() - start) / 3000;
        go([radius * Math.cos(angle), radius * Math.sin(angle)]);
      }, play.calm() ? 1000 : 50);
    }

    function stop() {
      clearInterval(walking);
      walking = null;
      walk.textContent = "Walk in a circle";
    }

    const figure = (surface, caption) => element("figure", {}, surface.element, element("figcaption", {}, caption));
    inside.append(
      element("div", { class: "play-controls" }, map.element, sliders[0].element, sliders[1].element, walk),
      element("div", { class: "play-row play-led" },
        figure(plane, "The plane of codes. Drag the orange point. The circles hold 39 % and 86 % of the prior."),
        figure(shown.vae, `The VAE's decoder at z. FID of its samples: ${decoders.fid.vae.toFixed(1)}.`),
        figure(shown.gan, `The GAN's generator at the same z. FID of its samples: ${decoders.fid.gan.toFixed(1)}.`),
      ),
      words,
    );
    go(z);
  });
})();
