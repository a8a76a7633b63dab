"""A model that was exported is read back to be trained on."""

from pathlib import Path

import torch

from generator.autoencoder import PatchAutoencoder
from pocket.training.export import export_pipeline, read_parts
from pocket.training.text import build_encoders
from tests.pocket.test_transformer_training import tiny_transformer


def test_what_was_exported_is_read_back_and_can_be_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    transformer, encoders = tiny_transformer(seed=0), build_encoders()
    autoencoder = PatchAutoencoder(1, 8, 1, (8, 8, 8), (1, 1, 1))
    export_pipeline(tmp_path, transformer=transformer, autoencoder=autoencoder, encoders=encoders)
    read_encoders, read_autoencoder, read_transformer = read_parts(tmp_path, device="cpu")
    for ours, theirs in (
        (read_transformer, transformer),
        (read_autoencoder, autoencoder),
        (read_encoders.text_encoder, encoders.text_encoder),
        (read_encoders.text_encoder_2, encoders.text_encoder_2),
    ):
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight.half().float()), name
    export_pipeline(
        tmp_path / "again", transformer=read_transformer, autoencoder=read_autoencoder, encoders=read_encoders
    )
    assert not [path for path in tmp_path.glob("**/config.json") if str(tmp_path) in path.read_text()]
    assert all(parameter.requires_grad for parameter in read_transformer.parameters())
    encoded = (each.encode(["a fox in the snow"], max_sequence_length=8) for each in (read_encoders, encoders))
    for ours, theirs in zip(*encoded, strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0.05)
