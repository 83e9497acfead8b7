#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks by PyTorch, ONNX Runtime and OpenVINO (CPU) in turns with ours; the rows join those of oncotome-bench's JSON.

`peers.py BENCH JSON [--venv DIR] [--only PATTERN] [--peers NAME...] [--rounds N] [--threads N]`. BENCH is oncotome-bench. Each peer is a process of its
own that waits while another one runs; it has the same weights and input, and its output is held against sums in float64. Of each
library that has several ways to run, the way with the least median time counts. At 128^3 each holds up to 8 GB: name one at a time.
"""
import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

PINS = ["torch==2.11.0", "onnxruntime==1.32.0", "openvino==2026.4.1", "onnx==1.23.2", "numpy==2.4.6"]
# glibc told to keep large blocks: without it each is fetched from the system again, which slows a peer that has no arena.
KEEP_BLOCKS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}
WAYS = {"PyTorch": ["contiguous", "channels_last", "compiled", "compiled channels_last"], "ONNX Runtime": ["f32"],
        "OpenVINO": ["f32", "bf16"]}
# Of ours; a peer's error may be four times as much: what is to be found is that it computes something else.
BOUNDS = {"f32": 3e-5, "bf16": 3e-2, "int8": 8e-2}


def enter(environment):
    """Runs this script again with the Python of the environment, which is made, and filled, where it is not yet."""
    environment = pathlib.Path(environment).resolve()
    if pathlib.Path(sys.prefix).resolve() != environment:
        python = environment / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        os.execv(python, [str(python), *sys.argv])
    versions = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
    if any(versions.get(name) != version for name, version in (pin.split("==") for pin in PINS)):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *PINS], check=True)


def read_tensors(path):
    """Name to array; float32 only."""
    import numpy as np
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    return {name: np.frombuffer(data, np.float32, math.prod(t["shape"]), 8 + size + t["data_offsets"][0]).reshape(t["shape"]).copy()
            for name, t in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def build(folder):
    """The network as a module of PyTorch, and its input; of two axes where the third is one throughout."""
    import torch
    import torch.nn.functional as F
    nodes = json.loads((folder / "graph.json").read_text())["nodes"]
    stored = {k: torch.from_numpy(v) for k, v in read_tensors(folder / "weights.safetensors").items()}
    x = torch.from_numpy(read_tensors(folder / "input.safetensors")["input"])
    flat = x.shape[2] == 1 and all(n["kernel"][0] <= 1 and n["pad_before"][0] == 0 for n in nodes)
    axes = slice(1, 3) if flat else slice(0, 3)
    convolve, transpose, largest, mean = ((F.conv2d, F.conv_transpose2d, F.max_pool2d, F.avg_pool2d) if flat else
                                          (F.conv3d, F.conv_transpose3d, F.max_pool3d, F.avg_pool3d))
    for name, value in stored.items():
        if flat and value.ndim == 5:
            stored[name] = value[:, :, 0].contiguous()
    # An affine map of a convolution's output is part of its weights for every library.
    for i, node in enumerate(nodes):
        if node["op"] == "affine":
            conv = nodes[node["inputs"][0]]
            scale = stored.pop(node["weight"])
            stored[conv["weight"]] = stored[conv["weight"]] * scale.reshape(-1, *[1] * (stored[conv["weight"]].ndim - 1))
            conv["bias"], node["op"] = node["bias"], "same"

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.names = {name: f"p{i}" for i, name in enumerate(stored)}
            for name, value in stored.items():
                self.register_parameter(self.names[name], torch.nn.Parameter(value, requires_grad=False))

        def get(self, name):
            return getattr(self, self.names[name]) if name else None

        def forward(self, x):
            values = []
            for n in nodes:
                ins = [values[i] for i in n["inputs"]]
                stride, pad, kernel = n["stride"][axes], n["pad_before"][axes], n["kernel"][axes]
                match n["op"]:
                    case "input": y = x
                    case "same": y = ins[0]
                    case "conv": y = convolve(ins[0], self.get(n["weight"]), self.get(n["bias"]), stride, pad, n["dilation"][axes])
                    case "conv_transpose": y = transpose(ins[0], self.get(n["weight"]), self.get(n["bias"]), stride, pad)
                    case "instance_norm": y = F.instance_norm(ins[0], weight=self.get(n["weight"]), bias=self.get(n["bias"]), eps=n["epsilon"])
                    case "leaky_relu": y = F.leaky_relu(ins[0], n["slope"])
                    case "relu": y = F.relu(ins[0])
                    case "max_pool": y = largest(ins[0], kernel, stride, pad)
                    case "avg_pool": y = mean(ins[0], stride, stride)
                    case "add": y = ins[0] + ins[1]
                    case "concat": y = torch.cat(ins, 1)
                values.append(y)
            return values[-1]

    return Net().eval(), x[:, :, 0].contiguous() if flat else x


def onnx_file(folder):
    import torch
    path = folder / "network.onnx"
    if not path.exists():
        net, x = build(folder)
        torch.onnx.export(net, (x,), str(path), dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
    return str(path)


def pytorch(folder, way, threads):
    import torch
    torch.set_num_threads(threads)
    net, x = build(folder)
    if "channels_last" in way:
        layout = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
        net, x = net.to(memory_format=layout), x.contiguous(memory_format=layout)
    call = torch.compile(net) if "compiled" in way else net

    def run():
        with torch.inference_mode():
            return call(x).contiguous().numpy()
    return run, torch.__version__, way + (" eager" if "compiled" not in way else "")


def onnx_runtime(folder, way, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_file(folder), options, providers=["CPUExecutionProvider"])
    _, x = build(folder)
    feed = {"x": x.numpy()}
    return lambda: session.run(None, feed)[0], onnxruntime.__version__, "its own layout"


def openvino(folder, way, threads):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_file(folder)), "CPU",
                                  {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": way})
    request = compiled.create_infer_request()
    _, x = build(folder)
    tensor = openvino.Tensor(x.numpy())
    return lambda: request.infer({0: tensor}, share_inputs=True)[0], openvino.__version__.split("-")[0], "latency hint"


def child(folder, library, way, threads):
    """One peer: says its version and way, or "none WHY"; answers "run" by milliseconds and "output" by a file's name."""
    import numpy as np
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        prepare = {"PyTorch": pytorch, "ONNX Runtime": onnx_runtime, "OpenVINO": openvino}[library]
        run, version, how = prepare(folder, way, threads)
        output = run()
        print(version, how, sep="\t", file=answers, flush=True)
    except Exception as e:  # Whatever a library fails with, the others go on.
        print("none", str(e).splitlines()[0] if str(e) else type(e).__name__, sep="\t", file=answers, flush=True)
        return
    for line in sys.stdin:
        if line.strip() == "run":
            start = time.perf_counter()
            output = run()
            print(1e3 * (time.perf_counter() - start), file=answers, flush=True)
        else:
            path = folder / f"{library}_{way}.npy"
            np.save(path, output)
            print(path, file=answers, flush=True)


