// Draws detections over a photo on a canvas, like `Detections.draw`.
const DARK = "rgb(16 16 16 / 60%)";
const KEYPOINT_MIN_SCORE = 0.2;
const FONT = [10, 14]; // pixels of the page: the least and the most
const MAX_HIDDEN = 0.25; // of a label

export function draw(canvas, photo, detections, model, width, height) {
  const dense = window.devicePixelRatio || 1;
  const scale = (width / photo.width) * dense;
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
  pen.lineJoin = "round";
  const line = Math.max(1.5, Math.sqrt(width * height) / 320) * dense;
  for (const one of [...detections].reverse()) {
    // The best is on top.
    const [x0, y0, x1, y1] = one.box.map((side) => side * scale);
    for (const [color, wide] of [[DARK, line + 1.5 * dense], [model.colors[one.class_id].fill, line]]) {
      pen.strokeStyle = color;
      pen.lineWidth = wide;
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    if (one.keypoints) pose(pen, one.keypoints, model, scale, line);
  }
  const largest = Math.min(Math.max(Math.sqrt(width * height) / 42, FONT[0]), FONT[1]);
  const placed = [];
  for (const one of detections) label(pen, one, model.colors[one.class_id], scale, dense, largest, placed);
}

function pose(pen, keypoints, model, scale, line) {
  const points = keypoints.map(([x, y, score]) => ({ x: x * scale, y: y * scale, shown: score >= KEYPOINT_MIN_SCORE }));
  const shown = points.filter((one) => one.shown);
  if (!shown.length) return;
  const spread = (side) => Math.max(...shown.map((one) => one[side])) - Math.min(...shown.map((one) => one[side]));
  const radius = Math.min(Math.max(Math.max(spread("x"), spread("y")) / 60, line / 2), 1.5 * line);
  const edges = (model.result.skeleton ?? []).filter(([start, end]) => points[start].shown && points[end].shown);
  const colors = model.keypoint_colors;
  for (const halo of [true, false]) {
    for (const [start, end] of edges) {
      pen.strokeStyle = halo ? DARK : colors[start] === colors[end] ? colors[start] : model.middle_color;
      pen.lineWidth = (halo ? 2.1 : 1.2) * radius;
      pen.beginPath();
      pen.moveTo(points[start].x, points[start].y);
      pen.lineTo(points[end].x, points[end].y);
      pen.stroke();
    }
  }
  points.forEach((one, number) => {
    if (!one.shown) return;
    for (const [size, color] of [[1.9, DARK], [1.5, "#fff"], [1.1, colors[number]]]) {
      pen.fillStyle = color;
      pen.beginPath();
      pen.arc(one.x, one.y, size * radius, 0, 2 * Math.PI);
      pen.fill();
    }
  });
}

// Writes a label where it hides the least of those in `placed`, and adds it to them; leaves out one that would be hidden.
function label(pen, one, colors, scale, dense, largest, placed) {
  const [x0, y0, x1, y1] = one.box.map((side) => side * scale);
  const side = Math.sqrt(Math.max((x1 - x0) * (y1 - y0), 0)) / dense;
  const size = Math.min(Math.max(side / 5, FONT[0]), largest) * dense;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const text = `${one.class_name} ${one.score.toFixed(2)}`;
  const wide = pen.measureText(text).width + 0.6 * size;
  const high = 1.35 * size;
  const { width, height } = pen.canvas;
  const corners = [[x0, y0 - high], [x1 - wide, y0 - high], [x0, y0], [x0, y1], [x1 - wide, y0], [x0, y1 - high]];
  const inside = corners.filter(([, top]) => top >= 0 && top + high <= height);
  const places = (inside.length ? inside : [[x0, 0]]).map(([left, top]) => [Math.max(0, Math.min(left, width - wide)), top]);
  const hidden = ([left, top]) =>
    placed.reduce((sum, [x, y, w, h]) => {
      const across = Math.min(left + wide, x + w) - Math.max(left, x);
      const down = Math.min(top + high, y + h) - Math.max(top, y);
      return sum + Math.max(0, across) * Math.max(0, down);
    }, 0);
  const [left, top] = places.reduce((best, place) => (hidden(place) < hidden(best) ? place : best));
  if (hidden([left, top]) > MAX_HIDDEN * wide * high) return;
  placed.push([left, top, wide, high]);
  pen.fillStyle = colors.fill;
  pen.fillRect(left, top, wide, high);
  pen.fillStyle = colors.text;
  pen.textBaseline = "middle";
  pen.fillText(text, left + 0.3 * size, top + high / 2);
}
