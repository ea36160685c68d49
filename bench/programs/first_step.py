"""import torch, diffusers; one VAE training step on the tiny model."""

import json
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

folder = "models/tiny/vae"
vae = AutoencoderKL.from_config(json.load(open(f"{folder}/config.json")))
vae.load_state_dict(load_file(f"{folder}/model.safetensors"))
optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3)
images = torch.full((4, 3, 64, 128), 0.1)
posterior = vae.encode(images).latent_dist
loss = torch.nn.functional.mse_loss(vae.decode(posterior.sample()).sample, images) + 1e-6 * posterior.kl().mean()
loss.backward()
torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
optimizer.step()
print(loss.item())
