/*
 * The gallery: filters, layers, live outlines and heat maps, and one card at full width.
 */
"use strict";

/**
 * One card as the server wrote it; its place is that of its figure.
 * @typedef {object} Card
 * @property {string} image
 * @property {string[]} kinds
 * @property {string[]} classes
 * @property {string[]} sizes
 * @property {number} dice
 * @property {number} defect_pixels
 * @property {number} missed
 * @property {number} scale pixels of the map per pixel of the image, along a side
 * @property {string | null} probability data URI of a grey PNG
 */

/** @typedef {{width: number, height: number, values: Uint8Array}} GreyMap */
/** @typedef {{threshold: number, minArea: number, isLearned: boolean}} Cut */

/** Colours of the heat map from 0 to 1. */
const RAMP = [[22, 11, 57], [120, 28, 109], [207, 68, 70], [251, 155, 6], [252, 255, 164]];

class Gallery {
  /**
   * @param {Card[]} cards
   * @param {Cut} cut the learned one
   */
  constructor(cards, cut) {
    this.cards = cards;
    this.cut = cut;
    this.figures = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".card")]);
    /** @type {number[]} places of the cards in sight, in their order */
    this.order = cards.map((_, place) => place);
    /** @type {Set<number>} of the window */
    this.near = new Set();
    /** @type {Map<number, Promise<GreyMap>>} */
    this.maps = new Map();
    /** @type {string[]} outlines at the learned point */
    this.learned = this.figures.map((figure) => pathOf(figure)?.getAttribute("d") ?? "");
    /** @type {{kind: string, title: string, size: string, chosen: number[] | null}} */
    this.wanted = { kind: "", title: "", size: "", chosen: null };
    this.opened = -1;
    this.isWaiting = false;
    this.watch();
  }

  /** Draw what comes near the window. */
  watch() {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const place = this.figures.indexOf(/** @type {HTMLElement} */ (entry.target));
        if (entry.isIntersecting) {
          this.near.add(place);
          this.draw(place);
        } else this.near.delete(place);
      }
    }, { rootMargin: "200px" });
    for (const figure of this.figures) observer.observe(figure);
  }

  /**
   * Cut the maps anew, once a frame at most.
   * @param {Cut} cut
   */
  recut(cut) {
    this.cut = cut;
    const note = document.getElementById("approximate");
    if (note) note.hidden = cut.isLearned;
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.redraw();
    });
  }

  redraw() {
    for (const place of this.near) this.draw(place);
    if (this.opened >= 0) this.drawOpened();
  }

  /** @param {number} place */
  draw(place) {
    const figure = this.figures[place];
    return figure ? this.drawInto(figure, place) : Promise.resolve();
  }

  drawOpened() {
    const figure = /** @type {HTMLElement} */ (document.getElementById("open-figure"));
    return this.drawInto(figure, this.opened);
  }

  /**
   * Bring outline and heat map of a figure up to date.
   * @param {HTMLElement} figure
   * @param {number} place
   */
  async drawInto(figure, place) {
    const card = this.cards[place];
    const path = pathOf(figure);
    const picture = figure.querySelector(".picture"); // another one may stand there later
    if (!card || !path || !picture) return;
    const { cut } = this;
    const wantsHeat = (document.body.dataset.layers ?? "").includes("heat");
    figure.classList.toggle("stale", !card.probability && !cut.isLearned);
    if (cut.isLearned) path.setAttribute("d", this.learned[place] ?? "");
    if (!card.probability || (cut.isLearned && !wantsHeat)) return;
    const map = await this.loadMap(place, card.probability);
    if (wantsHeat) showHeat(picture, map);
    if (cut.isLearned || cut !== this.cut) return;
    const minArea = cut.minArea * card.scale ** 2;
    const mask = cutMap(map.values, map.width, map.height, cut.threshold, minArea);
    path.setAttribute("d", traceOutline(mask, map.width, map.height));
  }

  /**
   * @param {number} place
   * @param {string} uri
   * @returns {Promise<GreyMap>}
   */
  loadMap(place, uri) {
    const known = this.maps.get(place) ?? decodeGrey(uri);
    this.maps.set(place, known);
    return known;
  }

  /** Show the cards that are wanted, in the order that is wanted. */
  arrange() {
    if (!this.cards.length) return;
    const { kind, title, size, chosen } = this.wanted;
    const sort = /** @type {HTMLSelectElement} */ (document.getElementById("sort")).value;
    const fits = (/** @type {Card} */ card, /** @type {number} */ place) =>
      (!kind || card.kinds.includes(kind)) &&
      (!title || card.classes.includes(title)) &&
      (!size || card.sizes.includes(size)) &&
      (!chosen || chosen.includes(place));
    this.order = [];
    this.cards.forEach((card, place) => fits(card, place) && this.order.push(place));
    const keys = this.cards.map((card) => sortKey(card, sort));
    this.order.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
    for (const figure of this.figures) figure.hidden = true;
    for (const place of this.order) {
      const figure = /** @type {HTMLElement} */ (this.figures[place]);
      figure.hidden = false;
      figure.parentElement?.append(figure);
    }
    const shown = /** @type {HTMLElement} */ (document.getElementById("shown"));
    const [count, whole] = [this.order.length, this.cards.length].map(formatCount);
    shown.textContent = `${count} of ${whole} cards`;
    const isWhole = !kind && !title && !size && !chosen;
    /** @type {HTMLElement} */ (document.getElementById("clear-filter")).hidden = isWhole;
  }

  /**
   * Open a card at full width.
   * @param {number} place
   */
  open(place) {
    const target = /** @type {HTMLElement} */ (document.getElementById("open-figure"));
    const source = /** @type {HTMLElement} */ (this.figures[place]);
    const parts = [source.querySelector(".picture"), source.querySelector("figcaption")];
    target.replaceChildren(...parts.map((part) => /** @type {Node} */ (part?.cloneNode(true))));
    target.querySelector("canvas")?.remove();
    this.opened = place;
    const number = this.order.indexOf(place) + 1;
    const counter = /** @type {HTMLElement} */ (document.getElementById("open-place"));
    counter.textContent = `${formatCount(number)} of ${formatCount(this.order.length)}`;
    this.drawOpened();
  }

  /**
   * Open the card before or behind the one that is open.
   * @param {number} step
   */
  go(step) {
    const count = this.order.length;
    const place = this.order[(this.order.indexOf(this.opened) + step + count) % count];
    if (place !== undefined) this.open(place);
  }
}

