"""The Modal app: where things run. What is done there does this package's own command line.

    pip install -r scripts/requirements-modal.txt
    ANONYMIZER_BUCKET=… ANONYMIZER_BUCKET_ENDPOINT=https://ACCOUNT.r2.cloudflarestorage.com modal deploy modal/app.py

Sizes, time-outs and names stand in settings.json, which `anonymizer-train launch modal` reads too.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import modal

HERE = Path(__file__).resolve().parent
# In a container this file lies alone; the image has the folder.
FOLDER = HERE if (HERE / "settings.json").exists() else Path("/app/modal")
SETTINGS = json.loads((FOLDER / "settings.json").read_text())
PATHS = SETTINGS["paths"]
RUNS = Path(os.environ.get("ANONYMIZER_RUNS", PATHS["runs"]))
# What the trainer exits with when its segment is over.
UNFINISHED = 75
# Errors of a run's own: trying again would meet them again. What may pass ends with another code (69).
HOPELESS = (1, 2)
STOP_GRACE_SECONDS = 25
# A container lives for one input at a time: nobody else writes there.
CONFIG = Path(tempfile.gettempdir()) / "config.yaml"

app = modal.App(SETTINGS["app"])
# What .dockerignore leaves in is sent along.
image = modal.Image.from_dockerfile(FOLDER / "Dockerfile", context_dir=FOLDER.parent)
volume = modal.Volume.from_name(SETTINGS["volume"], create_if_missing=True)
bucket_secret = modal.Secret.from_name(SETTINGS["secrets"]["bucket"])
service_secret = modal.Secret.from_name(SETTINGS["secrets"]["service"])


def bucket(prefix: str) -> dict:
    name = os.environ.get("ANONYMIZER_BUCKET")
    if not name:
        return {}
    path = PATHS["data"] if prefix == SETTINGS["bucket"]["data_prefix"] else PATHS["models"]
    endpoint = os.environ.get("ANONYMIZER_BUCKET_ENDPOINT")
    mount = modal.CloudBucketMount(
        name, bucket_endpoint_url=endpoint, key_prefix=prefix, secret=bucket_secret, read_only=True
    )
    return {path: mount}


def training(kind: str) -> dict:
    sizes = SETTINGS["training"][kind]
    return {
        "image": image,
        "gpu": f"{sizes['gpu']}:{sizes['gpus']}",
        "cpu": sizes["cpu"],
        "memory": sizes["memory_mib"],
        "timeout": sizes["timeout_seconds"],
        "retries": modal.Retries(
            max_retries=SETTINGS["retries"]["most"],
            initial_delay=float(SETTINGS["retries"]["delay_seconds"]),
            backoff_coefficient=1.0,
        ),
        "max_containers": 4,
        "secrets": [bucket_secret],
        "volumes": {
            PATHS["runs"]: volume,
            **bucket(SETTINGS["bucket"]["data_prefix"]),
            **bucket(SETTINGS["bucket"]["models_prefix"]),
        },
    }


class Unfinished(Exception):
    """Raised so that Modal calls the function again with the same input; it goes on from the last checkpoint."""


def commit() -> None:
    if not modal.is_local():
        volume.commit()


def reload() -> None:
    """A container that was used before sees the volume as it was then."""
    if not modal.is_local():
        volume.reload()


def run(command: list, environment: dict, seconds: float) -> int:
    """Runs it to its end. When Modal takes the container away, it gets the time to write a checkpoint.

    One that is not done after `seconds` hangs; subprocess.TimeoutExpired makes Modal start it again.
    """
    print("$", " ".join(command), flush=True)
    child = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        return child.wait(seconds)
    except BaseException:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        commit()
        raise


def used_seconds(folder: Path, call: str) -> float:
    """Of all containers of this call, by the lease that the trainer keeps in the run folder."""
    try:
        lease = json.loads((folder / "lease.json").read_text())
    except (OSError, ValueError):
        return 0.0
    return lease["used_seconds"] if lease.get("owner") == call else 0.0


def train(kind: str, run_id: str, config: dict, gpus: int | None = None) -> dict:
    sizes = SETTINGS["training"][kind]
    segment = float(os.environ.get("ANONYMIZER_SEGMENT_SECONDS", sizes["segment_seconds"]))
    total = float(os.environ.get("ANONYMIZER_TOTAL_SECONDS", sizes["segments"] * sizes["segment_seconds"]))
    folder = RUNS / run_id
    call = modal.current_function_call_id()
    reload()
    left = total - used_seconds(folder, call)
    if left < 1:
        return over(run_id, total)
    # JSON is YAML.
    CONFIG.write_text(json.dumps(config))
    command = ["anonymizer-train", kind, "--config", str(CONFIG), "--out", str(folder), "--json"]
    seconds = max(1, int(min(segment, left)))
    command += ["--resume", "auto", "--stop-after", str(seconds)]
    processes = sizes["gpus"] if gpus is None else gpus
    if processes > 1:
        command += ["--nproc", str(processes), "--max-restarts", "3"]
    margin = sizes["timeout_seconds"] - sizes["segment_seconds"]
    code = run(command, {"ANONYMIZER_LEASE": call}, seconds + margin)
    commit()
    if code == UNFINISHED:
        if total - used_seconds(folder, call) < 1:
            return over(run_id, total)
        raise Unfinished(f"{run_id}: the segment is over; the next one goes on from the last checkpoint")
    if code not in (0, *HOPELESS):
        raise Unfinished(f"{run_id}: the trainer ended with {code}")
    return {"run": run_id, "exit": code}


def over(run_id: str, total: float) -> dict:
    """Not tried again: started again by hand, it has its time anew."""
    hours = f"{total / 3600:g} hours"
    print(f"{run_id}: the {hours} of this start are used up; start it again under its name to go on", flush=True)
    return {"run": run_id, "exit": UNFINISHED}


@app.function(**training("vae"))
def train_vae(run_id: str, config: dict, gpus: int | None = None) -> dict:
    return train("vae", run_id, config, gpus)


@app.function(**training("unet"))
def train_unet(run_id: str, config: dict, gpus: int | None = None) -> dict:
    return train("unet", run_id, config, gpus)


SERVING = SETTINGS["serving"]


@app.cls(
    image=image,
    gpu=SERVING["gpu"],
    cpu=SERVING["cpu"],
    memory=SERVING["memory_mib"],
    timeout=SERVING["timeout_seconds"],
    startup_timeout=SERVING["startup_seconds"],
    min_containers=0,
    # Jobs live in the memory of the server that took them: there must be one only.
    max_containers=SERVING["max_containers"],
    scaledown_window=SERVING["scaledown_seconds"],
    secrets=[bucket_secret, service_secret],
    volumes=bucket(SETTINGS["bucket"]["models_prefix"]),
    enable_memory_snapshot=True,
    experimental_options={"enable_gpu_snapshot": True},
)
@modal.concurrent(max_inputs=SERVING["concurrent_inputs"])
class Inference:
    @modal.enter(snap=True)
    def start(self):
        """The snapshot is taken when models are loaded and a patch was drawn."""
        self.server = Server(SERVING["port"], os.environ)

    @modal.enter(snap=False)
    def watch(self):
        self.server.watch()

    @modal.web_server(SERVING["port"], startup_timeout=SERVING["startup_seconds"], label="anonymizer")
    def serve(self):
        """The server listens already."""

    @modal.exit()
    def stop(self):
        self.server.stop()


class Server:
    """The HTTP server as a process: ready when this is made."""

    def __init__(self, port: int, environment):
        # What a process invents instead of a key is in the snapshot, and would be the key of all containers.
        if not environment.get("ANONYMIZER_KEY"):
            raise RuntimeError(f"no ANONYMIZER_KEY: put one into the secret {SETTINGS['secrets']['service']}")
        command = ["anonymizer", "serve", "--host", "0.0.0.0", "--port", str(port)]
        for option, name in (("--config", "ANONYMIZER_CONFIG"), ("--models", "ANONYMIZER_MODELS")):
            if environment.get(name):
                command += [option, environment[name]]
        for key, value in SERVING["service"].items():
            command += ["--set", f"service.{key}={value}"]
        self.stopping = False
        self.process = subprocess.Popen(command)
        self.wait_until_ready(port)

    def wait_until_ready(self, port: int) -> None:
        deadline = time.monotonic() + SERVING["startup_seconds"]
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.5)
        self.process.kill()
        raise RuntimeError("the server did not become ready")

    def watch(self) -> None:
        """From now on the container ends with the server: else it would stay, and every request fail."""
        threading.Thread(target=self.end_with_it, daemon=True).start()

    def end_with_it(self) -> None:
        code = self.process.wait()
        if not self.stopping:
            print(f"the server ended with {code}", flush=True)
            os._exit(1)

    def stop(self) -> None:
        """Lets it finish what is under way: `service.drain_seconds`, and a moment to close."""
        self.stopping = True
        self.process.terminate()
        try:
            self.process.wait(SERVING["stop_seconds"])
        except subprocess.TimeoutExpired:
            self.process.kill()
