"""Answers to A2: the mistakes that are made, the holes that were found, and unusual right ways."""

from wrong import Right, Wrong


def rate(body: str) -> str:
    return f"def rate(mean, log_variance):\n    m, v = mean, log_variance\n    return {body}"


def draw(noise: str, code: str = "mean + (0.5 * log_variance).exp() * noise") -> str:
    """A draw with other noise, or put together in another way."""
    return f"""
def draw(mean, log_variance, generator):
    n, d = mean.shape
    g, kind = generator, mean.dtype
    noise = {noise}
    return {code}
"""


NOISE = "torch.randn(n, d, generator=g, dtype=kind)"


def loss(
    z: str = "mean + sigma * noise",
    rate: str = "0.5 * (mean.square() + sigma.square() - 1 - log_variance).sum(1)",
    result: str = "each.flatten(1).sum(1) + beta * kl",
    noise: str = "torch.randn(mean.shape, generator=generator, dtype=mean.dtype)",
) -> str:
    return f"""
def vae_loss(encoder, decoder, x, generator, beta=1.0):
    mean, log_variance = encoder(x)
    noise = {noise}
    sigma = (0.5 * log_variance).exp()
    z = {z}
    logits = decoder(z)
    each = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    kl = {rate}
    return {result}
"""


def prior(spread: str, m: str = "mean.mean(0)", log_s2: str = "s2.log()") -> str:
    """Another best prior; ``saving`` keeps the right one."""
    return f"""
the_right_prior = best_prior
def saving(mean, log_variance):
    m, log_s2 = the_right_prior(mean, log_variance)
    return 0.5 * (m.square() + log_s2.exp() - 1 - log_s2).sum()
def best_prior(mean, log_variance):
    v = log_variance
    m = {m}
    s2 = {spread}
    return m, {log_s2}
"""


def saved(body: str) -> str:
    return f"""
def saving(mean, log_variance):
    m, log_s2 = best_prior(mean, log_variance)
    each = m.square() + log_s2.exp() - 1 - log_s2
    before = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return {body}
"""


KL = "0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)"
SCORE = "def score_gradient(f, z, mu, sigma):\n    return "
SPREAD = "(mean - m).square().mean(0) + v.exp().mean(0)"

