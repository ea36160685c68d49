"""Cases for scripts/export_models.py and scripts/verify_export.py; run by export-models.test.ts.

    python -m unittest -v export_models_cases     (in this folder)
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import export_models  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import verify_export  # noqa: E402
from model_graphs import load_graph, read_model_folder  # noqa: E402
from model_presets import PRESETS  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()


def call(program, *arguments):
    """(exit code, what went to stdout, what went to stderr); the exporter's children write to the files too."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = program.main([str(a) for a in arguments])
            except SystemExit as exit_:
                code = exit_.code
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def export(*arguments):
    return call(export_models, *arguments)


class Cases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="export-models-"))
        cls.tiny = cls.root / "tiny"
        code, cls.said, errors = export("--preset", "tiny", "--out", cls.tiny)
        assert code == 0, errors

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def verify(self, *arguments):
        code, out, errors = call(verify_export, *arguments)
        result = json.loads(out)
        self.assertEqual(code, 0 if result["ok"] else 1, errors)
        return result

    def copy_of(self, kind, name):
        folder = self.root / name / kind
        shutil.copytree(self.tiny / kind, folder)
        return folder

    def test_every_folder_is_complete_and_verified(self):
        result = self.verify(self.tiny)
        self.assertTrue(result["ok"], result)
        self.assertEqual([m["kind"] for m in result["models"]], ["glyph_encoder", "unet", "vae", "vgg16"])
        for model in result["models"]:
            folder = Path(model["folder"])
            names = sorted(p.name for p in folder.iterdir())
            self.assertEqual(names, ["README.md", "config.json", "graph.pt", "metadata.json", "model.safetensors", "stages.pt"])
            self.assertEqual((folder / "model.safetensors").stat().st_mode & 0o777, 0o644)

    def test_graphs_hold_no_weights_and_no_paths(self):
        for kind in PRESETS["tiny"]:
            graph = torch.jit.load(str(self.tiny / kind / "graph.pt"))
            self.assertTrue(all(p.numel() == 0 for p in graph.parameters()))
            named = {name for name, _ in graph.named_parameters()}
            weights = set(load_file(str(self.tiny / kind / "model.safetensors")))
            extra = {f"lin{i}.weight" for i in range(5)} if kind == "vgg16" else set()
            self.assertEqual(named, weights - extra)
            content = (self.tiny / kind / "graph.pt").read_bytes()
            self.assertNotIn(b"site-packages", content)
            self.assertNotIn(str(Path(export_models.__file__).parent).encode(), content)

    def test_gradients_through_the_graph_equal_eager(self):
        from model_graphs import load_strictly

        kind, config, weights = read_model_folder(self.tiny / "unet")
        graph, eager = load_graph(self.tiny / "unet" / "graph.pt", {n: t.clone() for n, t in weights.items()}), load_strictly(kind, config, weights)
        torch.manual_seed(0)
        sample, times, condition = torch.randn(3, 9, 4, 10), torch.tensor([1, 400, 999]), torch.randn(3, 7, 64)
        graph(sample, times, condition).square().mean().backward()
        eager(sample, times, condition, return_dict=False)[0].square().mean().backward()
        expected = {name: p.grad for name, p in eager.named_parameters()}
        for name, parameter in graph.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-7, msg=name)

    def test_a_vae_on_folded_pixels_is_diffusers_own_on_unfolded_ones(self):
        from diffusers import AutoencoderKL

        code, _, errors = export("--preset", "document-small", "--out", self.root / "folded", "--only", "vae")
        self.assertEqual(code, 0, errors)
        self.assertTrue(self.verify(self.root / "folded")["ok"])
        _, config, weights = read_model_folder(self.root / "folded/vae")
        self.assertEqual(config["space_to_depth"], 2)
        plain = AutoencoderKL.from_config({k: v for k, v in config.items() if k != "space_to_depth"}).eval()
        plain.load_state_dict(weights, strict=True)
        graph = load_graph(self.root / "folded/vae/graph.pt", {n: t.clone() for n, t in weights.items()})
        torch.manual_seed(1)
        pixels, latents = torch.rand(2, 3, 20, 28) * 2 - 1, torch.randn(2, 4, 5, 7)
        with torch.no_grad():
            moments = plain.encode(torch.nn.functional.pixel_unshuffle(pixels, 2)).latent_dist.parameters
            image = torch.nn.functional.pixel_shuffle(plain.decode(latents).sample, 2)
            torch.testing.assert_close(graph.encode(pixels), moments, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(graph.decode(latents), image, rtol=1e-4, atol=1e-5)
        self.assertEqual(tuple(moments.shape[-2:]), (5, 7))

    def test_a_second_run_does_nothing_and_the_same_call_gives_the_same_bytes(self):
        before = (self.tiny / "unet" / "metadata.json").stat().st_mtime_ns
        code, out, _ = export("--preset", "tiny", "--out", self.tiny)
        self.assertEqual((code, out.count("already there")), (0, 4))
        self.assertEqual((self.tiny / "unet" / "metadata.json").stat().st_mtime_ns, before)
        export("--preset", "tiny", "--out", self.root / "again", "--only", "unet")
        for name in ("graph.pt", "stages.pt", "model.safetensors", "config.json"):
            self.assertEqual((self.root / "again/unet" / name).read_bytes(), (self.tiny / "unet" / name).read_bytes(), name)

    def test_an_ended_export_leaves_nothing_behind(self):
        out = self.root / "ended"
        (out / "vae.tmp-999999999").mkdir(parents=True)
        command = [sys.executable, export_models.__file__, "--preset", "tiny", "--out", str(out)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not any(p.name.startswith("vae.tmp-") and p.name != "vae.tmp-999999999" for p in out.iterdir()):
            self.assertIsNone(process.poll(), "the export ended before it wrote anything")
            time.sleep(0.005)
        process.terminate()
        self.assertEqual(process.wait(60), 130)
        self.assertEqual([p.name for p in out.iterdir() if ".tmp-" in p.name], [])

    def test_the_seed_decides_the_weights(self):
        export("--preset", "tiny", "--out", self.root / "seeded", "--only", "vae", "--seed", "1")
        one, two = (load_file(str(p / "vae/model.safetensors")) for p in (self.tiny, self.root / "seeded"))
        self.assertFalse(torch.equal(one["encoder.conv_in.weight"], two["encoder.conv_in.weight"]))

    def test_changed_weights_are_kept_unless_forced(self):
        folder = self.copy_of("vae", "trained")
        weights = load_file(str(folder / "model.safetensors"))
        weights["encoder.conv_in.bias"] += 1
        save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
        code, _, errors = export("--preset", "tiny", "--out", folder.parent, "--only", "vae")
        self.assertEqual(code, 1)
        self.assertIn("--force", errors)
        kept = load_file(str(folder / "model.safetensors"))
        self.assertTrue(torch.equal(kept["encoder.conv_in.bias"], weights["encoder.conv_in.bias"]))
        self.assertEqual(export("--preset", "tiny", "--out", folder.parent, "--only", "vae", "--force")[0], 0)
        self.assertTrue(self.verify(folder)["ok"])

    def test_verify_finds_what_is_wrong(self):
        folder = self.copy_of("vae", "wrong")
        weights = load_file(str(folder / "model.safetensors"))
        config = json.loads((folder / "config.json").read_text())

        def error():
            result = self.verify(folder, "--no-checksums")
            return result["models"][0].get("error", "")

        (folder / "config.json").write_text(json.dumps({**config, "norm_num_groups": 4}))
        self.assertIn("differ", error())
        (folder / "config.json").write_text(json.dumps(config))
        self.assertEqual(error(), "")

        save_file({n: t for n, t in weights.items() if n != "quant_conv.bias"}, str(folder / "model.safetensors"))
        self.assertIn("quant_conv.bias", error())
        save_file({**weights, "stray": torch.zeros(1)}, str(folder / "model.safetensors"))
        self.assertIn("stray", error())
        save_file({**weights, "quant_conv.bias": torch.full((8,), float("nan"))}, str(folder / "model.safetensors"))
        self.assertIn("not finite", error())
        self.assertIn("checksum", self.verify(folder)["models"][0]["error"])
        self.assertFalse(self.verify(self.root / "nowhere")["ok"])

    def test_a_diffusers_pipeline_folder_gives_its_weights(self):
        from diffusers import AutoencoderKL, UNet2DConditionModel

        torch.manual_seed(3)
        vae = AutoencoderKL.from_config(PRESETS["tiny"]["vae"])
        unet = UNet2DConditionModel.from_config(PRESETS["tiny"]["unet"])
        source = self.root / "pipeline"
        torch.nn.Module.half(vae).save_pretrained(str(source / "vae"))
        unet.save_pretrained(str(source / "unet"))
        code, _, errors = export("--from", source, "--out", self.root / "from-pipeline")
        self.assertEqual(code, 0, errors)
        self.assertTrue(self.verify(self.root / "from-pipeline")["ok"])
        for kind, model in (("vae", vae), ("unet", unet)):
            written = load_file(str(self.root / "from-pipeline" / kind / "model.safetensors"))
            self.assertEqual({t.dtype for t in written.values()}, {torch.float32})
            self.assertTrue(all(torch.equal(written[n], t.float()) for n, t in model.state_dict().items()))
            config = (self.root / "from-pipeline" / kind / "config.json").read_text()
            self.assertNotIn(str(self.root), config)
        self.assertIn("already there", export("--from", source, "--out", self.root / "from-pipeline")[1])
        # and diffusers loads the folder as it is
        again = UNet2DConditionModel.from_config(json.loads((self.root / "from-pipeline/unet/config.json").read_text()))
        again.load_state_dict(load_file(str(self.root / "from-pipeline/unet/model.safetensors")), strict=True)

    def test_a_folder_of_this_script_is_a_source_too(self):
        code, _, errors = export("--from", self.tiny, "--out", self.root / "from-own", "--only", "vae,glyph_encoder")
        self.assertEqual(code, 0, errors)
        for kind in ("vae", "glyph_encoder"):
            one, two = (load_file(str(p / kind / "model.safetensors")) for p in (self.tiny, self.root / "from-own"))
            self.assertTrue(all(torch.equal(one[n], two[n]) for n in one))

    def test_a_unet_with_four_input_channels_is_refused(self):
        from diffusers import UNet2DConditionModel

        source = self.root / "text-to-image"
        UNet2DConditionModel.from_config({**PRESETS["tiny"]["unet"], "in_channels": 4}).save_pretrained(str(source / "unet"))
        code, _, errors = export("--from", source, "--out", self.root / "refused")
        self.assertEqual(code, 1)
        self.assertIn("takes 4 input channels, inpainting needs 9", errors)
        self.assertNotIn("Traceback", errors)
        self.assertEqual(list((self.root / "refused").glob("*")), [])

    def test_missing_weights_in_a_source_are_refused(self):
        from diffusers import AutoencoderKL

        source = self.root / "incomplete"
        AutoencoderKL.from_config(PRESETS["tiny"]["vae"]).save_pretrained(str(source))
        path = source / "diffusion_pytorch_model.safetensors"
        weights = load_file(str(path))
        del weights["decoder.conv_out.weight"]
        save_file(weights, str(path), metadata={"format": "pt"})
        code, _, errors = export("--from", source, "--out", self.root / "from-incomplete")
        self.assertEqual(code, 1)
        self.assertIn("decoder.conv_out.weight", errors)

    def encoder_config(self):
        return {**PRESETS["tiny"]["glyph_encoder"], "image_size": 32}

    def check_encoder(self, source, encoder, name, size):
        code, _, errors = export("--from", source, "--out", self.root / name)
        self.assertEqual(code, 0, errors)
        self.assertTrue(self.verify(self.root / name)["ok"])
        written = load_file(str(self.root / name / "glyph_encoder/model.safetensors"))
        expected = {n: t for n, t in encoder.state_dict().items() if not n.startswith("pooler.")}
        self.assertEqual(set(written), set(expected))
        self.assertTrue(all(torch.equal(written[n], t) for n, t in expected.items()))
        metadata = json.loads((self.root / name / "glyph_encoder/metadata.json").read_text())
        pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            wanted = encoder.eval()(pixel_values=pixels).last_hidden_state
            got = load_graph(self.root / name / "glyph_encoder/graph.pt", written)(pixels)
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)
        self.assertEqual((metadata["tokens"], metadata["hiddenSize"]), tuple(got.shape[1:]))

    def test_the_encoder_of_a_trocr_folder(self):
        from transformers import TrOCRConfig, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig

        torch.manual_seed(4)
        decoder = TrOCRConfig(vocab_size=50, d_model=32, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, cross_attention_hidden_size=96)
        config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**self.encoder_config()), decoder)
        model = VisionEncoderDecoderModel(config)
        model.save_pretrained(str(self.root / "trocr"))
        self.check_encoder(self.root / "trocr", model.encoder, "from-trocr", 32)

    def test_the_hubs_older_vit_names(self):
        from transformers import ViTConfig, ViTModel

        torch.manual_seed(5)
        model = ViTModel(ViTConfig(**self.encoder_config()), add_pooling_layer=False)
        model.save_pretrained(str(self.root / "vit"))
        stored = load_file(str(self.root / "vit/model.safetensors"))
        self.assertTrue(any("encoder.layer.0." in name for name in stored), sorted(stored)[:5])
        self.check_encoder(self.root / "vit", model, "from-vit", 32)

    def test_a_deit_folder(self):
        from transformers import DeiTConfig, DeiTModel

        torch.manual_seed(6)
        model = DeiTModel(DeiTConfig(**self.encoder_config()), add_pooling_layer=False)
        model.save_pretrained(str(self.root / "deit"))
        self.check_encoder(self.root / "deit", model, "from-deit", 32)

    def torchvision_vgg16(self):
        from model_graphs import build_model

        torch.manual_seed(7)
        weights = {**build_model("vgg16", {"width": 1.0}).state_dict(), "classifier.0.weight": torch.zeros(2, 2)}
        torch.save(weights, self.root / "vgg16.pth")
        return weights

    def test_given_vgg16_and_lpips_weights(self):
        backbone = self.torchvision_vgg16()
        channels = (64, 128, 256, 512, 512)
        linear = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}
        torch.save(linear, self.root / "lin.pth")
        save_file(linear, str(self.root / "lin.safetensors"))
        for name in ("lin.pth", "lin.safetensors"):
            out = self.root / f"given-{name}"
            code, _, errors = export("--only", "vgg16", "--vgg-weights", self.root / "vgg16.pth", "--lpips-weights", self.root / name, "--out", out)
            self.assertEqual(code, 0, errors)
            _, config, weights = read_model_folder(out / "vgg16")
            self.assertEqual((config["backbone"], config["calibrated"], config["channels"]), ("vgg16", True, list(channels)))
            self.assertTrue(torch.equal(weights["features.28.weight"], backbone["features.28.weight"]))
            self.assertTrue(torch.equal(weights["lin3.weight"], linear["lin3.model.1.weight"]))
            self.assertNotIn("not LPIPS", (out / "vgg16/README.md").read_text())
        self.assertTrue(self.verify(out)["ok"])

    def test_random_vgg16_never_calls_itself_lpips(self):
        _, config, weights = read_model_folder(self.tiny / "vgg16")
        self.assertEqual((config["backbone"], config["calibrated"]), ("random-vgg", False))
        self.assertTrue(torch.equal(weights["lin0.weight"], torch.full((1, 8, 1, 1), 1 / 8)))
        self.assertIn("not LPIPS", (self.tiny / "vgg16/README.md").read_text())

    def test_lpips_weights_of_another_width_are_refused(self):
        self.torchvision_vgg16()
        save_file({f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate((64, 128, 256, 512, 512))}, str(self.root / "wide.safetensors"))
        code, _, errors = export("--preset", "tiny", "--only", "vgg16", "--lpips-weights", self.root / "wide.safetensors", "--out", self.root / "narrow")
        self.assertEqual(code, 1)
        self.assertIn("(1, 8, 1, 1)", errors)

    def test_wrong_calls_say_what_to_change(self):
        for arguments, reason in (
            (["--out", self.root / "x"], "--preset"),
            (["--out", self.root / "x", "--preset", "tiny", "--only", "clip"], "known are"),
            (["--out", self.root / "x", "--from", self.root / "absent"], "no such folder"),
            (["--out", self.root / "x", "--from", self.root], "neither"),
            (["--out", self.root / "x", "--from", self.tiny / "vae", "--only", "unet"], "holds no unet"),
            (["--out", self.root / "x", "--preset", "tiny", "--only", "vgg16", "--vgg-weights", self.root / "absent.pth"], "no such file"),
        ):
            code, _, errors = export(*arguments)
            self.assertEqual(code, 1, arguments)
            self.assertIn(reason, errors)
        self.assertFalse((self.root / "x").exists())


if __name__ == "__main__":
    unittest.main()
