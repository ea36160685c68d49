"""Sampling with one of diffusers' schedulers under SD2's configuration, from given noise to the image.

input.json
  vae, unet, glyphEncoder: model folders; predictionType; maskedFill; scalingFactor; precision
  sampler: ddim (default), dpmpp_2m, unipc
  steps; guidanceScale (1 = none); strength (1 = pure noise); changeScale (1 = all of the change to a draft)
input.safetensors
  images, masks, glyphs, text_projection.*: as unet_loss.py has them; noise float32 [B,C,h,w]
output.json
  timesteps: those that were run
output.safetensors
  latents [B,C,h,w] (scaled, final); steps [N,B,C,h,w]: the latents after each step
  decoded float32 [B,3,H,W]; images uint8 [B,H,W,3]

Without models ("unet" absent in input.json) only the scheduler runs: input.safetensors has noise [B,C,h,w] and
outputs [N,B,C,h,w], the model's output at each step; latents and steps come out.

The unguided half of guidance gets a condition of zeros, as in training with condition dropout.
"""

import torch
from inpainting import Models, sampling_schedule
from reference_io import dtype_of, run


def timesteps_of(schedule, options):
    """As diffusers' image-to-image and inpainting pipelines cut them by the strength."""
    schedule.set_timesteps(options["steps"])
    kept = min(int(options["steps"] * options.get("strength", 1.0)), options["steps"])
    first = max(options["steps"] - kept, 0)
    if hasattr(schedule, "set_begin_index"):
        schedule.set_begin_index(first)
    return schedule.timesteps[first:]


def sample(models, schedule, options, tensors, timesteps):
    """(final latents, [latents after each step])."""
    images, masks, glyphs = models.batch(tensors)
    latents = tensors["noise"].to(models.dtype)
    masked = models.masked_latents(images, masks, tensors)
    mask = torch.nn.functional.interpolate(masks, size=latents.shape[-2:])
    condition = models.condition(glyphs)
    scale, batch = options.get("guidanceScale", 1.0), latents.shape[0]
    if options.get("strength", 1.0) < 1:
        start = masked if models.masked_fill == "draft" else models.posterior(images).mode() * models.scaling_factor
        latents = schedule.add_noise(start, latents, timesteps[:1].repeat(batch))
    after = []
    for timestep in timesteps:
        t = timestep.repeat(batch)
        output = models.predict(latents, mask, masked, t, condition)
        if scale != 1:
            unguided = models.predict(latents, mask, masked, t, torch.zeros_like(condition))
            output = unguided + scale * (output - unguided)
        latents = schedule.step(output, timestep, latents).prev_sample
        after.append(latents)
    return latents, after


def program(options, tensors):
    dtype, schedule = dtype_of(options), sampling_schedule(options)
    timesteps = timesteps_of(schedule, options)
    values = {"timesteps": timesteps.tolist()}
    if "unet" not in options:
        latents, after = tensors["noise"].to(dtype), []
        for timestep, output in zip(timesteps, tensors["outputs"].to(dtype), strict=True):
            latents = schedule.step(output, timestep, latents).prev_sample
            after.append(latents)
        return values, {"latents": latents, "steps": torch.stack(after)}
    models = Models(options, tensors, dtype)
    with torch.no_grad():
        latents, after = sample(models, schedule, options, tensors, timesteps)
        images, masks, _ = models.batch(tensors)
        masked = models.masked_latents(images, masks, tensors)
        decoded = models.finished(images, masks, tensors, latents, masked, options.get("changeScale", 1.0))
    pixels = ((decoded + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return values, {"latents": latents, "steps": torch.stack(after), "decoded": decoded, "images": pixels}


if __name__ == "__main__":
    run(program)