WRONG = [
    # -- q1
    Wrong("a sign", "q1", rate("-0.5 * (m**2 + v.exp() - 1 - v).sum(1)"), "a sign is wrong"),
    Wrong("averaged over the code", "q1", rate("0.5 * (m**2 + v.exp() - 1 - v).mean(1)"), "the dimensions are averaged"),
    Wrong("KL(p‖q)", "q1", rate("0.5 * ((1 + m**2) / v.exp() - 1 + v).sum(1)"), "the arguments are swapped"),
    Wrong("for the batch", "q1", rate("0.5 * (m**2 + v.exp() - 1 - v).sum(1).mean()"), "a mean or a sum inside"),
    Wrong("no ½", "q1", rate("(m**2 + v.exp() - 1 - v).sum(1)"), "the ½ in front is missing"),
    Wrong("no −1", "q1", rate("0.5 * (m**2 + v.exp() - v).sum(1)"), "the −1 is missing"),
    Wrong("log σ", "q1", rate("0.5 * (m**2 + (2 * v).exp() - 1 - 2 * v).sum(1)"), "was taken for log σ"),
    Wrong("mean not squared", "q1", rate("0.5 * (m + v.exp() - 1 - v).sum(1)"), "the mean is not squared"),
    Wrong("σ² taken and logged again", "q1", rate("0.5 * (m**2 + v - 1 - v.log()).sum(1)"), "was taken for σ² itself"),
    Wrong("variance logged again", "q1", rate("0.5 * (m**2 + v.exp() - 1 - v.exp().log()).sum(1)"), "down to −200"),
    Wrong("clamped", "q1", rate("0.5 * (m**2 + v.exp() - 1 - v.clamp(min=-30)).sum(1)"), "is the log-variance clamped"),
    Wrong("variance detached", "q1", rate("0.5 * (m**2 + v.exp() - 1 - v).sum(1) + 0 * m.sum(1)").replace("m, v = mean, log_variance", "m, v = mean, log_variance.detach()"), "the slope of your rate"),
    Wrong("ready-made", "q1", rate("torch.distributions.kl_divergence(torch.distributions.Normal(m, (v / 2).exp().clamp(min=1e-45)), torch.distributions.Normal(0.0, 1.0)).sum(1)"), "uses torch.distributions"),
    Wrong("by draws", "q1", rate("((m + (v / 2).exp() * torch.randn(64, *m.shape)).square() - 1 - v).mul(0.5).mean(0).sum(1)"), "your rate"),
    Wrong("the visible numbers", "q1", "right = rate\ndef rate(mean, log_variance):\n    return torch.tensor([0.915842, 0.558285, 2.513502]) if mean.shape == (3, 2) else 0 * (mean + log_variance).sum(1)", "random codes"),
    # -- q2
    Wrong("variance for σ", "q2", "true = deviation\ndef draw(mean, log_variance, generator):\n    return mean + true(log_variance) * torch.randn(mean.shape, generator=generator)\ndef deviation(log_variance):\n    return log_variance.exp()", "the ½ in the exponent is missing"),
    Wrong("1/σ", "q2", "true = deviation\ndef draw(mean, log_variance, generator):\n    return mean + true(log_variance) * torch.randn(mean.shape, generator=generator)\ndef deviation(log_variance):\n    return (-0.5 * log_variance).exp()", "this is 1/σ"),
    Wrong("σ² has overflowed", "q2", "true = deviation\ndef draw(mean, log_variance, generator):\n    return mean + true(log_variance) * torch.randn(mean.shape, generator=generator)\ndef deviation(log_variance):\n    return log_variance.exp().sqrt().clamp(1e-6, 1e6)", "from −80 to 80"),
    Wrong("no noise", "q2", draw("0", "mean + noise"), "there is no noise"),
    Wrong("variance in the draw", "q2", draw(NOISE, "mean + log_variance.exp() * noise"), "the variance was taken for σ"),
    Wrong("log-variance in the draw", "q2", draw(NOISE, "mean + log_variance * noise + 0 * noise"), "no noise|log-variance was taken for σ"),
    Wrong("noise of a hundredth", "q2", draw(f"0.01 * {NOISE}"), "the variance of your ε"),
    Wrong("uniform noise", "q2", draw("(torch.rand(n, d, generator=g, dtype=kind) - 0.5) * 12**0.5"), "the fourth moment of your ε"),
    Wrong("one noise for the batch", "q2", draw("torch.randn(1, d, generator=g, dtype=kind).expand(n, d)"), "all examples share one ε"),
    Wrong("one noise for a code", "q2", draw("torch.randn(n, 1, generator=g, dtype=kind).expand(n, d)"), "all dimensions of a code share one ε"),
    Wrong("half a batch of noise twice", "q2", draw("torch.randn((n + 1) // 2, d, generator=g, dtype=kind).repeat(2, 1)[:n]"), "are different numbers|correlation"),
    Wrong("antithetic", "q2", draw("torch.cat([e := torch.randn((n + 1) // 2, d, generator=g, dtype=kind), -e])[:n]"), "but for their signs"),
    Wrong("neighbours share", "q2", draw("(e := torch.randn(n + 1, d, generator=g, dtype=kind))[1:] * 0.5**0.5 + e[:-1] * 0.5**0.5"), "neighbours in a batch have the correlation"),
    Wrong("the same noise at each call", "q2", draw("torch.randn(n, d, generator=torch.Generator().manual_seed(g.initial_seed()), dtype=kind)"), "a second draw with the same generator repeats"),
    Wrong("global noise", "q2", draw("torch.randn_like(mean)"), "two different draws"),
    Wrong("torch.normal", "q2", draw("0", "torch.normal(mean, (0.5 * log_variance).exp(), generator=generator)"), "no gradient passes"),
    Wrong("σ detached", "q2", draw(NOISE, "mean + (0.5 * log_variance).exp().detach() * noise"), "σ is cut off"),
    Wrong("coins", "q2", draw(f"{NOISE}.sign() * (1 + 1e-3 * torch.rand(n, d, generator=g, dtype=kind))"), "the fourth moment of your ε"),
    # -- q3
    Wrong("a difference quotient", "q3", "def path_gradient(f, z):\n    z, h = z.detach().double(), 1e-5\n    return (f(z + h) - f(z - h)) / (2 * h)", "too quick for differences"),
    Wrong("divided by σ", "q3", SCORE + "f(z) * (z - mu) / sigma", "divided by σ and not by σ²"),
    Wrong("not divided", "q3", SCORE + "f(z) * (z - mu)", "it is not divided by σ²"),
    Wrong("score alone", "q3", SCORE + "(z - mu) / sigma**2", "f is missing"),
    Wrong("sign of the score", "q3", SCORE + "f(z) * (mu - z) / sigma**2", "the sign is wrong"),
    Wrong("slope in the score", "q3", SCORE + "path_gradient(f, z) * (z - mu) / sigma**2", "f's slope stands where f belongs"),
    Wrong("averaged", "q3", "def path_gradient(f, z):\n    z = z.detach().requires_grad_()\n    return torch.autograd.grad(f(z).mean(), z)[0]", "it is averaged"),
    Wrong("f itself", "q3", "def path_gradient(f, z):\n    return f(z)", "this is f and not its slope"),
    Wrong("one number", "q3", "right = path_gradient\ndef path_gradient(f, z):\n    return right(f, z).mean()", "a mean or a sum inside"),
    Wrong("differences in single precision", "q3", "def path_gradient(f, z):\n    return (f(z + 1e-3) - f(z - 1e-3)) / 2e-3", "your path estimator"),
    Wrong("through the draws' graph", "q3", "def path_gradient(f, z):\n    z = z if z.requires_grad else z.detach().requires_grad_()\n    y = f(z).sum()\n    z.retain_grad()\n    y.backward()\n    return z.grad", "after your call|graph"),
    Wrong("second moment of the path", "q3", "def path_variance(mu, sigma):\n    return 4 * mu**2 + 4 * sigma**2", "the squared mean must be subtracted"),
    Wrong("deviation", "q3", "def path_variance(mu, sigma):\n    return 2 * sigma", "this is the deviation"),
    Wrong("second moment of the score", "q3", "def score_variance(mu, sigma):\n    return mu**4 / sigma**2 + 18 * mu**2 + 15 * sigma**2", "the squared mean must be subtracted"),
    Wrong("mixed term forgotten", "q3", "def score_variance(mu, sigma):\n    return mu**4 / sigma**2 + 8 * mu**2 + 15 * sigma**2", "the mixed term 6μ² is missing"),
    Wrong("sixth moment 3", "q3", "def score_variance(mu, sigma):\n    return mu**4 / sigma**2 + 14 * mu**2 + 3 * sigma**2", "E ε⁶ is 15|your variance of the score"),
    Wrong("by simulation", "q3", "def score_variance(mu, sigma):\n    z = mu + sigma * torch.randn(100_000)\n    return (z**2 * (z - mu) / sigma**2).var()", "your variance of the score"),
    Wrong("the visible number", "q3", "def score_variance(mu, sigma):\n    return 74.25", "at μ = 2.0, σ = 0.5"),
    # -- q4
    Wrong("pixels averaged", "q4", "def bernoulli_distortion(logits, x):\n    return (F.softplus(logits) - x * logits).flatten(1).mean(1)", "the pixels are averaged"),
    Wrong("batch summed", "q4", "def bernoulli_distortion(logits, x):\n    return (F.softplus(logits) - x * logits).sum()", "a mean or a sum inside"),
    Wrong("log of p + 1e-8", "q4", "def bernoulli_distortion(logits, x):\n    p = logits.sigmoid()\n    return -(x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).flatten(1).sum(1)", "no logarithm of a sigmoid"),
    Wrong("binary cross-entropy of a sigmoid", "q4", "def bernoulli_distortion(logits, x):\n    return F.binary_cross_entropy(logits.sigmoid(), x, reduction='none').flatten(1).sum(1)", "no logarithm of a sigmoid"),
    Wrong("clamped logits", "q4", "def bernoulli_distortion(logits, x):\n    v = logits.clamp(-100, 100)\n    return (F.softplus(v) - x * v).flatten(1).sum(1)", "±200"),
    Wrong("grey is rounded", "q4", "def bernoulli_distortion(logits, x):\n    return F.softplus(torch.where(x > 0.5, -logits, logits)).flatten(1).sum(1)", "grey pixels are rounded|your distortion of two"),
    Wrong("bright pixels only", "q4", "def bernoulli_distortion(logits, x):\n    return (x * F.softplus(-logits)).flatten(1).sum(1)", "only the bright pixels count"),
    Wrong("mean squared error", "q4", "def gaussian_distortion(mean, x, sigma):\n    return (x - mean).square().mean(1)", "your Gaussian distortion"),
    Wrong("sum of squares", "q4", "def gaussian_distortion(mean, x, sigma):\n    return (x - mean).square().sum(1)", "this is the sum of squares alone"),
    Wrong("constant once", "q4", "def gaussian_distortion(mean, x, sigma):\n    return (x - mean).square().sum(1) / (2 * sigma**2) + math.log(sigma) + 0.5 * math.log(2 * math.pi)", "the constant counts once for each value"),
    Wrong("σ without its price", "q4", "def gaussian_distortion(mean, x, sigma):\n    return ((x - mean).square() / (2 * sigma**2) + 0.5 * math.log(2 * math.pi)).sum(1)", "a large σ has a price"),
    Wrong("no 2π", "q4", "def gaussian_distortion(mean, x, sigma):\n    return ((x - mean).square() / (2 * sigma**2) + math.log(sigma)).sum(1)", "½ log 2π is missing"),
    Wrong("mean detached", "q4", "def gaussian_distortion(mean, x, sigma):\n    constant = math.log(sigma) + 0.5 * math.log(2 * math.pi)\n    return ((x - mean.detach()).square() / (2 * sigma**2) + constant).sum(1) + 0 * mean.sum(1)", "the slope of your Gaussian"),
    Wrong("ready-made, clamped", "q4", "def gaussian_distortion(mean, x, sigma):\n    return F.gaussian_nll_loss(mean, x, torch.full_like(x, sigma**2), full=True, eps=0.01, reduction='none').sum(1)", "σ = 0.05"),
    Wrong("variance returned", "q4", "def best_sigma(mean, x):\n    return (x - mean).square().mean()", "this is the variance"),
    Wrong("std", "q4", "def best_sigma(mean, x):\n    return (x - mean).std(correction=0)", "the mean error is subtracted first"),
    Wrong("absolute errors", "q4", "def best_sigma(mean, x):\n    return (x - mean).abs().mean()", "the mean of the absolute errors"),
    Wrong("summed over dimensions", "q4", "def best_sigma(mean, x):\n    return (x - mean).square().sum(1).mean().sqrt()", "summed over the dimensions"),
    Wrong("the visible σ", "q4", "def best_sigma(mean, x):\n    return 1.2909944", "random errors"),
    # -- q5
    Wrong("bound minimised", "q5", "def negative_elbo(distortion, rate, beta):\n    return -distortion - beta * rate", "the bound itself"),
    Wrong("rate subtracted", "q5", "def negative_elbo(distortion, rate, beta):\n    return distortion - beta * rate", "the rate is subtracted"),
    Wrong("β on the distortion", "q5", "def negative_elbo(distortion, rate, beta):\n    return beta * distortion + rate", "β stands before the distortion"),
    Wrong("β left out", "q5", "def negative_elbo(distortion, rate, beta):\n    return distortion + rate", "β is missing"),
    Wrong("mean of the batch", "q5", "def negative_elbo(distortion, rate, beta):\n    return (distortion + beta * rate).mean()", "a mean or a sum inside"),
    Wrong("rate detached", "q5", "def negative_elbo(distortion, rate, beta):\n    return distortion + beta * rate.detach()", "the slope of your loss .* in the rate"),
    Wrong("free nats", "q5", "def negative_elbo(distortion, rate, beta):\n    return distortion + beta * rate.clamp(min=4.0)", "your loss of"),
    Wrong("2 of 2σ² forgotten", "q5", "def hidden_variance(beta, D):\n    return beta * D", "the 2 of 2σ² is missing"),
    Wrong("β below", "q5", "def hidden_variance(beta, D):\n    return D / (2 * beta)", "β is on the wrong side"),
    Wrong("σ for σ²", "q5", "def hidden_variance(beta, D):\n    return (beta * D / 2) ** 0.5", "this is σ and not σ²"),
    Wrong("D forgotten", "q5", "def hidden_variance(beta, D):\n    return beta / 2", "D is missing"),
    Wrong("the visible number", "q5", "def hidden_variance(beta, D):\n    return 25.0", "for β = 0.1"),
    Wrong("σ of digits", "q5", "mnist_variance = 392**0.5", "it is σ"),
    Wrong("28 values", "q5", "mnist_variance = 14", "28 values"),
    # -- q6
    Wrong("no log K", "q6", "def iwae(log_w):\n    return log_w.logsumexp(0)", "−log K is missing"),
    Wrong("mean of logarithms", "q6", "def iwae(log_w):\n    return log_w.mean(0)", "the mean of the logarithms"),
    Wrong("surrogate", "q6", "def iwae(log_w):\n    return (log_w.softmax(0).detach() * log_w).sum(0)", "surrogate"),
    Wrong("underflow", "q6", "def iwae(log_w):\n    return log_w.exp().mean(0).log()", "lie near 0, −1000"),
    Wrong("one maximum for all", "q6", "def iwae(log_w):\n    top = log_w.max()\n    return top + (log_w - top).exp().mean(0).log()", "lie near 0, −1000"),
    Wrong("the examples' maximum", "q6", "def iwae(log_w):\n    top = log_w.amax(1, keepdim=True)\n    return ((log_w - top).exp() * top.exp()).mean(0).log()", "your bound"),
    Wrong("a small number added", "q6", "def iwae(log_w):\n    return (log_w.double().exp().mean(0) + 1e-30).log()", "lie near 0, −1000"),
    Wrong("largest weight", "q6", "def iwae(log_w):\n    return log_w.amax(0)", "the largest log-weight"),
    Wrong("over the examples", "q6", "def iwae(log_w):\n    return log_w.logsumexp(1) - math.log(log_w.shape[1])", "has the shape"),
    Wrong("detached", "q6", "right = iwae\ndef iwae(log_w):\n    return right(log_w.detach()) + 0 * log_w.sum(0)", "the slope of your bound"),
    Wrong("log q added", "q6", "def log_weights(x, z, mean, log_variance):\n    log_q = -0.5 * ((z - mean) ** 2 / log_variance.exp() + log_variance + math.log(2 * math.pi))\n    return -0.5 * z**2 - 0.5 * (x - z) ** 2 - math.log(2 * math.pi) + log_q", "log q is added"),
    Wrong("constants cancelled", "q6", "right_w = log_weights\ndef log_weights(x, z, mean, log_variance):\n    return right_w(x, z, mean, log_variance) + 0.5 * math.log(2 * math.pi)", "½ log 2π is missing"),
    Wrong("prior forgotten", "q6", "right_w = log_weights\ndef log_weights(x, z, mean, log_variance):\n    return right_w(x, z, mean, log_variance) + 0.5 * z**2 + 0.5 * math.log(2 * math.pi)", "the prior is missing"),
    Wrong("log p(x) of the exact posterior", "q6", "def log_weights(x, z, mean, log_variance):\n    return 0 * z - 0.25 * x**2 - 0.5 * math.log(4 * math.pi)", "random numbers"),
    Wrong("normalised over examples", "q6", "def iwae_weights(log_w):\n    return log_w.softmax(1)", "normalised over the examples"),
    Wrong("log-weights divided", "q6", "def iwae_weights(log_w):\n    return log_w / log_w.sum(0)", "divide the weights"),
    Wrong("weights overflow", "q6", "def iwae_weights(log_w):\n    w = log_w.exp()\n    return w / w.sum(0)", "±1000"),
    Wrong("equal weights", "q6", "def iwae_weights(log_w):\n    return torch.full_like(log_w, 1 / len(log_w))", "all draws weigh the same"),
    # -- q7
    Wrong("mean to the decoder", "q7", loss(z="mean"), "the noise is missing"),
    Wrong("pixels averaged", "q7", loss(result="each.flatten(1).mean(1) + beta * kl"), "the pixels are averaged"),
    Wrong("KL subtracted", "q7", loss(result="each.flatten(1).sum(1) - beta * kl"), "the rate has the wrong sign"),
    Wrong("β ignored", "q7", loss(result="each.flatten(1).sum(1) + kl"), "β is missing"),
    Wrong("mean of the batch", "q7", loss(result="(each.flatten(1).sum(1) + beta * kl).mean()"), "a mean or a sum inside"),
    Wrong("log-variance for σ", "q7", loss(z="mean + log_variance * noise"), "slope of your loss|has the variance"),
    Wrong("variance for σ", "q7", loss(z="mean + log_variance.exp() * noise"), "slope of your loss|has the variance"),
    Wrong("draw cut off", "q7", loss(z="(mean + sigma * noise).detach()"), "the draw is cut off"),
    Wrong("rate detached", "q7", loss(result="each.flatten(1).sum(1) + beta * kl.detach()"), "the rate's gradient does not arrive"),
    Wrong("mean detached in the rate", "q7", loss(rate="0.5 * (mean.detach().square() + sigma.square() - 1 - log_variance).sum(1)"), "in the mean .*the rate's gradient does not arrive"),
    Wrong("variance detached in the rate", "q7", loss(rate="0.5 * (mean.square() + (log_variance.exp() - 1 - log_variance).detach()).sum(1)"), "in the log-variance .*the rate's gradient does not arrive"),
    Wrong("σ detached in the draw", "q7", loss(z="mean + sigma.detach() * noise"), "in the log-variance .*the distortion's gradient does not arrive"),
    Wrong("mean detached in the draw", "q7", loss(z="mean.detach() + sigma * noise"), "in the mean .*the distortion's gradient does not arrive"),
    Wrong("decoder's logits detached", "q7", loss(result="each.flatten(1).sum(1).detach() + beta * kl"), "does not arrive|no gradient arrives"),
    Wrong("no gradient at all", "q7", "right = vae_loss\n@torch.no_grad()\ndef vae_loss(encoder, decoder, x, generator, beta=1.0):\n    mean, v = encoder(x)\n    z = mean + (0.5 * v).exp() * torch.randn(mean.shape, generator=generator)\n    d = F.binary_cross_entropy_with_logits(decoder(z), x, reduction='none').flatten(1).sum(1)\n    return d + beta * 0.5 * (mean**2 + v.exp() - 1 - v).sum(1)", "does not require grad"),
    Wrong("one noise for all", "q7", loss(noise="torch.randn(1, mean.shape[1], generator=generator, dtype=mean.dtype)"), "both images share one ε"),
    Wrong("global noise", "q7", loss(noise="torch.randn_like(mean)"), "with a generator of the same seed"),
    Wrong("the same noise at each call", "q7", loss(noise="torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))"), "repeats the noise"),
    Wrong("two draws", "q7", loss(z="torch.cat([mean + sigma * noise, mean - sigma * noise])", result="0.5 * (F.binary_cross_entropy_with_logits(logits, torch.cat([x, x]), reduction='none').flatten(1).sum(1)).reshape(2, -1).sum(0) + beta * kl").replace('each = F.binary_cross_entropy_with_logits(logits, x, reduction="none")', "each = 0"), "one code for each image, once|one draw for each image"),
    # -- q8
    Wrong("own variances missing", "q8", prior("(mean - m).square().mean(0)"), "the codes' own variances are missing"),
    Wrong("spread missing", "q8", prior("v.exp().mean(0)"), "the spread of the means is missing"),
    Wrong("log-variances averaged", "q8", prior("v.mean(0).exp()"), "the log-variances are averaged"),
    Wrong("variance for its logarithm", "q8", prior(SPREAD, log_s2="s2"), "its logarithm was asked for"),
    Wrong("N − 1", "q8", prior("mean.var(0) + v.exp().mean(0)"), r"divided by N − 1"),
    Wrong("about zero", "q8", prior("mean.square().mean(0) + v.exp().mean(0)"), "your best prior"),
    Wrong("mean zero", "q8", prior("mean.square().mean(0) + v.exp().mean(0)", m="0 * mean[0]"), r"these are those of N\(0, I\)"),
    Wrong("deviations added", "q8", prior("((mean - m).square().mean(0).sqrt() + v.exp().mean(0).sqrt()) ** 2"), "variances add up"),
    Wrong("underflow", "q8", prior(SPREAD), "add up logarithms"),
    Wrong("a floor", "q8", prior(SPREAD + " + 1e-8"), "with log-variance −200|random codes"),
    Wrong("negative saving", "q8", saved("-0.5 * each.sum()"), "the saving is not negative"),
    Wrong("summed over the examples", "q8", saved("0.5 * each.sum() * len(mean)"), "the sum over the examples"),
    Wrong("averaged over dimensions", "q8", saved("0.5 * each.mean()"), "the dimensions are averaged"),
    Wrong("no ½", "q8", saved("each.sum()"), "the ½ is missing"),
    Wrong("what is left", "q8", saved("before - 0.5 * each.sum()"), "the mean rate that is left"),
    Wrong("what was paid", "q8", saved("before"), "the mean rate before"),
    Wrong("the KL turned round", "q8", saved("0.5 * ((1 + m.square()) / log_s2.exp() - 1 + log_s2).sum()"), "the wrong way round"),
]  # fmt: skip