class Process:
    def __init__(self, command, threads):
        environment = {**os.environ, **KEEP_BLOCKS, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)
        self.first = self.process.stdout.readline().strip()

    def ask(self, text):
        print(text, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __exit__(self, *_):
        self.close()


class Runner:
    """One that takes part in the rounds."""

    def __init__(self, library, dtype, version, how, process, question, condition):
        self.library, self.dtype, self.version, self.how = library, dtype, version, how
        self.process, self.question = process, question
        self.ms, self.roof, self.error, self.once = [], [], math.nan, math.nan
        self.bound = BOUNDS[dtype] * condition * (4 if library in WAYS else 1)

    def run(self):
        answer = self.process.ask(self.question)
        if not answer:
            raise SystemExit(f"{self.library} {self.how} died (of too little memory?)")
        return float(answer)

    def turn(self):
        # Another library's threads may still look out for work.
        time.sleep(0.05)
        if self.library not in WAYS:
            self.roof.append(float(self.process.ask(f"roof {self.dtype}")))
        repeats = max(1, min(20, math.ceil(30 / self.once)))
        self.ms.append(statistics.fmean(self.run() for _ in range(repeats)))


def error_of(output, reference):
    import numpy as np
    difference = output.reshape(reference.shape).astype(np.float64) - reference
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))


def enter_runners(ours, start, name, folder, arguments):
    """Ours and the peers that can run the network, each with its error."""
    import numpy as np
    condition = float(ours.ask("reference"))
    reference = read_tensors(folder / "reference.safetensors")["output"].astype(np.float64)
    runners = []
    for dtype in BOUNDS:
        if ours.ask(f"run {dtype}") == "none":
            continue
        runners.append(Runner("oncotome", dtype, "", ours.ask(f"output {dtype}"), ours, f"run {dtype}", condition))
        runners[-1].error = error_of(read_tensors(folder / f"ours_{dtype}.safetensors")["output"], reference)
    for library in arguments.peers:
        for way in WAYS[library]:
            peer = start([sys.executable, __file__, "--child", folder, library, way, arguments.threads])
            if peer.first.startswith("none") or not peer.first:
                print(f"{name}: {library} {way} does not run: {peer.first}", file=sys.stderr)
                continue
            runners.append(Runner(library, way if way in BOUNDS else "f32", *peer.first.split("\t"), peer, "run", condition))
            runners[-1].error = error_of(np.load(peer.ask("output")), reference)
            close_slow_ways(runners)
    return runners


