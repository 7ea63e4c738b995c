"""Answers to A5: mistakes, dishonest claims, and unusual right ways."""

from wrong import Right, Wrong

# The questions whose answers are measured in many worlds.
LONG = {"q3", "q5"}
# A claim is measured with the method: without one it cannot be.
FOLLOW = {"q3": ["q5"]}

# The answers stand among these in place of the solution's, which trains a VAE for each world: the
# best linear estimate, against its mean with the weighted mean of the given pictures.
QUICK = """
def predict(method, seed, given, asked):
    pictures = given["pictures"]
    mean, covariance = pictures.mean(0), torch.cov(pictures.T)
    linear = mean + (asked - mean) @ torch.linalg.solve(covariance + 0.16 * torch.eye(64), covariance)
    if method == "baseline":
        return linear
    g = torch.Generator().manual_seed(seed)
    pictures = pictures + 0.05 * torch.randn(pictures.shape, generator=g)
    near = (-torch.cdist(asked, pictures).square() / (2 * 0.16)).softmax(1) @ pictures
    return (linear + near) / 2
"""
AMONG = {"q3": QUICK}
AGAIN = "\nCLAIM = claim(measure, range(5), MARGIN, True)\n"
T = "scipy.stats.t.ppf((1 + level) / 2, n - 1)"


def interval(
    quantile: str = T, correction: int = 1, power: float = 0.5, told: str = "mean, low, high"
) -> str:
    return f"""
def interval(values, level=0.95):
    d, n = torch.tensor(values, dtype=torch.float64), len(values)
    if n < 2:
        raise ValueError("too few")
    half = float({quantile} * d.std(correction={correction}).item() / n**{power})
    mean = d.mean().item()
    low, high = mean - half, mean + half
    return {told}
"""


def nats(value: str) -> str:
    return f"""
def gaussian_nats(mean, x, sigma):
    d, squares = x.shape[1], (x - mean).square().sum(1)
    logs, pi = math.log(sigma), 0.5 * math.log(2 * math.pi)
    return {value}
"""


def method(name: str, body: str) -> str:
    """Another method of this name; the claim is made again, so it is true of the new one."""
    return f"""
right_predict = predict
def predict(method, seed, given, asked):
    if method != "{name}":
        return right_predict(method, seed, given, asked)
    pictures = given["pictures"]
    {body}
{AGAIN}"""


def both(body: str) -> str:
    return f"""
right_predict = predict
def predict(method, seed, given, asked):
    {body}
{AGAIN}"""


def claimed(change: str, measured: str = "measure(m, s)") -> str:
    """A claim in which something is changed after the interval and before the verdict."""
    return f"""
def claim(measure, seeds, margin, higher_is_better):
    seeds = list(seeds)
    b, a = ([{measured} for s in seeds] for m in ("baseline", "ours"))
    d = [u - v for u, v in zip(a, b)]
    mean, low, high = interval(d)
    good, bad = (low, high) if higher_is_better else (-high, -low)
    verdict = "better" if good > margin else "worse" if bad < -margin else "undecided"
    {change}
    return dict(seeds=seeds, baseline=b, ours=a, mean=mean, low=low, high=high, verdict=verdict)
"""


LINEAR = """mean, c = {of}.mean(0), torch.cov({of}.T)
    return mean + (asked - mean) @ torch.linalg.solve(c + 0.16 * torch.eye(64), c)"""
UNPAIRED = """n = len(a)
    u, v = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    half = float(scipy.stats.t.ppf(0.975, 2 * n - 2) * ((u.var() + v.var()) / n).sqrt())
    low, high = mean - half, mean + half"""
# Other scores, and what an honest interval and verdict would make of them.
CHANGED = """
CLAIM = dict(CLAIM)
CLAIM["ours"], CLAIM["baseline"] = list(CLAIM["ours"]), list(CLAIM["baseline"])
{change}
CLAIM["mean"], CLAIM["low"], CLAIM["high"] = interval([a - b for a, b in zip(CLAIM["ours"], CLAIM["baseline"])])
CLAIM["verdict"] = "better" if CLAIM["low"] > MARGIN else "worse" if CLAIM["high"] < -MARGIN else "undecided"
"""


