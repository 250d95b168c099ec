// Uses the page in Chromium: `node use_page.mjs '{"url": …, "chromium": …, "modules": …, "photos": […], "gpu": false}'`.
//
// Drops each photo and saves what is found, moves the slider, drops a text file and starts the camera; prints JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const { url, chromium: program, modules, photos, gpu } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const webgpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const args = ["--no-sandbox", ...camera, ...(gpu ? webgpu : [])];
const browser = await chromium.launch({ executablePath: program, args });
const page = await (await browser.newContext({ viewport: { width: 900, height: 800 } })).newPage();
const seen = { requests: [], errors: [], photos: [] };
page.context().on("request", (request) => seen.requests.push(request.url()));
page.context().on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
page.on("pageerror", (error) => seen.errors.push(String(error)));

const text = (id) => page.locator(`#${id}`).textContent();
const status = (pattern) => page.locator("#status").filter({ hasText: pattern }).waitFor({ timeout: 120_000 });
const drawn = () => page.evaluate(() => document.getElementById("picture").toDataURL());

async function drop(name, type, base64) {
  const data = await page.evaluateHandle(
    ([name, type, base64]) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    },
    [name, type, base64],
  );
  await page.dispatchEvent("#stage", "drop", { dataTransfer: data });
}

async function minScore(value) {
  await page.locator("#min-score").fill(String(value));
}

await page.goto(url);
await status(/Ready/);
seen.isolated = await page.evaluate(() => crossOriginIsolated);
seen.has_gpu = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
for (const photo of photos) {
  await minScore(0.3);
  await drop(basename(photo), "", readFileSync(photo).toString("base64"));
  await status(/^Detecting/);
  await status(/object/);
  const one = { status: await text("status"), time: await text("time"), provider: await text("provider") };
  one.note = await text("note");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  one.found = JSON.parse(readFileSync(await download.path(), "utf8"));
  const [before, time] = [await drawn(), one.time];
  await minScore(0.99);
  await status(/0\.99/);
  one.redrawn = (await drawn()) !== before && (await text("time")) === time;
  await minScore(0.3);
  one.restored = (await drawn()) === before;
  seen.photos.push(one);
}
await drop("notes.txt", "text/plain", Buffer.from("no photo").toString("base64"));
await status(/notes/);
seen.text = await text("status");
await page.click("#camera");
await page.locator("#size").filter({ hasNotText: await text("size") }).or(page.locator("#status.wrong")).first().waitFor();
await status(/object/);
seen.camera = { status: await text("status"), size: await text("size"), button: await text("camera") };
await page.click("#camera");
seen.stopped = await text("camera");
await browser.close();
console.log(JSON.stringify(seen));
