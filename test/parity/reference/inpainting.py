"""The inpainting model's inputs, as diffusers' inpainting pipeline and DiffUTE prepare them; SD2's schedulers."""

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from reference_io import images_of, load_model, masks_of
from torch import nn

SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def training_schedule(options):
    return DDPMScheduler(**SCHEDULE, prediction_type=options.get("predictionType", "epsilon"))


def sampling_schedule(options):
    """options["sampler"]: ddim (default), dpmpp_2m or unipc; options["timestepSpacing"]: leading (default), trailing."""
    shared = {
        **{name: value for name, value in SCHEDULE.items() if name != "clip_sample"},
        "steps_offset": 1,
        "timestep_spacing": options.get("timestepSpacing", "leading"),
        "prediction_type": options.get("predictionType", "epsilon"),
    }
    match options.get("sampler", "ddim"):
        case "ddim":
            return DDIMScheduler(**shared, clip_sample=False, set_alpha_to_one=False)
        case "dpmpp_2m":
            return DPMSolverMultistepScheduler(**shared, algorithm_type="dpmsolver++", solver_order=2, lower_order_final=True)
        case "unipc":
            return UniPCMultistepScheduler(**shared, solver_order=2, solver_type="bh2")


class Models(nn.Module):
    """VAE, UNet, glyph encoder and, where the widths differ, the projection between the last two."""

    def __init__(self, options, tensors, dtype):
        super().__init__()
        self.vae = load_model(options["vae"], "vae", dtype).requires_grad_(False)
        self.unet = load_model(options["unet"], "unet", dtype)
        self.glyph_encoder = load_model(options["glyphEncoder"], "glyph_encoder", dtype)
        self.glyph_encoder.requires_grad_(options.get("trainGlyphEncoder", False))
        self.text_projection = None
        if "text_projection.weight" in tensors:
            weight, bias = tensors["text_projection.weight"], tensors["text_projection.bias"]
            self.text_projection = nn.Linear(weight.shape[1], weight.shape[0])
            self.text_projection.load_state_dict({"weight": weight, "bias": bias})
            self.text_projection.to(dtype)
        self.scaling_factor = options.get("scalingFactor", 0.18215)
        self.masked_fill = options.get("maskedFill", "0")
        self.dtype = dtype

    def trained(self):
        """{name: parameter}: the UNet by its own names, text_projection.*, glyph_encoder.* where trained."""
        named = dict(self.unet.named_parameters())
        if self.text_projection is not None:
            named.update({f"text_projection.{n}": p for n, p in self.text_projection.named_parameters()})
        named.update({f"glyph_encoder.{n}": p for n, p in self.glyph_encoder.named_parameters() if p.requires_grad})
        return named

    def posterior(self, images):
        with torch.no_grad():
            return self.vae.encode(images).latent_dist

    def drafted(self, images, masks, tensors):
        return torch.where(masks < 0.5, images, images_of(tensors["drafts"], self.dtype))

    def decode(self, latents):
        return self.vae.decode(latents / self.scaling_factor).sample

    def finished(self, images, masks, tensors, latents, masked, change_scale=1.0):
        """The picture of `latents`: with drafts, the draft with the scaled change, less 4 of 255 levels."""
        picture = self.decode(latents)
        if self.masked_fill != "draft":
            return picture
        change = nn.functional.softshrink(picture - self.decode(masked), 4 / 127.5)
        return self.drafted(images, masks, tensors) + change_scale * change

    def masked_latents(self, images, masks, tensors):
        """Of the posterior's mean, scaled."""
        if self.masked_fill == "draft":
            masked = self.drafted(images, masks, tensors)
        elif self.masked_fill == "0":
            masked = images * (masks < 0.5)
        else:  # pixels are blackened first and normalised then
            masked = ((images + 1) * 127.5 * (masks < 0.5)) / 127.5 - 1
        return self.posterior(masked).mode() * self.scaling_factor

    def condition(self, glyphs):
        hidden = self.glyph_encoder(pixel_values=glyphs).last_hidden_state
        return hidden if self.text_projection is None else self.text_projection(hidden)

    def predict(self, noisy, mask, masked, timesteps, condition):
        return self.unet(torch.cat([noisy, mask, masked], dim=1), timesteps, encoder_hidden_states=condition).sample

    def batch(self, tensors):
        """(images, masks, glyphs) as floats."""
        return (
            images_of(tensors["images"], self.dtype),
            masks_of(tensors["masks"], self.dtype),
            images_of(tensors["glyphs"], self.dtype),
        )