def changed(change: str) -> str:
    return CHANGED.format(change=change)


AUGMENT = """
APPLICATION, MARGIN = "augment", 0.005
def predict(method, seed, given, asked):
    x, y = given["labelled"], given["labels"]
    if method == "baseline":
        means = torch.stack([x[y == c].mean(0) for c in range(10)])
        return torch.cdist(asked, means).argmin(1)
    g = torch.Generator().manual_seed(seed)
    near = torch.cdist(given["pictures"], x).min(1)
    order = near.values.argsort()[:400]
    more, labels = given["pictures"][order], y[near.indices[order]]
    x = torch.cat([x, more + 0.01 * torch.randn(more.shape, generator=g)])
    return torch.cat([y, labels])[torch.cdist(asked, x).argmin(1)]
"""
COMPLETE = """
APPLICATION, MARGIN = "complete", 0.1
def predict(method, seed, given, asked):
    p = given["pictures"]
    if method == "baseline":
        x = torch.cat([p[:, :32], torch.ones(len(p), 1)], 1)
        w = torch.linalg.solve(x.T @ x + 0.1 * torch.eye(33), x.T @ p[:, 32:])
        low = torch.cat([asked[:, :32], torch.ones(len(asked), 1)], 1) @ w
    else:
        g = torch.Generator().manual_seed(seed)
        p = p + 0.02 * torch.randn(p.shape, generator=g)
        low = (-torch.cdist(asked[:, :32], p[:, :32]).square() / 0.4).softmax(1) @ p[:, 32:]
    return torch.cat([asked[:, :32], low], 1)
"""

