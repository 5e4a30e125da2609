// The key that the service may ask for. It is kept as long as the tab is open, and sent in a header, never in an address.

const NAME = "cirray-key";
let asking = null; // promise of the key that the reader is typing

export function headers() {
  const key = sessionStorage.getItem(NAME);
  return key ? { authorization: `Bearer ${key}` } : {};
}

// Every request that was refused waits for the same answer.
export function askForKey(detail) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("key-dialog");
    const field = document.getElementById("key");
    document.getElementById("key-detail").textContent = detail;
    field.value = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const key = dialog.returnValue === "use" ? field.value.trim() : "";
      if (key) sessionStorage.setItem(NAME, key);
      resolve(Boolean(key));
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return asking;
}

export function startKey() {
  const dialog = document.getElementById("key-dialog");
  document.getElementById("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("use");
  });
  document.getElementById("key-cancel").addEventListener("click", () => dialog.close(""));
}
