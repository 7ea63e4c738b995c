// The explorer of codes: four corners, one point between them, and what a VAE's decoder and a GAN's generator draw there.
"use strict";

(function () {
  const { play } = window.gantut;
  const { element, canvas, choice, button, draggable, color } = play;
  const SIDE = 28;
  const CELLS = 9; // pictures on a side of the map; those in its corners are the corners' own
  const LEAK = 0.2;
  const ARROWS = ["↖", "↗", "↙", "↘"];

  // -- the two networks ------------------------------------------------------------------------------------------------------------------------

  // A layer as .ci/play.py stored it: integers of eight bits, a scale for each output, and a bias.
  function layer({ shape, weight, scale, bias }) {
    const [out, inputs] = shape;
    const scales = play.halves(scale);
    const bytes = Uint8Array.from(atob(weight), (c) => c.charCodeAt(0));
    const each = bytes.length / out;
    const values = Float32Array.from(new Int8Array(bytes.buffer), (q, k) => q * scales[Math.floor(k / each)]);
    return { out, inputs, weight: values, bias: bias ? play.halves(bias) : new Float32Array(out) };
  }

  function linear({ out, inputs, weight, bias }, x) {
    const y = Float32Array.from(bias);
    for (let o = 0; o < out; o++) {
      let sum = 0;
      for (let k = 0; k < inputs; k++) sum += weight[o * inputs + k] * x[k];
      y[o] += sum;
    }
    return y;
  }

  const leaky = (x) => x.map((v) => (v > 0 ? v : LEAK * v));
  const sigmoid = (x) => x.map((v) => 1 / (1 + Math.exp(-v)));
  const sum = (x, y) => x.map((v, k) => v + y[k]);

  // Planes of n × n with a border of zeros.
  function bordered(x, planes, n) {
    const wide = n + 2;
    const y = new Float32Array(planes * wide * wide);
    for (let c = 0; c < planes; c++) for (let i = 0; i < n; i++) {
      const from = (c * n + i) * n;
      y.set(x.subarray(from, from + n), (c * wide + i + 1) * wide + 1);
    }
    return y;
  }

  // A 3 × 3 convolution of planes of n × n.
  function convolve({ out, inputs, weight, bias }, x, n) {
    const wide = n + 2;
    const length = (n - 1) * wide + n; // from the first place to the last, over the borders
    const from = bordered(x, inputs, n);
    const made = new Float64Array(length);
    const y = new Float32Array(out * n * n);
    for (let o = 0; o < out; o++) {
      made.fill(bias[o]);
      for (let c = 0; c < inputs; c++) {
        const own = (o * inputs + c) * 9;
        const [a, b, d] = [weight[own], weight[own + 1], weight[own + 2]];
        const [e, f, g] = [weight[own + 3], weight[own + 4], weight[own + 5]];
        const [h, i, j] = [weight[own + 6], weight[own + 7], weight[own + 8]];
        const [one, two, three] = [c * wide * wide, (c * wide + 1) * wide, (c * wide + 2) * wide];
        for (let p = 0; p < length; p++) {
          made[p] += a * from[one + p] + b * from[one + p + 1] + d * from[one + p + 2]
            + e * from[two + p] + f * from[two + p + 1] + g * from[two + p + 2]
            + h * from[three + p] + i * from[three + p + 1] + j * from[three + p + 2];
        }
      }
      for (let r = 0; r < n; r++) y.set(made.subarray(r * wide, r * wide + n), (o * n + r) * n);
    }
    return y;
  }

  // The weights of a layer that repeats every place 2 × 2 times and convolves with 3 × 3 weights. Of the nine around a new place those on copies
  // of one old place are summed once and for all: four are left, other ones for each of the four new places.
  function summed({ out, inputs, weight, bias }) {
    const near = [[[0], [1, 2]], [[0, 1], [2]]]; // which of three weights fall on the first and the second old place
    const sums = new Float64Array(out * inputs * 16); // output, new place (down, right), input, old place
    let at = 0;
    for (let o = 0; o < out; o++) for (const down of near) for (const right of near) for (let c = 0; c < inputs; c++) {
      for (const rows of down) for (const columns of right) {
        for (const r of rows) for (const s of columns) sums[at] += weight[(o * inputs + c) * 9 + 3 * r + s];
        at += 1;
      }
    }
    return { out, inputs, sums, bias };
  }

  // Such a layer on planes of n × n.
  function enlarge({ out, inputs, sums, bias }, x, n) {
    const wide = n + 2;
    const length = (n - 1) * wide + n;
    const from = bordered(x, inputs, n);
    const made = new Float64Array(length);
    const y = new Float32Array(4 * out * n * n);
    for (let o = 0; o < out; o++) for (let down = 0; down < 2; down++) for (let right = 0; right < 2; right++) {
      made.fill(bias[o]);
      for (let c = 0; c < inputs; c++) {
        const own = (((2 * o + down) * 2 + right) * inputs + c) * 4;
        const [a, b, d, e] = [sums[own], sums[own + 1], sums[own + 2], sums[own + 3]];
        const one = (c * wide + down) * wide + right;
        const two = one + wide;
        for (let p = 0; p < length; p++) made[p] += a * from[one + p] + b * from[one + p + 1] + d * from[two + p] + e * from[two + p + 1];
      }
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) y[(o * 2 * n + 2 * i + down) * 2 * n + 2 * j + right] = made[i * wide + j];
    }
    return y;
  }

  // Planes of n × n with every place repeated 2 × 2 times.
  function repeat(x, n) {
    const y = new Float32Array(4 * x.length);
    for (let k = 0; k < y.length; k++) {
      const [row, column] = [Math.floor(k / (2 * n)), k % (2 * n)];
      const plane = Math.floor(row / (2 * n));
      y[k] = x[(plane * n + ((row % (2 * n)) >> 1)) * n + (column >> 1)];
    }
    return y;
  }

  // A 1 × 1 convolution without a bias.
  function match({ out, inputs, weight }, x, size) {
    const y = new Float32Array(out * size);
    for (let o = 0; o < out; o++) for (let c = 0; c < inputs; c++) {
      const w = weight[o * inputs + c];
      for (let p = 0; p < size; p++) y[o * size + p] += w * x[c * size + p];
    }
    return y;
  }

  // Four planes to one of twice the side: each place becomes 2 × 2.
  function shuffle(x, n) {
    const y = new Float32Array(4 * n * n);
    for (let k = 0; k < 4; k++) for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      y[(2 * i + (k >> 1)) * 2 * n + 2 * j + (k & 1)] = x[(k * n + i) * n + j];
    }
    return y;
  }

  // code -> picture, a Float32Array of 28 × 28 values in 0 … 1. The VAE's code has 24 numbers; the GAN's has the shares of the stored draws of
  // noise, and then those of the ten digits.
  function drawers() {
    const { decoders } = window.gantut;
    const vae = decoders.vae.map(layer);
    const gan = decoders.gan.map(layer).map((each, k) => (k ? summed(each) : each));
    const residual = (first, last, x, n) => sum(x, convolve(last, leaky(convolve(first, leaky(x), n)), n));
    return {
      vae(z) {
        const [first, begin, a, b, c, d, skip, e, f, head] = vae;
        let h = convolve(begin, linear(first, z), 7);
        h = residual(a, b, h, 7);
        h = sum(repeat(match(skip, h, 49), 7), convolve(d, leaky(repeat(convolve(c, leaky(h), 7), 7)), 14));
        h = residual(e, f, h, 14);
        return sigmoid(shuffle(convolve(head, leaky(h), 14), 14));
      },
      gan(shares) {
        const [first, second, head] = gan;
        return sigmoid(enlarge(head, leaky(enlarge(second, leaky(linear(first, shares)), 7)), 14));
      },
    };
  }
  window.gantut.createDrawers = drawers;

  const percent = (v, digits = 1) => `${(100 * v).toFixed(digits)}\u00a0%`;

  // The share of pixels that are neither paper nor ink.
  const grey = (picture) => picture.reduce((count, v) => count + (v > 0.1 && v < 0.9), 0) / picture.length;

  // A picture as a small canvas, ink on the ground of the theme.
  function stamp(values) {
    const made = document.createElement("canvas");
    made.width = made.height = SIDE;
    const context = made.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    const ink = play.isDark() ? [238, 241, 245] : [22, 24, 28];
    values.forEach((value, k) => image.data.set([...ink, 255 * value], 4 * k));
    context.putImageData(image, 0, 0);
    return made;
  }

  play.build("latent", (inside) => {
    const { decoders } = window.gantut;
    const { said } = decoders;
    const draw = drawers();
    const numbers = play.halves(decoders.codes);
    const size = decoders.vae[0].shape[1]; // numbers in the VAE's code
    const hands = numbers.length / (10 * size); // test digits of each class
    const noises = decoders.gan[0].shape[1] - 10;
    const ROLE = { vae: "decoder", gan: "generator" };
    const NAME = { vae: "VAE", gan: "GAN" };

    // The corners, from the left above to the right below: a digit, the number of the test digit, a code from the prior, the GAN's draw of noise.
    let source = play.random(1);
    const corners = [3, 7, 5, 2].map((digit, k) => ({ digit, hand: 0, noise: k, drawn: null }));
    let at = [0.5, 0.5]; // from the left, from above
    let walking = null;

    const weights = ([u, v]) => [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v];
    const prior = () => from.value === "prior";

    // What both networks are given at a place of the square.
    const given = {
      vae(place) {
        let w = weights(place);
        // Mixed draws get the spread of one draw again; codes of digits are mixed as they are.
        if (prior()) w = w.map((v) => v / Math.hypot(...w));
        const code = new Float32Array(size);
        corners.forEach((corner, k) => {
          const start = (corner.digit * hands + corner.hand) * size;
          const own = prior() ? corner.drawn : numbers.subarray(start, start + size);
          for (let i = 0; i < size; i++) code[i] += w[k] * own[i];
        });
        return code;
      },
      gan(place) {
        const w = weights(place);
        const shares = new Float32Array(noises + 10);
        corners.forEach((corner, k) => {
          shares[corner.noise] += w[k] / Math.hypot(...w);
          shares[noises + corner.digit] += w[k];
        });
        return shares;
      },
    };

    // -- the map: pictures on a grid, made a few in every frame, from the middle outwards ------------------------------------------------------

    const cells = Array.from({ length: CELLS ** 2 }, (_, k) => [k % CELLS, Math.floor(k / CELLS)]);
    cells.sort((p, q) => Math.hypot(p[0] - 4, p[1] - 4) - Math.hypot(q[0] - 4, q[1] - 4));
    let grid = {}; // "column row" -> values of the picture
    let stamps = {};
    let filling = 0;
    function fill() {
      const mine = (filling += 1);
      const todo = [...cells];
      const name = map.value;
      function some() {
        if (mine !== filling) return;
        const start = performance.now();
        while (todo.length && performance.now() - start < 12) {
          const [column, row] = todo.shift();
          const key = `${column} ${row}`;
          grid[key] = draw[name](given[name]([column / (CELLS - 1), row / (CELLS - 1)]));
          delete stamps[key];
        }
        square.redraw();
        inside.dataset.filled = CELLS ** 2 - todo.length;
        if (todo.length) requestAnimationFrame(some);
      }
      some();
    }

    const pictures = {};
    const square = canvas("", (context, length) => {
      const cell = length / CELLS;
      context.imageSmoothingQuality = "high";
      for (const [key, values] of Object.entries(grid)) {
        const [column, row] = key.split(" ").map(Number);
        stamps[key] = stamps[key] || stamp(values);
        context.drawImage(stamps[key], (column + 0.08) * cell, (row + 0.08) * cell, 0.84 * cell, 0.84 * cell);
      }
      // The lens: the picture of exactly this place.
      const name = map.value;
      if (!pictures[name]) return;
      const lens = 1.9 * cell;
      const [x, y] = at.map((v) => Math.max(3, Math.min(length - lens - 3, (0.5 + v * (CELLS - 1)) * cell - lens / 2)));
      context.beginPath();
      context.roundRect(x, y, lens, lens, 0.16 * lens);
      context.fillStyle = color("ground");
      context.shadowColor = "rgb(0 0 0 / 35%)";
      context.shadowBlur = 14;
      context.fill();
      context.shadowColor = "transparent";
      context.lineWidth = 4;
      context.strokeStyle = color(ROLE[name]);
      context.stroke();
      context.drawImage(stamp(pictures[name]), x + 0.08 * lens, y + 0.08 * lens, 0.84 * lens, 0.84 * lens);
    });
    play.onTheme(() => { stamps = {}; });

    const shown = {};
    const figures = {};
    for (const name of ["vae", "gan"]) {
      shown[name] = canvas(`The picture of the ${NAME[name]} at this place`, (context, length) => {
        if (!pictures[name]) return;
        context.imageSmoothingEnabled = false;
        context.drawImage(stamp(pictures[name]), 0.04 * length, 0.04 * length, 0.92 * length, 0.92 * length);
      });
      figures[name] = element("span", { class: "play-live" });
    }

    // -- controls --------------------------------------------------------------------------------------------------------------------------------

    const map = choice("the square shows", [["vae", "what the VAE draws"], ["gan", "what the GAN draws"]], "vae", renew);
    const from = choice("its corners are", [["digits", "test digits"], ["prior", "draws from the prior"]], "digits", renew);
    const selects = corners.map((corner, k) => {
      const select = element("select", { "aria-label": `digit ${["left above", "right above", "left below", "right below"][k]}` });
      for (let digit = 0; digit < 10; digit++) select.append(element("option", { value: digit, selected: digit === corner.digit }, String(digit)));
      select.addEventListener("change", () => { corner.digit = +select.value; renew(); });
      return element("span", { class: "play-corner" }, element("span", { "aria-hidden": "true" }, ARROWS[k]), select);
    });
    const others = button("Other hands", () => {
      corners.forEach((corner) => { corner.hand = (corner.hand + 1) % hands; corner.noise = (corner.noise + 3) % noises; });
      deal();
      renew();
    });
    const walk = button("Walk", () => (walking ? stop() : begin()));
    const words = element("p", { class: "play-words", role: "status" });

    function deal() {
      for (const corner of corners) corner.drawn = Float32Array.from({ length: size }, source.normal);
    }

    // -- the point -------------------------------------------------------------------------------------------------------------------------------

    function go(place) {
      at = place.map((v) => Math.max(0, Math.min(1, v)));
      for (const name of ["vae", "gan"]) {
        pictures[name] = draw[name](given[name](at));
        figures[name].textContent = percent(grey(pictures[name]), 0);
        shown[name].redraw();
      }
      square.redraw();
      tell();
    }

    function renew() {
      go(at);
      fill();
    }

    // Speaking every place on the way would drown a screen reader: the last one is told.
    let later = null;
    function tell() {
      inside.dataset.at = at.map((v) => v.toFixed(3)).join(" ");
      clearTimeout(later);
      later = setTimeout(() => {
        const shares = {};
        weights(at).forEach((w, k) => { shares[corners[k].digit] = (shares[corners[k].digit] || 0) + w; });
        const mixed = Object.entries(shares).filter(([, w]) => w >= 0.005).sort((p, q) => q[1] - p[1]);
        const list = mixed.map(([digit, w]) => `${percent(w, 0)} ${digit}`).join(", ");
        words.textContent = prior() ? `The GAN is asked for ${list}. The VAE mixes four draws from its prior, which have no digit.` : `The mixture here: ${list}.`;
      }, 150);
    }

    const CORNER = 1.4; // the walk goes round, and rests a little where it meets a corner
    function begin() {
      walk.textContent = "Stop";
      const start = performance.now();
      const first = Math.atan2(at[1] - 0.5, at[0] - 0.5);
      const radius = 2 * Math.max(...at.map((v) => Math.abs(v - 0.5)));
      let last = -Infinity;
      function step(now) {
        if (!walking) return;
        // One picture a second where the reader asked for little motion.
        if (now - last >= (play.calm() ? 1000 : 40)) {
          last = now;
          const angle = first + (now - start) / 4000;
          const far = 0.5 * (radius + (1 - radius) * Math.min(1, (now - start) / 2000));
          go([Math.cos(angle), Math.sin(angle)].map((v) => 0.5 + far * Math.max(-1, Math.min(1, CORNER * v))));
        }
        walking = requestAnimationFrame(step);
      }
      walking = requestAnimationFrame(step);
    }

    function stop() {
      cancelAnimationFrame(walking);
      walking = null;
      walk.textContent = "Walk";
    }

    // Places of the surface to places between the corners' middles.
    const inner = (v) => (v * CELLS - 0.5) / (CELLS - 1);
    draggable(square.element, {
      label: "Square between four digits. The arrow keys move the point, with Shift in larger steps.",
      moved: (u, v) => { stop(); go([inner(u), inner(1 - v)]); },
      nudged: (u, v) => { stop(); go([at[0] + 0.025 * u, at[1] - 0.025 * v]); },
    });

    const beside = {
      vae: `, ${percent(said.vae.grey)} in its samples.`,
      gan: `, ${percent(said.gan.grey)} in its samples, ${percent(said.real.grey)} in real digits.`,
    };
    const row = (...pair) => element("div", { class: "play-corners" }, ...pair);
    inside.append(
      element("div", { class: "play-controls" }, map.element, from.element, others, walk),
      element("div", { class: "play-row play-led play-square" },
        element("figure", {}, row(...selects.slice(0, 2)), square.element, row(...selects.slice(2)), words),
        ...["vae", "gan"].map((name) => element("figure", { class: `play-${ROLE[name]}` }, element("p", { class: "play-name" }, NAME[name]), shown[name].element,
          element("figcaption", {}, `FID of its samples: ${said[name].fid.toPrecision(2)}.`, element("br"), "Grey pixels: ", figures[name], " here", beside[name]))),
      ),
    );
    deal();
    renew();
    return begin;
  });
})();
