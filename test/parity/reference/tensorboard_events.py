"""Reads the event files of a folder with TensorBoard's own readers and prints what they hold as JSON.

usage: tensorboard_events.py FOLDER
"""

import base64
import json
import math
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator
from tensorboard.util import tensor_util



def number(value):
    return value if math.isfinite(value) else str(value)


folder = sys.argv[1]
everything = {"scalars": 0, "images": 0, "tensors": 0}
# What the folder says as a whole: files in order, restarts purging what is written again.
legacy = EventAccumulator(folder, size_guidance=everything)
legacy.Reload()
modern = PluginAccumulator(folder, size_guidance={"tensors": 0})
modern.Reload()
tags = legacy.Tags()
plugins = {plugin: sorted(modern.PluginTagToContent(plugin)) for plugin in modern.ActivePlugins()}
result = {
    "scalars": {tag: [[e.step, number(e.value), e.wall_time] for e in legacy.Scalars(tag)] for tag in tags["scalars"]},
    "images": {
        tag: [[e.step, e.width, e.height, base64.b64encode(e.encoded_image_string).decode()] for e in legacy.Images(tag)]
        for tag in tags["images"]
    },
    "texts": {
        tag: [[e.step, tensor_util.make_ndarray(e.tensor_proto)[0].decode()] for e in modern.Tensors(tag)]
        for tag in plugins.get("text", [])
    },
    "plugins": plugins,
    # Every record of every file, its checksums verified.
    "records": {
        name: sum(1 for _ in LegacyEventFileLoader(os.path.join(folder, name)).Load()) for name in sorted(os.listdir(folder))
    },
}
print(json.dumps(result))