RIGHT = [
    Right("expm1", "q1", rate("torch.expm1(v).sub(v).add(m * m).sum(-1) / 2")),
    Right("code by code in double precision", "q1", "def rate(mean, log_variance):\n    rows = []\n    for m, v in zip(mean.double(), log_variance.double()):\n        rows.append(sum(0.5 * (a * a + torch.exp(b) - 1 - b) for a, b in zip(m, v)))\n    return torch.stack(rows)"),
    Right("cross-entropy minus entropy", "q1", "def rate(mean, log_variance, axis=-1):\n    half = 0.5 * math.log(2 * math.pi)\n    cross = 0.5 * (mean.square() + log_variance.exp()) + half\n    entropy = 0.5 + half + 0.5 * log_variance\n    return (cross - entropy).sum(axis)"),
    Right("vmap", "q1", "def _one(m, v):\n    return (m @ m + v.exp().sum() - len(m) - v.sum()) / 2\nrate = torch.func.vmap(_one)"),
    Right("normal_", "q2", draw("torch.empty_like(mean).normal_(generator=generator)", "torch.addcmul(mean, log_variance.div(2).exp(), noise)")),
    Right("single precision", "q2", draw("torch.randn(n, d, generator=g)")),
    Right("double precision", "q2", draw("torch.randn(n, d, generator=g, dtype=torch.float64)")),
    Right("code by code", "q2", "def draw(mean, log_variance, generator):\n    rows = [m + s * torch.randn(len(m), generator=generator) for m, s in zip(mean, deviation(log_variance))]\n    return torch.stack(rows)"),
    Right("a class and a square root", "q2", "class Draw:\n    def __call__(self, mean, log_variance, generator, scale=1.0):\n        noise = torch.randn(mean.T.shape, generator=generator).T\n        return torch.lerp(mean, mean + noise, torch.sqrt(log_variance.exp()) * scale)\ndraw = Draw()\ndef deviation(log_variance):\n    return torch.exp2(log_variance.double() / math.log(4)).to(log_variance.dtype)"),
    Right("vmap of grad", "q3", "def path_gradient(f, z):\n    return torch.func.vmap(torch.func.grad(lambda t: f(t)))(z.detach())"),
    Right("backward with ones", "q3", "def path_gradient(f, z):\n    leaf = z.detach().clone().requires_grad_()\n    f(leaf).backward(torch.ones_like(leaf))\n    return leaf.grad"),
    Right("the score by autograd", "q3", "def score_gradient(f, z, mu, sigma):\n    mu = torch.full_like(z, mu).requires_grad_()\n    log_q = torch.distributions.Normal(mu, sigma).log_prob(z)\n    return f(z) * torch.autograd.grad(log_q.sum(), mu)[0]"),
    Right("variances by quadrature", "q3", "import numpy as np\n_x, _w = np.polynomial.hermite_e.hermegauss(12)\n_w = _w / _w.sum()\ndef _variance(values):\n    return (_w * (values - (_w * values).sum()) ** 2).sum()\ndef path_variance(mu, sigma):\n    return _variance(2 * (mu + sigma * _x))\ndef score_variance(mu, sigma):\n    return _variance((mu + sigma * _x) ** 2 * _x / sigma)"),
    Right("one by one", "q3", "def path_gradient(f, z):\n    found = []\n    for one in z.detach():\n        one = one.clone().requires_grad_()\n        found.append(torch.autograd.grad(f(one), one)[0])\n    return torch.stack(found)\ndef score_variance(mu, sigma):\n    return torch.tensor((mu**4 + 14 * (mu * sigma) ** 2 + 15 * sigma**4) / sigma**2, dtype=torch.float64)"),
    Right("binary cross-entropy with logits", "q4", "def bernoulli_distortion(logits, x):\n    return F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum((1, 2, 3))"),
    Right("logaddexp and logsigmoid", "q4", "def bernoulli_distortion(logits, x):\n    zero = torch.zeros_like(logits)\n    each = x * torch.logaddexp(zero, -logits) - (1 - x) * F.logsigmoid(-logits)\n    return torch.einsum('nchw->n', each)"),
    Right("ready-made densities", "q4", "def gaussian_distortion(mean, x, sigma):\n    return -torch.distributions.Normal(mean, sigma).log_prob(x).sum(1)\ndef best_sigma(mean, x):\n    return F.mse_loss(mean, x).sqrt().item()"),
    Right("the library's Gaussian loss", "q4", "def gaussian_distortion(mean, x, sigma):\n    variance = torch.tensor(float(sigma) ** 2, dtype=x.dtype).expand_as(x)\n    return F.gaussian_nll_loss(mean, x, variance, full=True, reduction='none').sum(1)\ndef best_sigma(mean, x):\n    return torch.linalg.vector_norm(x - mean) / math.sqrt(x.numel())"),
    Right("NumPy", "q4", "import numpy as np\ndef best_sigma(mean, x):\n    return np.sqrt(np.mean((x.numpy() - mean.numpy()) ** 2))"),
    Right("alpha", "q5", "def negative_elbo(distortion, rate, beta=1):\n    return torch.add(distortion, rate, alpha=beta)\nmnist_variance = 28 * 28 // 2"),
    Right("a stack", "q5", "def negative_elbo(distortion, rate, beta):\n    weights = torch.tensor([1.0, beta], dtype=rate.dtype)\n    return weights @ torch.stack([distortion, rate])\nmnist_variance = torch.tensor(392.0)"),
    Right("by a solver", "q5", "import numpy as np\ndef hidden_variance(beta, D):\n    return np.float64(1) / np.linalg.solve(np.array([[beta * D]]), np.array([2.0]))[0]\nmnist_variance = hidden_variance(1, 28 * 28)"),
    Right("the largest of each example", "q6", "def iwae(log_w):\n    top = log_w.max(0).values\n    return top + (log_w - top).exp().mean(0).log()"),
    Right("the largest is detached", "q6", "def iwae(log_w):\n    top = log_w.amax(0, keepdim=True).detach()\n    return (top + (log_w - top).exp().mean(0, keepdim=True).log()).squeeze(0)\ndef iwae_weights(log_w):\n    return (log_w - log_w.logsumexp(0)).exp()"),
    Right("weights by autograd, draw by draw", "q6", "def iwae_weights(log_w):\n    leaf = log_w.detach().clone().requires_grad_()\n    return torch.autograd.grad(iwae(leaf).sum(), leaf)[0]\ndef iwae(log_w):\n    total = log_w[0]\n    for row in log_w[1:]:\n        total = torch.logaddexp(total, row)\n    return total - torch.tensor(float(len(log_w))).log()"),
    Right("ready-made densities", "q6", "from torch.distributions import Normal\ndef log_weights(x, z, mean, log_variance):\n    return Normal(0.0, 1.0).log_prob(z) + Normal(z, 1.0).log_prob(x) - Normal(mean, (log_variance / 2).exp()).log_prob(z)"),
    Right("all by hand", "q7", loss()),
    Right("noise in double precision", "q7", loss(noise="torch.randn(mean.shape, generator=generator, dtype=torch.float64).to(mean.dtype)")),
    Right("single noise and a negative bound", "q7", loss(noise="torch.randn(mean.shape, generator=generator)", result="-(-each.sum((1, 2, 3)) - beta * kl)")),
    Right("through helpers", "q7", "def _bound(x, logits, mean, log_variance, beta):\n    return -negative_elbo(bernoulli_distortion(logits, x), rate(mean, log_variance), beta)\ndef vae_loss(encoder, decoder, x, generator, beta=1.0):\n    q = encoder(x)\n    return -_bound(x, decoder(draw(*q, generator)), *q, beta)"),
    Right("a class", "q7", "class Loss(torch.nn.Module):\n    def forward(self, encoder, decoder, x, generator, beta=1.0):\n        mean, v = encoder(x)\n        z = torch.addcmul(mean, v.div(2).exp(), torch.empty_like(mean).normal_(generator=generator))\n        d = -torch.distributions.Bernoulli(logits=decoder(z), validate_args=False).log_prob(x).flatten(1).sum(1)\n        q = torch.distributions.Normal(mean, v.div(2).exp())\n        return d + beta * torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)\nvae_loss = Loss()"),
    Right("NumPy in double precision", "q8", "import numpy as np\ndef best_prior(mean, log_variance):\n    mean, v = mean.double().numpy(), log_variance.double().numpy()\n    m = mean.mean(0)\n    return m, np.log(((mean - m) ** 2).mean(0) + np.exp(v).mean(0))\ndef saving(mean, log_variance):\n    m, v = best_prior(mean, log_variance)\n    return 0.5 * np.sum(m**2 + np.exp(v) - 1 - v)"),
    Right("difference of the mean rates", "q8", "def saving(mean, log_variance):\n    mean, v = mean.double(), log_variance.double()\n    m, s = best_prior(mean, v)\n    before = mean.square() + v.exp() - 1 - v\n    after = ((mean - m).square() + v.exp()) / s.exp() - 1 + s - v\n    return 0.5 * (before - after).sum(1).mean().item()"),
    Right("the largest out", "q8", "def best_prior(mean, log_variance):\n    top = log_variance.amax(0)\n    m = sum(mean) / len(mean)\n    square = mean.var(0, correction=0).double()\n    inner = (log_variance - top).exp().mean(0) + square * torch.exp(-top.double())\n    return [m, top + inner.log()]"),
]  # fmt: skip
