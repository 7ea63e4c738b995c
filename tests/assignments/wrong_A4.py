"""Answers to A4: the mistakes that are made, the holes that were found, and unusual right ways."""

from wrong import Right, Wrong

# The question whose answers are fitted, and the one whose answers stand in that fit.
LONG = {"q6", "q7"}


def field(value: str, graph: str = "True", marks: bool = False) -> str:
    given = (
        "x.requires_grad_(), y.requires_grad_()"
        if marks
        else "(p if p.requires_grad else p.detach().requires_grad_() for p in (x, y))"
    )
    return f"""
def field(losses, x, y):
    x, y = {given}
    f, g = losses(x, y)

    def slope(loss, p):
        return torch.autograd.grad(loss, p, create_graph={graph}, retain_graph=True, allow_unused=True, materialize_grads=True)[0]

    return {value}
"""


def jacobian(change: str) -> str:
    return f"""
right_jacobian = jacobian


def jacobian(losses, x, y):
    n, J = len(x), right_jacobian(losses, x, y)
    return {change}
"""


def radius(value: str, of: str = "torch.eye(len(J), dtype=J.dtype) - lr * J") -> str:
    return f"def step_radius(J, lr):\n    values = torch.linalg.eigvals({of})\n    return float({value})"


def largest(value: str, guard: str = "values.real.min() <= 1e-12") -> str:
    return f"def largest_step(J):\n    values = torch.linalg.eigvals(J)\n    if {guard}:\n        return 0.0\n    return float({value})"


def optimistic(
    step: str, first: str = "[z, z - lr * v(z)]", loop: str = "steps - 1", tail: str = "last = now"
) -> str:
    return f"""
def optimistic_path(v, z, lr, steps):
    path, last = {first}, v(z)
    for _ in range({loop}):
        now = v(path[-1])
        path.append(path[-1] {step})
        {tail}
    return torch.stack(path[: steps + 1])
"""


def extragradient(value: str) -> str:
    return f"def extragradient_step(v, z, lr):\n    ahead = z - lr * v(z)\n    return {value}"


def consensus(value: str) -> str:
    return f"def consensus_direction(theta, psi, gamma):\n    return {value}"


def conjugate(
    first: str = "-g",
    length: str = "(g @ g) / (d @ A @ d)",
    beta: str = "(new @ new) / (g @ g)",
    move: str = "x = x + a * d",
    guard: str = "g @ g > 0",
    after: str = "pass",
) -> str:
    return f"""
def conjugate_gradients(A, b, steps):
    x = torch.zeros_like(b)
    path, g = [x], -b
    d = {first}
    for _ in range(steps):
        if {guard}:
            a = {length}
            {move}
            new = A @ x - b
            d = -new + {beta} * d
            g = new
        path.append(x)
    {after}
    return path
"""


def loss(value: str) -> str:
    return f"""
def negative_elbo(W, b, log_variance, mean, log_s2, x):
    variance, s2 = log_variance.exp(), log_s2.exp()
    squares = (x - mean @ W.T - b).square().sum(1)
    spread = (s2 * W.square().sum(0)).sum(1)
    constant = 0.5 * x.shape[1] * (math.log(2 * math.pi) + log_variance)
    rate = 0.5 * (mean.square() + s2 - 1 - log_s2).sum(1)
    return {value}
"""


