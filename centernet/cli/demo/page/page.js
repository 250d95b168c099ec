// The page: takes a photo or the camera's frames, has the worker detect in them, and shows what it finds.
import { draw } from "./draw.js";

const MOST_PIXELS = 4096; // a side of what the network sees
const at = (id) => document.getElementById(id);
const photo = document.createElement("canvas"); // as the network sees it
const state = { found: null, source: "", shrunk: "", stream: null, turn: 0, saved: null };
let model;

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(result);
};
const broken = new Promise((_, reject) => {
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message || "worker.js or onnxruntime-web can't be loaded"));
  };
});

function ask(message, moved = []) {
  const id = (ask.id = (ask.id ?? 0) + 1);
  const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  worker.postMessage({ id, ...message }, moved);
  return Promise.race([answer, broken]);
}

async function load() {
  const answer = await fetch("model.json");
  if (!answer.ok) throw new Error(`model.json: ${answer.status}`);
  model = await answer.json();
  const names = model.result.class_names;
  document.title = `${model.name} – centernet`;
  at("name").textContent = model.name;
  at("classes").textContent = names.length > 12 ? `${names.length} classes` : names.join(", ");
  at("min-score").value = model.min_score;
  showMinScore();
  const { provider, note } = await ask({ settings: model });
  showProvider(provider, note);
  if (!state.found) say("Ready.");
}

const ready = load();
ready.catch((error) => fail(`The model can't be loaded: ${error.message}`));

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

const fail = (text) => say(text, true);

function showProvider(provider, note) {
  at("provider").textContent = provider;
  at("note").textContent = [note, state.shrunk].filter(Boolean).join(" ");
  at("note").hidden = !at("note").textContent;
}

const minScore = () => Number(at("min-score").value);

function showMinScore() {
  at("min-score-value").textContent = minScore().toFixed(2);
}

// Puts an image of the given size on the canvas, smaller if a side is longer than the bound, and detects in it.
async function detect(image, width, height, source, turn) {
  const scale = Math.min(1, MOST_PIXELS / Math.max(width, height));
  const size = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const pixels = document.createElement("canvas");
  [pixels.width, pixels.height] = size;
  const pen = pixels.getContext("2d", { willReadFrequently: true, alpha: false });
  pen.fillStyle = "#fff"; // below transparent pixels
  pen.fillRect(0, 0, ...size);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, ...size);
  const rgba = pen.getImageData(0, 0, ...size).data.buffer;
  const result = await ask({ image: { rgba, width: size[0], height: size[1] } }, [rgba]);
  if (turn !== state.turn) return; // another photo came in between
  [photo.width, photo.height] = size;
  photo.getContext("2d").drawImage(pixels, 0, 0);
  Object.assign(state, { source, found: rows(result.arrays), fullSize: [width, height] });
  state.shrunk = scale < 1 ? `Detected at ${size.join(" × ")} pixels, as the photo is larger than ${MOST_PIXELS}.` : "";
  at("time").textContent = `${result.milliseconds.toFixed(result.milliseconds < 10 ? 1 : 0)} ms`;
  at("size").textContent = `${width} × ${height}`;
  at("save").disabled = false;
  showProvider(result.provider, result.note);
  show();
}

// Detections as in `Detections.to_dict`, in pixels of the photo as the network sees it; rows with score 0 are empty.
function rows({ boxes, class_ids, scores, keypoints, keypoint_scores }) {
  const count = model.result.num_keypoints ?? 0;
  const point = (row, k) => {
    const place = row * count + k;
    return [keypoints[2 * place], keypoints[2 * place + 1], keypoint_scores[place]];
  };
  return Array.from(scores.slice(0, model.result.max_detections), (score, row) => ({
    class_id: Number(class_ids[row]),
    class_name: model.result.class_names[Number(class_ids[row])],
    score,
    box: Array.from(boxes.slice(4 * row, 4 * row + 4)),
    ...(count ? { keypoints: Array.from({ length: count }, (_, k) => point(row, k)) } : {}),
  })).filter((one) => one.score > 0);
}

const kept = () => state.found.filter((one) => one.score >= Math.fround(minScore()));

