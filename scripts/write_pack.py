#!/usr/bin/env python3
"""Writes the folders of a trained pipeline as a pack that ships: the same models with bfloat16 weights.

    write_pack.py TRAINED OUT [--sampling JSON]

TRAINED holds vae/, unet/ and glyph_encoder/ as `anonymizer-train unet` exports them. Weights lose the lower half of
their digits (relative 2^-9), graphs and configurations stay; metadata gets the new hashes, and the UNet's the ones of the
VAE and the glyph encoder beside it, and how it is best sampled (`inpainting.sampling`). What only training needs (stages.pt) is left out. OUT appears whole or not at all.

Exit codes: 0 done, 1 something could not be made (the message says what to change), 2 wrong arguments.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

PARTS = ("vae", "unet", "glyph_encoder")
WEIGHTS = ("model.safetensors", "text_projection.safetensors")
COPIED = ("graph.pt", "config.json", "README.md")
LARGEST_FILE = 16 * 2**20
LARGEST_PACK = 24 * 2**20


class PackError(Exception):
    """The message says what is wrong and what to change."""


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_part(source, target):
    import torch
    from safetensors.torch import load_file, save_file

    if not (source / "metadata.json").is_file():
        raise PackError(f"{source} is no model folder: train the UNet first")
    target.mkdir(parents=True)
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for name in WEIGHTS:
        if not (source / name).is_file():
            continue
        tensors = {key: t.to(torch.bfloat16).contiguous() for key, t in load_file(str(source / name)).items()}
        broken = [key for key, t in tensors.items() if not bool(t.isfinite().all())]
        if broken:
            raise PackError(f"{source / name}: {broken[0]} is not finite")
        save_file(tensors, str(target / name), metadata={"format": "pt"})
        (target / name).chmod(0o644)
    metadata = json.loads((source / "metadata.json").read_text())
    files = [name for name in ("graph.pt", *WEIGHTS) if (target / name).is_file()]
    metadata["sha256"] = {name: sha256(target / name) for name in files}
    metadata["bytes"] = {name: (target / name).stat().st_size for name in files}
    metadata["weightsDtype"] = "bfloat16"
    return metadata


def write_pack(trained, out, sampling):
    temporary = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    try:
        metadata = {part: write_part(trained / part, temporary / part) for part in PARTS}
        inpainting = metadata["unet"]["inpainting"]
        inpainting["vaeWeightsSha256"] = metadata["vae"]["sha256"]["model.safetensors"]
        inpainting["glyphEncoderWeightsSha256"] = metadata["glyph_encoder"]["sha256"]["model.safetensors"]
        if sampling:
            inpainting["sampling"] = sampling
        for part in PARTS:
            (temporary / part / "metadata.json").write_text(json.dumps(metadata[part], indent=2) + "\n")
        sizes = {path: path.stat().st_size for path in sorted(temporary.rglob("*")) if path.is_file()}
        for path, size in sizes.items():
            if size >= LARGEST_FILE:
                raise PackError(f"{path.name} of {path.parent.name} has {size / 2**20:.1f} MiB; a file of the pack must be below 16")
        if sum(sizes.values()) > LARGEST_PACK:
            raise PackError(f"the pack has {sum(sizes.values()) / 2**20:.1f} MiB; at most 24 ship")
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
        return sum(sizes.values())
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("trained", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sampling", type=json.loads, default={}, help='as {"sampler": "ddim", "steps": 8, "strength": 0.6}')
    options = parser.parse_args()
    try:
        size = write_pack(options.trained.resolve(), options.out.resolve(), options.sampling)
    except (PackError, OSError, ValueError) as error:
        print(f"write_pack.py: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
