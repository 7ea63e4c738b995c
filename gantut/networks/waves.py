"""The convolutional networks for waveforms (C, T): the ladder of ``conv``, with steps of four.

512 samples become 128, 32 and 8 places. [donahue2019]
"""

from gantut.networks.conv import ConvDecoder, ConvDiscriminator, ConvEncoder, ConvGenerator
from gantut.networks.ladder import WAVES


class Conv1dDecoder(ConvDecoder):
    """Maps codes z (N, latent_dim) to unbounded values (N, C, T), one for each sample of a wave.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, T) of the output, with T divisible by 4 until 16 or fewer places are left.
        width: the number of planes before the last level; twice as many below, then four times.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        batch_norm: normalise each plane over the batch.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or width below 1, or a length that cannot be divided; in a pass,
            codes of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import Conv1dDecoder
        >>> Conv1dDecoder(8, (1, 512))(torch.zeros(2, 8)).shape
        torch.Size([2, 1, 512])
    """

    ladder = WAVES


class Conv1dGenerator(ConvGenerator):
    """Maps noise z (N, latent_dim) to waves (N, C, T) in [−1, 1]: a decoder with a tanh.

    Args:
        latent_dim: the number of dimensions of z.
        shape: (C, T) of the waves, with T divisible by 4 until 16 or fewer places are left.
        batch_norm: normalise each plane over the batch; on, since a generator learns faster so.
        width: the number of planes before the last level, 32; twice as many below, then four times.
        classes: with classes, labels (N,) enter as a one-hot code beside z; 0 takes no labels.
        seed: decides the first weights, 0.

    Raises:
        ValueError: latent_dim or width below 1, or a length that cannot be divided; in a pass,
            noise of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import Conv1dGenerator
        >>> wave = Conv1dGenerator(8, (1, 512))(torch.randn(2, 8))
        >>> wave.shape, bool(wave.abs().max() <= 1)
        (torch.Size([2, 1, 512]), True)
    """

    ladder, output = WAVES, "tanh"


class Conv1dDiscriminator(ConvDiscriminator):
    """Maps waves (N, C, T) to one logit each, (N,). Large is real.

    There is no BatchNorm: each logit depends on its wave alone.

    Args:
        shape: (C, T) of the waves, with T divisible by 4 until 16 or fewer places are left.
        width: the number of planes at a quarter of the length; twice and four times as many below.
        classes: with classes, D judges a wave together with its label (N,), through an inner
            product with a vector of the class [miyato2018projection]; 0 takes no labels.
        spectral_norm: divide each weight by its largest singular value [miyato2018].
        minibatch_stddev: show D how much the waves of a group of four differ [karras2018].
        seed: decides the first weights.

    Raises:
        ValueError: a width below 1, or a length that cannot be divided; in a pass, waves of another
            shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import Conv1dDiscriminator
        >>> Conv1dDiscriminator((1, 512))(torch.zeros(2, 1, 512)).shape
        torch.Size([2])
    """

    ladder = WAVES


class Conv1dEncoder(ConvEncoder):
    """Maps waves (N, C, T) to the mean and the log-variance of q(z|x), each (N, latent_dim).

    The last layer's weights begin small, so that q(z|x) starts close to the prior N(0, I).

    Args:
        shape: (C, T) of the waves, with T divisible by 4 until 16 or fewer places are left.
        latent_dim: the number of dimensions of z.
        width: the number of planes at a quarter of the length; twice and four times as many below.
        classes: with classes, labels (N,) enter as constant planes beside the wave; 0 takes none.
        seed: decides the first weights.

    Raises:
        ValueError: latent_dim or width below 1, or a length that cannot be divided; in a pass,
            waves of another shape, or labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import Conv1dEncoder
        >>> mean, log_variance = Conv1dEncoder((1, 512), 4)(torch.zeros(2, 1, 512))
        >>> mean.shape, log_variance.shape
        (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    ladder = WAVES
