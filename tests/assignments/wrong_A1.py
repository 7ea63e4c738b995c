"""Answers to A1: the mistakes that are made, the holes that were found, and unusual right ways."""

from wrong import Right, Wrong


def step(body: str, sums: str = "") -> str:
    """A step of the game around other lines."""
    return f"""
def gan_step(G, D, real, z, lr):
    sp = F.softplus

    def descend(network, loss):
        weights = list(network.parameters())
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, gradient in zip(weights, gradients):
                w -= lr * gradient
{body}
"""


def penalty(body: str) -> str:
    return f"""
def gradient_penalty(weight):
    def penalty(D, real, fake, *, generator=None):
        shape = (len(real),) + (1,) * (real.ndim - 1)
        epsilon = torch.rand(shape, generator=generator, dtype=real.dtype)
{body}
    return penalty
"""


def r1(body: str) -> str:
    return f"""
def r1(gamma):
    def penalty(D, real, fake, *, generator=None):
        x = real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        square = slope.flatten(1).square().sum(1)
{body}
    return penalty
"""


SLOPE = """\
        x = (epsilon * real + (1 - epsilon) * fake).detach().requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        norm = torch.linalg.vector_norm(slope.flatten(1), dim=1)
"""
TABLE = """
def best_logit(p, q):
    return torch.tensor([1.609438, 0.0, -1.098612])
"""

