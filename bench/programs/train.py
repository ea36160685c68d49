"""The Python side of the training benchmark: answers warmup, step and epoch, a JSON line each (see benches/train.mjs).

usage: train.py [--compile] OPTIONS.json

diffusers' models with the same weights, PyTorch's own fused AdamW and clipping, one .item() a step, the perceptual
distance of the package lpips; with --compile the whole loss (models included) under torch.compile. Data come from a
DataLoader with worker processes that keep decoded pages, as our loader does.
"""

import functools
import json
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "test" / "parity" / "reference"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from reference_io import load_model  # noqa: E402
from torch import nn  # noqa: E402

options = json.loads(Path(sys.argv[-1]).read_text())
compiled = "--compile" in sys.argv
kind, size = options["kind"], options["batch"]
height, width = options["height"], options["width"]
device = torch.device(options["device"])
torch.set_num_threads(options["threads"])
torch.manual_seed(1)
folder = root / "models" / options["model"]
glyph_size = json.loads((folder / "glyph_encoder" / "config.json").read_text())["image_size"]


class VaeLoss(nn.Module):
    def __init__(self):
        super().__init__()
        from perceptual import load_lpips

        self.vae = load_model(folder / "vae", "vae", torch.float32)
        self.lpips = load_lpips(folder / "vgg16", torch.float32)

    def trained(self):
        return self.vae.parameters()

    def forward(self, images):
        images = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        posterior = self.vae.encode(images).latent_dist
        reconstruction = self.vae.decode(posterior.sample()).sample.float()
        recon = nn.functional.mse_loss(reconstruction, images)
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).mean()
        return recon + 1e-6 * kl + 0.1 * self.lpips(reconstruction, images).mean()


class UnetLoss(nn.Module):
    def __init__(self):
        super().__init__()
        from inpainting import training_schedule

        self.vae = load_model(folder / "vae", "vae", torch.float32).requires_grad_(False)
        self.glyph_encoder = load_model(folder / "glyph_encoder", "glyph_encoder", torch.float32).requires_grad_(False)
        self.unet = load_model(folder / "unet", "unet", torch.float32)
        wide, narrow = self.glyph_encoder.config.hidden_size, self.unet.config.cross_attention_dim
        self.projection = nn.Linear(wide, narrow) if wide != narrow else nn.Identity()
        self.scale = self.vae.config.scaling_factor
        self.register_buffer("alphas_cumprod", training_schedule({}).alphas_cumprod)

    def trained(self):
        return [*self.unet.parameters(), *self.projection.parameters()]

    def forward(self, images, masks, glyphs):
        images = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        glyphs = glyphs.permute(0, 3, 1, 2).float() / 127.5 - 1
        masks = (masks >= 1).float()[:, None]
        with torch.no_grad():
            latents = self.vae.encode(images).latent_dist.sample() * self.scale
            masked = self.vae.encode(images * (masks < 0.5)).latent_dist.mode() * self.scale
            hidden = self.glyph_encoder(pixel_values=glyphs).last_hidden_state
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, 1000, (latents.shape[0],), device=latents.device)
        alpha = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        mask = nn.functional.interpolate(masks, size=latents.shape[-2:])
        prediction = self.unet(
            torch.cat([noisy, mask, masked], dim=1), timesteps, encoder_hidden_states=self.projection(hidden)
        ).sample
        return nn.functional.mse_loss(prediction.float(), noise)


class Crops(torch.utils.data.Dataset):
    """Windows around regions of the training split, text about half the height; masks and drawn text for the UNet."""

    def __init__(self):
        self.folder = Path(options["manifest"]).parent
        records = [json.loads(line) for line in Path(options["manifest"]).read_text().splitlines()]
        self.samples = [
            (record["image"], region_box(region), region.get("text", ""))
            for record in records
            if record.get("split", "train") == "train"
            for region in record["regions"]
            if region.get("text")
        ]
        self.page = functools.lru_cache(maxsize=64)(self.open_page)

    def open_page(self, name):
        return Image.open(self.folder / name).convert("RGB")

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        name, (x0, y0, x1, y1), text = self.samples[index]
        page = self.page(name)
        scale = height * 0.5 / max(1, y1 - y0)
        w, h = width / scale, height / scale
        left = (x0 + x1 - w) / 2 + random.uniform(-0.1, 0.1) * w
        top = (y0 + y1 - h) / 2 + random.uniform(-0.1, 0.1) * h
        window = (int(left), int(top), int(left) + max(1, round(w)), int(top) + max(1, round(h)))
        crop = np.asarray(page.crop(window).resize((width, height), Image.BICUBIC))
        if kind == "vae":
            return (torch.from_numpy(crop.copy()),)
        mask = np.zeros((height, width), np.uint8)
        edges = [(x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale]
        a, b, c, d = (max(0, round(edge / 8) * 8) for edge in edges)
        mask[b : d + 8, a : c + 8] = 1
        glyph = Image.new("RGB", (glyph_size[1], glyph_size[0]), "white")
        ImageDraw.Draw(glyph).text((2, 2), text, fill="black", font=font())
        return torch.from_numpy(crop.copy()), torch.from_numpy(mask), torch.from_numpy(np.array(glyph))


def region_box(region):
    if "box" in region:
        return region["box"]
    xs, ys = [p[0] for p in region["quad"]], [p[1] for p in region["quad"]]
    return min(xs), min(ys), max(xs), max(ys)


@functools.cache
def font():
    return ImageFont.load_default(glyph_size[0] * 0.6)


def fixed_batch():
    data = np.fromfile(options["batchFile"] + ".bin", np.uint8)
    shapes = [(size, height, width, 3)]
    if kind == "unet":
        shapes += [(size, height, width), (size, *glyph_size, 3)]
    parts, offset = [], 0
    for shape in shapes:
        count = int(np.prod(shape))
        parts.append(torch.from_numpy(data[offset : offset + count].reshape(shape).copy()))
        offset += count
    return parts


model = (VaeLoss() if kind == "vae" else UnetLoss()).to(device)
trained = [p for p in model.trained() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01, fused=True)
loss_of = torch.compile(model) if compiled else model
autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=options["precision"] == "bf16")
batch = fixed_batch()
loader = torch.utils.data.DataLoader(
    Crops(),
    batch_size=size,
    shuffle=True,
    drop_last=True,
    num_workers=options["workers"],
    persistent_workers=True,
    pin_memory=device.type == "cuda",
)


def train_step(tensors):
    tensors = [tensor.to(device, non_blocking=True) for tensor in tensors]
    with autocast:
        loss = loss_of(*tensors)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def steps(count):
    times = []
    used = time.process_time()
    for _ in range(count):
        started = time.perf_counter()
        train_step(batch)
        times.append(1000 * (time.perf_counter() - started))
    return {"milliseconds": times, "cpuMs": 1000 * (time.process_time() - used) / count}


def endless():
    while True:
        yield from loader


batches = endless()


def epoch(count):
    """Goes on where it was, as our loop does."""
    started = time.perf_counter()
    for _ in range(count):
        train_step(next(batches))
    return {"milliseconds": [1000 * (time.perf_counter() - started) / count]}


def warmup():
    started = time.perf_counter()
    for _ in range(3):
        loss = train_step(batch)
    epoch(1)
    return {"seconds": time.perf_counter() - started, "loss": loss}


answers = {"warmup": warmup, "step": lambda: steps(options["steps"]), "epoch": lambda: epoch(2 * options["steps"])}
for line in sys.stdin:
    print(json.dumps(answers[json.loads(line)["do"]]()), flush=True)
