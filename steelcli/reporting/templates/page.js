/*
 * The script of the page: the sliders and all that follows them. Ids and attributes that tests use:
 *   #threshold, #area       the sliders; their value is a place in Points.thresholds and .areas
 *   #threshold-value, #area-value, [data-go="learned" | "fixed"]
 *   [data-value="KEY"]      live numbers by the keys of `numbersAt`; "KEY_count": as "2 of 40"
 *   #cost-miss, #cost-alarm, #defect-rate, [data-cost="now" | "learned" | "fixed" | "cheapest"],
 *   #go-cheapest            the cost of a point
 *   svg[data-follows]       charts whose g.marker moves: "precision", "froc" or "threshold"
 *   [data-kind], #class-filter, #size-filter, #sort, #shown, #clear-filter, [data-layer]
 *   .card[data-image]       cards; #approximate says that their outlines are off the learned point
 *   #open-card              the dialog; #previous, #next, #close, #open-place, #open-figure
 *   [data-miss]             cells of misses; #missed-names lists their images
 *   [data-script][hidden]   what needs the script; it takes the attribute `hidden` away
 *   body[data-ready]        set when the script is done
 */
"use strict";

/**
 * What the server wrote into #data.
 * @typedef {object} PageData
 * @property {number} decimals
 * @property {Points} points
 * @property {Card[]} cards
 * @property {number[][]} misses of each [data-miss]: the places of the cards
 */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {string} id
 * @returns {HTMLInputElement}
 */
function inputById(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/**
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
function all(selector) {
  return [...document.querySelectorAll(selector)].map((each) => /** @type {HTMLElement} */ (each));
}

class Sliders {
  /**
   * @param {PageData} data
   * @param {Gallery} gallery
   */
  constructor({ points, decimals }, gallery) {
    this.points = points;
    this.decimals = decimals;
    this.gallery = gallery;
    this.threshold = inputById("threshold");
    this.area = inputById("area");
    this.go(points.learned);
    for (const slider of [this.threshold, this.area]) {
      slider.addEventListener("input", () => this.show());
    }
    for (const button of all("[data-go]")) {
      button.addEventListener("click", () => this.go(points[this.nameOf(button)]));
    }
    for (const input of all("#cost input")) {
      input.addEventListener("input", () => this.showCosts());
    }
    byId("cost").addEventListener("submit", (event) => event.preventDefault());
    byId("go-cheapest").addEventListener("click", () => {
      const row = cheapestRow(points, this.readCosts());
      if (row !== null) this.go(this.splitRow(row));
    });
  }

  /**
   * @param {HTMLElement} button
   * @returns {"learned" | "fixed"}
   */
  nameOf(button) {
    return button.dataset.go === "fixed" ? "fixed" : "learned";
  }

  /**
   * The places of a row's threshold and area.
   * @param {number} row
   * @returns {[number, number]}
   */
  splitRow(row) {
    const count = this.points.thresholds.length;
    return [row % count, Math.floor(row / count)];
  }

  /**
   * Move the sliders.
   * @param {[number, number]} pair places of threshold and area
   */
  go([threshold, area]) {
    this.threshold.value = String(threshold);
    this.area.value = String(area);
    this.show();
  }

  /** @returns {[number, number]} */
  get pair() {
    return [Number(this.threshold.value), Number(this.area.value)];
  }

  /** Bring the page in line with the sliders. */
  show() {
    const { points } = this;
    const [threshold, area] = this.pair;
    const row = rowOf(points, threshold, area);
    const isAt = (/** @type {[number, number]} */ [column, line]) =>
      column === threshold && line === area;
    for (const button of all("[data-go]")) {
      button.setAttribute("aria-pressed", String(isAt(points[this.nameOf(button)])));
    }
    this.showNames();
    this.showNumbers(row);
    for (const chart of all("svg[data-follows]")) {
      moveMarker(chart, numbersAt(points, row), points.thresholds[threshold] ?? 0);
    }
    this.showCosts();
    const isLearned = isAt(points.learned);
    this.gallery.recut({
      threshold: points.thresholds[threshold] ?? 0,
      minArea: points.areas[area] ?? 0,
      isLearned,
    });
  }

  showNames() {
    const [threshold, area] = this.pair;
    const shown = this.nameThreshold(threshold);
    const pixels = `${formatCount(this.points.areas[area] ?? 0)} px`;
    byId("threshold-value").textContent = shown;
    byId("area-value").textContent = pixels;
    this.threshold.setAttribute("aria-valuetext", shown);
    this.area.setAttribute("aria-valuetext", pixels);
  }

