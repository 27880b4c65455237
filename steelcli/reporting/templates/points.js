/*
 * Arithmetic without a document: numbers as text, the numbers at a pair of threshold and area, what
 * a pair costs, and the mask that an 8-bit map gives there. tests/web/points.test.mjs compares all
 * of it with Python.
 */
"use strict";

/**
 * The counts of the test split at every pair, columns area-major: all thresholds of the first area,
 * then those of the next. What has nothing to divide by is null.
 * @typedef {object} Points
 * @property {number[]} thresholds rising
 * @property {number[]} areas pixels, rising
 * @property {[number, number]} learned places of the learned threshold and area
 * @property {[number, number]} fixed places of 0.5 and 0
 * @property {number} images
 * @property {number} defect_images
 * @property {number} defects
 * @property {Record<string, (number | null)[]>} columns
 */

/** @typedef {Record<string, number | null>} Numbers */

/**
 * What the line makes of the sheets: euro and a share from 0 to 1.
 * @typedef {object} Costs
 * @property {number} miss of a defective sheet that passes
 * @property {number} alarm of a clean sheet that is stopped
 * @property {number} rate share of defective sheets
 */

const ABSENT = "–";

/**
 * A count with separators.
 * @param {number} value a whole number
 * @returns {string}
 */
function formatCount(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * As Python's `format_number` formats a float.
 * @param {number | null} value
 * @param {number} decimals
 * @returns {string}
 */
function formatNumber(value, decimals) {
  if (value === null || Number.isNaN(value)) return ABSENT;
  const size = Math.abs(value);
  if (size && size < 0.5 * 10 ** -decimals) {
    return value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2");
  }
  const digits = size < 10 ? decimals : Math.min(decimals, 2);
  const [whole, rest] = roundHalfEven(size, digits).split(".");
  const text = formatCount(/** @type {any} */ (whole)) + (rest ? `.${rest}` : "");
  return value < 0 ? `-${text}` : text;
}

/**
 * As `toFixed`, but what lies exactly between two goes to the even one, as in Python.
 * @param {number} value from 0 to 1e20
 * @param {number} digits
 * @returns {string}
 */
function roundHalfEven(value, digits) {
  const exact = value.toFixed(Math.min(100, digits + 40));
  const below = exact.slice(0, exact.indexOf(".") + 1 + digits).replace(/\.$/, "");
  const isBetween = /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + digits));
  return isBetween && /[02468]$/.test(below) ? below : value.toFixed(digits);
}

/**
 * The row of a pair in the columns.
 * @param {Points} points
 * @param {number} threshold its place
 * @param {number} area its place
 * @returns {number}
 */
function rowOf(points, threshold, area) {
  return area * points.thresholds.length + threshold;
}

/**
 * @param {number | null | undefined} part
 * @param {number} whole
 * @returns {number | null}
 */
function divide(part, whole) {
  return whole && part !== null && part !== undefined ? part / whole : null;
}

/**
 * The parts and wholes of the numbers that are shown as "2 of 40".
 * @param {Points} points
 * @param {number} row
 * @returns {Record<string, [number, number]>}
 */
function countsAt(points, row) {
  const at = (/** @type {string} */ name) => points.columns[name]?.[row] ?? 0;
  return {
    image_recall: [at("detected"), points.defect_images],
    clean_false_alarm: [at("false_alarms"), points.images - points.defect_images],
    found: [at("found"), points.defects],
  };
}

/**
 * The numbers at a pair; `compute_numbers` of operating.py does the same.
 * @param {Points} points
 * @param {number} row
 * @returns {Numbers}
 */
function numbersAt(points, row) {
  const at = (/** @type {string} */ name) => points.columns[name]?.[row] ?? 0;
  const [tp, fp, fn] = [at("tp"), at("fp"), at("fn")];
  /** @type {Numbers} */
  const numbers = {};
  for (const name of ["dice", "dice_defect", "iou"]) {
    numbers[name] = points.columns[name]?.[row] ?? null;
  }
  numbers.precision = divide(tp, tp + fp);
  numbers.recall = divide(tp, tp + fn);
  numbers.f1 = divide(2 * tp, 2 * tp + fp + fn);
  for (const [name, [part, whole]] of Object.entries(countsAt(points, row))) {
    numbers[name] = divide(part, whole);
  }
  numbers.false_per_image = divide(at("false_components"), points.images);
  return numbers;
}

/**
 * Euro per 1,000 sheets: missed defective ones, and clean ones stopped.
 * @param {Numbers} numbers
 * @param {Costs} costs
 * @returns {number | null} null where the split lacks sheets of a kind that occurs
 */
function costAt(numbers, costs) {
  const { image_recall: caught, clean_false_alarm: alarms } = numbers;
  if (caught === null || alarms === null || caught === undefined || alarms === undefined) {
    return null;
  }
  const missed = costs.rate * (1 - caught) * costs.miss;
  return 1000 * (missed + (1 - costs.rate) * alarms * costs.alarm);
}

