// What a page cannot do by itself: show a chosen picture, tell a slider's value, put focus where something is new.
"use strict";

document.addEventListener("change", (event) => {
  const place = event.target.dataset.preview && document.getElementById(event.target.dataset.preview);
  if (!place) return;
  if (place.src) URL.revokeObjectURL(place.src);
  const file = event.target.files[0];
  place.hidden = !file;
  if (file) place.src = URL.createObjectURL(file);
});

document.addEventListener("input", (event) => {
  const output = event.target.dataset.output && document.getElementById(event.target.dataset.output);
  if (output) output.value = event.target.value;
});

document.addEventListener("htmx:beforeRequest", () => {
  document.getElementById("notice").replaceChildren();
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful } = event.detail;
  if (!successful || !elt.matches("form[data-reset]")) return;
  elt.reset();
  for (const place of elt.querySelectorAll("[data-preview]")) place.dispatchEvent(new Event("change", { bubbles: true }));
  elt.querySelector("#words").replaceChildren();
});

document.addEventListener("htmx:sendError", () => {
  const told = document.createElement("p");
  told.textContent = "The service does not answer. What was saved is safe; try again in a moment.";
  document.getElementById("notice").replaceChildren(told);
});