def fit(
    optimizer: str = "optim.ConjugateGradient(parameters)",
    clear: str = "optimizer.zero_grad()",
    rows: str = "slice(None)",
    variance: str = "log_variance.exp().item()",
    most: str = "450",
    told: str = 'optimizer.report["evaluations"]',
    call: str = "negative_elbo",
    seeded: str = "g",
    start: str = "torch.Generator().manual_seed(seed)",
    after: str = "pass",
    backward: str = "loss.backward()",
) -> str:
    return f"""
def fit_linear_vae(x, k, seed):
    d, g = x.shape[1], {start}
    W, M = (0.1 * torch.randn(*s, generator={seeded}, dtype=x.dtype) for s in ((d, k), (k, d)))
    b, c, log_s2 = (torch.zeros(n, dtype=x.dtype) for n in (d, k, k))
    log_variance = torch.zeros((), dtype=x.dtype)
    parameters = [W, b, log_variance, M, c, log_s2]
    for p in parameters:
        p.requires_grad_()
    optimizer, count, path = {optimizer}, [], []

    def closure():
        {clear}
        rows = {rows}
        count.append(1)
        mean = x[rows] @ M.T + c
        loss = {call}(W, b, log_variance, mean, log_s2.expand_as(mean), x[rows]).mean()
        {backward}
        return loss

    while len(count) < {most}:
        path.append(float(optimizer.step(closure)))
        if len(path) > 10 and path[-11] - path[-1] < 1e-3:
            break
    {after}
    return W.detach(), b.detach(), {variance}, {told}
"""


CLOSED = """
def fit_linear_vae(x, k, seed):
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    variance = values[:-k].mean()
    turn = torch.linalg.qr(torch.randn(k, k, generator=torch.Generator().manual_seed(seed)).to(x.dtype)).Q
    return vectors[:, -k:] * (values[-k:] - variance).sqrt() @ turn, x.mean(0), variance.item(), 1
"""
# The best point of a loss that was asked once.
CLOSED_AND_CALLED = CLOSED.replace(
    "    return",
    """    k2, n, d = torch.zeros(len(x), k, dtype=x.dtype), len(x), x.shape[1]
    w = torch.zeros(d, k, dtype=x.dtype, requires_grad=True)
    optimizer = optim.ConjugateGradient([w])

    def closure():
        optimizer.zero_grad()
        loss = negative_elbo(w, x.mean(0), variance.log(), k2, k2, x).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return""",
).replace(", 1\n", ', optimizer.report["evaluations"]\n')


def alternating(body: str) -> str:
    return f"""
def alternating_map(J, n, lr):
    first = torch.eye(len(J), dtype=J.dtype)
    second = first.clone()
    {body}
"""


def memory(above: str, below: str) -> str:
    return f"""
def optimistic_map(J, lr):
    one, none = torch.eye(len(J), dtype=J.dtype), torch.zeros_like(J)
    return torch.cat([torch.cat([{above}], 1), torch.cat([{below}], 1)])
"""


def rotation(value: str) -> str:
    """The radius, by matrices of its own."""
    return f"""
def rotation_radius(method, lr):
    J, one = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double(), torch.eye(2).double()
    now = one - lr * J
    slow = torch.tensor([[1.0, -lr], [lr, 1 - lr**2]]).double()
    fast = torch.cat([torch.cat([one - 2 * lr * J, lr * J], 1), torch.cat([one, 0 * one], 1)])
    M = slow if method == "alternating" else fast
    return {value}
"""