/**
 * The row that costs least; of equals that with the highest Dice of defect images, then the first.
 * @param {Points} points
 * @param {Costs} costs
 * @returns {number | null}
 */
function cheapestRow(points, costs) {
  const rows = points.thresholds.length * points.areas.length;
  let best = null;
  let [bestCost, bestDice] = [Infinity, -1];
  for (let row = 0; row < rows; row++) {
    const numbers = numbersAt(points, row);
    const cost = costAt(numbers, costs);
    const dice = numbers.dice_defect ?? 0;
    if (cost !== null && (cost < bestCost || (cost === bestCost && dice > bestDice))) {
      [best, bestCost, bestDice] = [row, cost, dice];
    }
  }
  return best;
}

/**
 * The mask of a map: where value / 255 >= threshold, without 8-connected components under an area.
 * @param {ArrayLike<number>} map values 0 to 255, row by row
 * @param {number} width
 * @param {number} height
 * @param {number} threshold
 * @param {number} minArea in pixels of the map, may be a fraction
 * @returns {Uint8Array} 0 and 1
 */
function cutMap(map, width, height, threshold, minArea) {
  const mask = new Uint8Array(width * height);
  for (let i = 0; i < mask.length; i++) mask[i] = Number((map[i] ?? 0) / 255 >= threshold);
  if (minArea <= 1) return mask;
  const seen = mask.slice();
  for (let start = 0; start < mask.length; start++) {
    if (!seen[start]) continue;
    const component = takeComponent(seen, width, height, start);
    if (component.length < minArea) for (const place of component) mask[place] = 0;
  }
  return mask;
}

/**
 * Empty the component of `start` out of a mask, and return its places.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {number} start
 * @returns {number[]}
 */
function takeComponent(mask, width, height, start) {
  const component = [start];
  mask[start] = 0;
  for (let next = 0; next < component.length; next++) {
    const place = /** @type {number} */ (component[next]);
    const [x, y] = [place % width, Math.floor(place / width)];
    for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
      for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
        if (mask[v * width + u]) {
          mask[v * width + u] = 0;
          component.push(v * width + u);
        }
      }
    }
  }
  return component;
}

/**
 * The outline of a mask along the edges of its pixels, holes included: SVG path data.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @returns {string}
 */
function traceOutline(mask, width, height) {
  const row = width + 1;
  const steps = [1, row, -1, -row]; // right, down, left, up; the mask is on the right-hand side
  const edges = new Uint8Array(row * (height + 1));
  const mark = (/** @type {number} */ at, /** @type {number} */ way) => {
    edges[at] = /** @type {number} */ (edges[at]) | (1 << way);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [i, corner] = [y * width + x, y * row + x];
      if (!mask[i]) continue;
      if (y === 0 || !mask[i - width]) mark(corner, 0);
      if (x === width - 1 || !mask[i + 1]) mark(corner + 1, 1);
      if (y === height - 1 || !mask[i + width]) mark(corner + row + 1, 2);
      if (x === 0 || !mask[i - 1]) mark(corner + row, 3);
    }
  }
  let path = "";
  for (let start = 0; start < edges.length; start++) {
    while (edges[start]) path += followOutline(edges, steps, start, row);
  }
  return path;
}

/**
 * Take one closed outline out of the marked edges.
 * @param {Uint8Array} edges for each corner a bit per way that an edge leaves it
 * @param {number[]} steps from corner to corner, by way
 * @param {number} start
 * @param {number} row corners in a row
 * @returns {string}
 */
function followOutline(edges, steps, start, row) {
  let path = `M${start % row} ${Math.floor(start / row)}`;
  let at = start;
  let way = -1;
  do {
    const marked = /** @type {number} */ (edges[at]);
    const isStraight = way >= 0 && marked & (1 << way);
    const next = isStraight ? way : [0, 1, 2, 3].findIndex((each) => marked & (1 << each));
    if (next !== way && way >= 0) path += way % 2 ? `V${Math.floor(at / row)}` : `H${at % row}`;
    edges[at] = marked & ~(1 << next);
    at += /** @type {number} */ (steps[next]);
    way = next;
  } while (at !== start);
  return `${path}Z`;
}

/**
 * Where a value lies in a chart.
 * @param {number[]} frame left, top, right, bottom, then lowest and highest x, lowest and highest y
 * @param {boolean} isLog whether x is on a scale of powers
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]} in units of the chart's viewBox
 */
function placeInFrame(frame, isLog, x, y) {
  const [left = 0, top = 0, right = 0, bottom = 0, x0 = 0, x1 = 1, y0 = 0, y1 = 1] = frame;
  const along = isLog ? Math.log(x / x0) / Math.log(x1 / x0) : (x - x0) / (x1 - x0);
  return [left + along * (right - left), bottom - ((y - y0) / (y1 - y0)) * (bottom - top)];
}
