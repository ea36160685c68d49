"""Sends pages through trained autoencoders and measures what is left of their text.

    reconstruct.py REQUEST.json

REQUEST: {"models": {name: folder}, "pages": [{"id", "file", "boxes": [[x0,y0,x1,y1], …]}], "out": folder}
Writes OUT/NAME/ID.png and prints {name: {"psnr": dB over all pixels in text boxes, "psnr_page": dB over whole pages}}.
"""

import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from model_graphs import load_strictly, read_model_folder  # noqa: E402
from PIL import Image  # noqa: E402


def main():
    request = json.loads(Path(sys.argv[1]).read_text())
    result = {}
    for name, folder in request["models"].items():
        kind, config, weights = read_model_folder(folder)
        vae = load_strictly(kind, config, weights)
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        out = Path(request["out"]) / name
        out.mkdir(parents=True, exist_ok=True)
        in_boxes, on_pages = [0.0, 0], [0.0, 0]
        for page in request["pages"]:
            image = np.asarray(Image.open(page["file"]).convert("RGB"))
            height, width = image.shape[:2]
            x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
            x = torch.nn.functional.pad(x, (0, -width % factor, 0, -height % factor), mode="replicate")
            with torch.no_grad():
                y = vae.decode(vae.encode(x).latent_dist.mode(), return_dict=False)[0]
            y = ((y[0, :, :height, :width] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(y).save(out / f"{page['id']}.png")
            error = (y.astype(np.float64) - image) ** 2
            inside = np.zeros((height, width), bool)
            for x0, y0, x1, y1 in page["boxes"]:
                inside[max(0, int(y0)) : int(math.ceil(y1)), max(0, int(x0)) : int(math.ceil(x1))] = True
            in_boxes[0] += error[inside].sum()
            in_boxes[1] += 3 * inside.sum()
            on_pages[0] += error.sum()
            on_pages[1] += error.size
        decibels = lambda total, count: 10 * math.log10(255**2 / (total / count))  # noqa: E731
        result[name] = {"psnr": decibels(*in_boxes), "psnr_page": decibels(*on_pages)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