WRONG = [
    # -- q1
    Wrong("probability", "q1", "def best_logit(p, q):\n    return p / (p + q)", r"this is the probability D\*"),
    Wrong("p and q swapped", "q1", "def best_logit(p, q):\n    return (q / p).log()", "p and q are swapped"),
    Wrong("ratio", "q1", "def best_logit(p, q):\n    return p / q", "this is the ratio p/q"),
    Wrong("in bits", "q1", "def best_logit(p, q):\n    return (p / q).log2()", "the logarithm is to base 2"),
    Wrong("the visible numbers", "q1", TABLE, "random densities"),
    Wrong("JSD twice too large", "q1", "def jsd(p, q):\n    return best_value(p, q) + math.log(4)", "it is twice as large"),
    Wrong("log 2 for log 4", "q1", "def jsd(p, q):\n    return 0.5 * (best_value(p, q) + math.log(2))", "log 2 was added in place of log 4"),
    Wrong("minus V", "q1", "right = best_value\ndef best_value(p, q):\n    return -right(p, q)\ndef jsd(p, q):\n    return 0.5 * (right(p, q) + math.log(4))", "this is minus V"),
    Wrong("averaged", "q1", "right = best_value\ndef best_value(p, q):\n    return right(p, q) / len(p)\ndef jsd(p, q):\n    return 0.5 * (right(p, q) + math.log(4))", "averaged over the outcomes"),
    Wrong("overflows", "q1", "def best_value(p, q):\n    D = torch.sigmoid(p.log() - q.log())\n    return (p * torch.log(D) + q * torch.log(1 - D)).sum()", "p/q is e"),
    Wrong("KL for JSD", "q1", "def jsd(p, q):\n    return (p * (p / q).log()).sum()", r"this is KL\(p‖q\)"),
    # -- q2
    Wrong("labels swapped", "q2", "def discriminator_loss(real, fake):\n    return F.softplus(real) + F.softplus(-fake)", "does not push fake logits down"),
    Wrong("sigmoid twice", "q2", "def discriminator_loss(real, fake):\n    return F.softplus(-real.sigmoid()) + F.softplus(fake.sigmoid())", "the sigmoid is taken twice"),
    Wrong("log of sigmoid + 1e-8", "q2", "def non_saturating_loss(real, fake):\n    return -torch.log(torch.sigmoid(fake) + 1e-8)", "no logarithm of a sigmoid"),
    Wrong("log of sigmoid", "q2", "def non_saturating_loss(real, fake):\n    return -torch.log(torch.sigmoid(fake))", "no logarithm of a sigmoid"),
    Wrong("clamped logits", "q2", "def non_saturating_loss(real, fake):\n    return F.softplus(-fake.clamp(-30, 30))", "±50"),
    Wrong("mean inside", "q2", "def non_saturating_loss(real, fake):\n    return F.softplus(-fake).mean()", "a mean or a sum inside"),
    Wrong("minimax that is not", "q2", "def saturating_loss(real, fake):\n    return F.softplus(-fake)", "this is the non-saturating loss"),
    Wrong("rewarded for being caught", "q2", "def non_saturating_loss(real, fake):\n    return F.softplus(fake)", "being caught"),
    Wrong("real term in G", "q2", "def saturating_loss(real, fake):\n    return F.softplus(-real) - F.softplus(fake)", "does not belong to G's loss"),
    Wrong("detached", "q2", "def discriminator_loss(real, fake):\n    return F.softplus(-real) + F.softplus(fake.detach())", "the slope of your discriminator's loss in the fake"),
    Wrong("halved", "q2", "def discriminator_loss(real, fake):\n    return (F.softplus(-real) + F.softplus(fake)) / 2", "it is halved"),
    # -- q3
    Wrong("critic maximises", "q3", "def wasserstein_d(real, fake):\n    return real - fake", "does not push fake logits down"),
    Wrong("hinge swapped", "q3", "def hinge_d(real, fake):\n    return F.relu(1 + real) + F.relu(1 - fake)", "does not push fake logits down"),
    Wrong("hinged generator", "q3", "def hinge_g(real, fake):\n    return F.relu(1 - fake)", "G's loss has no hinge"),
    Wrong("Wasserstein is hinge", "q3", "def wasserstein_d(real, fake):\n    return F.relu(1 - real) + F.relu(1 + fake)", "this is the hinge loss"),
    Wrong("one-sided pair", "q3", "def relativistic_g(real, fake):\n    return F.softplus(-fake)", "only the difference"),
    Wrong("D's loss for G", "q3", "def relativistic_g(real, fake):\n    return F.softplus(fake - real)", "this is D's loss"),
    Wrong("pairs swapped", "q3", "def relativistic_d(real, fake):\n    return F.softplus(real - fake)", "real and fake are swapped"),
    Wrong("log of sigmoid of a pair", "q3", "def relativistic_d(real, fake):\n    return -(real - fake).sigmoid().log()", "∓300"),
    Wrong("generator climbs", "q3", "def wasserstein_g(real, fake):\n    return fake", "G pushes fake logits up"),
    Wrong("real in G", "q3", "def wasserstein_g(real, fake):\n    return real - fake", "does not belong to G's loss"),
    Wrong("pairs averaged", "q3", "def relativistic_d(real, fake):\n    return F.softplus(fake.mean() - real)", "your relativistic loss of D"),
    # -- q4
    Wrong("slope of sigmoid", "q4", "def saturating_slope(v):\n    return torch.sigmoid(v) * (1 - torch.sigmoid(v))", "this is the slope of sigmoid itself"),
    Wrong("slopes swapped", "q4", "saturating_slope, non_saturating_slope = non_saturating_slope, saturating_slope", "this is the slope of the non-saturating loss"),
    Wrong("sign", "q4", "def saturating_slope(v):\n    return torch.sigmoid(v)", "the sign is wrong"),
    Wrong("not simplified", "q4", "def pull_ratio(v):\n    return (1 - torch.sigmoid(v)) / torch.sigmoid(v)", "1 − sigmoid\\(60\\) is 0"),
    Wrong("not simplified, in double", "q4", "def pull_ratio(v):\n    v = v.double()\n    return (torch.sigmoid(v) - 1) / -torch.sigmoid(v)", "simplify before you compute"),
    Wrong("upside down", "q4", "def pull_ratio(v):\n    return torch.exp(v)", "it is upside down"),
    Wrong("slope from 1 − sigmoid", "q4", "def non_saturating_slope(v):\n    return torch.sigmoid(v) - 1", "non-saturating slope at −60 and 60"),
    Wrong("autograd", "q4", "def saturating_slope(v):\n    v = v.detach().clone().requires_grad_()\n    return torch.autograd.grad(-F.softplus(v).sum(), v)[0]", "uses autograd"),
    Wrong("torch.func", "q4", "def non_saturating_slope(v):\n    return torch.func.vmap(torch.func.grad(lambda t: F.softplus(-t)))(v)", "uses autograd"),
    Wrong("mean of samples", "q4", "def sample_gradients(D, x, slope):\n    x = x.detach().requires_grad_()\n    v = D(x)\n    (g,) = torch.autograd.grad(v.mean(), x)\n    return slope(v.detach())[:, None] * g", "divided by N"),
    Wrong("slope not used", "q4", "def sample_gradients(D, x, slope):\n    x = x.detach().requires_grad_()\n    return torch.autograd.grad(D(x).sum(), x)[0]", "the slope is missing"),
    Wrong("marks the samples", "q4", "def sample_gradients(D, x, slope):\n    x.requires_grad_()\n    v = D(x)\n    (g,) = torch.autograd.grad(v.sum(), x)\n    return slope(v.detach())[:, None] * g", "changes the samples"),
    # -- q5
    Wrong("norm over the batch", "q5", penalty(SLOPE + "        norm = slope.norm().expand(len(real))\n        return weight * (norm - 1) ** 2"), "runs over the whole batch"),
    Wrong("one ε for all", "q5", penalty("        epsilon = epsilon[:1].expand(shape)\n" + SLOPE + "        return weight * (norm - 1) ** 2"), "all pairs share one ε"),
    Wrong("ε for every value", "q5", penalty("        epsilon = torch.rand(real.shape, generator=generator, dtype=real.dtype)\n" + SLOPE + "        return weight * (norm - 1) ** 2"), "leave the line"),
    Wrong("no graph", "q5", penalty(SLOPE.replace(", create_graph=True", "") + "        return weight * (norm - 1) ** 2"), "create_graph=True"),
    Wrong("NaN at slope 0", "q5", penalty(SLOPE + "        norm = slope.flatten(1).square().sum(1).sqrt()\n        return weight * (norm - 1) ** 2"), "NaN"),
    Wrong("trains the generator", "q5", penalty(SLOPE.replace(".detach().requires_grad_()", "\n        x = x if x.requires_grad else x.requires_grad_()") + "        return weight * (norm - 1) ** 2"), "into the generator"),
    Wrong("generator not handed on", "q5", penalty("        epsilon = torch.rand(shape, dtype=real.dtype)\n" + SLOPE + "        return weight * (norm - 1) ** 2"), "the same generator a second time"),
    Wrong("at the real ones", "q5", penalty("        epsilon = torch.ones(shape, dtype=real.dtype)\n" + SLOPE + "        return weight * (norm - 1) ** 2"), "all pairs share one ε"),
    Wrong("not squared", "q5", penalty(SLOPE + "        return weight * (norm - 1).abs()"), "not squared"),
    Wrong("one-sided", "q5", penalty(SLOPE + "        return weight * F.relu(norm - 1) ** 2"), "points that your critic saw"),
    Wrong("λ missing", "q5", penalty(SLOPE + "        return (norm - 1) ** 2"), "λ is missing"),
    Wrong("one ε for all, under vmap", "q5", penalty("        x = (epsilon[:1] * real + (1 - epsilon[:1]) * fake).detach()\n        slope = torch.func.vmap(torch.func.grad(lambda t: D(t[None]).squeeze()))(x)\n        return weight * (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1) ** 2"), "all pairs share one ε"),
    Wrong("flat images", "q5", penalty(SLOPE.replace("D(x)", "D(x.flatten(1))") + "        return weight * (norm - 1) ** 2"), "the shape of the examples"),
    # -- q6
    Wrong("no ½", "q6", r1("        return gamma * square"), "the ½ is missing"),
    Wrong("at the fakes", "q6", r1("        x = fake.detach().requires_grad_()\n        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)\n        return gamma / 2 * slope.flatten(1).square().sum(1)"), "taken at the real ones"),
    Wrong("over pixels", "q6", r1("        return gamma / 2 * slope.flatten(1).square().mean(1)"), "averaged over the values"),
    Wrong("mean inside", "q6", r1("        return (gamma / 2 * square).mean()"), "a mean or a sum inside"),
    Wrong("not squared", "q6", r1("        return gamma / 2 * square.sqrt()"), "not squared"),
    Wrong("slope of the mean", "q6", r1("        (slope,) = torch.autograd.grad(D(x).mean(), x, create_graph=True)\n        return gamma / 2 * slope.flatten(1).square().sum(1)"), "R1"),
    Wrong("no graph", "q6", r1("        return gamma / 2 * square.detach()"), "create_graph=True"),
    Wrong("γ squared", "q6", r1("        return gamma**2 / 2 * square"), "γ = 3"),
    Wrong("values of two dimensions only", "q6", r1("        return gamma / 2 * slope.reshape(len(x), -1)[:, :2].square().sum(1)"), "images"),
    # -- q7
    Wrong("G against the old D", "q7", step("    fake = G(z)\n    d = (sp(-D(real)) + sp(D(fake.detach()))).mean()\n    gs = list(G.parameters())\n    g = torch.autograd.grad(sp(-D(fake)).mean(), gs)\n    descend(D, d)\n    with torch.no_grad():\n        for w, s in zip(gs, g):\n            w -= lr * s"), "used the old D"),
    Wrong("fakes detached in both", "q7", step("    fake = G(z).detach()\n    descend(D, (sp(-D(real)) + sp(D(fake))).mean())\n    loss = sp(-D(fake)).mean()\n    loss.backward()\n    with torch.no_grad():\n        for w in G.parameters():\n            if w.grad is not None:\n                w -= lr * w.grad"), "G did not move"),
    Wrong("gradients add up", "q7", step("    fake = G(z)\n    (sp(-D(real)) + sp(D(fake.detach()))).mean().backward()\n    with torch.no_grad():\n        for w in D.parameters():\n            w -= lr * w.grad\n    sp(-D(fake)).mean().backward(inputs=list(G.parameters()))\n    with torch.no_grad():\n        for w in G.parameters():\n            w -= lr * w.grad"), "earlier backward pass"),
    Wrong("an optimizer", "q7", step("    fake = G(z)\n    for network, loss in ((D, lambda: (sp(-D(real)) + sp(D(fake.detach()))).mean()), (G, lambda: sp(-D(fake)).mean())):\n        o = torch.optim.SGD(network.parameters(), lr)\n        o.zero_grad()\n        loss().backward()\n        o.step()"), "makes 6 optimizers"),
    Wrong("D left in eval mode", "q7", step("    fake = G(z)\n    descend(D, (sp(-D(real)) + sp(D(fake.detach()))).mean())\n    D.eval()\n    descend(G, sp(-D(fake)).mean())"), "left in evaluation mode"),
    Wrong("D frozen afterwards", "q7", step("    fake = G(z)\n    D.requires_grad_(True)\n    descend(D, (sp(-D(real)) + sp(D(fake.detach()))).mean())\n    D.requires_grad_(False)\n    descend(G, sp(-D(fake)).mean())"), "some that cannot learn"),
    Wrong("sum for mean", "q7", step("    fake = G(z)\n    descend(D, (sp(-D(real)) + sp(D(fake.detach()))).sum())\n    descend(G, sp(-D(fake)).sum())"), "after three steps"),
    Wrong("saturating", "q7", step("    fake = G(z)\n    descend(D, (sp(-D(real)) + sp(D(fake.detach()))).mean())\n    descend(G, -sp(D(fake)).mean())"), "G's weight"),
    Wrong("climbs", "q7", step("    lr = -lr\n    fake = G(z)\n    descend(D, (sp(-D(real)) + sp(D(fake.detach()))).mean())\n    descend(G, sp(-D(fake)).mean())"), "D climbs its loss"),
    Wrong("only D", "q7", step("    descend(D, (sp(-D(real)) + sp(D(G(z).detach()))).mean())"), "G did not move"),
    # -- q8
    Wrong("no mixture", "q8", "def mixed_logit(p, q, a):\n    return (p / q).log()", "without samples among"),
    Wrong("part missing", "q8", "def mixed_logit(p, q, a):\n    return ((1 - a) * p / q).log()", "part of the mixture is missing"),
    Wrong("logits mixed", "q8", "def mixed_logit(p, q, a):\n    return (1 - a) * (p / q).log()", "the logits are mixed"),
    Wrong("the other way round", "q8", "def mixed_logit(p, q, a):\n    return (p / ((1 - a) * q + a * p)).log()", "the other way round"),
    Wrong("divided", "q8", "def clean_logit(v, a):\n    return v / (1 - a)", "as if logits had been mixed"),
    Wrong("1 − a missing", "q8", "def clean_logit(v, a):\n    return (v.exp() - a).log()", "the 1 − a below is missing"),
    Wrong("ratio", "q8", "def clean_logit(v, a):\n    return (v.exp() - a) / (1 - a)", "this is the ratio"),
    Wrong("overflows", "q8", "def clean_logit(v, a):\n    return ((v.exp() - a).clamp(min=0) / (1 - a)).log()", "more than a number can hold"),
    Wrong("NaN below", "q8", "def clean_logit(v, a):\n    return v + torch.log1p(-a * torch.exp(-v)) - math.log(1 - a)", "below log a"),
    Wrong("nothing taken off", "q8", "def clean_logit(v, a):\n    return v - math.log(1 - a)", "behind the logits"),
]  # fmt: skip

