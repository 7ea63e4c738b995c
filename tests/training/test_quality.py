"""What training reaches: digits that a classifier recognises, in all ten classes, as close to the
data as promised.
"""

import pytest
import torch

from gantut import data, metrics
from gantut.networks import ConvDiscriminator, ConvGenerator, MLPDiscriminator, MLPGenerator
from gantut.training import GANTrainer

pytestmark = pytest.mark.slow


def test_a_gan_learns_the_real_digits_within_four_times_the_floor():
    digits, everything = data.digits(), data.digits("all")
    eye = metrics.feature_network(digits)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    floor = metrics.fid(*eye.extract(everything).features[order].chunk(2))
    trainer = GANTrainer(
        MLPGenerator(32, digits.shape),
        MLPDiscriminator(digits.shape, spectral_norm=True, seed=100),
        loss="hinge",
        device="cpu",
    )
    trainer.fit(digits.batches(64), 2000)
    found = eye.extract(trainer.sample(len(digits), seed=1))
    assert metrics.fid(eye.extract(digits).features, found.features) < 4 * floor
    assert metrics.label_coverage(found.logits).covered == 10


def test_a_conditional_gan_draws_the_digit_that_is_asked_for():
    glyphs = data.glyphs()
    eye = metrics.feature_network(glyphs)
    trainer = GANTrainer(
        ConvGenerator(64, glyphs.shape, classes=10),
        ConvDiscriminator(glyphs.shape, classes=10, spectral_norm=True, seed=1),
        loss="hinge",
        device="cpu",
    )
    trainer.fit(glyphs.batches(32, labels=True), 1000)
    found = eye.extract(trainer.sample(10_000, seed=1))
    reference = eye.extract(data.glyphs(10_000, split="test")).features
    # The floor between two sets of real images is 0.02 to 0.06; an untrained generator is above 50.
    assert metrics.fid(reference, found.features) < 0.35
    assert metrics.class_accuracy(found.logits, torch.arange(10_000) % 10) > 0.98
