"""Perceptual distance and its gradient to the first image.

input.json         vgg: model folder; kind: "lpips" | "vgg16"; precision
input.safetensors  images, targets: float32 [B,3,H,W] in [-1,1] (or uint8 [B,H,W,3])
output.json        distance: [B numbers]
output.safetensors distance [B]; grad.images [B,3,H,W]: gradient of the sum over the batch
"""

from perceptual import perceptual_distance
from reference_io import dtype_of, images_of, run


def program(options, tensors):
    dtype, kind = dtype_of(options), options.get("kind", "lpips")
    images = images_of(tensors["images"], dtype).clone().requires_grad_(True)
    targets = images_of(tensors["targets"], dtype)
    distance = perceptual_distance(kind, options["vgg"], dtype)(images, targets)
    distance.sum().backward()
    return {"distance": distance.tolist()}, {"distance": distance, "grad.images": images.grad}


if __name__ == "__main__":
    run(program)
