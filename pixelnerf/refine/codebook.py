"""The codebook refiner (Codebook-NeRF): a learned vocabulary of high-resolution detail.

A vector-quantised autoencoder (van den Oord et al., 2017) learns to reconstruct high-resolution patches from codes.
Patches of renders go through the same encoder and codebook; a second decoder turns the render's own features and its
codes into the missing detail. Refining needs no photo.
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from pixelnerf.config import Config
from pixelnerf.refine.blocks import FeatureMaps, PatchEncoder, ResidualBlock, channels_by_resolution, start_unchanged
from pixelnerf.refine.refiner import Candidates, PatchBatch, PatchConfig, Patches, Refiner, RefinerLosses


class CodebookWeights(Config):
    """Weights of the loss.

    Attributes:
        refine: mean absolute error of the refined patch.
        reconstruction: mean squared error of the high-resolution patch reconstructed from its codes.
        quantization: for the high-resolution patch, moves codes to features and, by `commitment`, features to codes.
        imitation: the same for the rendered patch.
        commitment: beta of the VQ-VAE paper, equation 3.
    """

    refine: float = Field(ge=0)
    reconstruction: float = Field(ge=0)
    quantization: float = Field(ge=0)
    imitation: float = Field(ge=0)
    commitment: float = Field(ge=0)


class CodebookRefinerConfig(PatchConfig):
    """Configuration of `CodebookRefiner`.

    Attributes:
        codes: size of the codebook.
        code_channels: length of a code.
        usage_decay: of the moving average over batches of each code's number of uses.
        dead_below: a code whose average falls below this is dead, and is replaced by a feature of the batch.
        weights: of the loss.
    """

    name: Literal["codebook"]
    codes: int = Field(ge=2)
    code_channels: int = Field(ge=1)
    usage_decay: float = Field(ge=0, lt=1)
    dead_below: float = Field(gt=0, lt=1)
    weights: CodebookWeights


class Codebook(nn.Module):
    """The nearest code for each feature; codes learn by gradient, and training revives dead ones."""

    def __init__(self, config: CodebookRefinerConfig) -> None:
        super().__init__()
        # Late, because it takes seconds to import, and few programs need a codebook.
        from vector_quantize_pytorch import VectorQuantize

        # Used for codes only: the library's loss has one weight for both directions and a gradient of its own.
        self.quantizer = VectorQuantize(
            config.code_channels,
            config.codes,
            decay=config.usage_decay,
            threshold_ema_dead_code=config.dead_below,  # pyright: ignore[reportArgumentType] (any number works)
            commitment_weight=0.0,
            learnable_codebook=True,
            ema_update=False,
            rotation_trick=False,
            route_gradients_to_input=False,
            accept_image_fmap=True,
        )
        # The scale of features.
        nn.init.normal_(self.quantizer.codebook)
        self._dead_below = config.dead_below

    def forward(self, features: FeatureMaps) -> tuple[FeatureMaps, Int[Tensor, "patch height width"]]:
        """The codes, with a gradient to the codebook only, and their indices."""
        codes, indices, _ = self.quantizer(features)
        return codes, indices

    @property
    def usage(self) -> Float[Tensor, "code"]:
        """Each code's uses per batch, as a moving average."""
        return self.quantizer.get_buffer("_codebook.cluster_size")[0]

    def perplexity(self) -> float:
        """The exponential of the usage's entropy: this many equally used codes would carry the same information."""
        share = self.usage / self.usage.sum()
        return float(torch.exp(-torch.xlogy(share, share).sum()))

    def dead_share(self) -> float:
        """The share of codes dead in the last batch; a revived code stays at the threshold until it is used."""
        return float((self.usage <= self._dead_below).float().mean())


class CodeDecoder(nn.Module):
    """Codes to pixels; every up-convolution also gets the codes and, if `with_maps`, the encoder's maps."""

    def __init__(self, channels: list[int], code_channels: int, with_maps: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(code_channels + with_maps * channels[-1], channels[-1], 3, padding=1)
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(narrow + code_channels, wide, 4, stride=2, padding=1)
            for narrow, wide in pairwise(reversed(channels))
        )
        self.joins = nn.ModuleList(
            nn.Sequential(nn.Conv2d((1 + with_maps) * wide, wide, 1), ResidualBlock(wide)) for wide in channels[-2::-1]
        )
        self.head = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, codes: FeatureMaps, maps: list[Tensor] | None = None) -> Patches:
        """Colours, or their change."""
        *finer, coarsest = maps if maps is not None else [None] * (len(self.doublings) + 1)
        x = self.stem(_joined(codes, coarsest))
        for double, join, own in zip(self.doublings, self.joins, reversed(finer), strict=True):
            x = double(torch.cat([torch.relu(x), F.interpolate(codes, x.shape[-2:], mode="nearest")], dim=1))
            x = join(_joined(x, own))
        return self.head(torch.relu(x))


class CodebookRefiner(Refiner):
    """Codebook-NeRF's refiner."""

    needs_reference = False

    def __init__(self, config: CodebookRefinerConfig) -> None:
        super().__init__(config)
        self.config = config
        channels = channels_by_resolution(config.width, config.halvings)
        self.encoder = PatchEncoder(channels)
        self.to_codes = nn.Conv2d(channels[-1], config.code_channels, 1)
        self.codebook = Codebook(config)
        self.rebuild = CodeDecoder(channels, config.code_channels, with_maps=False)
        self.change = CodeDecoder(channels, config.code_channels, with_maps=True)
        start_unchanged(self.change.head)

    @override
    def patch_change(self, patches: Patches, candidates: Candidates | None) -> Patches:
        maps = self.encoder(patches)
        codes, _ = self.codebook(self._features(maps))
        return self.change(codes, maps)

    @override
    def losses(self, batch: PatchBatch) -> RefinerLosses:
        count = len(batch.truth)
        maps = self.encoder(torch.cat([batch.truth, batch.rendered]))
        features = self._features(maps)
        codes, _ = self.codebook(features)
        # Straight-through: features get the codes' gradient unchanged (VQ-VAE, section 3.2).
        passed = features + (codes - features).detach()
        rebuilt = self.rebuild(passed[:count]) + 0.5
        refined = batch.rendered + self.change(passed[count:], [one[count:] for one in maps])
        weights = self.config.weights
        terms = {
            "refine": weights.refine * F.l1_loss(refined, batch.truth),
            "reconstruction": weights.reconstruction * F.mse_loss(rebuilt, batch.truth),
            "quantization": weights.quantization * self._meeting(features[:count], codes[:count]),
            "imitation": weights.imitation * self._meeting(features[count:], codes[count:]),
        }
        return RefinerLosses(terms, refined)

    @override
    def health(self) -> dict[str, float]:
        return {"codebook/perplexity": self.codebook.perplexity(), "codebook/dead_share": self.codebook.dead_share()}

    def _features(self, maps: list[Tensor]) -> FeatureMaps:
        """The features to quantise, with mean zero and variance one at each pixel.

        Without a fixed scale, features run away from codes, and a revived code is a shock to the decoders.
        """
        features = self.to_codes(maps[-1]).movedim(1, -1)
        return F.layer_norm(features, features.shape[-1:]).movedim(-1, 1)

    def _meeting(self, features: Tensor, codes: Tensor) -> Float[Tensor, ""]:
        """Moves codes to features and, by the commitment, features to codes."""
        committed = F.mse_loss(features, codes.detach())
        return F.mse_loss(codes, features.detach()) + self.config.weights.commitment * committed


def _joined(x: Tensor, other: Tensor | None) -> Tensor:
    return x if other is None else torch.cat([x, other], dim=1)
