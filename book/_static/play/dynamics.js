// The Dirac-GAN and what each method makes of it: the formulas of gantut.games for two numbers, x and y.
// tests/browser/test_formulas.py holds paths, matrices and spectral radii against the library's.
"use strict";

window.gantut = window.gantut || {};

(function () {
  const sigmoid = (v) => (v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v)));
  const bend = (v) => sigmoid(v) * sigmoid(-v);

  // For each loss the first and second derivative of D's and of G's loss in the fake logit.
  const LOSSES = {
    minimax: { D: [sigmoid, bend], G: [(v) => -sigmoid(v), (v) => -bend(v)] },
    non_saturating: { D: [sigmoid, bend], G: [(v) => -sigmoid(-v), bend] },
    wasserstein: { D: [() => 1, () => 0], G: [() => -1, () => 0] },
    hinge: { D: [(v) => (v > -1 ? 1 : 0), () => 0], G: [() => -1, () => 0] },
  };

  // The data is at 0, the generator's sample at x, D(s) = y s, and R1 adds γ/2 y² to D's loss.
  function diracGAN(loss, gamma) {
    if (!(loss in LOSSES)) throw new Error(`unknown loss ${loss}; known: ${Object.keys(LOSSES).join(", ")}`);
    const { D, G } = LOSSES[loss];
    return {
      // v = (∂f/∂x, ∂g/∂y), the gradients of both losses.
      slopes: ([x, y]) => [G[0](x * y) * y, D[0](x * y) * x + gamma * y],
      jacobian: ([x, y]) => {
        const v = x * y;
        return [
          [G[1](v) * y * y, G[0](v) + G[1](v) * v],
          [D[0](v) + D[1](v) * v, D[1](v) * x * x + gamma],
        ];
      },
    };
  }

  const times = (M, z) => M.map((row) => row.reduce((sum, value, k) => sum + value * z[k], 0));
  const transpose = (M) => M[0].map((_, k) => M.map((row) => row[k]));
  const product = (A, B) => A.map((row) => transpose(B).map((column) => row.reduce((sum, value, k) => sum + value * column[k], 0)));
  const combine = (a, A, b, B) => A.map((row, i) => row.map((value, k) => a * value + b * B[i][k]));
  const eye = (n) => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, k) => (i === k ? 1 : 0)));
  const blocks = (A, B, C, D) => [...A.map((row, i) => [...row, ...B[i]]), ...C.map((row, i) => [...row, ...D[i]])];
  const scaled = (a, A) => combine(a, A, 0, A);
  const antisymmetric = (J) => combine(0.5, J, -0.5, transpose(J));

  // Each method: `map(J, η, option)` is its step near the equilibrium as a matrix, and `step(game, z, η, option, memory)` the step itself.
  // `option` is the one further number that the method has, if it has one.
  const METHODS = {
    simultaneous: {
      option: { name: "momentum", from: -0.9, to: 0.9, start: 0 },
      map: (J, lr, momentum) => {
        const plain = combine(1, eye(2), -lr, J);
        if (!momentum) return plain;
        return blocks(plain, scaled(momentum, eye(2)), scaled(-lr, J), scaled(momentum, eye(2)));
      },
      step: (game, z, lr, momentum, memory) => {
        const v = game.slopes(z);
        memory.last = v.map((value, k) => (memory.last ? momentum * memory.last[k] : 0) + value);
        return z.map((value, k) => value - lr * memory.last[k]);
      },
    },
    alternating: {
      option: { name: "momentum", from: -0.9, to: 0.9, start: 0 },
      map: (J, lr, momentum) => {
        let result = eye(momentum ? 4 : 2);
        for (const mine of [1, 0]) {
          const move = eye(result.length);
          for (let k = 0; k < 2; k++) move[mine][k] -= lr * J[mine][k];
          if (momentum) {
            move[mine][2 + mine] = momentum;
            move[2 + mine] = [-lr * J[mine][0], -lr * J[mine][1], 0, 0];
            move[2 + mine][2 + mine] = momentum;
          }
          result = product(move, result);
        }
        return result;
      },
      step: (game, z, lr, momentum, memory) => {
        const place = [...z];
        memory.last = memory.last || [0, 0];
        for (const mine of [1, 0]) {
          memory.last[mine] = momentum * memory.last[mine] + game.slopes(place)[mine];
          place[mine] -= lr * memory.last[mine];
        }
        return place;
      },
    },
    extragradient: {
      map: (J, lr) => combine(1, eye(2), -lr, product(J, combine(1, eye(2), -lr, J))),
      step: (game, z, lr) => {
        const v = game.slopes(z);
        const ahead = game.slopes(z.map((value, k) => value - lr * v[k]));
        return z.map((value, k) => value - lr * ahead[k]);
      },
    },
    optimistic: {
      map: (J, lr) => blocks(combine(1, eye(2), -2 * lr, J), scaled(lr, J), eye(2), scaled(0, eye(2))),
      step: (game, z, lr, option, memory) => {
        const v = game.slopes(z);
        const last = memory.last || v;
        memory.last = v;
        return z.map((value, k) => value - lr * (2 * v[k] - last[k]));
      },
    },
    consensus: {
      option: { name: "gamma", from: 0.05, to: 2, start: 0.5 },
      map: (J, lr, gamma) => combine(1, eye(2), -lr, combine(1, J, gamma, product(transpose(J), J))),
      step: (game, z, lr, gamma) => {
        const v = game.slopes(z);
        const pull = times(transpose(game.jacobian(z)), v);
        return z.map((value, k) => value - lr * (v[k] + gamma * pull[k]));
      },
    },
    symplectic: {
      option: { name: "strength", from: 0.05, to: 2, start: 1 },
      map: (J, lr, strength) => combine(1, eye(2), -lr, combine(1, J, strength, product(transpose(antisymmetric(J)), J))),
      step: (game, z, lr, strength) => {
        const [v, J] = [game.slopes(z), game.jacobian(z)];
        const pull = times(transpose(J), v);
        const forward = times(J, v);
        const adjustment = pull.map((value, k) => 0.5 * (value - forward[k]));
        const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
        const sign = (dot(v, pull) * dot(adjustment, pull)) / 2 + 0.1 < 0 ? -1 : 1;
        return z.map((value, k) => value - lr * (v[k] + sign * strength * adjustment[k]));
      },
    },
    competitive: {
      zeroSum: true,
      map: (J, lr) => {
        // The inverse of I + η K with K = ((0, b), (c, 0)).
        const [b, c] = [lr * J[0][1], lr * J[1][0]];
        const inverse = scaled(1 / (1 - b * c), [[1, -b], [-c, 1]]);
        return combine(1, eye(2), -lr, product(inverse, J));
      },
      step: (game, z, lr) => {
        const v = game.slopes(z);
        const meeting = game.jacobian(z)[0][1];
        const dx = (-lr * (v[0] - lr * meeting * v[1])) / (1 + (lr * meeting) ** 2);
        return [z[0] + dx, z[1] - lr * (v[1] - meeting * dx)];
      },
    },
  };

  // The path of `steps` steps from `start`; it ends early where it leaves 10⁶.
  function play(game, method, lr, option, start, steps) {
    const path = [start];
    const memory = {};
    for (let k = 0; k < steps; k++) {
      path.push(METHODS[method].step(game, path[k], lr, option, memory));
      if (!(Math.max(...path[k + 1].map(Math.abs)) < 1e6)) break;
    }
    return path;
  }

  // The eigenvalues [re, im] of a small real matrix: the roots of its characteristic polynomial (Faddeev and LeVerrier), all found at once
  // (Durand and Kerner).
  function eigenvalues(M) {
    const n = M.length;
    const coefficients = [1];
    let power = eye(n);
    for (let k = 1; k <= n; k++) {
      const step = product(M, power);
      const c = -step.reduce((sum, row, i) => sum + row[i], 0) / k;
      coefficients.push(c);
      power = combine(1, step, c, eye(n));
    }
    const mul = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
    const div = ([a, b], [c, d]) => { const r = c * c + d * d; return [(a * c + b * d) / r, (b * c - a * d) / r]; };
    if (n === 2) {
      const [, p, q] = coefficients;
      const inner = (p * p) / 4 - q;
      const root = Math.sqrt(Math.abs(inner));
      return inner < 0 ? [[-p / 2, root], [-p / 2, -root]] : [[-p / 2 + root, 0], [-p / 2 - root, 0]];
    }
    const radius = 1 + Math.max(...coefficients.map(Math.abs));
    let roots = Array.from({ length: n }, (_, k) => [0.5 * radius * Math.cos(0.4 + (2 * Math.PI * k) / n), 0.5 * radius * Math.sin(0.4 + (2 * Math.PI * k) / n)]);
    for (let round = 0; round < 500; round++) {
      let largest = 0;
      roots = roots.map((z, k) => {
        const value = coefficients.reduce((sum, c) => { const m = mul(sum, z); return [m[0] + c, m[1]]; }, [0, 0]);
        const others = roots.reduce((sum, w, j) => (j === k ? sum : mul(sum, [z[0] - w[0], z[1] - w[1]])), [1, 0]);
        const change = div(value, others);
        largest = Math.max(largest, Math.hypot(...change));
        return [z[0] - change[0], z[1] - change[1]];
      });
      if (!(largest > 1e-15)) break;
    }
    return roots;
  }

  const spectralRadius = (M) => Math.max(...eigenvalues(M).map(([re, im]) => Math.hypot(re, im)));

  window.gantut.dynamics = { LOSSES, METHODS, diracGAN, play, eigenvalues, spectralRadius };
})();
