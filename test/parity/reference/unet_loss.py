"""The inpainting UNet's loss and its gradients.

input.json
  vae, unet, glyphEncoder: model folders; predictionType: "epsilon" | "v_prediction"; snrGamma (0 = off)
  maskedWeight (1 = plain mean); maskedFill: "0" | "-1" | "draft"; scalingFactor (default 0.18215)
  pixelWeight, ssimWeight, offsetNoise, inputPerturbation (default 0); trainGlyphEncoder (default false)
  gradients; precision
input.safetensors
  images uint8 [B,H,W,3]; masks uint8 [B,H,W] (1 = repaint); glyphs uint8 [B,Hg,Wg,3]
  (or floats: [B,3,H,W] in [-1,1], [B,1,H,W] in [0,1], [B,3,Hg,Wg] in [-1,1]); drafts as images, for "draft"
  posterior_noise, noise float32 [B,C,h,w]; timesteps int64 [B]; offset_noise [B,C,1,1], perturbation [B,C,h,w] as needed
  text_projection.weight [D,Dg], text_projection.bias [D]: only where the widths differ
output.json
  losses: {total, denoising, pixel and ssim where weighted}; gradNorm; gradNorms (UNet names, text_projection.*, glyph_encoder.*)
output.safetensors
  latents, masked_latents, mask, noisy, unet_input [B,2C+1,h,w], condition, prediction, target, per_sample [B], grad.NAME
"""

import torch
from diffusers.training_utils import compute_snr
from inpainting import Models, training_schedule
from reference_io import dtype_of, gradients, run


def unet_loss(models, schedule, options, tensors):
    """({total, …} of scalars, results)."""
    dtype = models.dtype
    images, masks, glyphs = models.batch(tensors)
    noise, timesteps = tensors["noise"].to(dtype), tensors["timesteps"]
    posterior = models.posterior(images)
    latents = (posterior.mean + posterior.std * tensors["posterior_noise"].to(dtype)) * models.scaling_factor
    masked = models.masked_latents(images, masks, tensors)
    mask = torch.nn.functional.interpolate(masks, size=latents.shape[-2:])
    if options.get("offsetNoise", 0) > 0:
        noise = noise + options["offsetNoise"] * tensors["offset_noise"].to(dtype)
    input_noise = noise
    if options.get("inputPerturbation", 0) > 0:
        input_noise = noise + options["inputPerturbation"] * tensors["perturbation"].to(dtype)
    noisy = schedule.add_noise(latents, input_noise, timesteps)
    condition = models.condition(glyphs)
    prediction = models.predict(noisy, mask, masked, timesteps, condition)
    velocity = options.get("predictionType", "epsilon") == "v_prediction"
    target = schedule.get_velocity(latents, noise, timesteps) if velocity else noise

    error = torch.nn.functional.mse_loss(prediction, target, reduction="none")
    weight = torch.where(mask > 0, options.get("maskedWeight", 1.0), 1.0).to(dtype).expand_as(error)
    per_sample = (error * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
    gamma = options.get("snrGamma", 0)
    if gamma > 0:
        snr = compute_snr(schedule, timesteps)
        clipped = torch.stack([snr, gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0]
        per_sample = per_sample * (clipped / (snr + 1 if velocity else snr)).to(dtype)
    results = {
        "latents": latents,
        "masked_latents": masked,
        "mask": mask,
        "noisy": noisy,
        "unet_input": torch.cat([noisy, mask, masked], dim=1),
        "condition": condition,
        "prediction": prediction,
        "target": target,
        "per_sample": per_sample,
    }
    losses = {"denoising": per_sample.mean()}
    total = losses["denoising"]
    terms = [("pixel", "pixelWeight", pixel_l1), ("ssim", "ssimWeight", pixel_dssim)]
    weighted = [term for term in terms if options.get(term[1], 0) > 0]
    if weighted:
        original = original_of(schedule, noisy, prediction, timesteps)
        painted = models.finished(images, masks, tensors, original, masked)
    for name, weight, term in weighted:
        losses[name] = term(painted, images, masks)
        total = total + options[weight] * losses[name]
    return {"total": total, **losses}, results


def original_of(schedule, noisy, prediction, timesteps):
    """The scheduler's own x0, sample by sample: its step takes one timestep."""
    return torch.cat([
        schedule.step(output[None], t.item(), sample[None]).pred_original_sample
        for output, t, sample in zip(prediction, timesteps, noisy, strict=True)
    ])


def pixel_l1(painted, images, masks):
    inside = masks.expand_as(images) >= 0.5
    return torch.stack([
        torch.nn.functional.l1_loss(p[i], x[i]) for p, x, i in zip(painted, images, inside, strict=True)
    ]).mean()


def pixel_dssim(painted, images, masks):
    """1 - SSIM window by window, of 7 x 7 pixels; Wang et al. 2004."""
    size, c1, c2 = 7, (0.01 * 2) ** 2, (0.03 * 2) ** 2

    def windows(image):
        """[3, h, w, 49]"""
        return image.unfold(1, size, 1).unfold(2, size, 1).flatten(3)

    results = []
    for p, x, m in zip(painted, images, masks, strict=True):
        a, b = windows(p), windows(x)
        variance_a, variance_b = a.var(-1, unbiased=False), b.var(-1, unbiased=False)
        mean_a, mean_b = a.mean(-1), b.mean(-1)
        covariance = ((a - mean_a[..., None]) * (b - mean_b[..., None])).mean(-1)
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
        middle = (m[0, size // 2 : -(size // 2), size // 2 : -(size // 2)] >= 0.5).expand(3, -1, -1)
        results.append((1 - luminance * structure)[middle].mean())
    return torch.stack(results).mean()


def program(options, tensors):
    models = Models(options, tensors, dtype_of(options))
    losses, results = unet_loss(models, training_schedule(options), options, tensors)
    losses["total"].backward()
    values, grads = gradients(models.trained(), options.get("gradients", []))
    return {"losses": {name: loss.item() for name, loss in losses.items()}, **values}, {**results, **grads}


if __name__ == "__main__":
    run(program)
