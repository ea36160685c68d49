"""Learning-rate schedules of diffusers and the noise schedule of Stable Diffusion 2.

input.json   schedules: [{type, warmupSteps, totalSteps, cycles}]; steps: how many optimizer steps to list
             snrGamma (optional)
output.json  factors: for each schedule, the factor of the base learning rate at steps 0 … steps-1
output.safetensors
             alphas_cumprod float32 [1000]; snr float32 [1000]
             snr_weight.epsilon, snr_weight.v_prediction float32 [1000] (with snrGamma)
"""

import torch
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_snr
from inpainting import training_schedule
from reference_io import run


def attach_schedule(options, optimizer):
    """diffusers' schedule for an optimizer."""
    return get_scheduler(
        options["type"],
        optimizer,
        num_warmup_steps=options.get("warmupSteps", 0),
        num_training_steps=options["totalSteps"],
        num_cycles=options.get("cycles", 1),
    )


def factors(options, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, result = attach_schedule(options, optimizer), []
    for _ in range(steps):
        result.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return result


def program(options, _):
    noise = training_schedule({})
    snr = compute_snr(noise, torch.arange(1000))
    results = {"alphas_cumprod": noise.alphas_cumprod, "snr": snr}
    if "snrGamma" in options:
        clipped = snr.clamp(max=options["snrGamma"])
        results |= {"snr_weight.epsilon": clipped / snr, "snr_weight.v_prediction": clipped / (snr + 1)}
    return {"factors": [factors(s, options["steps"]) for s in options.get("schedules", [])]}, results


if __name__ == "__main__":
    run(program)
