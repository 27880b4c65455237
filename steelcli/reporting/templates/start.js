/*
 * Joins the parts of the page: reads #data, and gives every control its work.
 */
"use strict";

/** @param {Gallery} gallery */
function startFilters(gallery) {
  const chips = all("[data-kind]");
  const press = (/** @type {string} */ kind) => {
    gallery.wanted.kind = kind;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.kind === kind));
    gallery.arrange();
  };
  for (const chip of chips) chip.addEventListener("click", () => press(chip.dataset.kind ?? ""));
  const [title, size] = [inputById("class-filter"), inputById("size-filter")];
  title.addEventListener("change", () => {
    gallery.wanted.title = title.value;
    gallery.arrange();
  });
  size.addEventListener("change", () => {
    gallery.wanted.size = size.value;
    gallery.arrange();
  });
  byId("sort").addEventListener("change", () => gallery.arrange());
  byId("clear-filter").addEventListener("click", () => {
    [title.value, size.value] = ["", ""];
    gallery.wanted = { kind: "", title: "", size: "", chosen: null };
    showMisses(gallery, null, []);
    press("");
    chips[0]?.focus();
  });
  gallery.arrange();
}

/** @param {Gallery} gallery */
function startLayers(gallery) {
  const boxes = all("[data-layer]").map((each) => /** @type {HTMLInputElement} */ (each));
  const show = () => {
    const layers = boxes.filter((box) => box.checked).map((box) => box.dataset.layer);
    document.body.dataset.layers = layers.join(" ");
    gallery.redraw();
  };
  for (const box of boxes) box.addEventListener("change", show);
  show();
}

/** @param {Gallery} gallery */
function startDialog(gallery) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("open-card"));
  const homes = [byId("controls"), byId("layers"), byId("approximate")].map((tool) => {
    const home = document.createComment("");
    tool.before(home);
    return { tool, home };
  });
  gallery.figures.forEach((figure, place) => {
    figure.querySelector(".open")?.addEventListener("click", () => {
      for (const { tool } of homes) byId("dialog-tools").append(tool);
      gallery.open(place);
      dialog.showModal();
    });
  });
  dialog.addEventListener("close", () => {
    for (const { tool, home } of homes) home.after(tool);
    const opened = gallery.figures[gallery.opened];
    gallery.opened = -1;
    /** @type {HTMLElement | null | undefined} */ (opened?.querySelector(".open"))?.focus();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement) return;
    if (event.key === "ArrowLeft") gallery.go(-1);
    if (event.key === "ArrowRight") gallery.go(1);
  });
  byId("previous").addEventListener("click", () => gallery.go(-1));
  byId("next").addEventListener("click", () => gallery.go(1));
  byId("close").addEventListener("click", () => dialog.close());
}

/**
 * List the images with missed defects of a cell, and show their cards.
 * @param {Gallery} gallery
 * @param {HTMLElement | null} button of the cell; null: of none
 * @param {number[][]} misses
 */
function showMisses(gallery, button, misses) {
  for (const each of all("[data-miss]")) each.setAttribute("aria-pressed", String(each === button));
  const names = byId("missed-names");
  names.hidden = button === null;
  gallery.wanted.chosen = button ? (misses[Number(button.dataset.miss)] ?? []) : null;
  if (!button) return;
  const list = /** @type {HTMLElement} */ (byId(`missed-${button.dataset.miss}`).cloneNode(true));
  list.removeAttribute("id");
  names.replaceChildren(list);
  const count = gallery.wanted.chosen?.length ?? 0;
  if (!count) return;
  const link = document.createElement("a");
  link.href = "#gallery";
  link.textContent = `In the gallery: ${formatCount(count)} of these images`;
  names.append(link);
}

/**
 * @param {Gallery} gallery
 * @param {number[][]} misses
 */
function startMisses(gallery, misses) {
  for (const button of all("[data-miss]")) {
    button.addEventListener("click", () => {
      const isPressed = button.getAttribute("aria-pressed") === "true";
      showMisses(gallery, isPressed ? null : button, misses);
      gallery.arrange();
    });
  }
}

/** Open what a link leads into. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target?.closest("details");
  if (folded) {
    folded.open = true;
    target?.scrollIntoView();
  }
}

function start() {
  const text = byId("data").textContent ?? "";
  const data = /** @type {PageData} */ (JSON.parse(text));
  const { points } = data;
  const gallery = new Gallery(data.cards, { threshold: 0, minArea: 0, isLearned: true });
  new Sliders(data, gallery);
  for (const element of all("[data-script]")) element.hidden = false;
  if (points.areas.length === 1) inputById("area").disabled = true;
  if (data.cards.length) {
    startFilters(gallery);
    startLayers(gallery);
    startDialog(gallery);
  }
  startMisses(gallery, data.misses);
  window.addEventListener("hashchange", openTarget);
  openTarget();
  document.body.dataset.ready = "";
}

start();