RIGHT = [
    Right("through the probability", "q1", "def best_logit(p, q):\n    return torch.logit((p.double() / (p.double() + q.double())))\nstable = best_logit\ndef best_logit(p, q):\n    return torch.where((p / q).log().abs() > 20, (p / q).log(), stable(p, q))\ndef best_value(p, q):\n    m = p + q\n    return torch.special.xlogy(p, p / m).sum() + torch.special.xlogy(q, q / m).sum()"),
    Right("NumPy numbers", "q1", "import numpy as np\ndef best_logit(p, q):\n    return np.log(p.numpy()) - np.log(q.numpy())\ndef best_value(p, q):\n    p, q = p.numpy(), q.numpy()\n    return (p * np.log(p / (p + q)) + q * np.log(q / (p + q))).sum()\ndef jsd(p, q):\n    return (best_value(p, q) + np.log(4)) / 2"),
    Right("logaddexp", "q1", "def best_value(p, q):\n    lp, lq = p.log(), q.log()\n    both = torch.logaddexp(lp, lq)\n    return float((p * (lp - both) + q * (lq - both)).sum())"),
    Right("BCE with logits", "q2", "def discriminator_loss(real, fake):\n    f = F.binary_cross_entropy_with_logits\n    return f(real, torch.ones_like(real), reduction='none') + f(fake, torch.zeros_like(fake), reduction='none')"),
    Right("logsigmoid", "q2", "non_saturating_loss = lambda real, fake: -F.logsigmoid(fake)\nsaturating_loss = lambda real, fake: F.logsigmoid(-fake)"),
    Right("in double precision", "q2", "def non_saturating_loss(real, fake, kind=torch.float64):\n    return F.softplus(-fake.to(kind))"),
    Right("a class", "q2", "class Loss:\n    def __init__(self, sign):\n        self.sign = sign\n    def __call__(self, real, fake):\n        return torch.logaddexp(self.sign * fake, torch.zeros_like(fake))\nnon_saturating_loss = Loss(-1.0)"),
    Right("clamp for relu", "q3", "def hinge_d(real, fake):\n    return (1 - real).clamp(min=0) + torch.maximum(1 + fake, torch.zeros_like(fake))"),
    Right("helpers that call each other", "q3", "def relativistic_d(real, fake):\n    return relativistic_g(fake, real)\ndef relativistic_g(real, fake):\n    return F.binary_cross_entropy_with_logits(fake - real, torch.ones_like(real), reduction='none')"),
    Right("a module", "q3", "class Critic(torch.nn.Module):\n    def forward(self, real, fake):\n        return -(real - fake)\nwasserstein_d = Critic()\nwasserstein_g = lambda real, fake, *_: fake.neg()"),
    Right("tanh", "q4", "def saturating_slope(v):\n    return -torch.special.expit(v)\ndef pull_ratio(v):\n    return torch.sigmoid(-v) / torch.sigmoid(v)"),
    Right("exponentials", "q4", "def non_saturating_slope(v):\n    return -1 / (1 + v.exp())\ndef pull_ratio(v):\n    return 1 / v.double().exp()"),
    Right("sample by sample", "q4", "def sample_gradients(D, x, slope):\n    rows = []\n    for one in x:\n        one = one[None].detach().clone().requires_grad_()\n        v = D(one)\n        v.backward()\n        rows.append(one.grad[0])\n    with torch.no_grad():\n        v = D(x)\n    return slope(v)[:, None] * torch.stack(rows)"),
    Right("a vector for the backward pass", "q4", "def sample_gradients(D, x, slope):\n    x = x.clone().requires_grad_()\n    v = D(x)\n    v.backward(slope(v.detach()))\n    return x.grad"),
    Right("ε as the prompt says", "q5", penalty("        epsilon = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator)\n" + SLOPE + "        return weight * (norm - 1) ** 2")),
    Right("ε for the fake", "q5", penalty(SLOPE.replace("epsilon * real + (1 - epsilon) * fake", "torch.lerp(real, fake, epsilon)") + "        return (norm - 1).pow(2).mul(weight)")),
    Right("a safe root", "q5", penalty(SLOPE + "        square = slope.flatten(1).square().sum(1)\n        norm = torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)\n        return weight * (norm - 1) ** 2")),
    Right("example by example", "q5", "def gradient_penalty(weight):\n    def penalty(D, real, fake, generator=None):\n        rows = []\n        for a, b in zip(real, fake):\n            e = torch.rand((), generator=generator)\n            x = (e * a + (1 - e) * b)[None].detach().requires_grad_()\n            (s,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)\n            rows.append(weight * (torch.linalg.vector_norm(s) - 1) ** 2)\n        return torch.stack(rows)\n    return penalty"),
    Right("vmap of grad", "q5", penalty("        x = (epsilon * real + (1 - epsilon) * fake).detach()\n        slope = torch.func.vmap(torch.func.grad(lambda t: D(t[None]).squeeze()))(x)\n        return weight * (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1) ** 2")),
    Right("vmap of jacfwd", "q5", penalty("        def slope(a, b, e):\n            return torch.func.jacfwd(lambda t: D(t.unsqueeze(0))[0])(e * a + (1 - e) * b)\n        slope = torch.func.vmap(slope)(real.detach(), fake.detach(), epsilon.flatten())\n        return weight * (torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1) ** 2")),
    Right("vmap of grad", "q6", "def r1(gamma):\n    def penalty(D, real, fake, *, generator=None):\n        slope = torch.func.vmap(torch.func.grad(lambda t: D(t[None]).squeeze()))(real)\n        return gamma / 2 * slope.flatten(1).square().sum(1)\n    return penalty"),
    Right("einsum", "q6", r1("        s = slope.flatten(1)\n        return gamma * torch.einsum('nd,nd->n', s, s) / 2")),
    Right("norm squared", "q6", r1("        return torch.linalg.vector_norm(slope.flatten(1), dim=1) ** 2 * (gamma * 0.5)")),
    Right("a partial", "q6", "import functools\ndef _r1(D, real, fake, generator=None, gamma=1.0):\n    x = real.clone().detach().requires_grad_(True)\n    s = torch.autograd.grad(D(x), x, torch.ones(len(x), dtype=x.dtype), create_graph=True)[0]\n    return gamma / 2 * s.reshape(len(x), -1).pow(2).sum(-1)\nr1 = lambda gamma: functools.partial(_r1, gamma=gamma)"),
    Right("backward and zero", "q7", step("    for network, loss in ((D, lambda: (sp(-D(real)) + sp(D(G(z).detach()))).mean()), (G, lambda: sp(-D(G(z))).mean())):\n        D.zero_grad()\n        G.zero_grad()\n        loss().backward()\n        for w in network.parameters():\n            w.data.sub_(w.grad, alpha=lr)")),
    Right("through a helper", "q7", "def _down(ws, gs, lr):\n    with torch.no_grad():\n        for w, g in zip(ws, gs):\n            w.add_(g, alpha=-lr)\ndef losses(G, D, real, z):\n    return discriminator_loss(D(real), D(G(z).detach())).mean()\ndef gan_step(G, D, real, z, lr):\n    ws = tuple(D.parameters())\n    _down(ws, torch.autograd.grad(losses(G, D, real, z), ws), lr)\n    ws = tuple(G.parameters())\n    fake = D(G(z))\n    _down(ws, torch.autograd.grad(non_saturating_loss(fake, fake).mean(), ws), lr)"),
    Right("BCE", "q7", step("    f = F.binary_cross_entropy_with_logits\n    fake = G(z)\n    r, k = D(real), D(fake.detach())\n    descend(D, f(r, torch.ones_like(r)) + f(k, torch.zeros_like(k)))\n    v = D(fake)\n    descend(G, f(v, torch.ones_like(v)))")),
    Right("logaddexp", "q8", "def mixed_logit(p, q, a):\n    a = torch.tensor(float(a), dtype=p.dtype)\n    return torch.logaddexp(p.log() - q.log() + torch.log1p(-a), a.log())"),
    Right("where", "q8", "def clean_logit(v, a):\n    inner = 1 - a * torch.exp(-v)\n    low = torch.full_like(v, -math.inf)\n    return torch.where(inner > 0, v + torch.log(inner.clamp(min=1e-300)), low) - math.log1p(-a)"),
    Right("one by one", "q8", "def mixed_logit(p, q, a):\n    return [math.log((1 - a) * x / y + a) for x, y in zip(p.tolist(), q.tolist())]\ndef clean_logit(v, a):\n    rows = []\n    for x in v.tolist():\n        inner = 1 - a * math.exp(-x) if x > -700 else -1.0\n        rows.append(x + math.log(inner) - math.log(1 - a) if inner > 0 else -math.inf)\n    return torch.tensor(rows)"),
]  # fmt: skip
