#!/usr/bin/env python3
"""Makes model folders: a TorchScript graph without weights, the weights, the configuration, a model card.

    export_models.py --preset tiny --out models/tiny                     random weights, fixed by --seed
    export_models.py --from stable-diffusion-2-inpainting --out models/sd2     real weights of a diffusers pipeline
    export_models.py --from trocr-large-printed --out models/sd2              the encoder of a TrOCR model
    export_models.py --only vgg16 --vgg-weights vgg16.pth --lpips-weights vgg.pth --out models/sd2

OUT gets vae/, unet/, glyph_encoder/ and vgg16/, each with graph.pt, stages.pt, model.safetensors, config.json,
metadata.json and README.md. Each graph is loaded again and compared with the library's own class at another
shape and batch before its folder is put in place. A folder that already holds what is asked for is left alone;
one whose weights were changed since (by training) is never overwritten without --force.

Exit codes: 0 done, 1 something could not be made (the message says what to change), 2 wrong arguments.
"""

import argparse
import hashlib
import importlib.metadata
import json
import math
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from model_presets import KINDS, PRESETS

WRITER = "export_models.py"
TOLERANCE = 1e-4
FILES = ("graph.pt", "stages.pt", "model.safetensors")
HERE = Path(__file__).resolve().parent


class ExportError(Exception):
    """The message says what is wrong and what to change."""


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def tool_version():
    """Changes when anything that decides the content of a model folder does."""
    digest = hashlib.sha256()
    for name in ("export_models.py", "model_graphs.py", "model_presets.py"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def library_versions():
    return {name: importlib.metadata.version(name) for name in ("torch", "diffusers", "transformers", "safetensors")}


# --- what is asked ------------------------------------------------------------------------------------------


def read_json(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"can't read {path}: {error}") from error


def kind_of_folder(folder):
    """Kind of the model that `folder` itself holds, or None."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        return None
    config = read_json(path)
    by_class = {"AutoencoderKL": "vae", "UNet2DConditionModel": "unet"}
    if config.get("_class_name") in by_class:
        return by_class[config["_class_name"]]
    if config.get("model_type") in ("vit", "deit", "vision-encoder-decoder"):
        return "glyph_encoder"
    return None


def find_sources(folder):
    """{kind: folder} of the models in a diffusers pipeline, a transformers folder or a folder of this script."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ExportError(f"--from {folder}: no such folder")
    own = kind_of_folder(folder)
    if own:
        return {own: folder}
    found = {}
    for kind in ("vae", "unet", "glyph_encoder"):
        if (folder / kind).is_dir() and kind_of_folder(folder / kind) == kind:
            found[kind] = folder / kind
    if not found:
        raise ExportError(
            f"--from {folder}: neither a diffusers pipeline (vae/, unet/ with config.json) nor a folder of a ViT, DeiT or TrOCR model"
        )
    return found


def source_hash(folder):
    """One hash over every weights file of a source folder."""
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".safetensors", ".bin"))
    if not files:
        raise ExportError(f"{folder} holds no .safetensors file")
    return hashlib.sha256("".join(sha256(p) for p in files).encode()).hexdigest()


def make_jobs(options):
    """One dictionary per model folder: everything that decides its content, and where real weights come from."""
    sources = find_sources(options.source) if options.source else {}
    only = options.only.split(",") if options.only else None
    for kind in only or ():
        if kind not in KINDS:
            raise ExportError(f"--only {kind}: known are {', '.join(KINDS)}")
    if only is None:
        only = [kind for kind in KINDS if kind in sources or (kind == "vgg16" and options.vgg_weights)] if sources else list(KINDS)
    jobs = []
    for kind in only:
        request = {"kind": kind, "preset": options.preset, "seed": options.seed, "tool": tool_version(), **library_versions()}
        job = {"request": request, "source": None}
        if kind == "vgg16":
            for option, path in (("vggWeights", options.vgg_weights), ("lpipsWeights", options.lpips_weights)):
                if path and not Path(path).is_file():
                    raise ExportError(f"{path}: no such file")
                request[option] = sha256(path) if path else None
        elif options.source:
            if kind not in sources:
                raise ExportError(f"--from {options.source} holds no {kind}; found: {', '.join(sources)}")
            job["source"] = sources[kind]
            request["seed"] = None
            request["from"] = source_hash(sources[kind])
        if not options.preset and not job["source"] and not (kind == "vgg16" and options.vgg_weights):
            raise ExportError(f"{kind}: name a --preset ({', '.join(PRESETS)}) or give weights with --from")
        jobs.append(job)
    return jobs


