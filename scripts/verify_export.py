#!/usr/bin/env python3
"""Checks model folders: the weights load strictly into the library's class, and the graph computes the same.

    verify_export.py FOLDER [FOLDER …] [--seed N] [--tolerance 1e-4] [--no-checksums]

FOLDER is one model folder (with metadata.json) or a folder of several. Prints one line of JSON:
{"ok": bool, "models": [{"folder", "kind", "ok", "parameters", "differences": {method: largest absolute difference},
"relative": {method: the same divided by max(1, largest value)}, "error"?}]}. The tolerance is for the relative
ones. Exit code 0 when all are right, 1 otherwise.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

KEPT_CHECKSUMS = ("graph.pt", "model.safetensors")


def model_folders(path):
    if (path / "metadata.json").is_file():
        return [path]
    return sorted(p.parent for p in path.glob("*/metadata.json") if ".tmp-" not in p.parent.name)


def verify(folder, seed, tolerance, checksums):
    """Raises with a reason; returns {method: (absolute, relative difference)} and the number of parameters."""
    from model_graphs import ModelError, compare, load_graph, load_strictly, read_model_folder

    kind, config, weights = read_model_folder(folder)
    if checksums:
        recorded = json.loads((folder / "metadata.json").read_text()).get("sha256", {})
        for name in KEPT_CHECKSUMS:
            if recorded.get(name) != hashlib.sha256((folder / name).read_bytes()).hexdigest():
                raise ModelError(f"{name} does not have the checksum that metadata.json names")
    eager = load_strictly(kind, config, weights)
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise ModelError(f"values that are not finite in {', '.join(bad[:5])}")
    differences = compare(kind, eager, load_graph(folder / "graph.pt", weights), config, seed)
    for method, (_, difference) in differences.items():
        if not difference <= tolerance:
            raise ModelError(f"{method}: graph and eager differ by {difference:.3e}, allowed {tolerance:.0e}")
    return differences, sum(parameter.numel() for parameter in eager.parameters())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="of the random input")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--no-checksums", action="store_true", help="ignore the checksums in metadata.json")
    options = parser.parse_args(arguments)
    results = []
    for given in options.folders:
        folders = model_folders(given)
        if not folders:
            results.append({"folder": str(given), "ok": False, "error": "no model folder: metadata.json is missing"})
        for folder in folders:
            result = {"folder": str(folder), "kind": None, "ok": True}
            try:
                result["kind"] = json.loads((folder / "metadata.json").read_text()).get("kind")
                differences, count = verify(folder, options.seed, options.tolerance, not options.no_checksums)
                result |= {"parameters": count}
                result |= {"differences": {m: a for m, (a, _) in differences.items()}, "relative": {m: r for m, (_, r) in differences.items()}}
            except Exception as error:  # every reason is reported, none ends the run early
                result |= {"ok": False, "error": f"{type(error).__name__}: {error}"}
            results.append(result)
    ok = all(result["ok"] for result in results)
    print(json.dumps({"ok": ok, "models": results}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
