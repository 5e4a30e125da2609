// The page: one query at a time, made of a reference and a text. The URL's hash holds both, so that a link repeats
// the search and the browser's Back undoes a turn.

import { ProblemError, api } from "./api.js";
import { $, element, showPicture } from "./dom.js";
import { startGallery } from "./gallery.js";
import { startKey } from "./key.js";
import { hideResults, showAnswer, showWaiting, startResults } from "./results.js";
import { startUpload } from "./upload.js";

const LIMIT = 20;
const CHIPS = 6;

let reference = null; // {id, caption, image_url} of the gallery, or {name, url, base64} of the reader
let searching = null; // AbortController of the search that is under way
let surprises = null; // promise of the examples to draw from

function setReference(chosen) {
  if (reference && reference.url) URL.revokeObjectURL(reference.url);
  reference = chosen;
  const image = $("reference-image");
  image.hidden = false;
  image.alt = chosen.caption || chosen.name;
  showPicture(image, chosen.image_url || chosen.url);
  $("frame").classList.add("filled");
  $("reference-caption").textContent = chosen.caption || chosen.name;
  for (const tile of document.querySelectorAll(".tile")) {
    tile.setAttribute("aria-pressed", String(tile.dataset.id === chosen.id));
  }
  showChips(chosen.id);
}

function clear() {
  reference = null;
  hideResults();
  $("reference-image").hidden = true;
  $("reference-caption").textContent = "";
  $("frame").classList.remove("filled");
  $("text").value = "";
  for (const tile of document.querySelectorAll(".tile")) tile.setAttribute("aria-pressed", "false");
  showChips();
}

// What a reader does by hand: the new reference waits for its text.
function pick(chosen) {
  searching?.abort();
  hideResults();
  hideProblem();
  setReference(chosen);
  $("text").value = "";
  remember();
  $("query").scrollIntoView({ block: "nearest" });
  $("text").focus({ preventScroll: true });
}

async function search() {
  const text = $("text").value.trim();
  if (!reference) return showProblem("There is no reference yet", "Pick a picture from the gallery, or upload one.");
  if (!text) {
    $("text").focus();
    return showProblem("The text is empty", "Say what should change, such as one of the examples.");
  }
  hideProblem();
  remember();
  searching?.abort();
  const mine = searching = new AbortController();
  showWaiting(LIMIT);
  showTop($("results"));
  $("status").textContent = "Searching.";
  try {
    const source = reference.base64 ? { image: reference.base64 } : { id: reference.id };
    showAnswer(await api.search({ reference: source, text, limit: LIMIT }, mine.signal), use);
  } catch (error) {
    if (mine.signal.aborted) return;
    hideResults();
    fail(error);
  }
}

// Whoever picked a picture far down the gallery must still see what was found.
function showTop(section) {
  const { top } = section.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 3) section.scrollIntoView({ block: "start" });
}

function use(hit) {
  pick({ id: hit.id, caption: hit.caption, image_url: hit.image_url });
}

async function surprise() {
  try {
    surprises ??= api.examples(200);
    const { examples } = await surprises;
    const { reference: drawn, text } = examples[Math.floor(Math.random() * examples.length)];
    setReference(drawn);
    $("text").value = text;
    await search();
  } catch (error) {
    surprises = null;
    fail(error);
  }
}

async function showChips(referenceId) {
  try {
    const { examples } = await api.examples(CHIPS, referenceId);
    if (reference?.id !== referenceId) return; // Another reference was picked meanwhile.
    const texts = [...new Set(examples.map((example) => example.text))];
    $("chips").replaceChildren(...texts.map((text) => element("li", {}, element("button", {
      type: "button", className: "chip", textContent: text,
      onclick: () => { $("text").value = text; search(); } }))));
  } catch {
    $("chips").replaceChildren(); // Examples are a help; without them everything still works.
  }
}

function showProblem(title, detail, hint, requestId) {
  const lines = [element("strong", { textContent: title }), element("p", { textContent: detail })];
  if (hint) lines.push(element("p", { textContent: hint }));
  if (requestId) lines.push(element("p", { className: "small", textContent: `Request ${requestId}` }));
  $("problem").replaceChildren(...lines);
  $("problem").hidden = false;
}

function hideProblem() {
  $("problem").hidden = true;
}

function fail(error) {
  if (!(error instanceof ProblemError)) throw error;
  const { title, detail, hint, request_id: requestId } = error.problem;
  showProblem(title, detail, hint, requestId);
}

function remember() {
  const parts = new URLSearchParams();
  if (reference && reference.id) parts.set("ref", reference.id);
  if ($("text").value.trim()) parts.set("text", $("text").value.trim());
  const hash = `#${parts}`;
  if ((location.hash || "#") !== hash) history.pushState(null, "", hash);
}

async function restore() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const id = parts.get("ref");
  hideProblem();
  searching?.abort();
  if (!id) return clear();
  try {
    setReference(await api.item(id));
    $("text").value = parts.get("text") || "";
    if ($("text").value) await search();
    else hideResults();
  } catch (error) {
    fail(error);
  }
}

async function showServed() {
  const { indexes: [index] } = await api.indexes();
  $("served").textContent = `${index.name} · ${index.items.toLocaleString()} pictures · ${index.model}`;
}

$("query").addEventListener("submit", (event) => { event.preventDefault(); search(); });
$("surprise").addEventListener("click", surprise);
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("gallery-title").focus(); });
addEventListener("popstate", restore);
startKey();
startUpload(pick, showProblem);
startResults();
startGallery(pick, fail);
showServed().catch(fail);
if (location.hash.length > 1) restore();
else showChips();