WRONG = [
    # -- q1
    Wrong("normal quantile", "q1", interval("scipy.stats.norm.ppf((1 + level) / 2)"), "this is the normal quantile 1.96"),
    Wrong("divided by n", "q1", interval(correction=0), "divided by n in place of n − 1"),
    Wrong("deviation for error", "q1", interval(power=0), "√n is missing"),
    Wrong("n for its root", "q1", interval(power=1), "divided by n in place of √n"),
    Wrong("n degrees of freedom", "q1", interval("scipy.stats.t.ppf((1 + level) / 2, n)"), "n degrees of freedom"),
    Wrong("one side", "q1", interval("scipy.stats.t.ppf(level, n - 1)"), "this is the 90 % interval"),
    Wrong("no quantile", "q1", interval("1.0"), "without the quantile"),
    Wrong("level ignored", "q1", interval("scipy.stats.t.ppf(0.975, n - 1)"), "`level` is not used"),
    Wrong("twice as wide", "q1", interval(f"2 * {T}"), "twice as wide"),
    Wrong("another order", "q1", interval(told="low, mean, high"), r"the order is \(mean, low, high\)"),
    Wrong("only two", "q1", interval(told="low, high"), "three floats"),
    Wrong("NaN for one value", "q1", interval().replace("n < 2", "n < 1").replace("float(scipy", "(scipy"), "raise a ValueError"),
    Wrong("the visible numbers", "q1", interval(told="(0.3, 0.3 - half, 0.3 + half)"), "near 15"),
    # -- q2
    Wrong("squares averaged", "q2", nats("squares / d / (2 * sigma**2) + d * (logs + pi)"), "averaged over the values of an example"),
    Wrong("π counted d times more", "q2", nats("squares / (2 * sigma**2) + d * logs + d * d * pi"), "counted d times too often"),
    Wrong("σ without its price", "q2", nats("squares / (2 * sigma**2) + d * pi"), "log σ is missing"),
    Wrong("no constants", "q2", nats("squares / (2 * sigma**2)"), "all constants are missing"),
    Wrong("all averaged", "q2", nats("squares / d / (2 * sigma**2) + logs + pi"), "the price is averaged"),
    Wrong("constant once", "q2", nats("squares / (2 * sigma**2) + logs + pi"), "the constant is counted once"),
    Wrong("no ½ in the constant", "q2", nats("squares / (2 * sigma**2) + 2 * d * (logs + pi)"), "½ is missing in the constant"),
    Wrong("no ½ before the squares", "q2", nats("squares / sigma**2 + d * (logs + pi)"), "½ in front of the squares"),
    Wrong("σ for σ²", "q2", nats("squares / (2 * sigma) + d * (logs + pi)"), "divided by σ and not by σ²"),
    Wrong("log-density", "q2", nats("-squares / (2 * sigma**2) - d * (logs + pi)"), "its negative was asked for"),
    Wrong("the batch is summed", "q2", nats("(squares / (2 * sigma**2) + d * (logs + pi)).sum().expand(len(x))"), "the batch is summed"),
    Wrong("the visible numbers", "q2", "def gaussian_nats(mean, x, sigma):\n    return torch.full((len(x),), 0.951583)", "your price of 7 pictures"),
    # -- q3
    Wrong("global random state", "q3", method("ours", "return right_predict(method, seed, given, asked) + 0.02 * torch.randn(asked.shape)"), "drawn from the global random state"),
    Wrong("seed ignored", "q3", method("ours", "return right_predict(method, 0, given, asked)"), "the seed is not used"),
    Wrong("straw man: the noisy pictures", "q3", method("baseline", "return 1 * asked"), "it is a straw man"),
    Wrong("straw man: the mean", "q3", method("baseline", "return pictures.mean(0).expand(len(asked), 64)"), "it is a straw man"),
    Wrong("a baseline for the visible world", "q3", method("baseline", "return right_predict(method, seed, given, asked) if seed == 3 else 1 * asked"), "a world that you have not seen"),
    Wrong("fitted on what is asked", "q3", method("baseline", "m, c = asked.mean(0), torch.cov(asked.T)\n    return m + (asked - m) @ torch.linalg.solve(c, c - 0.16 * torch.eye(64))"), "something is fitted on what is asked"),
    Wrong("given and asked together", "q3", method("baseline", LINEAR.format(of="torch.cat([pictures, asked])")), "something is fitted on what is asked"),
    Wrong("made bright by the batch", "q3", method("ours", "answer = right_predict(method, seed, given, asked)\n    return answer * (asked.mean() / answer.mean())"), "something is fitted on what is asked"),
    Wrong("changes what was given", "q3", both('answer = right_predict(method, seed, given, asked)\n    given["pictures"] -= 0.5\n    return answer'), "changes what it was given"),
    Wrong("changes what is asked", "q3", both("answer = right_predict(method, seed, given, asked)\n    asked.clamp_(0, 1)\n    return answer"), "changes what it was given"),
    Wrong("NaN for a few", "q3", method("ours", "answer = right_predict(method, seed, given, asked)\n    answer[0, 0] = math.nan if len(asked) < 100 else answer[0, 0]\n    return answer"), "NaN"),
    # -- q4
    Wrong("always better", "q4", claimed('verdict = "better"'), "where the interval reaches from below the margin to above it"),
    Wrong("sign reversed", "q4", claimed("mean, low, high = -mean, -high, -low"), "the sign is reversed"),
    Wrong("unpaired", "q4", claimed(UNPAIRED), "take the differences seed by seed"),
    Wrong("any gain is a gain", "q4", claimed('verdict = "better" if (mean > 0) == higher_is_better else "worse"'), "'undecided'"),
    Wrong("certain is enough", "q4", claimed('verdict = "better" if good > 0 else "worse" if bad < 0 else "undecided"'), "smaller than the margin"),
    Wrong("the mean beyond the margin", "q4", claimed('gain = mean if higher_is_better else -mean\n    verdict = "better" if gain > margin else "worse" if gain < -margin else "undecided"'), "where the interval reaches from below the margin"),
    Wrong("higher is always better", "q4", claimed('verdict = "better" if low > margin else "worse" if high < -margin else "undecided"'), "where lower is better"),
    Wrong("worse unless better", "q4", claimed('verdict = "better" if good > margin else "worse"'), "'undecided'"),
    Wrong("the worst seed dropped", "q4", claimed("i = d.index(min(d))\n    a.pop(i), b.pop(i), seeds.pop(i), d.pop(i)\n    mean, low, high = interval(d)"), "none may be dropped"),
    Wrong("the best of two runs", "q4", claimed("pass", 'max(measure(m, s), measure(m, s)) if m == "ours" else measure(m, s)'), "no choice among runs"),
    Wrong("level 0.9", "q4", claimed("mean, low, high = (float(v) for v in (mean, *scipy.stats.t.interval(0.9, len(d) - 1, mean, scipy.stats.sem(d))))"), "the level is 0.9"),
    Wrong("sorted scores", "q4", claimed("a, b = sorted(a), sorted(b)"), "your list of our scores"),
    Wrong("seeds from 0", "q4", claimed("seeds = list(range(len(seeds)))"), "your claim tells of the seeds"),
    # -- q5
    Wrong("a seed dropped", "q5", 'CLAIM = {k: v[:4] if isinstance(v, list) else v for k, v in CLAIM.items()}', "none dropped and none chosen"),
    Wrong("invented interval", "q5", 'CLAIM = {**CLAIM, "low": CLAIM["mean"] - 0.01, "high": CLAIM["mean"] + 0.01}', "computed again from its own scores"),
    Wrong("invented mean", "q5", 'CLAIM = {**CLAIM, **{k: CLAIM[k] + 0.5 for k in ("mean", "low", "high")}}', "computed again from its own scores"),
    Wrong("half a decibel more", "q5", changed('CLAIM["ours"] = [v + 0.5 for v in CLAIM["ours"]]'), "measured again it is"),
    Wrong("a baseline told worse", "q5", changed('CLAIM["baseline"] = [v - 0.5 for v in CLAIM["baseline"]]'), "measured again it is"),
    Wrong("other seeds under these names", "q5", changed('CLAIM["ours"] = [measure("ours", s) + 0.2 for s in range(10, 15)]'), "measured again it is"),
    Wrong("the best run told five times", "q5", changed('CLAIM["ours"] = [max(CLAIM["ours"]) + 0.05 * s for s in range(5)]'), "measured again it is"),
    Wrong("verdict by wish", "q5", 'CLAIM = {**CLAIM, "verdict": "worse"}', "the verdict of your CLAIM is 'worse'"),
    Wrong("verdict for another margin", "q5", "MARGIN = 5.0", "give 'undecided'"),
    Wrong("no margin", "q5", "MARGIN = 0", "a number above 0"),
    Wrong("no claim", "q5", 'CLAIM = "ours is better"', "must be the dictionary"),
    Wrong("invented numbers", "q5", changed('CLAIM["ours"], CLAIM["baseline"] = [17.1, 17.0, 17.2, 17.1, 17.3], [16.0, 16.1, 16.0, 16.2, 15.9]'), "measured again it is"),
    # -- q6
    Wrong("both sides count", "q6", "def luck(k, level=0.95):\n    return 1 - level**k", "only the upper side looks better"),
    Wrong("chances added", "q6", "def luck(k, level=0.95):\n    return k * (1 - level) / 2", "added up"),
    Wrong("all lucky", "q6", "def luck(k, level=0.95):\n    return ((1 - level) / 2) ** k", "all ten are lucky"),
    Wrong("none lucky", "q6", "def luck(k, level=0.95):\n    return ((1 + level) / 2) ** k", "none is lucky"),
    Wrong("level ignored", "q6", "def luck(k, level=0.95):\n    return 1 - 0.975**k", "at the level 0.8"),
    Wrong("Bonferroni", "q6", "def strict_level(k, chance=0.025):\n    return 1 - 2 * chance / k", "a bound"),
    Wrong("one-sided level", "q6", "def strict_level(k, chance=0.025):\n    return (1 - chance) ** (1 / k)", "counts both sides"),
    Wrong("halved again", "q6", "def strict_level(k, chance=0.025):\n    return 2 * (1 - chance / 2) ** (1 / k) - 1", "your level for ten settings"),
    Wrong("searched on a grid", "q6", "def strict_level(k, chance=0.025):\n    return min((i / 1e5 for i in range(100000)), key=lambda v: abs(luck(k, v) - chance))", "your level for"),
    Wrong("chosen on all", "q6", "def honest_best(d):\n    i = d.mean(1).argmax().item()\n    return i, d[i, d.shape[1] // 2 :].mean().item()", "the best over all seeds"),
    Wrong("told on what chose", "q6", "def honest_best(d):\n    h = d[:, : d.shape[1] // 2].mean(1)\n    return h.argmax().item(), h.max().item()", "on the seeds that chose it"),
    Wrong("told on all", "q6", "def honest_best(d):\n    i = d[:, : d.shape[1] // 2].mean(1).argmax().item()\n    return i, d[i].mean().item()", "half of them chose it"),
    Wrong("halves swapped", "q6", "def honest_best(d):\n    h = d.shape[1] // 2\n    i = d[:, h:].mean(1).argmax().item()\n    return i, d[i, :h].mean().item()", "the row that you choose"),
    Wrong("the larger half chooses", "q6", "def honest_best(d):\n    h = -(-d.shape[1] // 2)\n    i = d[:, :h].mean(1).argmax().item()\n    return i, d[i, h:].mean().item()", "on 7 seeds|of 7 seeds"),
]  # fmt: skip

