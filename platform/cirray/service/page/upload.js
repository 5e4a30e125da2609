// A picture of the reader's own as the reference: chosen, dropped or pasted.

import { $ } from "./dom.js";

const MAX_BYTES = 8 * 1024 * 1024;

export function startUpload(onPicture, onProblem) {
  const area = $("drop");
  $("file").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = ""; // The same file can be chosen again.
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  for (const name of ["dragover", "dragleave", "drop"]) {
    area.addEventListener(name, (event) => {
      event.preventDefault();
      area.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files);
    });
  }

  async function take(files) {
    if (!files.length) return;
    const [file] = files;
    if (file.size > MAX_BYTES) {
      onProblem("The picture is too large", `${file.name} is over 8 MB. Scale it down first.`);
      return;
    }
    onPicture({ name: file.name || "your picture", url: URL.createObjectURL(file), base64: await base64(file) });
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
