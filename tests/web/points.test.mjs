/* The arithmetic of the page against numbers that Python wrote; run by test_page_data.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { runInThisContext } from "node:vm";

const script = "../../steelcli/reporting/templates/points.js";
runInThisContext(readFileSync(new URL(script, import.meta.url), "utf8"));
const written = JSON.parse(readFileSync(process.env.STEELCLI_FIXTURE, "utf8"));

test("numbers are written as Python writes them", () => {
  assert.ok(written.texts.length > 1000);
  for (const [value, decimals, text] of written.texts) {
    assert.equal(formatNumber(value, decimals), text, `${value} with ${decimals} decimals`);
  }
  for (const [value, text] of written.counts) assert.equal(formatCount(value), text);
});

test("the numbers at every pair are Python's", () => {
  assert.ok(written.rows.length > 100);
  for (const [row, { numbers, counts }] of written.rows.entries()) {
    assert.deepEqual(numbersAt(written.points, row), numbers);
    const texts = {};
    for (const [key, [part, whole]] of Object.entries(countsAt(written.points, row))) {
      texts[key] = whole ? `${formatCount(part)} of ${formatCount(whole)}` : "";
    }
    assert.deepEqual(texts, counts);
  }
});

test("the learned pair and 0.5 are the rows that Python names", () => {
  const { points, learned, fixed } = written;
  assert.equal(rowOf(points, ...points.learned), learned);
  assert.equal(rowOf(points, ...points.fixed), fixed);
});

test("costs are Python's, and no pair is cheaper than the cheapest", () => {
  for (const { costs, each } of written.costs) {
    const best = cheapestRow(written.points, costs);
    for (const [row, cost] of each.entries()) {
      assert.equal(costAt(numbersAt(written.points, row), costs), cost);
      assert.ok(each[best] <= cost);
    }
  }
});

test("where a kind of sheet is missing nothing has a cost", () => {
  const points = { ...written.points, defect_images: written.points.images };
  const costs = { miss: 1, alarm: 1, rate: 0.5 };
  assert.equal(costAt(numbersAt(points, 0), costs), null);
  assert.equal(cheapestRow(points, costs), null);
});

test("maps are cut as Python cuts them", () => {
  assert.ok(written.cuts.some(({ mask }) => mask.includes(1)));
  for (const { map, width, height, threshold, minArea, mask } of written.cuts) {
    assert.deepEqual([...cutMap(map, width, height, threshold, minArea)], mask);
  }
});

test("an outline holds exactly the pixels of its mask", () => {
  for (const { width, height, mask } of written.cuts) {
    const path = traceOutline(Uint8Array.from(mask), width, height);
    assert.deepEqual(fill(path, width, height), mask);
  }
});

test("a mark lies where Python draws the point", () => {
  for (const { frame, isLog, x, y, drawn } of written.charts) {
    const placed = placeInFrame(frame, isLog, x, y);
    const isNear = placed.every((value, i) => Math.abs(value - drawn[i]) < 0.02);
    assert.ok(isNear, `${placed} ${drawn}`);
  }
});

/** Fill path data of M, H, V and Z by the rule even-odd. */
function fill(path, width, height) {
  const inside = new Array(width * height).fill(0);
  for (const [x, y0, y1] of verticalEdges(path)) {
    for (let y = Math.min(y0, y1); y < Math.max(y0, y1); y++) {
      for (let u = x; u < width; u++) inside[y * width + u] ^= 1;
    }
  }
  return inside;
}

/** The edges [x, from, to] of path data, the closing ones too. */
function verticalEdges(path) {
  const edges = [];
  for (const loop of path.match(/M[^Z]*Z/g) ?? []) {
    const [, startX, startY, rest] = /M(\d+) (\d+)(.*)Z/.exec(loop);
    let [x, y] = [Number(startX), Number(startY)];
    for (const [, kind, to] of rest.matchAll(/([HV])(\d+)/g)) {
      if (kind === "H") x = Number(to);
      else {
        edges.push([x, y, Number(to)]);
        y = Number(to);
      }
    }
    assert.ok(x === Number(startX) || y === Number(startY), "the closing edge is straight");
    edges.push([x, y, Number(startY)]);
  }
  return edges;
}
