"""The autoencoder's loss and its gradients.

input.json
  vae: model folder; vgg: model folder (needed when perceptualWeight > 0)
  reduction: "mean" | "sum"; reconstruction: "mse" | "l1"; klWeight; perceptualWeight
  perceptual: "lpips" | "vgg16"; freeze: module names without gradient (default none); gradients; precision
input.safetensors
  images uint8 [B,H,W,3] (or float32 [B,3,H,W] in [-1,1]); posterior_noise float32 [B,C,h,w]
output.json
  losses: {total, recon, kl, perceptual}: the terms unweighted, under the reduction
  termGradNorms: {recon, kl, perceptual}: gradient norm of each weighted term; gradNorm, gradNorms
output.safetensors
  moments, latents, reconstruction, grad.NAME

`mean` averages every term over its own elements. `sum` is latent-diffusion's (and diffusers' training script's)
form: sums over pixels and latents divided by the batch, where the perceptual distance of an image is added to
each of its pixels before the sum.
"""

from perceptual import perceptual_distance
from reference_io import dtype_of, gradient_norm, gradients, images_of, load_model, run


def freeze(model, modules):
    for name in modules:
        for parameter in model.get_submodule(name).parameters():
            parameter.requires_grad_(False)


def vae_loss(vae, perceptual, options, images, noise):
    """({term: unweighted scalar}, {term: weight}, results). `perceptual` is a function or None."""
    posterior = vae.encode(images).latent_dist
    latents = posterior.mean + posterior.std * noise
    reconstruction = vae.decode(latents).sample
    difference = reconstruction - images
    error = difference.square() if options["reconstruction"] == "mse" else difference.abs()
    batch = images.shape[0]
    distance = perceptual(reconstruction, images) if perceptual else None
    if options["reduction"] == "mean":
        terms = {"recon": error.mean(), "kl": posterior.kl().mean() / latents[0].numel()}
        if perceptual:
            terms["perceptual"] = distance.mean()
    else:
        terms = {"recon": error.sum() / batch, "kl": posterior.kl().sum() / batch}
        if perceptual:
            terms["perceptual"] = distance.view(-1, 1, 1, 1).expand_as(error).sum() / batch
    weights = {"recon": 1.0, "kl": options["klWeight"], "perceptual": options["perceptualWeight"]}
    return terms, weights, {"moments": posterior.parameters, "latents": latents, "reconstruction": reconstruction}


def load(options):
    dtype = dtype_of(options)
    vae = load_model(options["vae"], "vae", dtype)
    freeze(vae, options.get("freeze", []))
    wanted = options["perceptualWeight"] > 0
    return vae, perceptual_distance(options.get("perceptual", "lpips"), options["vgg"], dtype) if wanted else None


def program(options, tensors):
    dtype = dtype_of(options)
    vae, perceptual = load(options)
    trained = {name: parameter for name, parameter in vae.named_parameters() if parameter.requires_grad}
    terms, weights, results = vae_loss(vae, perceptual, options, images_of(tensors["images"], dtype), tensors["posterior_noise"].to(dtype))
    norms = {name: gradient_norm(weights[name] * term, trained.values()) for name, term in terms.items()}
    total = sum(weights[name] * term for name, term in terms.items())
    total.backward()
    values, grads = gradients(trained, options.get("gradients", []))
    losses = {"total": total.item(), **{name: term.item() for name, term in terms.items()}}
    return {"losses": losses, "termGradNorms": norms, **values}, {**results, **grads}


if __name__ == "__main__":
    run(program)