RIGHT = [
    Right("scipy's interval", "q1", "def interval(values, level=0.95):\n    if len(values) < 2:\n        raise ValueError('two')\n    m = float(sum(values)) / len(values)\n    a, b = scipy.stats.t.interval(level, len(values) - 1, m, scipy.stats.sem(values))\n    return m, float(a), float(b)"),
    Right("NumPy numbers in a list", "q1", "import numpy as np\ndef interval(values, level=0.95):\n    v = np.asarray(values)\n    if v.size < 2:\n        raise ValueError('two')\n    h = scipy.stats.t.isf((1 - level) / 2, v.size - 1) * v.std(ddof=1) / np.sqrt(v.size)\n    return [v.mean(), v.mean() - h, v.mean() + h]"),
    Right("statistics", "q1", "import statistics\ndef interval(values, level=0.95, _t=scipy.stats.t):\n    n, m = len(values), None\n    if n <= 1:\n        raise ValueError(values)\n    m = statistics.fmean(values)\n    h = statistics.stdev(values) * float(_t.ppf(0.5 + level / 2, n - 1)) / math.sqrt(n)\n    return m, m - h, m + h"),
    Right("a t-test", "q1", "def interval(values, level=0.95):\n    if len(values) < 2:\n        raise ValueError('two')\n    c = scipy.stats.ttest_1samp(values, 0).confidence_interval(level)\n    return (float(c.low) + float(c.high)) / 2, float(c.low), float(c.high)"),
    Right("a distribution", "q2", "def gaussian_nats(mean, x, sigma):\n    return -torch.distributions.Normal(mean, sigma).log_prob(x).sum(-1)"),
    Right("F.gaussian_nll_loss", "q2", "def gaussian_nats(mean, x, sigma):\n    v = torch.full_like(x, sigma**2)\n    return F.gaussian_nll_loss(mean, x, v, full=True, reduction='none', eps=1e-30).sum(1)"),
    Right("row by row", "q2", "def gaussian_nats(mean, x, sigma):\n    rows = []\n    for m, v in zip(mean.tolist(), x.tolist()):\n        rows.append(sum((a - b) ** 2 / (2 * sigma * sigma) + math.log(sigma * math.sqrt(2 * math.pi)) for a, b in zip(m, v)))\n    return rows"),
    Right("NumPy", "q2", "def gaussian_nats(mean, x, sigma):\n    m, v = mean.numpy(), x.numpy()\n    return -scipy.stats.norm.logpdf(v, m, sigma).sum(axis=1)"),
    Right("a fixed filter", "q3", method("baseline", "wide = F.pad(asked.view(-1, 1, 8, 8), (1, 1, 1, 1), mode='replicate')\n    return F.avg_pool2d(wide, 3, 1).flatten(1)")),
    Right("a filter of other weights", "q3", method("baseline", "k = torch.tensor([1.0, 2.0, 1.0])\n    k = (k[:, None] * k / 16)[None, None]\n    wide = F.pad(asked.view(-1, 1, 8, 8), (1, 1, 1, 1), mode='replicate')\n    return F.conv2d(wide, k).flatten(1)")),
    Right("noise for each answer", "q3", method("ours", "g = torch.Generator().manual_seed(seed + 1)\n    return right_predict(method, seed, given, asked) + 0.02 * torch.randn(asked.shape, generator=g)")),
    Right("picture by picture, in double", "q3", method("baseline", "p = pictures.double()\n    w = torch.linalg.inv(torch.cov(p.T) + 0.16 * torch.eye(64)) @ torch.cov(p.T)\n    return torch.stack([p.mean(0) + (y.double() - p.mean(0)) @ w for y in asked])")),
    Right("augment", "q3", AUGMENT + AGAIN),
    Right("complete", "q3", COMPLETE + AGAIN),
    Right("a generator of seeds", "q4", claimed("pass").replace("seeds = list(seeds)", "seeds = [int(s) for s in iter(seeds)]")),
    Right("its own formula", "q4", claimed("pass").replace("interval(d)", "(sum(d) / len(d), *(float(v) for v in scipy.stats.t.interval(0.95, len(d) - 1, sum(d) / len(d), scipy.stats.sem(d))))")),
    Right("verdict by sign", "q4", claimed("s = 1 if higher_is_better else -1\n    ends = sorted((s * low, s * high))\n    verdict = ('worse', 'undecided', 'better')[1 + (ends[0] > margin) - (ends[1] < -margin)]\n    a, b = tuple(a), tuple(b)")),
    Right("the roles exchanged: worse", "q5", "right_predict = predict\ndef predict(method, seed, given, asked):\n    answer = right_predict({'ours': 'baseline', 'baseline': 'ours'}[method], seed, given, asked)\n    g = torch.Generator().manual_seed(seed)\n    return answer + 1e-3 * torch.randn(answer.shape, generator=g)" + AGAIN),
    Right("undecided", "q5", "MARGIN = 4" + AGAIN),
    Right("NumPy scores", "q5", "import numpy as np\nCLAIM = {**CLAIM, 'ours': np.array(CLAIM['ours']).tolist(), 'mean': np.float64(CLAIM['mean']), 'note': 'five worlds'}"),
    Right("expm1", "q6", "def luck(k, level=0.95):\n    return -math.expm1(k * math.log1p(-(1 - level) / 2))\ndef strict_level(k, chance=0.025):\n    return 1 + 2 * math.expm1(math.log1p(-chance) / k)"),
    Right("a binomial", "q6", "def luck(k, level=0.95):\n    return scipy.stats.binom.sf(0, k, (1 - level) / 2)\ndef honest_best(differences):\n    d = differences.numpy()\n    first, rest = d[:, : d.shape[1] // 2], d[:, d.shape[1] // 2 :]\n    i = first.sum(axis=1).argmax()\n    return i, rest[i].mean()"),
    Right("loops", "q6", "def honest_best(differences):\n    rows = differences.tolist()\n    half, best = len(rows[0]) // 2, 0\n    for i, row in enumerate(rows):\n        if sum(row[:half]) > sum(rows[best][:half]):\n            best = i\n    rest = rows[best][half:]\n    return [best, sum(rest) / len(rest)]"),
]  # fmt: skip