def close_slow_ways(runners):
    """Of the last one's library and type, those that are right and not the fastest: at 128^3 each may hold 8 GB."""
    runners[-1].once = min(runners[-1].run() for _ in range(2))
    rivals = [r for r in runners if (r.library, r.dtype) == (runners[-1].library, runners[-1].dtype) and r.error <= r.bound]
    for r in rivals:
        if r.once > 1.1 * min(rival.once for rival in rivals):
            r.process.close()
            runners.remove(r)


def take_turns(runners, rounds):
    for r in runners:
        r.once = min(r.run() for _ in range(2))
    for _ in range(rounds):
        for r in runners:
            r.turn()


def rows_of(name, runners, operations, threads):
    """Of each of ours against the best of each library: in the same type, where it has that, or else in float32."""
    rows = []
    for mine in (r for r in runners if r.library not in WAYS):
        for library in WAYS:
            theirs = [r for r in runners if r.library == library]
            others = [r for r in theirs if r.dtype == mine.dtype] or [r for r in theirs if r.dtype == "f32"]
            if not others:
                continue
            best = min(others, key=lambda r: statistics.median(r.ms))
            ratios = [theirs / own for theirs, own in zip(best.ms, mine.ms)]
            shares = [operations / (ms * 1e-3) / (roof * 1e9) if roof else 0.0 for ms, roof in zip(mine.ms, mine.roof)]
            rows.append({"case": name, "dtype": mine.dtype, "peer": library, "peer_version": best.version, "peer_dtype": best.dtype,
                         "peer_layout": best.how, "kernel": mine.how, "ratio_min": min(ratios), "ratio_median": statistics.median(ratios),
                         "roof_share": statistics.median(shares), "error": mine.error, "peer_error": best.error, "threads": threads,
                         "time_ms": statistics.median(mine.ms), "peer_ms": statistics.median(best.ms)})
            print("{case:22} {dtype:5} {peer:13} {peer_dtype:5} min {ratio_min:.2f} median {ratio_median:.2f} roof {roof_share:.2f} "
                  "error {error:.1e} {time_ms:9.2f} ms / {peer_ms:9.2f} ms  ({peer_layout})".format(**rows[-1]), flush=True)
    return rows


def measure(name, folder, arguments):
    """Rows of one network, and what was wrong."""
    threads = arguments.threads
    with contextlib.ExitStack() as stack:
        def start(command):
            return stack.enter_context(Process(command, threads))
        ours = start([arguments.bench, "--serve", name, folder, "--threads", threads])
        runners = enter_runners(ours, start, name, folder, arguments)
        voids = [{"case": name, "dtype": r.dtype, "who": f"{r.library} {r.how}", "error": r.error, "bound": r.bound}
                 for r in runners if not r.error <= r.bound]
        runners = [r for r in runners if r.error <= r.bound]
        take_turns(runners, arguments.rounds)
    operations = json.loads((folder / "graph.json").read_text())["operations"]
    return rows_of(name, runners, operations, threads), voids


def main():
    parser = argparse.ArgumentParser(description="Networks by other libraries in turns with ours")
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("json", type=pathlib.Path)
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build" / "peers")
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    enter(arguments.venv)
    report = json.loads(arguments.json.read_text()) if arguments.json.exists() else {"roof_giga_per_second": {}, "rows": [], "void": []}
    listed = subprocess.run([arguments.bench, "--list", "--only", "^network/"], check=True, capture_output=True, text=True).stdout
    for name in filter(lambda n: re.search(arguments.only, n), listed.split()):
        with tempfile.TemporaryDirectory() as folder:
            rows, voids = measure(name, pathlib.Path(folder), arguments)
        report["rows"] = [r for r in report["rows"] if r["case"] != name or r["peer"] not in arguments.peers] + rows
        report["void"] = [v for v in report["void"] if v["case"] != name or not v["who"].startswith(tuple(arguments.peers))] + voids
        arguments.json.write_text(json.dumps(report, indent=1))
    return bool(report["void"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        place, library_name, way_name, thread_count = sys.argv[2:]
        child(pathlib.Path(place), library_name, way_name, int(thread_count))
    else:
        sys.exit(main())