# --- what is there --------------------------------------------------------------------------------------------


def state_of(folder, request):
    """'absent', 'same', 'other' (made by this script, may be replaced) or 'changed' (trained or foreign)."""
    if not folder.exists():
        return "absent"
    try:
        metadata = json.loads((folder / "metadata.json").read_text())
        # Its own list: another version of this script may have written other files.
        listed = metadata["sha256"].items()
        intact = metadata["writtenBy"] == WRITER and all(sha256(folder / name) == stated for name, stated in listed)
    except (OSError, ValueError, KeyError):
        return "changed"
    if not intact:
        return "changed"
    return "same" if metadata.get("request") == request else "other"


# --- making -------------------------------------------------------------------------------------------------------


def read_tensors(path):
    import torch
    from safetensors.torch import load_file

    if str(path).endswith(".safetensors"):
        return load_file(str(path))
    return torch.load(str(path), map_location="cpu", weights_only=True)


def check_loaded(info, folder, ignored=()):
    """from_pretrained only warns about missing weights; a model folder must have them all."""
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        names = [str(name) for name in info.get(what, ()) if not any(part in str(name) for part in ignored)]
        if names:
            raise ExportError(f"{folder}: {what.replace('_', ' ')} in the weights: {', '.join(sorted(names)[:5])}")


def load_source(kind, folder):
    """A model with the real weights of `folder`, in float32."""
    import torch
    from model_graphs import build_model, check_unet_channels, load_strictly

    config = read_json(folder / "config.json")
    own_folder = (folder / "metadata.json").is_file() and (folder / "model.safetensors").is_file()
    if own_folder:
        weights = {name: tensor.float() for name, tensor in read_tensors(folder / "model.safetensors").items()}
        return load_strictly(kind, config, weights)
    if kind in ("vae", "unet"):
        from diffusers import AutoencoderKL, UNet2DConditionModel

        if kind == "unet":
            with torch.device("meta"):
                check_unet_channels(UNet2DConditionModel.from_config(dict(config)))
        cls = AutoencoderKL if kind == "vae" else UNet2DConditionModel
        arguments = {"local_files_only": True, "torch_dtype": torch.float32, "output_loading_info": True}
        try:
            model, info = cls.from_pretrained(str(folder), **arguments)
        except OSError as error:
            # the plain name that other tools use
            if not (folder / "model.safetensors").is_file():
                raise ExportError(f"{folder}: {error}") from error
            return load_strictly(kind, config, {k: v.float() for k, v in read_tensors(folder / "model.safetensors").items()})
        check_loaded(info, folder)
        return model.eval()
    from transformers import AutoModel, VisionEncoderDecoderModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # missing weights are checked below
    decoder_too = config["model_type"] == "vision-encoder-decoder"
    cls = VisionEncoderDecoderModel if decoder_too else AutoModel
    model, info = cls.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32, output_loading_info=True)
    check_loaded(info, folder, ignored=("pooler.", "decoder.", "enc_to_dec_proj", "classifier.", "cls_classifier", "distillation_classifier"))
    encoder = model.encoder if decoder_too else model
    if encoder.config.model_type not in ("vit", "deit"):
        raise ExportError(f"{folder}: the encoder is a {encoder.config.model_type}; supported are vit and deit")
    weights = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("pooler.")}
    return load_strictly(kind, clean_config(encoder.config.to_dict()), weights)


def clean_config(config):
    """Without what names a local path, the weights' storage type or a task head."""
    left_out = ("_name_or_path", "dtype", "torch_dtype", "architectures", "id2label", "label2id", "problem_type")
    return {key: value for key, value in config.items() if key not in left_out}


def random_model(kind, preset, seed):
    """Random initialisation that depends on the preset and the seed alone."""
    import torch
    from model_graphs import build_model

    torch.manual_seed(seed)
    model = build_model(kind, PRESETS[preset][kind])
    if kind == "glyph_encoder":
        spread_random_encoder(model, PRESETS[preset][kind])
    if kind == "vgg16":
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                torch.nn.init.zeros_(module.bias)
    return model


