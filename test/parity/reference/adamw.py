"""Optimizer steps: torch's AdamW and clip_grad_norm_, diffusers' learning-rate schedule and EMAModel.

input.json
  learningRate, beta1, beta2, eps, weightDecay, maxGradNorm (0 = no clipping), emaDecay (0 = no EMA)
  schedule: {type, warmupSteps, totalSteps, cycles}
  and either
    gradients as tensors (`steps`: how many), or
    objective: "vae" | "unet" with the keys of vae_loss.py or unet_loss.py: real training, losses and all
input.safetensors
  tensors:   param.NAME; grad.K.NAME for step K = 0 …
  objective: for step K the batch of vae_loss.py or unet_loss.py, each name prefixed `K.` (or `K.M.` for
             micro-batch M; the gradient is then the mean over the micro-batches); text_projection.* as is
output.json
  learningRates, gradNorms (before clipping), losses (objective): one entry a step
output.safetensors
  param.NAME, exp_avg.NAME, exp_avg_sq.NAME and, with EMA, ema.NAME: after the last step
"""

import torch
from diffusers.training_utils import EMAModel
from reference_io import dtype_of, images_of, run
from schedules import attach_schedule


def objective_of(options, tensors):
    """({name: trained parameter}, function of a batch of tensors giving {term: unweighted value} and the total)."""
    dtype = dtype_of(options)
    if options["objective"] == "vae":
        from vae_loss import load, vae_loss

        vae, perceptual = load(options)

        def compute(batch):
            terms, weights, _ = vae_loss(vae, perceptual, options, images_of(batch["images"], dtype), batch["posterior_noise"].to(dtype))
            return terms, sum(weights[name] * term for name, term in terms.items())

        return {n: p for n, p in vae.named_parameters() if p.requires_grad}, compute
    from inpainting import Models, training_schedule
    from unet_loss import unet_loss

    models, schedule = Models(options, tensors, dtype), training_schedule(options)

    def compute(batch):
        losses, _ = unet_loss(models, schedule, options, batch)
        return {"denoising": losses["denoising"]}, losses["total"]

    return models.trained(), compute


def batches_of(tensors, step):
    """The micro-batches of a step, in order."""
    own = {name[len(f"{step}.") :]: tensor for name, tensor in tensors.items() if name.startswith(f"{step}.")}
    if "images" in own:
        return [own]
    count = 1 + max(int(name.split(".")[0]) for name in own)
    return [{name[len(f"{m}.") :]: t for name, t in own.items() if name.startswith(f"{m}.")} for m in range(count)]


def program(options, tensors):
    if "objective" in options:
        parameters, compute = objective_of(options, tensors)
        steps = 1 + max(int(name.split(".")[0]) for name in tensors if name[0].isdigit())
    else:
        dtype = dtype_of(options)
        parameters = {name[6:]: torch.nn.Parameter(t.to(dtype)) for name, t in tensors.items() if name.startswith("param.")}
        compute, steps = None, options["steps"]

    optimizer = torch.optim.AdamW(
        parameters.values(),
        lr=options["learningRate"],
        betas=(options.get("beta1", 0.9), options.get("beta2", 0.999)),
        eps=options.get("eps", 1e-8),
        weight_decay=options.get("weightDecay", 0.01),
    )
    schedule = attach_schedule(options["schedule"], optimizer)
    ema = EMAModel(parameters.values(), decay=options["emaDecay"]) if options.get("emaDecay", 0) > 0 else None
    values = {"learningRates": [], "gradNorms": [], "losses": []}
    for step in range(steps):
        optimizer.zero_grad()
        if compute:
            micro, sums = batches_of(tensors, step), {}
            for batch in micro:
                terms, total = compute(batch)
                (total / len(micro)).backward()
                for name, value in {**terms, "total": total}.items():
                    sums[name] = sums.get(name, 0.0) + value.item() / len(micro)
            values["losses"].append(sums)
        else:
            for name, parameter in parameters.items():
                parameter.grad = tensors[f"grad.{step}.{name}"].to(parameter.dtype).clone()
        limit = options.get("maxGradNorm", 0) or float("inf")
        values["gradNorms"].append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), limit)))
        values["learningRates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        if ema:
            ema.step(parameters.values())

    results = {}
    for index, (name, parameter) in enumerate(parameters.items()):
        state = optimizer.state[parameter]
        results |= {f"param.{name}": parameter, f"exp_avg.{name}": state["exp_avg"], f"exp_avg_sq.{name}": state["exp_avg_sq"]}
        if ema:
            results[f"ema.{name}"] = ema.shadow_params[index]
    return values, results


if __name__ == "__main__":
    run(program)
