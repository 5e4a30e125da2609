// The gallery: pages of items, loaded as the reader scrolls.

import { api } from "./api.js";
import { $, arrowKeys, element, picture } from "./dom.js";

const PAGE = 48;

export function startGallery(onPick, onProblem) {
  const grid = $("items");
  const end = $("end");
  let cursor = null;
  let busy = false;
  let done = false;

  async function more() {
    if (busy || done) return;
    busy = true;
    try {
      const page = await api.items(cursor, PAGE);
      cursor = page.next_cursor;
      done = cursor === null;
      grid.append(...page.items.map((item) => tile(item, onPick)));
      $("count").textContent = `${page.total.toLocaleString()} pictures`;
      end.textContent = done ? "That is all of them." : "";
    } catch (error) {
      done = true; // Until the reader asks again, or every scroll would fail anew.
      end.replaceChildren(element("button", { type: "button", className: "button", textContent: "Load more",
        onclick: () => { done = false; more(); } }));
      onProblem(error);
    } finally {
      busy = false;
      observer.unobserve(end); // Observing anew reports at once where the end is still in view.
      if (!done) observer.observe(end);
    }
  }

  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) more();
  }, { rootMargin: "400px" });
  arrowKeys(grid);
  more();
}

function tile(item, onPick) {
  const button = element("button", { type: "button", className: "tile", title: item.caption,
    onclick: () => onPick(item) }, picture(item.image_url, item.caption));
  button.dataset.id = item.id;
  return element("li", {}, button);
}