def spread_random_encoder(model, config):
    """Makes an untrained ViT a usable description of a line of text.

    ViT's own initialisation (standard deviation 0.02) is meant to be trained: position and mixing between tokens
    all but vanish beside the pixels. Here linear layers keep the variance of their input, and positions are
    2-D sines and cosines, so that where a stroke is can be read from the tokens even when the encoder is frozen.
    """
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and parameter.dim() > 1:
                fan_in = math.prod(parameter.shape[1:])
                parameter.normal_(0, 1 / math.sqrt(fan_in))
        size = config["image_size"]
        height, width = size if isinstance(size, list) else (size, size)
        rows, columns, quarter = height // config["patch_size"], width // config["patch_size"], config["hidden_size"] // 4
        frequency = torch.exp(-math.log(100) * torch.arange(quarter) / quarter)
        y = torch.arange(rows).repeat_interleave(columns)[:, None] * frequency
        x = torch.arange(columns).repeat(rows)[:, None] * frequency
        model.embeddings.position_embeddings.zero_()
        model.embeddings.position_embeddings[0, 1:, : 4 * quarter] = torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], dim=1)


def linear_weights(path, channels):
    """LPIPS v0.1's linear weights, lin0 … lin4, each [1,C,1,1]; 1/C everywhere when there is no file."""
    import torch

    if not path:
        return {f"lin{i}.weight": torch.full((1, c, 1, 1), 1 / c) for i, c in enumerate(channels)}
    tensors, result = read_tensors(path), {}
    for index, count in enumerate(channels):
        names = [name for name in (f"lin{index}.model.1.weight", f"lin{index}.model.0.weight", f"lin{index}.weight") if name in tensors]
        if not names:
            raise ExportError(f"{path}: no lin{index}.model.1.weight; LPIPS v0.1 for VGG16 is needed")
        tensor = tensors[names[0]].float()
        if tuple(tensor.shape) != (1, count, 1, 1):
            raise ExportError(f"{path}: {names[0]} has shape {tuple(tensor.shape)}, this VGG16 needs {(1, count, 1, 1)} (width 1)")
        result[f"lin{index}.weight"] = tensor.contiguous()
    return result


def make_vgg16(preset, seed, vgg_weights, lpips_weights):
    """(model, extra tensors, config)."""
    from model_graphs import VGG16_CHANNELS, build_model, load_strictly

    if vgg_weights:
        tensors = {name: tensor.float() for name, tensor in read_tensors(vgg_weights).items() if name.startswith("features.")}
        if "features.0.weight" not in tensors:
            raise ExportError(f"{vgg_weights}: no features.0.weight; a state dict of torchvision's vgg16 is needed")
        config = {"width": tensors["features.0.weight"].shape[0] / VGG16_CHANNELS[0]}
        model = load_strictly("vgg16", config, tensors)
    else:
        config = dict(PRESETS[preset]["vgg16"])
        model = random_model("vgg16", preset, seed)
    config = {
        "kind": "vgg16",
        "backbone": "vgg16" if vgg_weights else "random-vgg",
        **config,
        "channels": model.channels,
        "calibrated": bool(vgg_weights and lpips_weights),
    }
    return model, linear_weights(lpips_weights, model.channels), config


def make_model(job, options):
    """(model, extra tensors, config, where the weights come from)."""
    kind, source = job["request"]["kind"], job["source"]
    by_chance = f"random initialisation, seed {options.seed}"
    if kind == "vgg16":
        model, extra, config = make_vgg16(options.preset, options.seed, options.vgg_weights, options.lpips_weights)
        backbone = Path(options.vgg_weights).name if options.vgg_weights else by_chance
        linear = Path(options.lpips_weights).name if options.lpips_weights else "1/C"
        return model, extra, config, f"backbone: {backbone}; linear weights: {linear}"
    model = load_source(kind, source) if source else random_model(kind, options.preset, options.seed)
    if kind == "glyph_encoder":
        config = clean_config(model.config.to_dict())
    else:
        config = clean_config(json.loads(model.to_json_string()))
    return model, {}, config, f"{source.resolve().name} (sha256 {job['request']['from'][:16]})" if source else by_chance


CARD = """# {name}

{what}

- Weights: {source}
- Parameters: {parameters:,}
- Licence of the weights: {licence}
- Made by `scripts/export_models.py` with torch {torch}, diffusers {diffusers}, transformers {transformers}

## Files

`graph.pt` is TorchScript without weights, `stages.pt` the same network in pieces, for activation checkpointing; `model.safetensors` has them under {library}'s own names, so that
{library} loads it directly with `config.json`. `metadata.json` has the checksums, the methods and their shapes.

## Methods

{methods}
{note}"""

