"""Pocket's autoencoder: 16×16-pixel patches to a few latent channels and back, working at the latent grid.

It speaks diffusers' autoencoder interface (`encode(...).latent_dist`, `decode(...).sample`, `scaling_factor`,
`shift_factor`, `block_out_channels`), so `FluxPipeline` uses it as it uses FLUX.1's. A convolutional autoencoder that
works at pixel resolution was too slow to train on a CPU.
"""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn
from torch.nn import functional

PATCH_SIZE = 16
PATCH_DIM = 3 * PATCH_SIZE**2
INITIAL_LOGVAR = -4.0


class ChannelNorm(nn.Module):
    """Layer norm over the channels of `(B, C, H, W)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.norm(hidden_states.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Norm, 3×3 convolution, SiLU, 1×1 convolution, added to the input; shape `(B, C, H, W)` is kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = nn.SiLU()
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return hidden_states + self.out(self.act(self.conv(self.norm(hidden_states))))


def _upsample(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out_channels * 4, 1), nn.PixelShuffle(2))


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Variational autoencoder over 16×16 patches: a linear map of each patch plus what a small network adds to it.

    Pictures are `(B, 3, H, W)` in [-1, 1], H and W multiples of 16; latents are `(B, latent_channels, H/16, W/16)`,
    with mean 0 and mean square 1 over the world's pictures (`latent_mean` and `latent_std` undo the encoder's own
    scale), so `scaling_factor` is 1.

    Args:
        latent_channels: Channels of the latents before `FluxPipeline` packs them 2×2.
        encoder_width: Channels of the encoder.
        encoder_depth: Residual blocks of the encoder.
        decoder_widths: Channels at the latent grid, at twice and at four times its resolution.
        decoder_depths: Residual blocks at each of these.
        block_out_channels: Only its length counts: diffusers derives the scale factor 2**(5-1) = 16 from it.
        scaling_factor: As in diffusers.
        shift_factor: As in diffusers.
    """

    @torch.no_grad()
    def start_from_principal_components(self, pictures: Tensor) -> None:
        """Set the linear maps to the principal components of the patches of pictures `(N, 3, H, W)` in [-1, 1].

        Training then starts from a blurred but true picture instead of spending its first thousand steps on one.
        """
        patches = functional.pixel_unshuffle(pictures, PATCH_SIZE).permute(0, 2, 3, 1).reshape(-1, PATCH_DIM)
        mean = patches.mean(0)
        _, scales, components = torch.pca_lowrank(patches - mean, q=self.config.latent_channels, center=False)
        deviations = scales / len(patches) ** 0.5
        self.linear_encoder.weight.copy_((components / deviations).T[:, :, None, None])
        self.linear_encoder.bias.copy_(-(mean @ components) / deviations)
        self.linear_decoder.weight.copy_((components * deviations)[:, :, None, None])
        self.linear_decoder.bias.copy_(mean)

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        encoder_width: int = 192,
        encoder_depth: int = 3,
        decoder_widths: tuple[int, int, int] = (256, 128, 64),
        decoder_depths: tuple[int, int, int] = (4, 2, 2),
        block_out_channels: tuple[int, ...] = (64, 64, 96, 192, 192),  # noqa: ARG002
        scaling_factor: float = 1.0,  # noqa: ARG002
        shift_factor: float = 0.0,  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.linear_encoder = nn.Conv2d(PATCH_DIM, latent_channels, 1)
        self.encoder = nn.Sequential(
            nn.Conv2d(PATCH_DIM, encoder_width, 1),
            *(ResidualBlock(encoder_width) for _ in range(encoder_depth)),
            ChannelNorm(encoder_width),
            nn.Conv2d(encoder_width, 2 * latent_channels, 1),
        )
        self.linear_decoder = nn.Conv2d(latent_channels, PATCH_DIM, 1)
        wide, middle, fine = decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, wide, 3, padding=1),
            *(ResidualBlock(wide) for _ in range(decoder_depths[0])),
            _upsample(wide, middle),
            *(ResidualBlock(middle) for _ in range(decoder_depths[1])),
            _upsample(middle, fine),
            *(ResidualBlock(fine) for _ in range(decoder_depths[2])),
            ChannelNorm(fine),
            nn.Conv2d(fine, 48, 1),
            nn.PixelShuffle(4),
        )
        for last in (self.encoder[-1], self.decoder[-2]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.register_buffer("latent_mean", torch.zeros(1, latent_channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(1, latent_channels, 1, 1))

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        """Distribution of the latents of pictures `(B, 3, H, W)` in [-1, 1]."""
        patches = functional.pixel_unshuffle(x, PATCH_SIZE)
        correction, logvar = self.encoder(patches).chunk(2, dim=1)
        mean = self.linear_encoder(patches) + correction
        logvar = logvar + INITIAL_LOGVAR
        mean = (mean - self.latent_mean) / self.latent_std
        logvar = logvar - 2 * self.latent_std.log()
        posterior = DiagonalGaussianDistribution(torch.cat([mean, logvar], dim=1))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, z: Tensor, return_dict: bool = True) -> DecoderOutput | tuple[Tensor]:
        """Pictures `(B, 3, H, W)`, nominally in [-1, 1], of latents `(B, latent_channels, H/16, W/16)`."""
        z = z * self.latent_std + self.latent_mean
        sample = functional.pixel_shuffle(self.linear_decoder(z), PATCH_SIZE) + self.decoder(z)
        return DecoderOutput(sample=sample) if return_dict else (sample,)
