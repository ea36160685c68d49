"""What the reference programs share: their input and output folders, model folders, batches.

Every program is run as `python NAME.py IN OUT`. IN holds `input.json` and, where tensors are needed,
`input.safetensors`; OUT gets `output.json` and `output.safetensors`. Nothing is drawn at random: noise and
timesteps are part of the input. One thread, so that sums are taken in the same order every time.

Keys that all programs with models understand:
  precision   "float32" (default) or "float64": the same mathematics with rounding out of the way
  gradients   names of the parameters whose whole gradient is written, as `grad.NAME`
"""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import torch  # noqa: E402
from model_graphs import load_strictly, read_model_folder  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

warnings.filterwarnings("ignore", category=FutureWarning)


def run(program):
    """Calls program(options, tensors) -> (values, tensors) on the folders of the command line."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(sys.argv[0]).name} IN OUT")
    torch.set_num_threads(1)
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    options = json.loads((source / "input.json").read_text())
    tensors = load_file(str(source / "input.safetensors")) if (source / "input.safetensors").exists() else {}
    values, results = program(options, tensors)
    target.mkdir(parents=True, exist_ok=True)
    (target / "output.json").write_text(json.dumps(values, indent=1))
    save_file({name: plain(tensor) for name, tensor in results.items()}, str(target / "output.safetensors"))


def plain(tensor):
    tensor = tensor.detach().clone().contiguous()
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def dtype_of(options):
    return {"float32": torch.float32, "float64": torch.float64}[options.get("precision", "float32")]


def load_model(folder, kind, dtype):
    """The library's class with the folder's weights, every parameter trainable."""
    found, config, weights = read_model_folder(folder)
    if found != kind:
        sys.exit(f"{folder} holds a {found}, a {kind} is needed")
    # the plain module's method: diffusers' own writes a warning
    return torch.nn.Module.to(load_strictly(kind, config, weights), dtype)


def images_of(tensor, dtype):
    """uint8 [B,H,W,3] or float [B,3,H,W] in [-1,1] → float [B,3,H,W] in [-1,1]."""
    if tensor.dtype == torch.uint8:
        return tensor.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1
    return tensor.to(dtype)


def masks_of(tensor, dtype):
    """uint8 [B,H,W] (1 = repaint) or float [B,1,H,W] in [0,1] → 0 or 1, float [B,1,H,W]."""
    if tensor.dtype == torch.uint8:
        return (tensor >= 1).to(dtype)[:, None]
    return (tensor >= 0.5).to(dtype)


def gradients(parameters, names):
    """({"gradNorm", "gradNorms": {name: norm}}, {"grad.NAME": tensor}) of {name: parameter} after a backward."""
    norms = {name: float(p.grad.double().norm()) for name, p in parameters.items() if p.grad is not None}
    unknown = [name for name in names if name not in norms]
    if unknown:
        sys.exit(f"no gradient for {', '.join(unknown)}")
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    return {"gradNorm": total, "gradNorms": norms}, {f"grad.{name}": parameters[name].grad for name in names}


def gradient_norm(loss, parameters):
    """L2 norm of the gradient of one term over all parameters."""
    if not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    return float(sum(g.double().square().sum() for g in found if g is not None) ** 0.5)