  /**
   * @param {number} place
   * @returns {string}
   */
  nameThreshold(place) {
    return formatNumber(this.points.thresholds[place] ?? null, this.decimals);
  }

  /** @param {number} row */
  showNumbers(row) {
    const counts = countsAt(this.points, row);
    const set = (/** @type {string} */ key, /** @type {string} */ text) => {
      for (const element of all(`[data-value="${key}"]`)) element.textContent = text;
    };
    for (const [key, value] of Object.entries(numbersAt(this.points, row))) {
      set(key, formatNumber(value, this.decimals));
    }
    for (const [key, [part, whole]] of Object.entries(counts)) {
      set(`${key}_count`, nameCount(part, whole));
    }
    const said = (/** @type {string} */ key) => nameCount(...(counts[key] ?? [0, 0]));
    byId("summary").textContent =
      `${said("found")} defects found · ${said("clean_false_alarm")} clean sheets called defective`;
  }

  /** @returns {Costs} */
  readCosts() {
    const read = (/** @type {string} */ id) => Math.max(0, inputById(id).valueAsNumber || 0);
    const rate = Math.min(1, read("defect-rate") / 100);
    return { miss: read("cost-miss"), alarm: read("cost-alarm"), rate };
  }

  showCosts() {
    const { points } = this;
    const costs = this.readCosts();
    const cheapest = cheapestRow(points, costs);
    /** @type {Record<string, number | null>} */
    const rows = {
      now: rowOf(points, ...this.pair),
      learned: rowOf(points, ...points.learned),
      fixed: rowOf(points, ...points.fixed),
      cheapest,
    };
    for (const [name, row] of Object.entries(rows)) {
      const cost = row === null ? null : costAt(numbersAt(points, row), costs);
      for (const cell of all(`[data-cost="${name}"]`)) cell.textContent = formatNumber(cost, 2);
    }
    inputById("go-cheapest").disabled = cheapest === null;
    if (cheapest === null) return;
    const [threshold, area] = this.splitRow(cheapest);
    const pixels = formatCount(points.areas[area] ?? 0);
    byId("cheapest-point").textContent = `${this.nameThreshold(threshold)}, ${pixels} px`;
  }
}

/**
 * @param {number} part
 * @param {number} whole
 * @returns {string} as "2 of 40"
 */
function nameCount(part, whole) {
  return `${formatCount(part)} of ${formatCount(whole)}`;
}

/**
 * Mark in a chart where the sliders are; charts.py says how its frame is written.
 * @param {HTMLElement} chart
 * @param {Numbers} numbers
 * @param {number} threshold
 */
function moveMarker(chart, numbers, threshold) {
  chart.querySelector(".marker")?.remove();
  const spot = spotOf(chart.dataset.follows ?? "", numbers, threshold);
  if (!spot) return;
  const frame = (chart.dataset.frame ?? "").split(" ").map(Number);
  const [left = 0, top = 0, right = 0, bottom = 0] = frame;
  const [x, y] = placeInFrame(frame, chart.dataset.scale === "log", spot.x, spot.y ?? NaN);
  const marker = createIn(chart, "g", { class: "marker" });
  const ring = { cx: Math.min(Math.max(x, left), right), cy: y, r: 7 };
  if (spot.y !== null) marker.append(createIn(chart, "circle", ring));
  else marker.append(createIn(chart, "line", { x1: x, x2: x, y1: top, y2: bottom }));
  chart.append(marker);
}

/**
 * Where a kind of chart is marked: a point, or a line across where y is null.
 * @param {string} kind
 * @param {Numbers} numbers
 * @param {number} threshold
 * @returns {{x: number, y: number | null} | null}
 */
function spotOf(kind, numbers, threshold) {
  if (kind === "threshold") return { x: threshold, y: null };
  const [x, y] =
    kind === "froc"
      ? [numbers.false_per_image, numbers.found]
      : [numbers.recall, numbers.precision];
  const isThere = x !== null && x !== undefined && y !== null && y !== undefined;
  return isThere ? { x, y } : null;
}

/**
 * Return an element for a chart.
 * @param {Element} chart
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @returns {Element}
 */
function createIn(chart, name, attributes) {
  const element = document.createElementNS(chart.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
