"""Wrong answers to A5. The first of each question is also the grader's canary."""

from wrong import Wrong, zoo

# The wrong answers stand among these right ones in place of the solution's, which train a VAE 14
# times in each grading: the best linear estimate against the exact posterior mean under the
# training images themselves.
QUICK_BUT_RIGHT = """
def measure(method, seed, train, test):
    (clean, y), pixels = noisy(test, seed), train.floats().flatten(1)
    if method == "ours":
        return psnr((-torch.cdist(y, pixels).square() / (2 * 0.4**2)).softmax(1) @ pixels, clean)
    mean, covariance = pixels.mean(0), torch.cov(pixels.T)
    total = covariance + 0.4**2 * torch.eye(len(mean))
    return psnr(mean + (y - mean) @ torch.linalg.solve(total, covariance), clean)
"""
AMONG = {"q3": QUICK_BUT_RIGHT}

INTERVAL = """
def interval(values, level=0.95):
    d, n = torch.tensor(values, dtype=torch.float64), len(values)
    if n < 2:
        raise ValueError("too few")
    half = {quantile} * d.std(correction={correction}).item() / n**{power}
    return d.mean().item(), d.mean().item() - half, d.mean().item() + half
"""
T = "scipy.stats.t.ppf((1 + level) / 2, n - 1)"
QUICK = """
right_measure = measure


def measure(method, seed, train, test):
    if method == "{method}":
        clean, y = noisy(test, seed)
        {body}
    return right_measure(method, seed, train, test)
"""
NO_WORK = "return psnr(y + train.floats().mean() - 0.3, clean)"
GLOBAL_STATE = """
right_measure = measure


def measure(method, seed, train, test):
    return right_measure(method, seed, train, test) + 0.1 * torch.randn(()).item() * (method == "ours")
"""
SEED_IGNORED = """
right_measure = measure


def measure(method, seed, train, test):
    return right_measure(method, 0, train, test) + (0.01 * seed if method == "baseline" else 0.0)
"""
NOISY_PICTURES = """
def measure(method, seed, train, test):
    clean, y = noisy(test, seed)
    return psnr(y if method == "baseline" else 0.9 * y, clean)
"""
ON_THE_TRAINING_SET = """
right_measure = measure


def measure(method, seed, train, test):
    return right_measure(method, seed, train, train.subset(torch.arange(360)))
"""
FITTED_ON_THE_TEST_SET = """
right_measure = measure


def measure(method, seed, train, test):
    return right_measure(method, seed, test, test)
"""
CLAIM = """
right_claim = claim


def claim(measure, seeds, margin, higher_is_better, train, test):
    found = right_claim(measure, seeds, margin, {higher}, train, test)
    a, b = found["ours"], found["baseline"]
    {change}
    return found
"""
UNPAIRED = """n = len(a)
    a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    half = scipy.stats.t.ppf(0.975, 2 * n - 2) * ((a.var() + b.var()) / n).sqrt().item()
    found["low"], found["high"] = found["mean"] - half, found["mean"] + half"""
ALWAYS_BETTER = """
def claim(measure, seeds, margin, higher_is_better, train, test):
    b, a = ([measure(m, s, train, test) for s in seeds] for m in ("baseline", "ours"))
    mean, low, high = interval([u - v for u, v in zip(a, b, strict=True)])
    return dict(seeds=list(seeds), baseline=b, ours=a, mean=mean, low=low, high=high, verdict="better")
"""
REVERSED = (
    'found["mean"], found["low"], found["high"] = -found["mean"], -found["high"], -found["low"]'
)
ZERO_FOR_MARGIN = 'found["verdict"] = "better" if found["mean"] > 0 else "worse"'

WRONG = [
    Wrong(
        "normal quantile",
        "q1",
        INTERVAL.format(quantile="scipy.stats.norm.ppf((1 + level) / 2)", correction=1, power=0.5),
        "this is the normal quantile 1.96",
    ),
    Wrong("divided by n", "q1", INTERVAL.format(quantile=T, correction=0, power=0.5), "divided by n in place of n − 1"),
    Wrong("deviation for error", "q1", INTERVAL.format(quantile=T, correction=1, power=0), "√n is missing"),
    Wrong("mean squared error", "q2", zoo("mean_squared_error", "gaussian_nats"), "averaged over the values of an example"),
    Wrong("constant d times", "q2", zoo("constant_counted_d_times", "gaussian_nats"), "counted d times too often"),
    Wrong("σ without its price", "q2", zoo("learned_sigma_without_its_price", "gaussian_nats"), "log σ is missing"),
    Wrong("the noisy pictures themselves", "q3", NOISY_PICTURES, "it is a straw man"),
    Wrong("straw man", "q3", QUICK.format(method="baseline", body=NO_WORK), "it is a straw man"),
    Wrong("global random state", "q3", GLOBAL_STATE, "drawn from the global random state"),
    Wrong("seed ignored", "q3", SEED_IGNORED, "the seed is not used"),
    Wrong("measured on the training set", "q3", ON_THE_TRAINING_SET, "you measure on the training data"),
    Wrong("fitted on the test set", "q3", FITTED_ON_THE_TEST_SET, "Is something fitted on the test set"),
    Wrong("always better", "q4", ALWAYS_BETTER, "where the interval reaches from below the margin to above it"),
    Wrong("sign reversed", "q4", CLAIM.format(higher="higher_is_better", change=REVERSED), "the sign is reversed"),
    Wrong("unpaired", "q4", CLAIM.format(higher="higher_is_better", change=UNPAIRED), "take the differences seed by seed"),
    Wrong("any gain is a gain", "q4", CLAIM.format(higher="higher_is_better", change=ZERO_FOR_MARGIN), "'undecided'"),
    Wrong("higher is always better", "q4", CLAIM.format(higher="True", change="pass"), "where lower is better"),
    Wrong(
        "a seed dropped",
        "q5",
        'CLAIM = {"seeds": [0, 1, 2, 3], "baseline": [1.0] * 4, "ours": [2.0] * 4, "mean": 1.0, "verdict": "better"}',
        "none dropped and none chosen",
    ),
    Wrong("the best run told five times", "q5", 'CLAIM = {**CLAIM, "ours": [max(CLAIM["ours"]) + 1.0] * 5}', "measured again it is"),
]  # fmt: skip