WHAT = {
    "vae": "Autoencoder between pixels and latents (diffusers' AutoencoderKL).",
    "unet": "Denoiser for inpainting (diffusers' UNet2DConditionModel): noisy latents, mask and masked-image latents in, noise or velocity out.",
    "glyph_encoder": "Vision encoder that turns the picture of a text into the condition of the denoiser (transformers' ViT).",
    "vgg16": "VGG16 features for the perceptual loss, and the linear weights of LPIPS.",
}


def methods_of(kind, config):
    """{method: {inputs: [...], output: ...}} with letters for free sizes."""
    if kind == "vae":
        from model_graphs import image_channels, size_multiple

        c, factor, image = config["latent_channels"], size_multiple(kind, config), ["B", image_channels(config), "H", "W"]
        h, w = f"H/{factor}", f"W/{factor}"
        return {
            "encode": {"inputs": [image], "outputs": [["B", 2 * c, h, w]]},
            "decode": {"inputs": [["B", c, h, w]], "outputs": [image]},
        }
    if kind == "unet":
        sample = ["B", config["in_channels"], "h", "w"]
        return {
            "forward": {
                "inputs": [sample, ["B"], ["B", "S", config["cross_attention_dim"]]],
                "outputs": [["B", config["out_channels"], "h", "w"]],
            }
        }
    if kind == "glyph_encoder":
        height, width, tokens = encoder_sizes(config)
        return {
            "forward": {
                "inputs": [["B", config.get("num_channels", 3), height, width]],
                "outputs": [["B", tokens, config["hidden_size"]]],
            }
        }
    outputs = [["B", c, f"H/{2**i}" if i else "H", f"W/{2**i}" if i else "W"] for i, c in enumerate(config["channels"])]
    return {"forward": {"inputs": [["B", 3, "H", "W"]], "outputs": outputs}}


