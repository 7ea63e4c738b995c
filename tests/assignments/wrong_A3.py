"""Wrong answers to A3, most of them from the bug zoo.

The first of each question is also the grader's canary.
"""

from wrong import Wrong, zoo

EVERY_SAMPLE_COUNTS = """
from gantut.bugs import BUGS


def covered(samples, centres, deviation, least=1):
    return BUGS["every_sample_counts"].faulty(samples, centres, deviation)
"""
LEAST_IGNORED = """
enough = covered


def covered(samples, centres, deviation, least=1):
    return enough(samples, centres, deviation, 1)
"""
STEP = """
def gan_step(G, D, real, z, lr):
    sp = F.softplus
    for network, loss in ((D, lambda: {d}), (G, lambda: {g})):
        weights = list(network.parameters())
        gradients = torch.autograd.grad(loss().mean(), weights)
        with torch.no_grad():
            for w, g in zip(weights, gradients, strict=True):
                w -= lr * g
"""
FOR_D, FOR_G = "sp(-D(real)) + sp(D(G(z).detach()))", "sp(-D(G(z)))"
GAN = """
def train_gan(seed):
    options = {{"hidden": (48, 48), "activation": "tanh"}}
    G = networks.MLPGenerator(4, (2,), seed=seed, **options)
    D = networks.MLPDiscriminator((2,), seed=seed + 50, **options)
    t = training.GANTrainer(G, D, penalty=losses.r1({gamma}), lr={lr}, ema={ema}, seed={seed}, device="cpu")
    t.optimizers["generator"].param_groups[0]["lr"] *= {haste}
    for _ in t.run(RING.batches(128, seed=seed), {steps}):
        pass
    return t
"""
SETTINGS = {
    "gamma": "0.3",
    "lr": "5e-3",
    "ema": "0.99",
    "haste": "1",
    "steps": "400",
    "seed": "seed",
}


def gan(**changes: str) -> str:
    return GAN.format(**{**SETTINGS, **changes})


START = """
def train_gan(seed):
    G = networks.MLPGenerator(2, (2,), hidden=(48, 48), seed=seed)
    D = networks.MLPDiscriminator((2,), hidden=(48, 48), seed=seed + 1)
    t = training.GANTrainer(G, D, seed=seed, device="cpu")
    for _ in t.run(RING.batches(128, seed=seed), 300):
        pass
    return t
"""
# The wrong answers to the other questions stand beside this right one: 400 steps cover all modes on
# every seed that was tried, and 250 do on those of the tests.
AMONG = {"q4": gan(steps="250")}
PULSE = """
def pulse(real_logits, fake_logits, generator_loss):
    right = {judge}
    v = fake_logits.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(generator_loss(v).{total}(), v)
    return float(right), float(slope{size}.mean())
"""
SHARES = "((real_logits > 0).double().mean() + (fake_logits < 0).double().mean()) / 2"
TOGETHER = (
    "((real_logits > 0).sum() + (fake_logits < 0).sum()) / (len(real_logits) + len(fake_logits))"
)

DIAGNOSIS = {
    "A": "the generator runs ahead of its judge",
    "B": "the judge is sure and the loss has no slope",
    "C": "the penalty holds the judge flat",
}


def diagnosis(**changes: str) -> str:
    return f"DIAGNOSIS = {DIAGNOSIS | changes}"


WRONG = [
    Wrong("a ring with its seam", "q1", zoo("a_ring_with_its_seam", "ring_centres"), "has 7 different modes"),
    Wrong("every sample counts", "q1", EVERY_SAMPLE_COUNTS, "counts for its nearest mode however far"),
    Wrong("least ignored", "q1", LEAST_IGNORED, "`least` is ignored"),
    Wrong("fakes detached in both steps", "q2", zoo("fakes_detached_in_both_steps", "gan_step"), "the generator did not move"),
    Wrong("wrong gradients cleared", "q2", zoo("the_wrong_gradients_cleared", "gan_step"), "a gradient that was there before your step"),
    Wrong(
        "fakes attached, one optimizer",
        "q2",
        zoo("fakes_attached_and_one_optimizer", "gan_step"),
        "a loss moved the wrong network, or twice",
    ),
    Wrong("saturating loss", "q2", STEP.format(d=FOR_D, g="-sp(D(G(z)))"), "the loss that saturates"),
    Wrong("real and fake swapped", "q2", STEP.format(d="sp(D(real)) + sp(-D(G(z).detach()))", g=FOR_G), "real and fake are swapped"),
    Wrong("decay swapped", "q3", zoo("average_with_the_decay_swapped", "update_average"), "decay and 1 − decay are swapped"),
    Wrong("buffers left out", "q3", zoo("average_without_buffers", "update_average"), "buffers do not come along"),
    Wrong("hardly trained", "q4", gan(steps="5"), "it has not learned yet"),
    Wrong("generator ten times faster", "q4", gan(haste="20", lr="1e-3"), "or its steps are too large"),
    Wrong("judge held flat", "q4", gan(gamma="1000.0"), "it has not learned yet"),
    Wrong("the start that fails", "q4", START, "that is mode collapse"),
    Wrong("a seed of its own", "q4", gan(seed="torch.seed() % 1000"), "two different generators"),
    Wrong("too many steps", "q4", gan(steps="601"), "between 1 and 600 are allowed"),
    Wrong("shares thrown together", "q5", PULSE.format(judge=TOGETHER, total="sum", size=".abs()"), "thrown together"),
    Wrong("slope of the mean", "q5", PULSE.format(judge=SHARES, total="mean", size=".abs()"), "it is the slope of the mean"),
    Wrong("sign kept", "q5", PULSE.format(judge=SHARES, total="sum", size=""), "the sign is kept"),
    Wrong(
        "the flat judge taken for detached fakes",
        "q6",
        diagnosis(C="the fakes are detached in the generator's step"),
        "all logits lie near 0 though the samples are bad",
    ),
    Wrong(
        "collapse taken for no slope",
        "q6",
        diagnosis(A="the judge is sure and the loss has no slope"),
        "the slope would be near 0",
    ),
    Wrong("no cure", "q7", 'CURE = {"A": {}, "B": {}, "C": {}}', "your cure of A is not there yet"),
    Wrong("a cure that changes nothing", "q7", 'CURE = {**CURE, "A": {"batch": 64}}', "this does not touch the cause"),
    Wrong("loss without a way to move", "q7", 'CURE = {**CURE, "C": {"lr": 1e-2}}', "this does not touch the cause"),
    Wrong("everything at once", "q7", 'CURE = {**CURE, "B": {"plain": False, "gamma": 0.3, "head_start": 0}}', "at most two are allowed"),
]  # fmt: skip
