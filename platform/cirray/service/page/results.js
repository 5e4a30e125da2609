// The answer to a search: hits, and what must be said about them.

import { $, arrowKeys, element, picture } from "./dom.js";

export function startResults() {
  arrowKeys($("hits"));
  $("scores").addEventListener("change", () => $("hits").classList.toggle("bare", !$("scores").checked));
}

export function showWaiting(count) {
  $("results").hidden = false;
  $("degraded").hidden = true;
  $("unknown").hidden = true;
  $("timings").textContent = "";
  $("hits").setAttribute("aria-busy", "true");
  $("hits").replaceChildren(...Array.from({ length: count }, () => element("li", { className: "hit skeleton" })));
}

export function hideResults() {
  $("results").hidden = true;
  $("hits").replaceChildren();
}

export function showAnswer(answer, onUse) {
  const { coverage, query } = answer;
  $("hits").removeAttribute("aria-busy");
  $("hits").replaceChildren(...answer.hits.map((hit) => card(hit, onUse)));
  say("degraded", coverage.degraded && degraded(coverage));
  say("unknown", query.unknown_words.length > 0
    && `Words that the model does not know and so ignored: ${query.unknown_words.join(", ")}.`);
  $("timings").textContent = timings(answer);
  $("status").textContent = answer.hits.length === 1 ? "1 picture found." : `${answer.hits.length} pictures found.`;
}

function card(hit, onUse) {
  const use = element("button", { type: "button", className: "use", title: hit.caption, onclick: () => onUse(hit) },
    picture(hit.image_url, hit.caption),
    element("span", { className: "hint", textContent: "Use this next" }));
  use.dataset.id = hit.id;
  return element("li", { className: "hit" }, use,
    element("p", { className: "score" },
      element("span", { className: "rank", textContent: `#${hit.rank}` }),
      element("span", { textContent: hit.score.toFixed(3), title: "Cosine similarity, higher is better" })));
}

function degraded({ shards, ratio, failures }) {
  const why = failures.map((failure) => `shard ${failure.shard}: ${failure.reason}`).join(", ");
  return `Only ${shards.ok} of ${shards.total} shards answered (${Math.round(ratio * 100)} % of the index; ${why}). `
    + "Better matches may be missing: search again in a moment.";
}

function timings({ timings_ms: ms, index, coverage, query }) {
  const stages = ["decode", "compose", "search", "merge"].map((stage) => `${stage} ${ms[stage].toFixed(1)}`);
  return `${ms.total.toFixed(0)} ms (${stages.join(" · ")}) · ${coverage.shards.ok} of ${coverage.shards.total} shards `
    + `· index ${index.name} ${index.version} · ${query.composer} ${query.composer_version}`;
}

function say(id, message) {
  $(id).textContent = message || "";
  $(id).hidden = !message;
}
