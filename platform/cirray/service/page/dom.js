// Building elements. Text only ever enters the page as text: nothing here parses HTML.

import { headers } from "./key.js";

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Pictures with fewer pixels than this are shown as the pixels they are, not blurred.
const SMALL = 96;

export function picture(url, alt) {
  const image = element("img", { alt, loading: "lazy", decoding: "async" });
  showPicture(image, url);
  return image;
}

export function showPicture(image, url) {
  image.classList.remove("broken");
  image.onload = () => image.classList.toggle("pixelated", image.naturalWidth < SMALL);
  image.onerror = () => image.classList.add("broken");
  if (headers().authorization && url.startsWith("/")) fetchPicture(image, url);
  else image.src = url;
}

// A picture's own request could not carry the key.
async function fetchPicture(image, url) {
  image.dataset.url = url;
  try {
    const response = await fetch(url, { headers: headers() });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const fetched = URL.createObjectURL(await response.blob());
    if (image.dataset.url !== url) return URL.revokeObjectURL(fetched); // Another was asked for meanwhile.
    image.addEventListener("load", () => URL.revokeObjectURL(fetched), { once: true });
    image.src = fetched;
  } catch {
    image.classList.add("broken");
  }
}

const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };

// Arrow keys move between the buttons of a grid; Tab leaves it as everywhere.
export function arrowKeys(grid) {
  grid.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const buttons = [...grid.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const next = buttons[at + step(columns)];
    if (next) next.focus();
    event.preventDefault();
  });
}