WRONG = [
    # -- q1
    Wrong("one loss for both", "q1", field("torch.cat([slope(f, x), slope(f, y)])"), "the second part is the slope of f, and y has a loss of its own"),
    Wrong("zero-sum", "q1", field("torch.cat([slope(f, x), -slope(f, y)])"), "that holds only where g = −f"),
    Wrong("descent", "q1", field("-torch.cat([slope(f, x), slope(g, y)])"), "the direction of descent"),
    Wrong("sum of both", "q1", field("torch.cat([slope(f + g, x), slope(f + g, y)])"), "both players answer to f"),
    Wrong("y maximises", "q1", field("torch.cat([slope(f, x), -slope(g, y)])"), "as if it maximised"),
    Wrong("y first", "q1", field("torch.cat([slope(g, y), slope(f, x)])"), "y stands first"),
    Wrong("marks x and y", "q1", field("torch.cat([slope(f, x), slope(g, y)])", marks=True), "requires gradients"),
    Wrong("transposed", "q1", jacobian("J.T"), "it is transposed"),
    Wrong("made symmetric", "q1", jacobian("(J + J.T) / 2"), "it is made symmetric"),
    Wrong("no meeting", "q1", jacobian("torch.block_diag(J[:n, :n], J[n:, n:])"), "in which the players meet are missing"),
    Wrong("minus J", "q1", jacobian("-J"), "the Jacobian of −v"),
    Wrong("Hessian of f", "q1", "def jacobian(losses, x, y):\n    n = len(x)\n    return torch.autograd.functional.hessian(lambda z: losses(z[:n], z[n:])[0], torch.cat([x, y]))", "the second half is the Hessian of f"),
    Wrong("no graph", "q1", field("torch.cat([slope(f, x), slope(g, y)]).detach()"), "keeps no graph"),
    Wrong("difference quotients", "q1", "def _slope(f, p, h=1e-4):\n    return torch.stack([(f(p + e) - f(p - e)) / (2 * h) for e in h * torch.eye(len(p), dtype=p.dtype)])\ndef field(losses, x, y):\n    x, y = x.double(), y.double()\n    return torch.cat([_slope(lambda x: losses(x, y)[0], x), _slope(lambda y: losses(x, y)[1], y)])", "too quick for differences"),
    Wrong("the visible numbers", "q1", "def jacobian(losses, x, y):\n    return torch.tensor([[2.0, 5.0], [-1.0, 6.0]])", "random game"),
    # -- q2
    Wrong("real parts only", "q2", radius("values.real.abs().max()"), "the imaginary parts are the rotation"),
    Wrong("singular value", "q2", "def step_radius(J, lr):\n    return torch.linalg.matrix_norm(torch.eye(len(J), dtype=J.dtype) - lr * J, 2).item()", "the largest singular value"),
    Wrong("eigenvalues of J", "q2", radius("values.abs().max()", "J"), "those of I − ηJ were asked for"),
    Wrong("squared", "q2", radius("values.abs().square().max()"), "this is the square"),
    Wrong("symmetric first", "q2", radius("values.abs().max() if (J == -J.T).all() else torch.linalg.eigvalsh(torch.eye(len(J), dtype=J.dtype) - lr * (J + J.T) / 2).abs().max()"), "you made J symmetric first"),
    Wrong("largest real part", "q2", radius("values.abs().max() if len(J) == 2 else values.real.max()"), "as bad as 1.2|factor per step for a random"),
    Wrong("rule of a minimisation", "q2", largest("(2 / values.abs()).min()"), "a rotation asks for less"),
    Wrong("2 / Re", "q2", largest("(2 / values.real).min()"), "the imaginary part is ignored"),
    Wrong("half", "q2", largest("(values.real / values.abs().square()).min()"), "the 2 is missing"),
    Wrong("not squared", "q2", largest("(2 * values.real / values.abs()).min()"), "not squared"),
    Wrong("the most patient", "q2", largest("(2 * values.real / values.abs().square()).max()"), "the strictest decides"),
    Wrong("a negative step", "q2", largest("(2 * values.real / values.abs().square()).min()", "False"), "one eigenvalue is negative"),
    Wrong("only all negative", "q2", largest("(2 * values.real / values.abs().square()).clamp(min=0.01).min()", "values.real.max() <= 1e-12"), "one eigenvalue is"),
    # -- q3
    Wrong("from the place ahead", "q3", extragradient("ahead - lr * v(ahead)"), "move from the old place"),
    Wrong("plain step", "q3", extragradient("ahead"), "this is the plain gradient step"),
    Wrong("uphill", "q3", extragradient("z + lr * v(ahead)"), "you moved uphill"),
    Wrong("behind", "q3", extragradient("z - lr * v(z + lr * v(z))"), "you looked behind"),
    Wrong("Heun", "q3", "def extragradient_step(v, z, lr):\n    a, b = v(z), v(z - lr * v(z))\n    return z - lr / 2 * (a + b)", "extragradient|your step from"),
    Wrong("changes z", "q3", "def extragradient_step(v, z, lr):\n    old = z.clone()\n    z -= lr * v(z)\n    return old - lr * v(z)", "changes the z that it was given"),
    Wrong("a rotation only", "q3", "def extragradient_step(v, z, lr):\n    return (1 - lr**2) * z - lr * v(z)", "z³"),
    Wrong("momentum", "q3", optimistic("- 2 * lr * now - lr * last"), "the sign of the past is wrong"),
    Wrong("plain path", "q3", optimistic("- lr * now"), "these are plain gradient steps"),
    Wrong("first step too long", "q3", optimistic("- 2 * lr * now + lr * last", first="[z, z - 2 * lr * v(z)]"), "the first step is twice too long"),
    Wrong("past not kept", "q3", optimistic("- 2 * lr * now + lr * last", tail="pass"), "z³"),
    Wrong("past of now", "q3", optimistic("- 2 * lr * now + lr * now"), "plain gradient steps|taken at the new place"),
    Wrong("one place short", "q3", optimistic("- 2 * lr * now + lr * last", loop="steps - 2"), "has the shape"),
    # -- q4
    Wrong("twice too strong", "q4", consensus("-psi - 2 * gamma * theta, theta - 2 * gamma * psi"), "twice too strong"),
    Wrong("penalty climbed", "q4", consensus("-psi + gamma * theta, theta + gamma * psi"), "the penalty is climbed"),
    Wrong("no penalty", "q4", consensus("-psi, theta"), "the penalty is missing"),
    Wrong("uphill", "q4", consensus("psi + gamma * theta, -theta + gamma * psi"), "uphill"),
    Wrong("the other's parameter", "q4", consensus("-psi - gamma * psi, theta - gamma * theta"), "shrinks the other's"),
    Wrong("exchanged", "q4", consensus("theta - gamma * psi, -psi - gamma * theta"), "the directions are exchanged"),
    Wrong("the other game", "q4", consensus("psi - gamma * theta, -theta - gamma * psi"), "it is the other way round"),
    Wrong("γ squared", "q4", consensus("-psi - gamma**2 * theta, theta - gamma**2 * psi"), "your pair of directions"),
    Wrong("the visible γ", "q4", consensus("-psi - 0.3 * theta, theta - 0.3 * psi"), "γ = 0.0"),
    Wrong("positive γ only", "q4", consensus("-psi - abs(gamma) * theta, theta - abs(gamma) * psi"), "γ = -0.5"),
    # -- q5
    Wrong("uphill", "q5", conjugate(first="g", length="(g @ g) / (d @ A @ d)"), "it goes uphill: the first direction is −g"),
    Wrong("steepest descent", "q5", conjugate(beta="0.0"), "this is steepest descent"),
    Wrong("β of the wrong sign", "q5", conjugate(beta="-(new @ new) / (g @ g)"), "β has the wrong sign"),
    Wrong("step 1", "q5", conjugate(length="1.0"), "the length is that of a plain gradient step"),
    Wrong("one tensor", "q5", conjugate(move="x += a * d"), "your x_0|holds one tensor"),
    Wrong("β upside down", "q5", conjugate(beta="(g @ g) / (new @ new)"), "your second step|your x_"),
    Wrong("β without squares", "q5", conjugate(beta="new.norm() / g.norm()"), "your second step|your x_"),
    Wrong("length of the last direction", "q5", conjugate(length="(g @ g) / (g @ A @ g)"), "your second step|your x_"),
    Wrong("0/0 at the end", "q5", conjugate(guard="True"), "b = 0"),
    Wrong("an inverse", "q5", conjugate(after="path[-1] = torch.linalg.solve(A, b) if steps else path[-1]"), "random system|only products with A"),
    Wrong("solves and interpolates", "q5", "right_cg = conjugate_gradients\ndef conjugate_gradients(A, b, steps):\n    path = right_cg(A, b, steps)\n    if steps >= len(b):\n        path[-1] = torch.linalg.solve(A, b)\n    return path", "only products with A are allowed"),
    Wrong("an inverse by another name", "q5", "right_cg = conjugate_gradients\ndef conjugate_gradients(A, b, steps):\n    path = right_cg(A, b, steps)\n    return path[:-1] + [A.inverse() @ b] if steps >= len(b) else path", "calls `inverse`; only products with A"),
    Wrong("NumPy solves", "q5", "import numpy as np\nright_cg = conjugate_gradients\ndef conjugate_gradients(A, b, steps):\n    path = right_cg(A, b, steps)\n    return path[:-1] + [torch.from_numpy(np.linalg.solve(A.numpy(), b.numpy()))] if steps >= len(b) else path", "calls `solve`; only products with A"),
    Wrong("first place left out", "q5", conjugate(after="path = path[1:]"), "2 steps visit 3 places"),
    Wrong("only diagonal matrices", "q5", conjugate().replace("path, g = [x], -b", "A = torch.diag(A.diagonal())\n    path, g = [x], -b"), "three parameters"),
    # -- q6
    Wrong("noise for free", "q6", loss("squares / (2 * variance) + constant + rate"), "the cost of the noise in z is missing"),
    Wrong("squares averaged", "q6", loss("(squares / x.shape[1] + spread) / (2 * variance) + constant + rate"), "averaged over the d values"),
    Wrong("rate with the wrong sign", "q6", loss("(squares + spread) / (2 * variance) + constant - rate"), "the rate has the wrong sign"),
    Wrong("rate averaged", "q6", loss("(squares + spread) / (2 * variance) + constant + rate / W.shape[1]"), "the rate is averaged"),
    Wrong("rate with log s", "q6", loss("(squares + spread) / (2 * variance) + constant + 0.5 * (mean.square() + s2**2 - 1 - 2 * log_s2).sum(1)"), "log s² is read as log s"),
    Wrong("no constant", "q6", loss("(squares + spread) / (2 * variance) + rate"), "is missing"),
    Wrong("constant once", "q6", loss("(squares + spread) / (2 * variance) + constant / x.shape[1] + rate"), "is counted once"),
    Wrong("log σ² for σ²", "q6", loss("(squares + spread) / (2 * log_variance) + constant + rate"), "is used as σ² itself"),
    Wrong("ELBO", "q6", loss("-((squares + spread) / (2 * variance) + constant + rate)"), "its negative was asked for"),
    Wrong("mean inside", "q6", loss("((squares + spread) / (2 * variance) + constant + rate).mean()"), "shape"),
    Wrong("variance detached", "q6", loss("(squares + spread) / (2 * variance.detach()) + constant + rate"), "in log σ²"),
    Wrong("rate detached", "q6", loss("(squares + spread) / (2 * variance) + constant + rate.detach()"), "is something detached"),
    Wrong("no −1", "q6", loss("(squares + spread) / (2 * variance) + constant + rate + W.shape[1] / 2"), "the −1 of the KL"),
    # -- q7
    Wrong("log σ² for σ²", "q7", fit(variance="log_variance.item()"), "this is log σ²|is it log σ²"),
    Wrong("σ for σ²", "q7", fit(variance="(log_variance / 2).exp().item()"), "this is σ"),
    Wrong("gradients never cleared", "q7", fit(clear="pass"), "clear the gradients"),
    Wrong("a new batch at each evaluation", "q7", fit(rows="torch.randint(len(x), (20,), generator=g)"), "see all examples every time"),
    Wrong("the first half of the examples", "q7", fit(rows="slice(len(x) // 2)"), "see all examples every time"),
    Wrong("steepest descent", "q7", fit("optim.ConjugateGradient(parameters, rule='steepest_descent')"), "Is the rule one of conjugate|your W"),
    Wrong("a closed form", "q7", CLOSED, "does not call negative_elbo"),
    Wrong("a closed form that asks once", "q7", CLOSED_AND_CALLED, "is it minimised, or a formula|whose minimum is"),
    Wrong("one evaluation, it says", "q7", fit(told="1"), "you say 1 evaluations"),
    Wrong("too many", "q7", fit(most="2000").replace("1e-3:", "-1.0:"), "500 are allowed"),
    Wrong("stops at once", "q7", fit(most="12"), "your W|nats below"),
    Wrong("seed ignored", "q7", fit(start="torch.Generator().manual_seed(0)"), "two seeds give one model"),
    Wrong("global random state", "q7", fit(seeded="None"), "the same seed gives two"),
    Wrong("another optimizer", "q7", fit("torch.optim.LBFGS(parameters, lr=1, max_iter=10, line_search_fn='strong_wolfe')", told="len(count)"), "no step of optim.ConjugateGradient"),
    # -- q8
    Wrong("both at once", "q8", alternating("return first - lr * J"), "both players move at once"),
    Wrong("y first", "q8", alternating("first[:n] -= lr * J[:n]\n    second[n:] -= lr * J[n:]\n    return first @ second"), "y moves first"),
    Wrong("transposed", "q8", alternating("first[:n] -= lr * J[:n]\n    second[n:] -= lr * J[n:]\n    return (second @ first).T"), "it is transposed"),
    Wrong("two players of one", "q8", alternating("first[:1] -= lr * J[:1]\n    second[1:] -= lr * J[1:]\n    return second @ first"), "of a game with 2 and 2"),
    Wrong("x moves twice", "q8", alternating("first[:n] -= lr * J[:n]\n    second[n:] -= lr * J[n:]\n    return first @ second @ first"), "your alternating step"),
    Wrong("past added", "q8", memory("one - 2 * lr * J, -lr * J", "one, none") + rotation("torch.linalg.eigvals(M).abs().max().item()"), "the sign of the past is wrong"),
    Wrong("older place first", "q8", memory("none, one", "lr * J, one - 2 * lr * J"), "the older place stands first"),
    Wrong("no handing on", "q8", memory("one - 2 * lr * J, lr * J", "none, one") + rotation("torch.linalg.eigvals(M).abs().max().item()"), "hands on the older place"),
    Wrong("no memory", "q8", memory("one - lr * J, none", "one, none") + rotation("torch.linalg.eigvals(M).abs().max().item()"), "a memory that is not used"),
    Wrong("real parts", "q8", rotation("torch.linalg.eigvals(M).real.max().item()"), "the largest real part"),
    Wrong("singular values", "q8", rotation("torch.linalg.matrix_norm(M, 2).item()"), "the largest singular value"),
    Wrong("simultaneous", "q8", rotation("torch.linalg.eigvals(now).abs().max().item()"), "the radius of simultaneous steps"),
    Wrong("smallest", "q8", rotation("torch.linalg.eigvals(M).abs().min().item()"), "the smallest eigenvalue"),
    Wrong("always 1", "q8", rotation("1.0 if method == 'alternating' else torch.linalg.eigvals(M).abs().max().item()"), "η = 2.5"),
]  # fmt: skip