/**
 * @param {Card} card
 * @param {string} sort
 * @returns {number}
 */
function sortKey(card, sort) {
  if (sort === "lowest") return card.dice;
  if (sort === "highest") return -card.dice;
  if (sort === "largest") return -card.defect_pixels;
  return sort === "missed" ? -card.missed : 0;
}

/**
 * The outline of the prediction.
 * @param {HTMLElement} figure
 */
function pathOf(figure) {
  return figure.querySelector(".predicted");
}

/**
 * @param {string} uri of a grey PNG
 * @returns {Promise<GreyMap>}
 */
async function decodeGrey(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const context = contextOf(document.createElement("canvas"), width, height);
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(width * height).map((_, i) => pixels[4 * i] ?? 0);
  return { width, height, values };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function contextOf(canvas, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return /** @type {CanvasRenderingContext2D} */ (context);
}

/**
 * Lay the map over the photo, in colour; what is near 0 lets it shine through.
 * @param {Element} picture
 * @param {GreyMap} map
 */
function showHeat(picture, map) {
  if (picture.querySelector("canvas")) return;
  const canvas = document.createElement("canvas");
  const context = contextOf(canvas, map.width, map.height);
  const pixels = context.createImageData(map.width, map.height);
  map.values.forEach((value, i) => {
    pixels.data.set(heatColour(value / 255), 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  picture.insertBefore(canvas, picture.querySelector("svg"));
}

/**
 * @param {number} probability
 * @returns {number[]} red, green, blue and alpha from 0 to 255
 */
function heatColour(probability) {
  const along = probability * (RAMP.length - 1);
  const low = Math.min(Math.floor(along), RAMP.length - 2);
  const [from, to] = [RAMP[low] ?? [], RAMP[low + 1] ?? []];
  const colour = from.map((value, i) => value + (along - low) * ((to[i] ?? 0) - value));
  return [...colour, 255 * Math.min(0.85, 3 * probability)];
}
