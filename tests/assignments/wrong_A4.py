"""Wrong answers to A4, most of them from the bug zoo.

The first of each question is also the grader's canary.
"""

from wrong import Wrong, zoo

ONE_LOSS_FOR_BOTH = """
def field(losses, x, y):
    x, y = (p if p.requires_grad else p.detach().requires_grad_() for p in (x, y))
    return torch.cat(torch.autograd.grad(losses(x, y)[0], (x, y), create_graph=True))
"""
TRANSPOSED = """
right_jacobian = jacobian


def jacobian(losses, x, y):
    return right_jacobian(losses, x, y).T
"""
SINGULAR_VALUE = """
def step_radius(J, lr):
    return torch.linalg.matrix_norm(torch.eye(len(J), dtype=J.dtype) - lr * J, 2).item()
"""
REAL_PARTS = """
def step_radius(J, lr):
    return torch.linalg.eigvals(torch.eye(len(J), dtype=J.dtype) - lr * J).real.abs().max().item()
"""
RULE_OF_A_MINIMISATION = """
def largest_step(J):
    eigenvalues = torch.linalg.eigvals(J)
    return 0.0 if eigenvalues.real.min() <= 1e-12 else (2 / eigenvalues.abs()).min().item()
"""
FROM_THE_PLACE_AHEAD = """
def extragradient_step(v, z, lr):
    ahead = z - lr * v(z)
    return ahead - lr * v(ahead)
"""
MOMENTUM = """
def optimistic_path(v, z, lr, steps):
    path, last = [z, z - lr * v(z)], v(z)
    for _ in range(steps - 1):
        now = v(path[-1])
        path.append(path[-1] - 2 * lr * now - lr * last)
        last = now
    return torch.stack(path)
"""
STEEPEST = """
def conjugate_gradients(A, b, steps):
    x = torch.zeros_like(b)
    path = [x]
    for _ in range(steps):
        g = A @ x - b
        x = x - (g @ g) / (g @ A @ g) * g
        path.append(x)
    return path
"""
PENALTY_CLIMBED = """
def consensus_direction(theta, psi, gamma):
    return -psi + gamma * theta, theta + gamma * psi
"""
LOSS = """
def negative_elbo(W, b, log_variance, mean, log_s2, x):
    variance = log_variance.exp()
    squares = (x - mean @ W.T - b).square().sum(1)
    spread = (log_s2.exp() * W.square().sum(0)).sum(1)
    constant = 0.5 * x.shape[1] * (math.log(2 * math.pi) + log_variance)
    rate = 0.5 * (mean.square() + log_s2.exp() - 1 - log_s2).sum(1)
    return {value}
"""
RATE_OF_THE_ZOO = """
from gantut.bugs import BUGS

right_loss = negative_elbo


def negative_elbo(W, b, log_variance, mean, log_s2, x):
    right_rate = 0.5 * (mean.square() + log_s2.exp() - 1 - log_s2).sum(1)
    return right_loss(W, b, log_variance, mean, log_s2, x) - right_rate + BUGS["{bug}"].faulty(mean, log_s2)
"""
NEVER_CLEARED = """
def fit_linear_vae(x, k, seed):
    d, g = x.shape[1], torch.Generator().manual_seed(seed)
    W, M = (0.1 * torch.randn(*s, generator=g, dtype=x.dtype) for s in ((d, k), (k, d)))
    b, c, log_s2 = (torch.zeros(n, dtype=x.dtype) for n in (d, k, k))
    log_variance = torch.zeros((), dtype=x.dtype)
    parameters = [W, b, log_variance, M, c, log_s2]
    for p in parameters:
        p.requires_grad_()
    optimizer = optim.ConjugateGradient(parameters{options})

    def closure():
        {clear}
        rows = {rows}
        mean = x[rows] @ M.T + c
        loss = negative_elbo(W, b, log_variance, mean, log_s2.expand_as(mean), x[rows]).mean()
        loss.backward()
        return loss

    while optimizer.report["evaluations"] < {most}:
        optimizer.step(closure)
    model = ppca.LinearGaussian(W.detach(), b.detach(), {variance})
    return model, optimizer.report["evaluations"]
"""
FIT = {
    "options": "",
    "clear": "optimizer.zero_grad()",
    "rows": "slice(None)",
    "variance": "log_variance.exp().detach()",
    "most": "450",
}


def fit(**changes: str) -> str:
    return NEVER_CLEARED.format(**{**FIT, **changes})


WRONG = [
    Wrong("one loss for both", "q1", ONE_LOSS_FOR_BOTH, "the second part is the slope of f, and y has a loss of its own"),
    Wrong("transposed Jacobian", "q1", TRANSPOSED, "it is transposed"),
    Wrong("real parts only", "q2", REAL_PARTS, "the imaginary parts are the rotation"),
    Wrong("singular value", "q2", SINGULAR_VALUE, "the largest singular value"),
    Wrong("step of a minimisation", "q2", RULE_OF_A_MINIMISATION, "a rotation asks for less"),
    Wrong("from the place ahead", "q3", FROM_THE_PLACE_AHEAD, "move from the old place"),
    Wrong("momentum for optimism", "q3", MOMENTUM, "the sign of the past is wrong"),
    Wrong("consensus twice too strong", "q4", zoo("consensus_twice_too_strong", "consensus_direction"), "twice too strong"),
    Wrong("penalty climbed", "q4", PENALTY_CLIMBED, "the penalty is climbed"),
    Wrong("first step uphill", "q5", zoo("first_step_uphill", "conjugate_gradients"), "it goes uphill: the first direction is −g"),
    Wrong("gradient is an alias", "q5", zoo("previous_gradient_is_an_alias", "conjugate_gradients"), "share memory"),
    Wrong(
        "direction stored with the wrong sign",
        "q5",
        zoo("stored_direction_with_the_wrong_sign", "conjugate_gradients"),
        "a stored direction the wrong sign",
    ),
    Wrong("steepest descent", "q5", STEEPEST, "this is steepest descent"),
    Wrong(
        "noise for free",
        "q6",
        LOSS.format(value="squares / (2 * variance) + constant + rate"),
        "the cost of the noise in z is missing",
    ),
    Wrong(
        "squares averaged",
        "q6",
        LOSS.format(value="(squares / x.shape[1] + spread) / (2 * variance) + constant + rate"),
        "the squared error is averaged over the d values",
    ),
    Wrong("rate with the wrong sign", "q6", RATE_OF_THE_ZOO.format(bug="rate_with_the_wrong_sign"), "the rate has the wrong sign"),
    Wrong("rate averaged", "q6", RATE_OF_THE_ZOO.format(bug="rate_averaged_over_the_code"), "the rate is averaged"),
    Wrong("rate with log s", "q6", RATE_OF_THE_ZOO.format(bug="rate_with_log_sigma"), "log s² is read as log s"),
    Wrong("log σ² for σ²", "q7", fit(variance="log_variance.detach()", most="40"), "log σ²"),
    Wrong("gradients never cleared", "q7", fit(clear="pass"), "clear the gradients"),
    Wrong(
        "a new batch at each evaluation",
        "q7",
        fit(rows="torch.randint(len(x), (20,), generator=g)"),
        "see all examples every time",
    ),
    Wrong("steepest descent on the VAE", "q7", fit(options=', rule="steepest_descent"'), "Is the rule one of conjugate"),
]  # fmt: skip