def encoder_sizes(config):
    pair = lambda size: size if isinstance(size, (list, tuple)) else (size, size)  # noqa: E731
    (height, width), (ph, pw) = pair(config["image_size"]), pair(config["patch_size"])
    extra = 2 if config.get("model_type") == "deit" else 1
    return height, width, (height // ph) * (width // pw) + extra


def write_folder(folder, job, options):
    """Makes one model folder beside its place and moves it there when everything in it has been checked."""
    from model_graphs import compare, compare_stages, load_graph, load_strictly, save_graph, size_multiple, trace, trace_stages
    from safetensors.torch import save_file

    request, started = job["request"], time.monotonic()
    kind, versions = request["kind"], library_versions()
    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    remove_leftovers(folder)
    temporary.mkdir(parents=True)
    try:
        model, extra, config, source = make_model(job, options)
        weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
        count = sum(tensor.numel() for tensor in weights.values())
        weights.update(extra)
        save_file(weights, str(temporary / "model.safetensors"), metadata={"format": "pt"})
        (temporary / "model.safetensors").chmod(0o644)
        (temporary / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        del weights
        save_graph(trace(kind, model), temporary / "graph.pt")
        del model

        tensors = read_model_folder_weights(temporary)
        eager = load_strictly(kind, config, tensors)
        compared = compare(kind, eager, load_graph(temporary / "graph.pt", tensors), config)
        errors = {method: relative for method, (_, relative) in compared.items()}
        worst = max(errors.values())
        if not worst <= TOLERANCE:
            raise ExportError(f"graph and eager differ by {worst:.2e} (relative); allowed {TOLERANCE:.0e}")
        stages, plan = trace_stages(kind, eager)
        save_graph(stages, temporary / "stages.pt", {"stages.txt": plan})
        del eager, stages
        found = {"stages.txt": ""}
        staged = load_graph(temporary / "stages.pt", tensors, found)
        difference = compare_stages(kind, load_graph(temporary / "graph.pt", tensors), staged, found["stages.txt"].decode(), config)
        if not difference <= TOLERANCE:
            raise ExportError(f"graph and stages differ by {difference:.2e} (relative); allowed {TOLERANCE:.0e}")
        del staged, tensors

        preset = request["preset"]
        random = job["source"] is None and not (kind == "vgg16" and options.vgg_weights)
        metadata = {
            "name": f"{preset or folder.parent.name}-{kind.replace('_', '-')}",
            "version": "1",
            "kind": kind,
            "preset": preset,
            "seed": request["seed"],
            "source": source,
            "licence": "Apache-2.0 (random numbers, no training data)" if random else "that of the source weights",
            "parameters": count,
            "methods": methods_of(kind, config),
            "sizeMultiple": size_multiple(kind, config),
            "graphError": errors,
            **versions,
            "sha256": {name: sha256(temporary / name) for name in FILES},
            "bytes": {name: (temporary / name).stat().st_size for name in FILES},
            "writtenBy": WRITER,
            "request": request,
        }
        if kind == "glyph_encoder":
            height, width, tokens = encoder_sizes(config)
            metadata |= {"imageHeight": height, "imageWidth": width, "tokens": tokens, "hiddenSize": config["hidden_size"]}
        if kind == "vgg16":
            metadata["perceptual"] = "lpips" if config["calibrated"] else config["backbone"]
        (temporary / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
        (temporary / "README.md").write_text(model_card(metadata))
        put_in_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    seconds = time.monotonic() - started
    print(f"{folder}: {count:,} parameters, graph error {worst:.1e}, {seconds:.1f} s", flush=True)


def read_model_folder_weights(folder):
    from safetensors.torch import load_file

    return load_file(str(folder / "model.safetensors"))


def model_card(metadata):
    lines = []
    for name, shapes in metadata["methods"].items():
        show = lambda shape: "[" + ", ".join(str(size) for size in shape) + "]"  # noqa: E731
        lines.append(f"- `{name}`: {', '.join(map(show, shapes['inputs']))} → {', '.join(map(show, shapes['outputs']))}")
    note = ""
    if metadata["kind"] == "vgg16" and metadata["perceptual"] != "lpips":
        note = f"\nThe backbone is `{metadata['perceptual']}`: distances made with it are not LPIPS and must not be reported as such.\n"
    library = {"vae": "diffusers", "unet": "diffusers", "glyph_encoder": "transformers", "vgg16": "torchvision"}[metadata["kind"]]
    return CARD.format(**{**metadata, "what": WHAT[metadata["kind"]], "methods": "\n".join(lines), "note": note, "library": library})


def remove_leftovers(folder):
    """Temporary folders of exports that were killed."""
    for left in folder.parent.glob(f"{folder.name}.tmp-*"):
        process = left.name.removeprefix(f"{folder.name}.tmp-").split("-")[0]
        if not Path(f"/proc/{process}").exists() or process == str(os.getpid()):
            shutil.rmtree(left, ignore_errors=True)


def put_in_place(temporary, folder):
    """Renames; an existing folder is moved away first and removed only afterwards."""
    old = folder.with_name(f"{folder.name}.tmp-{os.getpid()}-old")
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def in_own_process(work, name):
    """Runs `work` in a forked child: TorchScript numbers its types per process, so the same model gives the same
    file however many were made before; and a large model's memory is gone when the next one starts."""
    import diffusers  # noqa: F401  loaded once, before the fork
    import transformers  # noqa: F401
    from model_graphs import ModelError

    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except (ExportError, ModelError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGINT)
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        raise ExportError(f"{name}: the process was ended by signal {-code}; is there enough memory?")
    if code:
        sys.exit(code)


# --- command line ---------------------------------------------------------------------------------------------------


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=sorted(PRESETS), help="sizes of models with random weights")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="gets one folder per model")
    parser.add_argument("--only", metavar="KINDS", help=f"comma-separated, of {','.join(KINDS)}")
    parser.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="diffusers pipeline or transformers model")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--vgg-weights", type=Path, metavar="FILE", help="torchvision vgg16 state dict, .pth or .safetensors")
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="LPIPS v0.1 linear weights for VGG16")
    parser.add_argument("--force", action="store_true", help="make again, also over changed folders")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    # being told to stop is handled like Ctrl-C: the child is stopped too and removes its temporary folder
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        work = []
        for job in make_jobs(options):
            folder = options.out / job["request"]["kind"]
            state = "absent" if options.force else state_of(folder, job["request"])
            if state == "changed":
                raise ExportError(f"{folder} holds weights that this script did not write; --force replaces them")
            if state == "same":
                print(f"{folder}: already there, nothing to do")
            else:
                work.append((folder, job))
        if not work:
            return 0
        for folder, job in work:
            in_own_process(lambda folder=folder, job=job: write_folder(folder, job, options), folder.name)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