function show() {
  const detections = kept();
  at("picture").hidden = false;
  at("hint").hidden = true;
  at("stage").classList.add("filled");
  const room = [at("stage").clientWidth - 16, Math.max(240, 0.72 * window.innerHeight)];
  const ratio = Math.min(room[0] / photo.width, room[1] / photo.height, 2);
  draw(at("picture"), photo, detections, model, photo.width * ratio, photo.height * ratio);
  const counts = new Map();
  for (const { class_name: name } of detections) counts.set(name, (counts.get(name) ?? 0) + 1);
  const text = [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`);
  const total = `${detections.length} object${detections.length === 1 ? "" : "s"}`;
  say(text.length ? `${total}: ${text.join(", ")}` : `${total} with a score of ${minScore().toFixed(2)} or more`);
  at("picture").setAttribute("aria-label", `The photo with ${at("status").textContent}`);
}

async function detectIn(file) {
  stopCamera();
  const turn = ++state.turn;
  const name = file.name || "the pasted photo";
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return fail(`${name} is not an image that this browser can read. Choose a JPEG, PNG or WebP.`);
  }
  try {
    if (turn === state.turn) say(model ? "Detecting …" : "Loading the model …");
    await ready;
    await detect(bitmap, bitmap.width, bitmap.height, file.name || null, turn);
  } catch (error) {
    if (turn === state.turn) fail(`Nothing could be detected in ${name}: ${error.message}`);
  } finally {
    bitmap.close();
  }
}

async function runCamera() {
  const turn = ++state.turn;
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  try {
    if (!navigator.mediaDevices) throw new Error("a browser gives it to pages from https or this computer only");
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if (turn !== state.turn) return stream.getTracks().forEach((track) => track.stop());
    state.stream = stream;
  } catch (error) {
    const reason = { NotAllowedError: "this page has no permission", NotFoundError: "there is none" }[error.name];
    return fail(`The camera can't be used: ${reason ?? error.message}.`);
  }
  at("camera").textContent = "Stop the camera";
  try {
    video.srcObject = state.stream;
    await video.play();
    await ready;
    while (turn === state.turn) {
      await detect(video, video.videoWidth, video.videoHeight, "camera", turn);
      await new Promise(requestAnimationFrame); // none while the page is hidden
    }
  } catch (error) {
    if (turn === state.turn) {
      stopCamera();
      fail(`The camera stopped: ${error.message}`);
    }
  }
}

function stopCamera() {
  if (!state.stream) return;
  state.turn += 1;
  for (const track of state.stream.getTracks()) track.stop();
  state.stream = null;
  at("camera").textContent = "Start the camera";
}

// In the form of `Detections.to_json`, in pixels of the photo as it was chosen.
function save() {
  const [width, height] = state.fullSize;
  const grow = width / photo.width;
  const objects = kept().map((one) => ({
    ...one,
    box: one.box.map((side) => side * grow),
    ...(one.keypoints && { keypoints: one.keypoints.map(([x, y, score]) => [x * grow, y * grow, score]) }),
  }));
  const values = { image_size: [height, width], source: state.source, ...model.result, objects };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(values, null, 1)], { type: "application/json" }));
  link.download = `${(state.source ?? "photo").replace(/\.\w+$/, "")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const first = (data) => [...(data?.files ?? [])][0];

at("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) detectIn(target.files[0]);
  target.value = ""; // the same file can be chosen again
});
at("camera").addEventListener("click", () => (state.stream ? stopCamera() : runCamera()));
at("save").addEventListener("click", save);
at("min-score").addEventListener("input", () => {
  showMinScore();
  if (state.found) show();
});
window.addEventListener("resize", () => state.found && show());
window.addEventListener("paste", ({ clipboardData }) => {
  const file = first(clipboardData);
  if (file) detectIn(file);
  else fail("The clipboard has no photo.");
});
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("stage").classList.add("over");
});
window.addEventListener("dragleave", () => at("stage").classList.remove("over"));
window.addEventListener("drop", (event) => {
  event.preventDefault();
  at("stage").classList.remove("over");
  const file = first(event.dataTransfer);
  if (file) detectIn(file);
  else fail("Drop the file of a photo: a link or text has none.");
});
