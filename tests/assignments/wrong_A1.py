"""Wrong answers to A1, most of them from the bug zoo.

The first of each question is also the grader's canary.
"""

from wrong import Wrong, zoo

PROBABILITY = """
def best_logit(p, q):
    return p / (p + q)
"""
TWICE = """
def jsd(p, q):
    return best_value(p, q) + math.log(4)
"""
IN_BITS = """
def best_logit(p, q):
    return (p / q).log2()


def best_value(p, q):
    return (p * (p / (p + q)).log() + q * (q / (p + q)).log()).sum()
"""
PLAIN_RATIO = """
def best_value(p, q):
    D = torch.sigmoid(p.log() - q.log())
    return (p * torch.log(D) + q * torch.log(1 - D)).sum()
"""
LOG_OF_SIGMOID = """
def non_saturating_loss(real, fake):
    return -torch.log(torch.sigmoid(fake))
"""
SLOPE_OF_SIGMOID = """
def saturating_slope(v):
    return torch.sigmoid(v) * (1 - torch.sigmoid(v))
"""
SLOPES_SWAPPED = """
saturating_slope, non_saturating_slope = non_saturating_slope, saturating_slope
"""
RATIO_OVERFLOWS = """
def pull_ratio(v):
    return (1 - torch.sigmoid(v.float())) / (torch.sigmoid(v.float()) + 1e-8)
"""
MEAN_OF_SAMPLES = """
def sample_gradients(D, x, slope):
    x = x.detach().requires_grad_()
    v = D(x)
    (direction,) = torch.autograd.grad(v.mean(), x)
    return slope(v.detach())[:, None] * direction
"""
STEP_AGAINST_THE_OLD_D = """
def gan_step(G, D, real, z, lr):
    fake = G(z)
    loss_d = (F.softplus(-D(real)) + F.softplus(D(fake.detach()))).mean()
    loss_g = F.softplus(-D(fake)).mean()
    parts = []
    for network, loss in ((D, loss_d), (G, loss_g)):
        weights = list(network.parameters())
        parts.append((weights, torch.autograd.grad(loss, weights)))
    with torch.no_grad():
        for weights, gradients in parts:
            for w, g in zip(weights, gradients, strict=True):
                w -= lr * g
"""

WRONG = [
    Wrong(
        "probability for logit",
        "q1",
        PROBABILITY,
        r"this is the probability D\*, and the logit was asked for",
    ),
    Wrong("JSD twice too large", "q1", "import math\n" + TWICE, "it is twice as large"),
    Wrong("logarithm to base 2", "q1", IN_BITS, "the logarithm is to base 2"),
    Wrong("value that overflows", "q1", PLAIN_RATIO, "p/q is e"),
    Wrong(
        "labels swapped",
        "q2",
        zoo("labels_swapped", "discriminator_loss"),
        "does not push fake logits down",
    ),
    Wrong("sigmoid twice", "q2", zoo("sigmoid_twice", "discriminator_loss"), "by hand it is"),
    Wrong(
        "log of sigmoid + 1e-8",
        "q2",
        zoo("log_of_sigmoid_plus_epsilon", "non_saturating_loss"),
        "softplus",
    ),
    Wrong("log of sigmoid", "q2", LOG_OF_SIGMOID, "no logarithm of a sigmoid"),
    Wrong("mean inside", "q2", zoo("mean_inside_the_loss", "non_saturating_loss"), "shape"),
    Wrong(
        "minimax that is not",
        "q2",
        zoo("minimax_that_is_non_saturating", "saturating_loss"),
        "this is the non-sat",
    ),
    Wrong(
        "rewarded for being caught",
        "q2",
        zoo("rewarded_for_being_caught", "non_saturating_loss"),
        "being caught",
    ),
    Wrong(
        "real term in G",
        "q2",
        zoo("generator_with_the_real_term", "saturating_loss"),
        "does not belong to G's loss",
    ),
    Wrong(
        "critic maximises",
        "q3",
        zoo("critic_that_maximises", "wasserstein_d"),
        "does not push fake logits down",
    ),
    Wrong(
        "hinge arguments swapped",
        "q3",
        zoo("hinge_with_swapped_arguments", "hinge_d"),
        "does not push fake",
    ),
    Wrong("hinged generator", "q3", zoo("hinged_generator", "hinge_g"), "by hand it is"),
    Wrong(
        "Wasserstein is hinge",
        "q3",
        zoo("wasserstein_that_is_hinge", "wasserstein_d"),
        "beyond the margin|by hand",
    ),
    Wrong(
        "one-sided pair",
        "q3",
        zoo("relativistic_generator_without_real", "relativistic_g"),
        "only the difference",
    ),
    Wrong("slope of sigmoid", "q4", SLOPE_OF_SIGMOID, "this is the slope of sigmoid itself"),
    Wrong("slopes swapped", "q4", SLOPES_SWAPPED, "this is the slope of the non-saturating loss"),
    Wrong("ratio that overflows", "q4", RATIO_OVERFLOWS, "simplify before you compute"),
    Wrong("mean of samples", "q4", MEAN_OF_SAMPLES, "divided by N"),
    Wrong(
        "norm over the batch",
        "q5",
        zoo("norm_over_the_batch", "gradient_penalty"),
        "runs over the whole batch",
    ),
    Wrong(
        "one ε for all",
        "q5",
        zoo("one_epsilon_for_all", "gradient_penalty"),
        "all pairs share one ε",
    ),
    Wrong(
        "ε for every value",
        "q5",
        zoo("an_epsilon_for_every_value", "gradient_penalty"),
        "leave the line",
    ),
    Wrong(
        "no graph", "q5", zoo("penalty_without_a_graph", "gradient_penalty"), "create_graph=True"
    ),
    Wrong("NaN at slope 0", "q5", zoo("root_without_a_safe_derivative", "gradient_penalty"), "NaN"),
    Wrong(
        "penalty trains G",
        "q5",
        zoo("penalty_that_trains_the_generator", "gradient_penalty"),
        "into the generator",
    ),
    Wrong("no ½ in R1", "q6", zoo("r1_without_the_half", "r1"), "the ½ is missing"),
    Wrong("R1 at fakes", "q6", zoo("r1_at_the_fakes", "r1"), "taken at the real ones"),
    Wrong("R1 over pixels", "q6", zoo("r1_averaged_over_pixels", "r1"), "averaged over the values"),
    Wrong(
        "old gradients",
        "q7",
        zoo("the_wrong_gradients_cleared", "gan_step"),
        "earlier backward pass",
    ),
    Wrong(
        "fakes attached",
        "q7",
        zoo("fakes_attached_and_one_optimizer", "gan_step"),
        "moved the wrong network",
    ),
    Wrong(
        "fakes always detached",
        "q7",
        zoo("fakes_detached_in_both_steps", "gan_step"),
        "raises|away from the step",
    ),
    Wrong("G against the old D", "q7", STEP_AGAINST_THE_OLD_D, "used the old D"),
]
