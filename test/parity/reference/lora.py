"""Training of low-rank adapters with peft: the gradients at the start and some optimizer steps.

input.json
  adapter: folder with adapter_config.json and adapter_model.safetensors to start from
  objective: "vae" | "unet" with the keys of vae_loss.py or unet_loss.py
  learningRate, beta1, beta2, eps, weightDecay, maxGradNorm (0 = no clipping)
input.safetensors
  the batch of step K = 0 … as in adamw.py, each name prefixed `K.`; text_projection.* as is
output.json
  losses, gradNorms: one entry a step; trained: names of all trained parameters
output.safetensors
  grad.NAME at the start, param.NAME after the last step, with peft's names without `base_model.model.`
"""

import torch
from adamw import batches_of, objective_of
from peft import PeftModel
from reference_io import run


def adapted(options, tensors):
    """({name: A or B}, function of a batch). The library's model gets its adapters in place."""
    import inpainting
    import vae_loss

    wrapped = {}

    def wrap(model):
        model.requires_grad_(False)
        wrapped["model"] = PeftModel.from_pretrained(model, options["adapter"], is_trainable=True)

    if options["objective"] == "vae":
        load = vae_loss.load

        def with_adapters(own):
            vae, perceptual = load(own)
            wrap(vae)
            return vae, perceptual

        vae_loss.load = with_adapters
    else:
        init = inpainting.Models.__init__

        def with_adapters(self, own, given, dtype):
            init(self, own, given, dtype)
            self.requires_grad_(False)
            wrap(self.unet)

        inpainting.Models.__init__ = with_adapters
    _, compute = objective_of(options, tensors)
    names = {
        name.removeprefix("base_model.model.").replace(".default", ""): parameter
        for name, parameter in wrapped["model"].named_parameters()
        if parameter.requires_grad
    }
    return names, compute


def program(options, tensors):
    parameters, compute = adapted(options, tensors)
    steps = 1 + max(int(name.split(".")[0]) for name in tensors if name[0].isdigit())
    optimizer = torch.optim.AdamW(
        parameters.values(),
        lr=options["learningRate"],
        betas=(options["beta1"], options["beta2"]),
        eps=options["eps"],
        weight_decay=options["weightDecay"],
    )
    values = {"losses": [], "gradNorms": [], "trained": sorted(parameters)}
    results = {}
    for step in range(steps):
        optimizer.zero_grad()
        (batch,) = batches_of(tensors, step)
        terms, total = compute(batch)
        total.backward()
        if step == 0:
            results |= {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters.items()}
        values["losses"].append({**{name: term.item() for name, term in terms.items()}, "total": total.item()})
        limit = options["maxGradNorm"] or float("inf")
        values["gradNorms"].append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), limit)))
        optimizer.step()
    return values, {**results, **{f"param.{name}": parameter for name, parameter in parameters.items()}}


if __name__ == "__main__":
    run(program)
