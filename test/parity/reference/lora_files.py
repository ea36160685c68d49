"""Adapter files in the libraries they are meant for: what each adds to the weights, and what the UNet then gives.

input.json
  files: {name: {format: "peft" | "diffusers" | "kohya", path}} (peft: the folder)
  model: "unet" (with the keys of ddim.py) or "vae" (vae: the folder)
  layers: names of the layers whose change is written
  save: optional folder; the adapter of `saveFrom` is saved there by peft (peft/) and by diffusers (diffusers/)
input.safetensors
  unet: as ddim.py has them; vae: images
output.json
  config: {name: {r, lora_alpha, use_rslora}} as the library holds them
output.safetensors
  NAME.delta.LAYER: change of the layer's weight; NAME.output: the sampled latents, or the VAE's reconstruction
"""

from pathlib import Path

import torch
from ddim import sample, sampling_schedule, timesteps_of
from diffusers import StableDiffusionPipeline
from inpainting import Models
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from reference_io import dtype_of, images_of, load_model, run


def load_adapter(model, entry, part):
    """The model with the adapter in it; raises when a tensor of the file is left over."""
    path = Path(entry["path"])
    if entry["format"] == "peft":
        return PeftModel.from_pretrained(model, str(path)).base_model.model
    loader = StableDiffusionPipeline
    state, alphas, metadata = loader.lora_state_dict(str(path.parent), weight_name=path.name, return_lora_metadata=True)
    if part == "unet":
        loader.load_lora_into_unet(state, network_alphas=alphas, unet=model, metadata=metadata)
    else:
        model.load_lora_adapter(state, prefix=part, network_alphas=alphas, metadata=metadata)
    return model


def program(options, tensors):
    part, results, configs = options["model"], {}, {}
    for name, entry in options["files"].items():
        if part == "unet":
            models = Models(options, tensors, dtype_of(options))
            model = models.unet = load_adapter(models.unet, entry, part)
        else:
            model = load_adapter(load_model(options["vae"], "vae", dtype_of(options)), entry, part)
        (adapter,) = model.peft_config
        config = model.peft_config[adapter]
        configs[name] = {"r": config.r, "lora_alpha": config.lora_alpha, "use_rslora": config.use_rslora}
        adapted = {n: m for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}
        if sorted(adapted) != sorted(options["layers"]):
            raise SystemExit(f"{name}: adapted are {sorted(adapted)}")
        with torch.no_grad():
            for layer in options["layers"]:
                results[f"{name}.delta.{layer}"] = adapted[layer].get_delta_weight(adapter)
            if part == "unet":
                schedule = sampling_schedule(options)
                results[f"{name}.output"], _ = sample(models, schedule, options, tensors, timesteps_of(schedule, options))
            else:
                results[f"{name}.output"] = model.decode(model.encode(images_of(tensors["images"], torch.float32)).latent_dist.mode()).sample
        if options.get("saveFrom") == name:
            save(model, adapter, Path(options["save"]), part)
    return {"config": configs}, results


def save(model, adapter, folder, part):
    """What the libraries themselves write for this adapter."""
    from diffusers.loaders.lora_base import _pack_dict_with_prefix
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, adapter_name=adapter)
    config = model.peft_config[adapter].to_dict()
    metadata = {key: config[key] for key in ("r", "lora_alpha", "use_rslora", "target_modules", "rank_pattern", "alpha_pattern", "bias", "use_dora")}
    StableDiffusionPipeline.write_lora_layers(
        state_dict=_pack_dict_with_prefix(convert_state_dict_to_diffusers(state), part),
        save_directory=str(folder / "diffusers"),
        is_main_process=True,
        weight_name=None,
        save_function=None,
        safe_serialization=True,
        lora_adapter_metadata=_pack_dict_with_prefix(metadata, part),
    )
    from safetensors.torch import save_file

    (folder / "peft").mkdir(parents=True)
    save_file({f"base_model.model.{key.removeprefix('base_model.model.')}": value for key, value in state.items()}, folder / "peft" / "adapter_model.safetensors")
    model.peft_config[adapter].save_pretrained(str(folder / "peft"))


if __name__ == "__main__":
    run(program)