RIGHT = [
    Right("torch.func", "q1", "def field(losses, x, y):\n    a = torch.func.grad(lambda x: losses(x, y)[0])(x)\n    return torch.cat([a, torch.func.grad(lambda y: losses(x, y)[1])(y)])\ndef jacobian(losses, x, y):\n    n = len(x)\n    return torch.func.jacrev(lambda z: field(losses, z[:n], z[n:]))(torch.cat([x, y]))"),
    Right("backward", "q1", "def field(losses, x, y):\n    x, y = x.detach().clone().requires_grad_(), y.detach().clone().requires_grad_()\n    losses(x, y)[0].backward(inputs=[x])\n    losses(x, y)[1].backward(inputs=[y])\n    return torch.hstack((x.grad, y.grad))\ndef jacobian(losses, x, y):\n    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()\n    f, g = losses(x, y)\n    v = torch.cat([torch.autograd.grad(f, x, create_graph=True)[0], torch.autograd.grad(g, y, create_graph=True)[0]])\n    rows = []\n    for one in v:\n        parts = torch.autograd.grad(one, (x, y), retain_graph=True, allow_unused=True)\n        rows.append(torch.cat([torch.zeros_like(p) if s is None else s for p, s in zip((x, y), parts)]))\n    return torch.stack(rows)"),
    Right("blocks of Hessians", "q1", "def jacobian(losses, x, y):\n    h = torch.autograd.functional.hessian\n    (a, b), _ = h(lambda x, y: losses(x, y)[0], (x, y))\n    _, (c, d) = h(lambda x, y: losses(x, y)[1], (x, y))\n    return torch.vstack([torch.hstack([a, b]), torch.hstack([c, d])])"),
    Right("NumPy", "q2", "import numpy as np\ndef step_radius(J, lr):\n    return np.abs(np.linalg.eigvals(np.eye(len(J)) - lr * J.numpy())).max()\ndef largest_step(J):\n    w = np.linalg.eigvals(J.numpy())\n    return 0 if (w.real <= 1e-9).any() else np.min(2 * w.real / (w * w.conj()).real)"),
    Right("one by one", "q2", "def largest_step(J):\n    best = math.inf\n    for w in torch.linalg.eig(J).eigenvalues.tolist():\n        if w.real <= 0:\n            return 0.0\n        best = min(best, 2 * w.real / abs(w) ** 2)\n    return best\ndef step_radius(J, lr):\n    return max(abs(1 - lr * w) for w in torch.linalg.eigvals(J).tolist())"),
    Right("through 1/λ", "q2", "@torch.no_grad()\ndef largest_step(J, least=1e-10):\n    w = torch.linalg.eigvals(J.double())\n    if (w.real < least).any():\n        return torch.tensor(0.0)\n    return (2 / w).real.min()"),
    Right("in place on a copy", "q3", "def extragradient_step(v, z, lr):\n    ahead = z.clone()\n    ahead -= lr * v(z)\n    return torch.add(z, v(ahead), alpha=-lr)"),
    Right("without gradients", "q3", "@torch.no_grad()\ndef optimistic_path(v, z, lr, steps):\n    path = torch.empty(steps + 1, len(z), dtype=z.dtype)\n    path[0] = z\n    for t in range(steps):\n        past = v(path[max(t - 1, 0)])\n        path[t + 1] = path[t] - lr * (2 * v(path[t]) - past)\n    return path"),
    Right("an object", "q3", "class Step:\n    def __call__(self, v, z, lr=0.1):\n        return z - lr * v(z.sub(v(z).mul(lr)))\nextragradient_step = Step()"),
    Right("by autograd", "q4", "def consensus_direction(theta, psi, gamma):\n    t, p = theta.detach().clone().requires_grad_(), psi.detach().clone().requires_grad_()\n    half = 0.5 * (p.square().sum() + t.square().sum())\n    a, b = torch.autograd.grad(half, (t, p))\n    return [-psi - gamma * a, theta - gamma * b]"),
    Right("complex numbers", "q4", "def consensus_direction(theta, psi, gamma):\n    w = torch.complex(theta, psi) * (1j - gamma)\n    return w.real, w.imag"),
    Right("a matrix", "q4", "def consensus_direction(theta, psi, gamma):\n    M = torch.tensor([[-gamma, -1.0], [1.0, -gamma]], dtype=theta.dtype)\n    z = torch.stack([theta.flatten(), psi.flatten()])\n    a, b = M @ z\n    return a.reshape(theta.shape), b.reshape(psi.shape)"),
    Right("the general length", "q5", conjugate(length="-(g @ d) / (d @ (A @ d))", move="x = x.add(d, alpha=float(a))")),
    Right("Hestenes and Stiefel's β", "q5", conjugate(beta="(new @ (new - g)) / (d @ (new - g))", guard="g.norm() > 1e-13 * b.norm()")),
    Right("Polak and Ribière's β, residuals", "q5", "def conjugate_gradients(A, b, steps):\n    path, r = [0 * b], b.clone()\n    p, rr = r, float(r @ r)\n    for _ in range(steps):\n        if rr == 0:\n            path.append(path[-1].clone())\n            continue\n        Ap = A.mv(p)\n        a = rr / float(p @ Ap)\n        path.append(path[-1] + a * p)\n        r = r - a * Ap\n        new = float(r @ r)\n        p, rr = r + new / rr * p, new\n    return tuple(path)"),
    Right("distributions", "q6", "def negative_elbo(W, b, log_variance, mean, log_s2, x):\n    D = torch.distributions\n    rate = D.kl_divergence(D.Normal(mean, (0.5 * log_s2).exp()), D.Normal(torch.zeros_like(mean), 1.0)).sum(-1)\n    price = -D.Normal(torch.addmm(b, mean, W.T), (0.5 * log_variance).exp()).log_prob(x).sum(-1)\n    return price + rate + 0.5 * torch.einsum('nk,dk->n', log_s2.exp(), W**2) / log_variance.exp()"),
    Right("row by row", "q6", "def _one(W, b, lv, m, ls, x):\n    v, out = torch.exp(lv), 0.0\n    for i in range(len(x)):\n        r = x[i] - W[i] @ m - b[i]\n        out = out + (r**2 + (ls.exp() * W[i] ** 2).sum()) / (2 * v) + 0.5 * (torch.log(v) + math.log(2 * math.pi))\n    return out + 0.5 * (m**2 + ls.exp() - 1 - ls).sum()\ndef negative_elbo(W, b, log_variance, mean, log_s2, x):\n    return torch.stack([_one(W, b, log_variance, m, s, one) for m, s, one in zip(mean, log_s2, x)])"),
    Right("a trace", "q6", "def negative_elbo(W, b, log_variance, mean, log_s2, x):\n    r, C = x - F.linear(mean, W, b), W.T @ W\n    trace = (torch.diag_embed(log_s2.exp()) @ C).diagonal(dim1=1, dim2=2).sum(1)\n    out = (torch.linalg.vecdot(r, r) + trace) * torch.exp(-log_variance) / 2\n    out = out + x.size(1) / 2 * (log_variance + math.log(2 * math.pi))\n    return out - 0.5 * (1 + log_s2 - mean**2 - log_s2.exp()).sum(1)".replace("F.linear", "torch.nn.functional.linear")),
    Right("another rule", "q7", fit("optim.ConjugateGradient(parameters, rule='polak_ribiere_plus')")),
    Right("two halves, a count of its own", "q7", fit(told="len(count)").replace("loss = negative_elbo(W, b, log_variance, mean, log_s2.expand_as(mean), x[rows]).mean()", "s, h = log_s2.expand_as(mean), len(x) // 2\n        loss = sum(negative_elbo(W, b, log_variance, mean[i], s[i], x[i]).sum() for i in (slice(h), slice(h, None))) / len(x)")),
    Right("ten directions a call, a tensor for σ²", "q7", fit("optim.ConjugateGradient(parameters, iterations=2)", variance="log_variance.detach().exp()", most="400")),
    Right("columns", "q8", "def alternating_map(J, n, lr):\n    columns = []\n    for z in torch.eye(len(J), dtype=J.dtype):\n        z = z.clone()\n        z[:n] = z[:n] - lr * (J[:n] @ z)\n        z[n:] = z[n:] - lr * (J[n:] @ z)\n        columns.append(z)\n    return torch.stack(columns, 1)"),
    Right("a Kronecker product", "q8", "def optimistic_map(J, lr):\n    one = torch.eye(len(J), dtype=J.dtype)\n    e = lambda i, j: torch.eye(2, dtype=J.dtype)[i][:, None] * torch.eye(2, dtype=J.dtype)[j]\n    return torch.kron(e(0, 0), one - 2 * lr * J) + torch.kron(e(0, 1), lr * J) + torch.kron(e(1, 0), one)"),
    Right("NumPy's eigenvalues", "q8", "import numpy as np\ndef rotation_radius(method, lr):\n    J = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)\n    M = alternating_map(J, 1, lr) if method.startswith('a') else optimistic_map(J, lr)\n    return np.abs(np.linalg.eigvals(M.numpy())).max()"),
]  # fmt: skip
