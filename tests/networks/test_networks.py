"""What every network owes its docstring: shapes, labels that matter, seeds, first outputs."""

import pickle

import pytest
import torch
from torch import nn

from gantut import networks
from gantut.networks.shapes import check_labels

IMAGE, WAVE, POINT = (1, 16, 16), (1, 64), (2,)


def some(*shape, seed=0):
    """Values in [0, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# name: how to make it with given options, and eight inputs
GENERATORS = {
    "MLPGenerator": IMAGE,
    "MLPDecoder": POINT,
    "ConvGenerator": IMAGE,
    "ConvDecoder": IMAGE,
    "Conv1dGenerator": WAVE,
    "Conv1dDecoder": WAVE,
    "DCGANGenerator": IMAGE,
    "ResidualGenerator": IMAGE,
}
DISCRIMINATORS = {
    "MLPDiscriminator": IMAGE,
    "ConvDiscriminator": IMAGE,
    "Conv1dDiscriminator": WAVE,
    "DCGANDiscriminator": IMAGE,
    "ResidualDiscriminator": IMAGE,
}
ENCODERS = {"MLPEncoder": IMAGE, "ConvEncoder": IMAGE, "Conv1dEncoder": WAVE, "GridEncoder": IMAGE}
ALL = [*GENERATORS, *DISCRIMINATORS, *ENCODERS, "GridDecoder", "PairDiscriminator"]


def make(name, **options):
    """A network in evaluation mode, and the inputs for eight examples."""
    if name in GENERATORS:
        return getattr(networks, name)(4, GENERATORS[name], **options).eval(), (noise(8, 4),)
    if name in DISCRIMINATORS:
        shape = DISCRIMINATORS[name]
        return getattr(networks, name)(shape, **options).eval(), (some(8, *shape),)
    if name in ENCODERS:
        shape = ENCODERS[name]
        return getattr(networks, name)(shape, 4, **options).eval(), (some(8, *shape),)
    if name == "GridDecoder":
        return networks.GridDecoder(4, IMAGE, **options).eval(), (noise(8, 4, 4, 4),)
    inner = networks.MLPDiscriminator(IMAGE, **options)
    seed = options.get("seed", 0)
    return networks.PairDiscriminator(inner, 4, seed=seed).eval(), (some(8, *IMAGE), noise(8, 4))


def call(network, *arguments):
    """All outputs of an example in one row."""
    out = network(*arguments)
    return torch.cat(
        [part.reshape(8, -1) for part in (out if isinstance(out, tuple) else (out,))], 1
    )


LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_labels_reach_the_output_and_matter(name):
    """Any two labels give different outputs, for each example; pairs permuted, outputs permuted."""
    network, inputs = make(name, classes=3)
    outputs = [call(network, *inputs, torch.full((8,), k)) for k in range(3)]
    for k in range(3):
        differences = (outputs[k] - outputs[k - 1]).abs().amax(1)
        assert differences.min() > 1e-4
    mixed = call(network, *inputs, LABELS)
    by_hand = torch.stack([outputs[k][n] for n, k in enumerate(LABELS)])
    assert torch.allclose(mixed, by_hand, atol=1e-5)
    order = torch.tensor([3, 7, 0, 5, 1, 6, 2, 4])
    permuted = call(network, *(part[order] for part in inputs), LABELS[order])
    assert torch.allclose(permuted, mixed[order], atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_labels_are_any_integers_and_nothing_else(name):
    network, inputs = make(name, classes=3)
    expected = call(network, *inputs, LABELS)
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16):
        assert torch.equal(call(network, *inputs, LABELS.to(dtype)), expected)
    for wrong, kind in ((LABELS.float(), "torch.float32"), (LABELS > 1, "torch.bool")):
        with pytest.raises(TypeError, match=f"labels must be integers, in a tensor, got {kind}"):
            network(*inputs, wrong)
    with pytest.raises(TypeError, match="in a tensor, got list"):
        network(*inputs, [0] * 8)
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, got 1 … 3"):
        network(*inputs, LABELS + 1)
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, got -1 … 2"):
        network(*inputs, torch.tensor([-1, *LABELS[1:]]))
    with pytest.raises(ValueError, match=r"expected 8 labels, shape \(8,\), got \(3,\)"):
        network(*inputs, LABELS[:3])
    with pytest.raises(ValueError, match="conditional on 3 classes, but no labels"):
        network(*inputs)
    with pytest.raises(ValueError, match="unconditional"):
        make(name)[0](*inputs, LABELS)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("classes", [0, 3])
def test_a_pass_never_waits_for_the_device(name, classes):
    """The "meta" device has no values: to ask for one, as ``.item()`` and ``bool()`` do, fails."""
    network, inputs = make(name, classes=classes)
    inputs = (*inputs, LABELS) if classes else inputs
    inputs = [part.to("meta") for part in inputs]
    network.to("meta").train()(*inputs)
    if classes:
        assert check_labels(inputs[-1], classes, 8).dtype == torch.int64


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_and_the_global_generator_is_untouched(name):
    state = torch.get_rng_state()
    a, b, c = (make(name, seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_a_network_can_be_pickled(name):
    network, inputs = make(name)
    copied = pickle.loads(pickle.dumps(network))
    assert torch.equal(call(copied, *inputs), call(network, *inputs))


@torch.no_grad()
@pytest.mark.parametrize("name", [*DISCRIMINATORS, *ENCODERS])
def test_images_are_centred_and_waves_are_not(name):
    """With all biases at zero, the centre of the range is what every network maps to zero."""
    shape = (DISCRIMINATORS | ENCODERS)[name]
    network, (x,) = make(name)
    centre = 0.5 if len(shape) == 3 else 0.0
    assert not call(network, torch.full((8, *shape), centre)).any()
    # And the range becomes [−1, 1]: half-way to the centre, everything is half as large.
    full, half = call(network, x), call(network, (x + centre) / 2)
    assert torch.allclose(half, full / 2, atol=1e-5) and full.abs().max() > 1e-3


@torch.no_grad()
def test_the_centring_by_hand():
    x = some(8, *IMAGE)
    mlp, conv = networks.MLPDiscriminator(IMAGE), networks.ConvDiscriminator(IMAGE)
    assert torch.allclose(mlp.features(x), mlp.body((2 * x - 1).flatten(1)), atol=1e-6)
    assert torch.allclose(conv.features(x), conv.body(2 * x - 1).flatten(1), atol=1e-6)
    dcgan = networks.DCGANDiscriminator(IMAGE).eval()
    assert torch.allclose(dcgan(x), dcgan.layers(2 * x - 1), atol=1e-7)


@torch.no_grad()
@pytest.mark.parametrize("name", ["MLPEncoder", "ConvEncoder", "Conv1dEncoder"])
def test_an_encoder_starts_at_the_prior(name):
    """The rate is far below a tenth of a nat in each dimension, and yet the input matters."""
    network, (x,) = make(name)
    x = x if len(x.shape) == 4 else 2 * x - 1
    mean, log_variance = network(x)
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    assert rate.mean() < 0.05 and mean.std() > 0.01 and log_variance.std() > 0.01


@torch.no_grad()
def test_first_outputs_have_the_scale_that_is_promised():
    """Decoders of small heads start near zero, all others at about one; features keep a size."""
    assert 0.02 < networks.MLPDecoder(16, IMAGE)(noise(64, 16)).std() < 0.3
    images = networks.MLPGenerator(16, IMAGE)(noise(64, 16))
    assert 0.005 < images.std() < 0.06
    for decoder in (networks.ConvDecoder(16, IMAGE), networks.Conv1dDecoder(16, WAVE)):
        assert 0.2 < decoder(noise(64, 16)).std() < 2
    assert 0.2 < networks.GridDecoder(4, IMAGE)(noise(64, 4, 4, 4)).std() < 2
    assert 0.2 < networks.GridEncoder(IMAGE, 4)(noise(64, *IMAGE).sigmoid()).std() < 2
    for name, shape in DISCRIMINATORS.items():
        if name != "DCGANDiscriminator":
            x = (1.7 * noise(64, *shape)).sigmoid() if len(shape) == 3 else noise(64, *shape)
            features = getattr(networks, name)(shape).features(x)
            assert 0.005 < features.square().mean() < 3, name
    deep = networks.MLPDiscriminator((64,), hidden=(512, 512, 512))
    assert 0.5 < deep.body(noise(512, 64)).square().mean() < 2


@torch.no_grad()
def test_dcgan_begins_as_published():
    """N(0, 0.02²) for convolutions, N(1, 0.02²) for BatchNorm; (tanh(h) + 1) / 2 at the end."""
    G, D = networks.DCGANGenerator(100, (3, 32, 32)), networks.DCGANDiscriminator((3, 32, 32))
    for network in (G, D):
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert abs(module.weight.mean()) < 0.002 and 0.018 < module.weight.std() < 0.022
                assert module.bias is None or not module.bias.any()
            if isinstance(module, nn.BatchNorm2d):
                assert abs(module.weight.mean() - 1) < 0.02 and 0.01 < module.weight.std() < 0.03
    z = noise(8, 100)
    h = G.eval().head(G.body(z))
    assert torch.allclose(G(z), (h.tanh() + 1) / 2, atol=1e-6)
    assert [type(m).__name__ for m in D.layers][:3] == ["Conv2d", "LeakyReLU", "Conv2d"]
    x, sides = G.body[0](noise(2, 100)), []
    for layer in (*G.body[1:], G.head):
        x = layer(x)
        sides.append(x.shape[-1])
    assert sorted(set(sides)) == [4, 8, 16, 32]


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 16, 24)])
@pytest.mark.parametrize("kind", ["MLP", "Conv", "DCGAN", "Residual"])
def test_shapes_and_ranges(kind, shape):
    G = getattr(networks, f"{kind}Generator")(6, shape)
    D = getattr(networks, f"{kind}Discriminator")(shape, seed=1)
    images = G(noise(4, 6))
    assert images.shape == (4, *shape) and D(images).shape == (4,)
    assert images.min() >= 0 and images.max() <= 1 and images.std() > 1e-4
    if kind in ("MLP", "Conv"):
        mean, log_variance = getattr(networks, f"{kind}Encoder")(shape, 3)(images)
        assert mean.shape == log_variance.shape == (4, 3)
        assert getattr(networks, f"{kind}Decoder")(3, shape)(mean).shape == (4, *shape)


def test_the_outputs_of_an_mlp_generator():
    z = 50 * noise(8, 4)
    for output, low, high in (("sigmoid", 0, 1), ("tanh", -1, 1), ("identity", -1e9, 1e9)):
        x = networks.MLPGenerator(4, POINT, output=output)(z)
        assert low <= x.min() and x.max() <= high and x.abs().max() > 0.6
    assert networks.MLPGenerator(4, IMAGE).output == "sigmoid"
    assert networks.MLPGenerator(4, POINT).output == networks.MLPGenerator(4, WAVE).output
    with pytest.raises(ValueError, match="unknown output 'relu'; known: sigmoid, tanh, identity"):
        networks.MLPGenerator(4, POINT, output="relu")


@pytest.mark.parametrize("name", ["MLP", "Conv", "Conv1d", "Residual"])
def test_spectral_norm_bounds_the_slope(name):
    """Once the power iteration has settled, each matrix stretches by at most 1."""
    D, (x,) = make(f"{name}Discriminator", spectral_norm=True)
    D.train()
    for _ in range(50):
        D(x)
    D.eval()
    weighted = [m for m in D.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    assert len(weighted) >= 3
    for module in weighted:
        stretch = torch.linalg.matrix_norm(module.weight.flatten(1), 2).item()
        assert stretch == pytest.approx(1, abs=0.03)
    if name == "MLP":
        x = some(200, *IMAGE)
        slope = (D(x)[:100] - D(x)[100:]).abs() / (x[:100] - x[100:]).flatten(1).norm(dim=1)
        assert slope.max().item() <= 2 * 1.05  # the centring 2x − 1 stretches by 2


@torch.no_grad()
@pytest.mark.parametrize("name", ["MLP", "Conv", "Conv1d", "Residual"])
def test_each_logit_depends_on_its_example_alone(name):
    D, (x,) = make(f"{name}Discriminator")
    assert torch.allclose(D(x)[:2], D(x[:2]), atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_every_weight_gets_a_gradient_and_so_does_the_input(name):
    network, (first, *others) = make(name, classes=3)
    if name.startswith("Residual"):  # whose branches begin silent
        for parameter in network.parameters():
            parameter.data.add_(0.01)
    first = first.clone().requires_grad_()
    (call(network, first, *others, LABELS) * noise(8, 1)).sum().backward()
    assert first.grad.abs().sum() > 0
    for parameter, value in network.named_parameters():
        assert value.grad is not None and value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize(
    ("name", "options", "layer", "count"),
    [
        *[(f"MLP{part}", {"activation": "tanh"}, nn.Tanh, 2) for part in ("Encoder", "Decoder")],
        *[(f"MLP{part}", {"activation": "silu"}, nn.SiLU, 2) for part in ("Generator",)],
        ("MLPDiscriminator", {"activation": "relu"}, nn.ReLU, 2),
        ("MLPGenerator", {"batch_norm": True}, nn.BatchNorm1d, 2),
        ("MLPDecoder", {"batch_norm": True}, nn.BatchNorm1d, 2),
        ("MLPDecoder", {}, nn.BatchNorm1d, 0),
        ("ConvDecoder", {"batch_norm": True}, nn.BatchNorm2d, 2),
        ("ConvDecoder", {}, nn.BatchNorm2d, 0),
        ("ConvGenerator", {}, nn.BatchNorm2d, 2),
        ("ConvGenerator", {"batch_norm": False}, nn.BatchNorm2d, 0),
        ("Conv1dGenerator", {}, nn.BatchNorm1d, 1),
        ("MLPDiscriminator", {"minibatch_stddev": True}, networks.MinibatchStddev, 1),
    ],
)
def test_an_option_reaches_its_layers(name, options, layer, count):
    network, _ = make(name, **options)
    assert sum(isinstance(module, layer) for module in network.modules()) == count


def test_bad_input():
    D = networks.ConvDiscriminator((1, 28, 28))
    with pytest.raises(ValueError, match=r"images of shape \(N, 1, 28, 28\), got \(2, 1, 32, 32\)"):
        D(torch.rand(2, 1, 32, 32))
    with pytest.raises(ValueError, match=r"examples of shape \(N, 2\), got \(2, 3\)"):
        networks.MLPDiscriminator((2,))(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"codes z of shape \(N, 2\), got \(2, 3\)"):
        networks.MLPGenerator(2, (2,))(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        networks.MLPGenerator(0, (2,))
    with pytest.raises(ValueError, match=r"needs positive sides, .* got \(0,\)"):
        networks.MLPDiscriminator((0,))
    with pytest.raises(ValueError, match="unknown activation 'swish'; known: leaky_relu, tanh"):
        networks.MLPGenerator(2, (2,), activation="swish")
    with pytest.raises(TypeError, match="clases"):
        networks.ConvDiscriminator((1, 8, 8), clases=3)
