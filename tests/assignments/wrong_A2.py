"""Wrong answers to A2, most of them from the bug zoo.

The first of each question is also the grader's canary.
"""

from wrong import Wrong, zoo

VARIANCE_FOR_DEVIATION = """
def deviation(log_variance):
    return log_variance.exp()


def draw(mean, log_variance, generator):
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return mean + (0.5 * log_variance).exp() * noise
"""
SCORE_OVER_SIGMA = """
def score_gradient(f, z, mu, sigma):
    return f(z) * (z - mu) / sigma
"""
SECOND_MOMENT = """
def path_variance(mu, sigma):
    return 4 * mu**2 + 4 * sigma**2
"""
NO_MIXED_TERM = """
def score_variance(mu, sigma):
    return mu**4 / sigma**2 + 8 * mu**2 + 15 * sigma**2
"""
VARIANCE_FOR_SIGMA = """
def best_sigma(mean, x):
    return (x - mean).square().mean()
"""
NO_TWO = """
def hidden_variance(beta, D):
    return beta * D
"""
PLUS_LOG_Q = """
def log_weights(x, z, mean, log_variance):
    log_q = -0.5 * ((z - mean) ** 2 / log_variance.exp() + log_variance + 1.8378770664093453)
    return -0.5 * z**2 - 0.5 * (x - z) ** 2 - 1.8378770664093453 + log_q
"""
NORMALISED_OVER_EXAMPLES = """
def iwae_weights(log_w):
    return log_w.softmax(1)
"""
LOSS = """
def vae_loss(encoder, decoder, x, generator, beta=1.0):
    mean, log_variance = encoder(x)
    noise = torch.randn(mean.shape, generator=generator)
    sigma = (0.5 * log_variance).exp()
    z = {z}
    each = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none")
    kl = 0.5 * (mean.square() + sigma.square() - 1 - log_variance).sum(1)
    return each.flatten(1).{over}(1) {sign} beta * kl
"""
RIGHT = {"z": "mean + sigma * noise", "over": "sum", "sign": "+"}


def loss(**changes):
    return LOSS.format(**{**RIGHT, **changes})


WRONG = [
    Wrong(
        "rate with the wrong sign", "q1", zoo("rate_with_the_wrong_sign", "rate"), "a sign is wrong"
    ),
    Wrong(
        "rate averaged over the code",
        "q1",
        zoo("rate_averaged_over_the_code", "rate"),
        "four equal dimensions cost",
    ),
    Wrong("KL(p‖q)", "q1", zoo("rate_with_swapped_arguments", "rate"), "the arguments are swapped"),
    Wrong(
        "rate for the batch",
        "q1",
        zoo("rate_averaged_over_everything", "rate"),
        "one number per example",
    ),
    Wrong("variance for σ", "q2", VARIANCE_FOR_DEVIATION, "the ½ in the exponent is missing"),
    Wrong("no noise", "q2", zoo("no_noise_at_all", "draw"), "there is no noise in it"),
    Wrong(
        "noise of a hundredth",
        "q2",
        zoo("noise_of_a_hundredth", "draw"),
        r"have the deviations \[0\.\d+, 0\.\d+\] instead of 1 and 3",
    ),
    Wrong("uniform noise", "q2", zoo("uniform_noise", "draw"), "draws from"),
    Wrong(
        "noise shared by the batch",
        "q2",
        zoo("one_noise_for_the_batch", "draw"),
        "all examples share one ε",
    ),
    Wrong(
        "no gradient",
        "q2",
        zoo("a_draw_without_a_gradient", "draw"),
        "the encoder cannot learn from the distortion",
    ),
    Wrong("score divided by σ", "q3", SCORE_OVER_SIGMA, "divided by σ and not by σ²"),
    Wrong("second moment", "q3", SECOND_MOMENT, "the squared mean must be subtracted"),
    Wrong("mixed term forgotten", "q3", NO_MIXED_TERM, "the mixed term 6μ² is missing"),
    Wrong(
        "pixels averaged",
        "q4",
        zoo("cross_entropy_averaged_over_pixels", "bernoulli_distortion"),
        "are averaged",
    ),
    Wrong(
        "batch summed",
        "q4",
        zoo("cross_entropy_summed_over_the_batch", "bernoulli_distortion"),
        "per example",
    ),
    Wrong(
        "log of p + 1e-8",
        "q4",
        zoo("distortion_with_an_epsilon", "bernoulli_distortion"),
        "costs 60 nats",
    ),
    Wrong(
        "mean squared error",
        "q4",
        zoo("mean_squared_error", "gaussian_distortion"),
        "squares are averaged",
    ),
    Wrong(
        "constant d times", "q4", zoo("constant_counted_d_times", "gaussian_distortion"), "log 2π"
    ),
    Wrong(
        "σ without its price",
        "q4",
        zoo("learned_sigma_without_its_price", "gaussian_distortion"),
        "log σ",
    ),
    Wrong("variance returned", "q4", VARIANCE_FOR_SIGMA, "this is the variance"),
    Wrong("bound minimised", "q5", zoo("the_bound_minimised", "negative_elbo"), "to be minimised"),
    Wrong("rate subtracted", "q5", zoo("rate_subtracted", "negative_elbo"), "to be minimised"),
    Wrong(
        "β on the distortion",
        "q5",
        zoo("beta_on_the_distortion", "negative_elbo"),
        "to be minimised",
    ),
    Wrong("2 of 2σ² forgotten", "q5", NO_TWO, "the 2 of 2σ² is missing"),
    Wrong("no log K", "q6", zoo("bound_without_log_k", "iwae"), "−log K is missing"),
    Wrong(
        "mean of logarithms", "q6", zoo("mean_of_logarithms", "iwae"), "the mean of the logarithms"
    ),
    Wrong("surrogate", "q6", zoo("the_surrogate_reported", "iwae"), "surrogate"),
    Wrong("underflow", "q6", zoo("exponentials_that_underflow", "iwae"), "use logsumexp"),
    Wrong("log q added", "q6", PLUS_LOG_Q, "log q is added"),
    Wrong(
        "normalised over examples", "q6", NORMALISED_OVER_EXAMPLES, "normalised over the examples"
    ),
    Wrong("mean to the decoder", "q7", loss(z="mean"), "the noise is missing"),
    Wrong("pixels averaged in the loss", "q7", loss(over="mean"), "the pixels are averaged"),
    Wrong("KL subtracted", "q7", loss(sign="-"), "the rate has the wrong sign"),
    Wrong("log-variance for σ", "q7", loss(z="mean + log_variance * noise"), "was taken for σ"),
    Wrong("draw cut off", "q7", loss(z="(mean + sigma * noise).detach()"), "the draw is cut off"),
]
