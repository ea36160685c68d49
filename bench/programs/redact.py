"""presidio-image-redactor on the same pages; it fills what it finds with a colour. usage: redact.py OPTIONS.json

Its English pipeline is spaCy's blank one: the trained ones are no part of the package. So it looks for patterns only,
not for names, and is faster than with one.
"""

import json
import resource
import sys
import time
from pathlib import Path

import spacy
from PIL import Image
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_image_redactor import ImageAnalyzerEngine, ImageRedactorEngine


class BlankEnglish(SpacyNlpEngine):
    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self):
        pass


pages = json.loads(Path(sys.argv[1]).read_text())["pages"]
analyzer = AnalyzerEngine(nlp_engine=BlankEnglish(), supported_languages=["en"])
engine = ImageRedactorEngine(image_analyzer_engine=ImageAnalyzerEngine(analyzer_engine=analyzer))


def redact(path):
    return engine.redact(Image.open(path).convert("RGB"), fill=(0, 0, 0))


def peak_mib():
    # Of this program alone: ru_maxrss has what the process that started it had, too.
    with open("/proc/self/status") as status:
        return round(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def cpu():
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


redact(pages[0])
used, started = cpu(), time.perf_counter()
for page in pages:
    redact(page)
print(
    json.dumps(
        {
            "secondsPerPage": round((time.perf_counter() - started) / len(pages), 3),
            "cpuSecondsPerPage": round((cpu() - used) / len(pages), 3),
            "peakMiB": peak_mib(),
        }
    )
)
