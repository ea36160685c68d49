"""LPIPS through the pip package `lpips`, and the plain VGG16 feature distance, both on a vgg16 model folder.

lpips takes its VGG16 from torchvision, which is not installed here: a stand-in module hands it the folder's.
Its training code, which would ask for SciPy, is left out. The package's own linear weights are replaced by the folder's, so any width works.
"""

import sys
import types

import torch
from reference_io import load_model, read_model_folder
from torch import nn


def load_lpips(folder, dtype):
    """pip lpips' LPIPS(net="vgg") with backbone and linear weights of a model folder."""
    _, config, weights = read_model_folder(folder)
    features = nn.Sequential(*load_model(folder, "vgg16", torch.float32).features)

    models = types.ModuleType("torchvision.models")
    models.vgg16 = lambda pretrained=False: types.SimpleNamespace(features=features)
    torchvision = types.ModuleType("torchvision")
    torchvision.models = models
    stand_ins = {"torchvision": torchvision, "torchvision.models": models, "lpips.trainer": types.ModuleType("lpips.trainer")}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        import lpips

        # where an earlier call has imported lpips, it still holds that call's stand-in
        lpips.pretrained_networks.tv = models
        metric = lpips.LPIPS(pretrained=False, net="vgg", verbose=False)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    for index, layer in enumerate(metric.lins):
        layer.model[-1].weight = nn.Parameter(weights[f"lin{index}.weight"].clone(), requires_grad=False)
    return metric.eval().requires_grad_(False).to(dtype)


def lpips_distance(metric, images, targets):
    """[B]; images and targets [B,3,H,W] in [-1,1]."""
    return metric(images, targets).flatten()


def vgg_distance(network, images, targets):
    """[B]: sum over the five layers of the mean squared difference; ImageNet's normalisation."""
    shift = torch.tensor([0.485, 0.456, 0.406], dtype=images.dtype).view(1, 3, 1, 1)
    scale = torch.tensor([0.229, 0.224, 0.225], dtype=images.dtype).view(1, 3, 1, 1)
    prepare = lambda x: ((x + 1) / 2 - shift) / scale  # noqa: E731
    pairs = zip(network(prepare(images)), network(prepare(targets)))
    return sum((a - b).square().flatten(1).mean(1) for a, b in pairs)


def perceptual_distance(kind, folder, dtype):
    """A function (images, targets) -> [B]; kind "lpips" or "vgg16"."""
    if kind == "lpips":
        metric = load_lpips(folder, dtype)
        return lambda images, targets: lpips_distance(metric, images, targets)
    network = load_model(folder, "vgg16", dtype).requires_grad_(False)
    return lambda images, targets: vgg_distance(network, images, targets)
