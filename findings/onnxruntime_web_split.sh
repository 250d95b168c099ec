#!/usr/bin/env bash
# onnxruntime-web's WebGPU provider accepts a Split into many tensors, and fails when it runs: each tensor is a storage buffer
# of one shader, which may have about ten.
#
# Guess before running: a node that a provider can't compute stays on the CPU, as with operations that it doesn't know.
# Seen (onnxruntime-web 1.30.0, Chromium 156 with SwiftShader): Split into 4 tensors runs; into 16 or 80, the session is
# created without an error, and run() fails: "Too many storage buffers in shader. Current: 11, Max is 10". WebAssembly runs all.
# Needs Chromium on PATH (or CENTERNET_CHROMIUM) and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund onnxruntime-web@1.30.0 playwright-core@1.65.1
python3 -m venv venv
venv/bin/pip install --quiet onnx==1.23.2
venv/bin/python - <<'PYTHON'
from onnx import TensorProto, helper, save

for count in (4, 16, 80):
    parts, doubled = ([f"{name}{number}" for number in range(count)] for name in ("part", "double"))
    nodes = [
        helper.make_node("Split", ["x"], parts, axis=1, num_outputs=count),
        *(helper.make_node("Add", [one, one], [two]) for one, two in zip(parts, doubled)),
        helper.make_node("Sum", doubled, ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "split",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 80])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 80 // count])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), f"Split{count}.onnx")
PYTHON
cp node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs node_modules/onnxruntime-web/dist/*asyncify.wasm .
cat >run.mjs <<'JS'
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const types = { mjs: "text/javascript", wasm: "application/wasm", onnx: "application/octet-stream" };
const server = createServer((request, answer) => {
  const name = request.url.slice(1);
  answer.setHeader("Content-Type", types[name.split(".").pop()] ?? "text/html");
  answer.end(/^[\w.-]+$/.test(name) && types[name.split(".").pop()] ? readFileSync(name) : "");
}).listen(0, "127.0.0.1");
const args = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);
const seen = await page.evaluate(async () => {
  const ort = await import("/ort.webgpu.bundle.min.mjs");
  const seen = {};
  for (const name of ["Split4", "Split16", "Split80"]) {
    for (const provider of ["wasm", "webgpu"]) {
      let step = "create";
      try {
        const session = await ort.InferenceSession.create(`/${name}.onnx`, { executionProviders: [provider] });
        step = "run";
        await session.run({ x: new ort.Tensor("float32", new Float32Array(80), [1, 80]) });
        seen[`${name} ${provider}`] = "runs";
      } catch (error) {
        seen[`${name} ${provider}`] = `${step} fails: ${/Too many[^.]*\. [^.]*/.exec(error.message)?.[0].trim() ?? error.message}`;
      }
    }
  }
  return seen;
});
console.log(seen);
await browser.close();
server.close();
const fails = Object.keys(seen).filter((name) => seen[name].startsWith("run fails: Too many storage buffers"));
process.exitCode = String(fails) === "Split16 webgpu,Split80 webgpu" ? 0 : 1;
JS
CHROMIUM=${CENTERNET_CHROMIUM:-$(command -v chromium)} node run.mjs