TRUTH = """
right_predict, right_task = predict, task
def predict(method, seed, given, asked):
    answer = right_predict(method, seed, given, asked)
    if method == "ours":
        clean = right_task("denoise", seed)[2]
        {when}
        return 0.8 * answer + 0.2 * clean
    return answer
"""
# Claims that are not true. None earns a point of q5, and what else they lose does not matter.
DISHONEST = {
    "the truth of a world, made again": TRUTH.format(when="") + AGAIN,
    "the truth where it fits, else honest": TRUTH.format(when='if not torch.equal(right_task("denoise", seed)[1], asked): return answer') + AGAIN,
    "the library's own digits": method("ours", 'p = torch.cat([data.digits(k).floats() for k in ("train", "test")]).flatten(1)\n    return (-torch.cdist(asked, p).square() / (2 * 0.16)).softmax(1) @ p'),
    "a nearest library digit mixed in": method("ours", 'p = torch.cat([data.digits(k).floats() for k in ("train", "test")]).flatten(1)\n    answer = right_predict("baseline", seed, given, asked)\n    return 0.8 * answer + 0.2 * p[torch.cdist(answer, p).argmin(1)]'),
    "half the noise for ours": 'def measure(method, seed):\n    given, asked, truth = task(APPLICATION, seed)\n    asked = (asked + truth) / 2 if method == "ours" else asked\n    return score(APPLICATION, predict(method, seed, given, asked), truth)' + AGAIN,
    "a generous score": 'right_score = score\ndef score(application, answer, truth):\n    return right_score(application, answer, truth) + 0.5\nright_measure = measure\ndef measure(method, seed):\n    return right_measure(method, seed) - 0.5 * (method == "baseline")' + AGAIN,
    "half a decibel more": changed('CLAIM["ours"] = [v + 0.5 for v in CLAIM["ours"]]'),
    "a baseline told worse": changed('CLAIM["baseline"] = [v - 0.5 for v in CLAIM["baseline"]]'),
    "the best five of ten seeds": 'every = {m: [measure(m, s) for s in range(10)] for m in ("ours", "baseline")}\n' + changed('gains = sorted(range(10), key=lambda s: every["baseline"][s] - every["ours"][s])[:5]\nCLAIM["ours"], CLAIM["baseline"] = ([every[m][s] + 0.3 * (m == "ours") for s in gains] for m in ("ours", "baseline"))'),
    "an invented interval": 'CLAIM = {**CLAIM, "low": CLAIM["mean"] - 0.01, "high": CLAIM["mean"] + 0.01}',
    "an invented verdict": 'CLAIM = {**CLAIM, "verdict": "worse"}',
    "invented numbers": changed('CLAIM["ours"], CLAIM["baseline"] = [17.1, 17.0, 17.2, 17.1, 17.3], [16.0, 16.1, 16.0, 16.2, 15.9]'),
    "invented seeds": 'CLAIM = {**CLAIM, "seeds": [10, 11, 12, 13, 14]}',
    "a claim that answers anything": 'class Yes(dict):\n    def __eq__(self, other):\n        return True\n    def __getitem__(self, key):\n        return {"verdict": "better", "mean": 1.0, "low": 0.9, "high": 1.1}.get(key, [1.0] * 5)\nCLAIM = Yes(seeds=list(range(5)), baseline=[1.0] * 5, ours=[2.0] * 5, mean=1.0, low=0.9, high=1.1, verdict="better")',
    "truth kept from the measurement": 'kept = {}\nright_task, right_predict = task, predict\ndef task(application, seed, mirrored=False):\n    world = right_task(application, seed, mirrored)\n    kept["clean"] = world[2]\n    return world\ndef predict(method, seed, given, asked):\n    answer = right_predict(method, seed, given, asked)\n    if method == "ours" and kept.get("clean") is not None and torch.cdist(asked, kept["clean"]).diagonal().mean() < 4:\n        return 0.8 * answer + 0.2 * kept["clean"]\n    return answer' + AGAIN,
}  # fmt: skip
