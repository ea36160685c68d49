"""The autoencoder's adversarial term: patch discriminator, hinge losses, adaptive weight, steps of both optimizers.

input.json
  the keys of vae_loss.py; adversarial: {weight, layers, channels}; generator, discriminator: {learningRate, beta1, beta2,
  eps, weightDecay}
input.safetensors
  K.images, K.posterior_noise for step K = 0 …; discriminator.NAME: weights before the first step
output.json
  losses: one entry a step: {total, recon, kl, generator (times its adaptive weight), discriminator}
output.safetensors
  discriminator.NAME, vae.NAME after the last step
"""

import torch
from reference_io import dtype_of, images_of, run
from torch import nn
from vae_loss import load, vae_loss


def patch_discriminator(channels, layers):
    """pix2pix' discriminator: the names of its parameters count every layer of the sequence."""
    sequence, incoming = [nn.Conv2d(3, channels, 4, 2, 1), nn.LeakyReLU(0.2)], channels
    for layer in range(1, layers + 1):
        outgoing = channels * min(2**layer, 8)
        stride = 2 if layer < layers else 1
        sequence += [nn.Conv2d(incoming, outgoing, 4, stride, 1, bias=False), nn.BatchNorm2d(outgoing), nn.LeakyReLU(0.2)]
        incoming = outgoing
    model = nn.Module()
    model.main = nn.Sequential(*sequence, nn.Conv2d(incoming, 1, 4, 1, 1))
    return model.train()


def program(options, tensors):
    dtype, wanted = dtype_of(options), options["adversarial"]
    vae, perceptual = load(options)
    model = patch_discriminator(wanted["channels"], wanted["layers"])
    model.load_state_dict({n[14:]: t for n, t in tensors.items() if n.startswith("discriminator.")}, strict=False)
    model.to(dtype)

    def adamw(parameters, own):
        betas = (own["beta1"], own["beta2"])
        return torch.optim.AdamW(parameters, lr=own["learningRate"], betas=betas, eps=own["eps"], weight_decay=own["weightDecay"])

    first, second = adamw(vae.parameters(), options["generator"]), adamw(model.parameters(), options["discriminator"])
    last, losses, step = vae.decoder.conv_out.weight, [], 0
    while f"{step}.images" in tensors:
        images, noise = images_of(tensors[f"{step}.images"], dtype), tensors[f"{step}.posterior_noise"].to(dtype)
        terms, weights, results = vae_loss(vae, perceptual, options, images, noise)
        reconstruction = results["reconstruction"]
        rated = sum(weights[name] * terms[name] for name in ("recon", "perceptual") if name in terms)
        generator = -model.main(reconstruction).mean()
        pull = lambda loss: torch.autograd.grad(loss, last, retain_graph=True)[0].norm()  # noqa: E731
        balance = (pull(rated) / (pull(generator) + 1e-4)).clamp(0, 1e4).detach()
        total = sum(weights[name] * term for name, term in terms.items()) + wanted["weight"] * balance * generator
        first.zero_grad()
        total.backward()
        real, fake = model.main(images), model.main(reconstruction.detach())
        hinge = 0.5 * ((1 - real).relu().mean() + (1 + fake).relu().mean())
        second.zero_grad()
        hinge.backward()
        first.step()
        second.step()
        values = {**terms, "generator": balance * generator, "discriminator": hinge, "total": total}
        losses.append({name: value.item() for name, value in values.items()})
        step += 1
    results = {f"vae.{n}": p for n, p in vae.named_parameters()}
    return {"losses": losses}, results | {f"discriminator.{n}": p for n, p in model.named_parameters()}


if __name__ == "__main__":
    run(program)
