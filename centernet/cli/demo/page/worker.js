// Runs the network beside the page, which stays responsive. Takes the content of model.json first, then images; answers
// each message with its id.
import * as ort from "./onnxruntime-web/ort.webgpu.bundle.min.mjs";

const SCORE_TOLERANCE = 1e-3;
const BOX_TOLERANCE = 1; // pixels
const LEAST_SCORE = 0.1; // of the detections that are compared

let model;
let gpu = null; // the session on WebGPU
let checked = false; // whether its results are those of wasm
let wasm = null;
let note = "";

ort.env.logLevel = "error";

function open(provider) {
  const options = { executionProviders: [provider], externalData: model.external, logSeverityLevel: 3 };
  return ort.InferenceSession.create("model.onnx", options);
}

async function load(settings) {
  model = settings;
  if (await navigator.gpu?.requestAdapter().catch(() => null)) {
    try {
      gpu = await open("webgpu");
    } catch (error) {
      refuse(error);
    }
  }
  if (!gpu) wasm = await open("wasm");
  return { provider: provider(), note };
}

const provider = () => {
  const threads = ort.env.wasm.numThreads;
  return gpu ? "WebGPU" : `WebAssembly, ${threads > 1 ? `${threads} threads` : "1 thread"}`;
};

function refuse(error) {
  console.warn(error);
  note = "WebGPU can't run this model in this browser, so WebAssembly does.";
  gpu = null;
}

// The first image is run on both: drivers of graphics cards differ.
async function detect({ rgba, width, height }) {
  const images = new ort.Tensor("uint8", rgb(new Uint8ClampedArray(rgba)), [1, height, width, 3]);
  if (gpu) {
    try {
      const found = await run(gpu, images);
      if (checked) return found;
      wasm ??= await open("wasm");
      const expected = await run(wasm, images);
      if (agree(found.arrays, expected.arrays)) {
        checked = true;
        await wasm.release();
        wasm = null;
        return found;
      }
      note = "WebGPU gives other results than WebAssembly in this browser, so WebAssembly computes.";
      gpu = null;
      return { ...expected, provider: provider(), note };
    } catch (error) {
      refuse(error);
    }
  }
  wasm ??= await open("wasm");
  return run(wasm, images);
}

async function run(session, images) {
  const start = performance.now();
  const found = await session.run({ [session.inputNames[0]]: images });
  const milliseconds = performance.now() - start;
  const names = session.outputNames;
  return { arrays: Object.fromEntries(names.map((name) => [name, found[name].data])), milliseconds, provider: provider(), note };
}

function rgb(rgba) {
  const pixels = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    pixels[to++] = rgba[from];
    pixels[to++] = rgba[from + 1];
    pixels[to++] = rgba[from + 2];
  }
  return pixels;
}

function agree(found, expected) {
  const rows = [...expected.scores.keys()];
  const near = (a, b) =>
    found.class_ids[a] === expected.class_ids[b] &&
    Math.abs(found.scores[a] - expected.scores[b]) <= SCORE_TOLERANCE &&
    [0, 1, 2, 3].every((side) => Math.abs(found.boxes[4 * a + side] - expected.boxes[4 * b + side]) <= BOX_TOLERANCE);
  return rows.every(
    (b) =>
      Math.abs(found.scores[b] - expected.scores[b]) <= SCORE_TOLERANCE &&
      (expected.scores[b] < LEAST_SCORE || rows.some((a) => near(a, b))),
  );
}

let before = Promise.resolve();
self.onmessage = ({ data: { id, settings, image } }) => {
  before = before.then(async () => {
    try {
      self.postMessage({ id, result: await (settings ? load(settings) : detect(image)) });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
