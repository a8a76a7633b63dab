"""The stages of training in order; each is skipped when its result lies in the folder, so a stopped run goes on.

python -m pocket.training --flow-minutes 60 --distil-minutes 10
"""

import argparse
import logging
import os
from pathlib import Path

import torch

from pocket.training.autoencoder import encode_dataset, sharpen_decoder, train_autoencoder
from pocket.training.dataset import draw_dataset
from pocket.training.export import export_pipeline, read_parts
from pocket.training.probe import train_probe
from pocket.training.text import train_text_encoders
from pocket.training.transformer import TransformerRecipe, TransformerTrainer, build_transformer

POCKET = Path(__file__).parent.parent
MOST_WORKERS = 14
"""So many kept an H100 at 7,800 samples a second."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pocket.training", description="Train Pocket from scratch.")
    parser.add_argument("--data", type=Path, default=Path("training-data"), help="folder of pictures and checkpoints")
    parser.add_argument("--out", type=Path, default=POCKET / "model", help="diffusers folder to write")
    parser.add_argument("--probe-out", type=Path, default=POCKET / "probe" / "probe.safetensors")
    parser.add_argument(
        "--start-from", type=Path, metavar="FOLDER", help="train this model's transformer on; its other parts are kept"
    )
    parser.add_argument("--pictures", type=int, default=40_000, help="square pictures to draw")
    parser.add_argument("--text-steps", type=int, default=700)
    parser.add_argument("--autoencoder-minutes", type=float, default=30)
    parser.add_argument("--probe-minutes", type=float, default=20)
    parser.add_argument("--flow-minutes", type=float, default=60)
    parser.add_argument("--distil-minutes", type=float, default=10)
    parser.add_argument("--decoder-minutes", type=float, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--workers",
        type=int,
        help="processes that put batches together, in shared memory (default: on a GPU, the cores but two, at most "
        f"{MOST_WORKERS}; else none)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="compile the blocks: a fifth faster after some minutes")
    parser.add_argument("--export-only", action="store_true", help="write the averaged weights of the last checkpoint")
    return parser.parse_args()


def _most_workers(device: str) -> int:
    return min(MOST_WORKERS, max(0, (os.cpu_count() or 1) - 2)) if device.startswith("cuda") else 0


def main() -> None:
    """Run every stage that has not been run yet."""
    args = _arguments()
    logging.basicConfig(level=logging.WARNING)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # tokenizers' threads do not outlive a fork
    torch.backends.cuda.matmul.allow_tf32 = True
    for shape, count in (("square", args.pictures), ("cover", args.pictures // 18), ("spread", args.pictures // 18)):
        draw_dataset(args.data, shape=shape, num_pictures=count, seed=args.seed + 1)
    common = {"seed": args.seed, "device": args.device}
    if args.start_from is not None:
        encoders, autoencoder, transformer = read_parts(args.start_from, device=args.device)
        encode_dataset(args.data, autoencoder)
    else:
        encoders = train_text_encoders(args.data, steps=args.text_steps, batch_size=96, **common)
        autoencoder = train_autoencoder(args.data, minutes=args.autoencoder_minutes, batch_size=8, **common)
        encode_dataset(args.data, autoencoder)
        if not args.export_only:
            train_probe(args.data, args.probe_out, minutes=args.probe_minutes, batch_size=64, **common)
        torch.manual_seed(args.seed)
        transformer = build_transformer(
            in_channels=4 * autoencoder.config.latent_channels,
            joint_attention_dim=encoders.text_encoder_2.config.d_model,
            pooled_dim=encoders.text_encoder.config.hidden_size,
        )
    recipe = TransformerRecipe(
        flow_minutes=args.flow_minutes, distil_minutes=args.distil_minutes, batch_size=args.batch_size, seed=args.seed
    )
    workers = _most_workers(args.device) if args.workers is None else args.workers
    trainer = TransformerTrainer(args.data, transformer, encoders, recipe, args.device, num_workers=workers)
    if args.compile:
        trainer.transformer.compile_repeated_blocks(dynamic=False)
    if not args.export_only:
        for line in trainer.run():
            print(line, flush=True)
    if args.start_from is None and (not args.export_only or (args.data / "decoder.safetensors").exists()):
        sharpen_decoder(args.data, autoencoder, minutes=args.decoder_minutes, batch_size=8, seed=args.seed)
    export_pipeline(args.out, transformer=trainer.averaged_transformer(), autoencoder=autoencoder, encoders=encoders)


if __name__ == "__main__":
    main()
