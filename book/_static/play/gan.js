// The mathematics of the playground: the library's losses, penalties and optimizers, and the step of its GANTrainer, on small networks.
// Everything has the name that it has in the library. Derivatives, also those of gradients, come from TensorFlow.js.
// tests/browser/test_formulas.py holds these steps against the library's.
"use strict";

window.gantut = window.gantut || {};

window.gantut.createGAN = function (tf) {
  const LEAK = 0.2;

  // tidy() without its walk through what is returned, which takes long for arrays.
  function tidy(work) {
    let result;
    tf.tidy(() => { result = work(); });
    return result;
  }

  // -- networks: weights as in PyTorch, a list of matrices (out, in) and vectors (out,) ---------------------------------------------------

  const ACTIVATIONS = { leaky_relu: (h) => tf.leakyRelu(h, LEAK), tanh: tf.tanh };

  // (N, in) to (N, out) through linear layers; `weights` are tensors W₁, b₁, W₂, b₂, …
  function mlp(weights, x, activation) {
    let h = x;
    for (let k = 0; k < weights.length; k += 2) {
      h = tf.add(tf.matMul(h, weights[k], false, true), weights[k + 1]);
      if (k + 2 < weights.length) h = activation(h);
    }
    return h;
  }

  // Weights of layers of the given widths, drawn as `networks.initialisation` draws them; `scale` shrinks the last layer.
  function initialise(widths, random, scale = 1) {
    const values = [];
    for (let k = 0; k + 1 < widths.length; k++) {
      const [fanIn, out] = [widths[k], widths[k + 1]];
      const last = k + 2 === widths.length;
      const std = last ? scale / Math.sqrt(fanIn) : Math.sqrt(2 / ((1 + LEAK ** 2) * fanIn));
      values.push(Float32Array.from({ length: fanIn * out }, () => std * random.normal()), new Float32Array(out));
    }
    return values;
  }

  function shapes(widths) {
    return widths.slice(1).flatMap((out, k) => [[out, widths[k]], [out]]);
  }

  // -- the losses of `losses.LOSSES`: pairs of functions (real, fake) -> (N,) on logits ---------------------------------------------------

  const sp = tf.softplus;
  const half = (x) => tf.mul(0.5, x);
  const halfSquare = (x) => half(tf.square(x));
  // eᵛ with the tangent beyond the edge that the library uses in single precision.
  const EDGE = Math.log(3.4028234663852886e38) - 6;
  const exponential = (v) =>
    tf.mul(tf.exp(tf.clipByValue(v, -3e38, EDGE)), tf.add(1, tf.relu(tf.sub(v, EDGE))));

  const minimaxD = (real, fake) => tf.add(sp(tf.neg(real)), sp(fake));
  const nonSaturatingG = (real, fake) => sp(tf.neg(fake));
  const hingeD = (real, fake) => tf.add(tf.relu(tf.sub(1, real)), tf.relu(tf.add(1, fake)));
  const criticG = (real, fake) => tf.neg(fake);

  function leastSquares(a, b, c) {
    return [
      (real, fake) => tf.add(halfSquare(tf.sub(real, b)), halfSquare(tf.sub(fake, a))),
      (real, fake) => halfSquare(tf.sub(fake, c)),
    ];
  }

  function labelSmoothing(s = 0.9, t = 0) {
    const forReal = (real) => tf.add(sp(tf.neg(real)), tf.mul(1 - s, real));
    return [(real, fake) => tf.add(forReal(real), tf.sub(sp(fake), tf.mul(t, fake))), nonSaturatingG];
  }

  function relativistic(discriminator) {
    const paired = (real, fake) => {
      const gap = tf.sub(real, fake);
      return half(discriminator(gap, tf.neg(gap)));
    };
    return [paired, (real, fake) => paired(fake, real)];
  }

  function relativisticAverage(discriminator) {
    const averaged = (real, fake) => discriminator(tf.sub(real, tf.mean(fake)), tf.sub(fake, tf.mean(real)));
    return [averaged, (real, fake) => averaged(fake, real)];
  }

  // The games of f-divergences: [reward t, conjugate c]; D maximises t(D(x)) − c(D(G(z))), and G t(D(G(z))).
  const DIVERGENCES = {
    kl: [(v) => v, (v) => exponential(tf.sub(v, 1))],
    reverse_kl: [(v) => tf.neg(exponential(tf.neg(v))), (v) => tf.sub(v, 1)],
    pearson: [(v) => v, (v) => tf.add(tf.mul(0.25, tf.square(v)), v)],
    neyman: [(v) => tf.sub(1, exponential(tf.neg(v))), (v) => tf.sub(2, tf.mul(2, exponential(tf.mul(-0.5, v))))],
    hellinger: [(v) => tf.sub(1, exponential(tf.neg(v))), (v) => tf.sub(exponential(v), 1)],
    jensen_shannon: [(v) => tf.sub(Math.LN2, sp(tf.neg(v))), (v) => tf.sub(sp(v), Math.LN2)],
    gan: [(v) => tf.neg(sp(tf.neg(v))), sp],
    total_variation: [(v) => half(tf.tanh(v)), (v) => half(tf.tanh(v))],
  };

  const fGAN = ([reward, conjugate]) => [
    (real, fake) => tf.sub(conjugate(fake), reward(real)),
    (real, fake) => tf.neg(reward(fake)),
  ];

  const LOSSES = {
    minimax: [minimaxD, (real, fake) => tf.neg(sp(fake))],
    non_saturating: [minimaxD, nonSaturatingG],
    label_smoothing: labelSmoothing(),
    least_squares: leastSquares(0, 1, 1),
    least_squares_pearson: leastSquares(-1, 1, 0),
    hinge: [hingeD, criticG],
    wasserstein: [(real, fake) => tf.sub(fake, real), criticG],
    relativistic: relativistic(minimaxD),
    relativistic_hinge: relativistic(hingeD),
    relativistic_average: relativisticAverage(minimaxD),
    relativistic_average_hinge: relativisticAverage(hingeD),
    relativistic_average_least_squares: relativisticAverage(leastSquares(-1, 1, 0)[0]),
  };
  for (const [name, pair] of Object.entries(DIVERGENCES)) LOSSES[`f_${name}`] = fGAN(pair);

  // [loss of D, loss of G] where samples are distributed as the data and D gives every place its best logit: searched on a grid from −3 to 3,
  // and the one nearest 0 if several are best.
  function equilibrium([forD, forG]) {
    const at = (form, v) => tf.tidy(() => form(tf.tensor([v]), tf.tensor([v])).dataSync()[0]);
    const logits = Array.from({ length: 121 }, (_, k) => 0.05 * (k - 60)).sort((a, b) => Math.abs(a) - Math.abs(b));
    const values = logits.map((v) => at(forD, v));
    const least = Math.min(...values);
    const best = values.findIndex((value) => value <= least + 1e-6);
    return [values[best], at(forG, logits[best])];
  }

  // -- the penalties of `losses.PENALTIES`: weight -> (D, real, fake, noise) -> (N,) ------------------------------------------------------

  // ∇D(x) for each example, (N, d). The gradient of the sum holds the gradient of each, since no logit depends on another example.
  const inputGradient = (D, x) => tf.grad((y) => tf.sum(D(y)))(x);
  const squaredSlope = (D, x) => tf.sum(tf.square(inputGradient(D, x)), 1);
  // The root has no slope at 0; below the small number this one has slope 0.
  const excessSlope = (D, x, target = 1) => tf.sub(tf.sqrt(tf.maximum(squaredSlope(D, x), 1e-30)), target);

  const gradientPenalty = ({ target = 1, oneSided = false } = {}) => (weight) => (D, real, fake, noise) => {
    const x = tf.add(fake, tf.mul(noise, tf.sub(real, fake)));
    const excess = excessSlope(D, x, target);
    return tf.mul(weight, tf.square(oneSided ? tf.relu(excess) : excess));
  };

  const PENALTIES = {
    none: () => null,
    r1: (gamma) => (D, real) => tf.mul(0.5 * gamma, squaredSlope(D, real)),
    r2: (gamma) => (D, real, fake) => tf.mul(0.5 * gamma, squaredSlope(D, fake)),
    r1_r2: (gamma) => (D, real, fake) =>
      tf.mul(0.5 * gamma, tf.add(squaredSlope(D, real), squaredSlope(D, fake))),
    gradient_penalty: gradientPenalty(),
    gradient_penalty_one_sided: gradientPenalty({ oneSided: true }),
    gradient_penalty_zero_centred: gradientPenalty({ target: 0 }),
    dragan: (weight) => (D, real, fake, noise) => {
      const spread = 0.5 * Math.sqrt(tf.mean(tf.square(tf.sub(real, tf.mean(real)))).dataSync()[0]);
      // Two numbers say in which direction to look from an example, the third how far.
      const moved = tf.tensor2d(noise.arraySync().map(([a, b, reach]) => [reach * a, reach * b]));
      return tf.mul(weight, tf.square(excessSlope(D, tf.add(real, tf.mul(spread, moved)))));
    },
  };
  // How many uniform numbers an example needs for its penalty.
  const PENALTY_NOISE = { gradient_penalty: 1, gradient_penalty_one_sided: 1, gradient_penalty_zero_centred: 1, dragan: 3 };

  // -- optimizers: lr -> step(values, slopes), which changes the values in place ----------------------------------------------------------

  const zeros = (values) => values.map((array) => new Float64Array(array.length));

  // Adam's direction u for every number of `slopes`; keeps its averages in `state`.
  function adamDirection(state, slopes, [beta1, beta2], eps = 1e-8) {
    state.mean = state.mean || zeros(slopes);
    state.square = state.square || zeros(slopes);
    state.t = (state.t || 0) + 1;
    const [c1, c2] = [1 - beta1 ** state.t, 1 - beta2 ** state.t];
    return slopes.map((slope, k) => {
      const [m, s, u] = [state.mean[k], state.square[k], new Float64Array(slope.length)];
      for (let i = 0; i < u.length; i++) {
        m[i] += (1 - beta1) * (slope[i] - m[i]);
        s[i] += (1 - beta2) * (slope[i] ** 2 - s[i]);
        u[i] = m[i] / c1 / (Math.sqrt(s[i] / c2) + eps);
      }
      return u;
    });
  }

  function move(values, direction, lr) {
    values.forEach((array, k) => { for (let i = 0; i < array.length; i++) array[i] -= lr * direction[k][i]; });
  }

  // Each player has its own, and they move in turn.
  const PLAYER_OPTIMIZERS = {
    adam: (lr, { betas = [0, 0.99] } = {}) => {
      const state = {};
      return (values, slopes) => move(values, adamDirection(state, slopes, betas), lr);
    },
    sgd: (lr) => (values, slopes) => move(values, slopes, lr),
    momentum: (lr, { momentum = 0.9 } = {}) => {
      let buffer = null;
      return (values, slopes) => {
        buffer = buffer ? buffer.map((b, k) => b.map((value, i) => momentum * value + slopes[k][i])) : slopes.map((s) => Float64Array.from(s));
        move(values, buffer, lr);
      };
    },
  };

  // One for both players, who move at once: lr -> step(values, field), where field() computes both players' slopes at the values.
  const GAME_OPTIMIZERS = {
    extragradient: (lr) => (values, field) => {
      const origin = values.map((array) => array.slice());
      move(values, field(), lr);
      const ahead = field();
      values.forEach((array, k) => array.set(origin[k]));
      move(values, ahead, lr);
    },
    optimistic_adam: (lr, { betas = [0.5, 0.9] } = {}) => {
      const state = {};
      let last = null;
      return (values, field) => {
        const u = adamDirection(state, field(), betas);
        move(values, u.map((d, k) => d.map((value, i) => 2 * value - (last ? last[k][i] : value))), lr);
        last = u;
      };
    },
  };

  // -- the trainer -----------------------------------------------------------------------------------------------------------------------

  class GANTrainer {
    // `generator` and `discriminator` are {widths, values}; the options are the library's.
    constructor(generator, discriminator, options) {
      const { loss, penalty = "none", weight = 0, optimizer = "adam", lr = 2e-3, betas, n_critic = 1, ema = 0.99, activation = "leaky_relu" } = options;
      for (const [name, table] of [[loss, LOSSES], [penalty, PENALTIES], [optimizer, { ...PLAYER_OPTIMIZERS, ...GAME_OPTIMIZERS }], [activation, ACTIVATIONS]])
        if (!(name in table)) throw new Error(`unknown ${name}; known: ${Object.keys(table).join(", ")}`);
      this.activation = ACTIVATIONS[activation];
      this.G = { values: generator.values, shapes: shapes(generator.widths) };
      this.D = { values: discriminator.values, shapes: shapes(discriminator.widths) };
      this.average = generator.values.map((array) => array.slice());
      [this.discriminatorLoss, this.generatorLoss] = LOSSES[loss];
      this.penalty = PENALTIES[penalty](weight);
      this.noisePerExample = PENALTY_NOISE[penalty] || 0;
      const settings = betas ? { betas } : {};
      if (optimizer in GAME_OPTIMIZERS) this.together = GAME_OPTIMIZERS[optimizer](lr, settings);
      else this.optimizers = { G: PLAYER_OPTIMIZERS[optimizer](lr, settings), D: PLAYER_OPTIMIZERS[optimizer](lr, settings) };
      Object.assign(this, { n_critic, ema, steps: 0, updates: 0, pulls: { D: [], G: [] } });
    }

    tensors(player) {
      return player.values.map((array, k) => tf.tensor(array, player.shapes[k]));
    }

    generate(weights, z) {
      return mlp(weights, z, this.activation);
    }

    judge(weights, x) {
      return tf.reshape(mlp(weights, x, this.activation), [-1]);
    }

    // D's loss at the weights given, a scalar.
    lossOfD(weights, real, fake, noise) {
      const D = (x) => this.judge(weights, x);
      const loss = tf.mean(this.discriminatorLoss(D(real), D(fake)));
      return this.penalty ? tf.add(loss, tf.mean(this.penalty(D, real, fake, noise))) : loss;
    }

    lossOfG(weights, judges, real, z) {
      const D = (x) => this.judge(judges, x);
      return tf.mean(this.generatorLoss(D(real), D(this.generate(weights, z))));
    }

    // The value of loss(weights) and its slopes as arrays.
    slopes(player, loss) {
      return tidy(() => {
        const { value, grads } = tf.valueAndGrads((...weights) => loss(weights))(this.tensors(player));
        return [value.dataSync()[0], grads.map((g) => g.dataSync())];
      });
    }

    // One step on real examples (N, 2), noise z (N, latent_dim) and, where the penalty asks for it, uniform numbers; arrays of arrays.
    // `only` is "D" or "G" where one player alone shall move, which the library's trainer never does.
    step(realRows, zRows, noiseRows, only = "") {
      const [real, z] = [tf.tensor2d(realRows), tf.tensor2d(zRows)];
      const noise = noiseRows && this.noisePerExample ? tf.tensor2d(noiseRows) : null;
      try {
        const logs = this.together ? this.moveTogether(real, z, noise) : this.moveInTurn(real, z, noise, only);
        if (!Object.values(logs).every(Number.isFinite)) throw new RangeError(`step ${this.steps}: a loss became ${Object.values(logs).find((v) => !Number.isFinite(v))}`);
        this.steps += 1;
        return logs;
      } finally {
        tf.dispose([real, z, noise].filter(Boolean));
      }
    }

    // The discriminator moves, and the generator answers to where it now stands.
    moveInTurn(real, z, noise, only) {
      const logs = {};
      if (only !== "G") {
        const fake = tf.tidy(() => this.generate(this.tensors(this.G), z));
        const [discriminator, slopesOfD] = this.slopes(this.D, (weights) => this.lossOfD(weights, real, fake, noise));
        tf.dispose(fake);
        this.optimizers.D(this.D.values, slopesOfD);
        this.pulls.D = slopesOfD;
        logs.discriminator = discriminator;
      }
      if (only === "G" || (!only && (this.steps + 1) % this.n_critic === 0)) {
        const [generator, slopesOfG] = tidy(() => {
          const judges = this.tensors(this.D);
          return this.slopes(this.G, (weights) => this.lossOfG(weights, judges, real, z));
        });
        this.optimizers.G(this.G.values, slopesOfG);
        this.pulls.G = slopesOfG;
        logs.generator = generator;
        this.updateAverage();
      }
      return logs;
    }

    // Both players move at once, as the library's game optimizers do.
    moveTogether(real, z, noise) {
      let logs = null;
      const field = () => tidy(() => {
        const judges = this.tensors(this.D);
        const fake = this.generate(this.tensors(this.G), z);
        const [generator, slopesOfG] = this.slopes(this.G, (weights) => this.lossOfG(weights, judges, real, z));
        const [discriminator, slopesOfD] = this.slopes(this.D, (weights) => this.lossOfD(weights, real, fake, noise));
        logs = logs || { discriminator, generator };
        this.pulls = { D: slopesOfD, G: slopesOfG };
        return [...slopesOfG, ...slopesOfD];
      });
      this.together([...this.G.values, ...this.D.values], field);
      this.updateAverage();
      return logs;
    }

    // The moving average of `training.EMA`: its memory grows with the updates.
    updateAverage() {
      this.updates += 1;
      const decay = Math.min(this.ema, (1 + this.updates) / (10 + this.updates));
      this.average.forEach((array, k) => this.G.values[k].forEach((w, i) => { array[i] += (1 - decay) * (w - array[i]); }));
    }

    // Samples for z (N, latent_dim) as a flat array x₁, y₁, x₂, …; from the average unless told otherwise.
    sample(zRows, average = true) {
      return tidy(() => {
        const player = { values: average ? this.average : this.G.values, shapes: this.G.shapes };
        return this.generate(this.tensors(player), tf.tensor2d(zRows)).dataSync();
      });
    }

    // D's logits at the places (N, 2), a flat array.
    logits(places) {
      return tidy(() => this.judge(this.tensors(this.D), tf.tensor2d(places)).dataSync());
    }

    // What D's hidden units say at the places (N, 2): for each layer a flat array (N, units).
    units(places) {
      return tidy(() => {
        const weights = this.tensors(this.D);
        const layers = [];
        let h = tf.tensor2d(places);
        for (let k = 0; k + 2 < weights.length; k += 2) {
          h = this.activation(tf.add(tf.matMul(h, weights[k], false, true), weights[k + 1]));
          layers.push(h.dataSync());
        }
        return layers;
      });
    }

    // How long each layer's gradient was in the last step: the length over its matrix and its vector.
    lengths(player) {
      const pulls = this.pulls[player];
      const square = (array) => array.reduce((sum, value) => sum + value * value, 0);
      return Array.from({ length: pulls.length / 2 }, (_, k) => Math.sqrt(square(pulls[2 * k]) + square(pulls[2 * k + 1])));
    }

    // Where a sample at each place would be pushed: minus the slope of the generator's loss there, (N, 2) flat.
    pushes(places) {
      return tidy(() => {
        const weights = this.tensors(this.D);
        const x = tf.tensor2d(places);
        const loss = (y) => tf.sum(this.generatorLoss(this.judge(weights, x), this.judge(weights, y)));
        return tf.neg(tf.grad(loss)(x)).dataSync();
      });
    }
  }

  return { ACTIVATIONS, LOSSES, equilibrium, PENALTIES, PENALTY_NOISE, PLAYER_OPTIMIZERS, GAME_OPTIMIZERS, GANTrainer, initialise, mlp };
};
