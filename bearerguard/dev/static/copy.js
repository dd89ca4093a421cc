"use strict";
// Without a script the token can be selected by hand; the button shows where it can work.
const button = document.getElementById("copy");
if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const told = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(document.getElementById("token").value);
      told.textContent = "Copied.";
    } catch {
      document.getElementById("token").select();
      told.textContent = "Selected; copy it with the keyboard.";
    }
  });
}
