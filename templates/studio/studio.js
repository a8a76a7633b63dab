// What a page cannot do by itself: show a chosen picture, tell a slider's value, keep what is typed through a reload,
// follow its jobs, fetch what changed while it was not looked at, do one thing after another, let one preview follow
// another without a gap, tell what went wrong.
"use strict";

const tell = (message) => {
  const told = document.createElement("p");
  told.textContent = message;
  document.getElementById("notice").replaceChildren(told);
  document.getElementById("notice").scrollIntoView({ block: "nearest" });
};

const showChosen = (field) => {
  const place = document.getElementById(field.dataset.preview);
  if (place.src) URL.revokeObjectURL(place.src);
  const file = field.files[0];
  place.hidden = !file;
  if (file) place.src = URL.createObjectURL(file);
};
document.addEventListener("change", ({ target }) => {
  if (target.dataset.preview) showChosen(target);
});

// A browser that goes back restores a slider, but not what is written beside it.
const tellValue = (field) => {
  document.getElementById(field.dataset.output).value = field.value;
};
document.addEventListener("input", ({ target }) => {
  if (target.dataset.output) tellValue(target);
});
window.addEventListener("load", () => document.querySelectorAll("[data-output]").forEach(tellValue));

// A button that offers words for a field.
document.addEventListener("click", ({ target }) => {
  const offer = target.closest("[data-fill]");
  if (!offer) return;
  const field = document.getElementById(offer.dataset.fill);
  field.value = offer.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
  offer.parentElement.replaceChildren();
});

// Drafts: the words of a field that have not been sent yet. A field with data-draft="send" is sent again at once.
const draftOf = (field) => `draft ${location.pathname} ${field.id}`;

const noteDraft = (field) => {
  if (field.value === field.defaultValue) sessionStorage.removeItem(draftOf(field));
  else sessionStorage.setItem(draftOf(field), field.value);
};

const restoreDrafts = (place) => {
  for (const field of place.querySelectorAll("[data-draft]")) {
    const draft = sessionStorage.getItem(draftOf(field));
    if (draft === null || draft === field.value) continue;
    field.value = draft;
    field.closest("details")?.setAttribute("open", "");
    if (field.dataset.draft !== "send") continue;
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  }
};

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-draft]")) noteDraft(target);
});
window.addEventListener("load", () => restoreDrafts(document));
document.addEventListener("htmx:oobAfterSwap", ({ target }) => restoreDrafts(target));

// Of several fields in a form those are sent that differ from what the page was given: another window may have changed
// the others.
document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
  for (const field of elt.querySelectorAll("[data-if-changed]")) {
    if (field.value === field.defaultValue) delete parameters[field.name];
  }
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { elt, successful, requestConfig } = detail;
  if (!successful || !elt.matches("form")) return;
  for (const field of elt.querySelectorAll("[data-draft]")) {
    const sent = requestConfig.parameters[field.name];
    if (sent === undefined) continue;
    field.defaultValue = sent;
    noteDraft(field);
  }
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { elt, successful } = detail;
  if (!successful || !elt.matches("form[data-reset]")) return;
  elt.reset();
  for (const field of elt.querySelectorAll("[data-draft]")) {
    field.value = field.defaultValue = "";
    noteDraft(field);
  }
  elt.querySelectorAll("[data-preview]").forEach(showChosen);
  for (const place of elt.querySelectorAll("#words, #suggestion")) place.replaceChildren();
  follow();
});

// All jobs that the page shows are followed by one stream, and by none while nobody looks: a browser keeps six
// connections to a server for all of its tabs, and a stream takes one for as long as its jobs go on.
const MOST_FOLLOWED = 50;
let followed = "";
const follow = () => {
  const shown = document.hidden ? [] : [...document.querySelectorAll("[data-follow]")];
  // The latest are shown first; they have to wait until an address has room for them.
  const jobs = shown.slice(-MOST_FOLLOWED).map(({ dataset }) => dataset.follow).join("&amp;");
  if (jobs === followed) return;
  followed = jobs;
  const stream = `<div sse-connect="/live?${jobs}" sse-swap="update" sse-close="end" hx-swap="none"></div>`;
  htmx.swap(document.getElementById("live"), jobs && stream, { swapStyle: "innerHTML" });
};
document.addEventListener("DOMContentLoaded", follow);
document.addEventListener("htmx:afterSettle", follow);
document.addEventListener("visibilitychange", follow);

// Another tab may have changed what this one shows: it is fetched once this one is looked at again, or turns out stale.
const lookAgain = () => {
  for (const place of document.querySelectorAll("[data-again]")) htmx.trigger(place, "again");
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) lookAgain();
});
document.addEventListener("stale", lookAgain);

document.addEventListener("htmx:beforeRequest", (event) => {
  const { target } = event;
  if (target.type === "file" && !target.files.length) event.preventDefault();
  if (!target.matches("[data-again]")) document.getElementById("notice").replaceChildren();
});

// A browser gives a click only to what is still there when the button is let go: nothing takes its place until then.
const PRESSED = ":is(a, button, label, summary):active";
const LOOK_AGAIN_MS = 30;
const held = [];
const putHeld = () => {
  if (document.querySelector(PRESSED)) return setTimeout(putHeld, LOOK_AGAIN_MS);
  for (const parts of held.splice(0)) htmx.swap(document.getElementById("live"), parts, { swapStyle: "none" });
  sendNext();
};
const hold = (parts) => {
  if (held.push(parts) === 1) setTimeout(putHeld, LOOK_AGAIN_MS);
};
const mustHold = () => held.length > 0 || document.querySelector(PRESSED) !== null;
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  if (!mustHold()) return;
  event.preventDefault();
  hold(event.detail.data);
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr !== sending?.xhr || detail.isError || !detail.shouldSwap || !mustHold()) return;
  detail.shouldSwap = false;
  hold(detail.serverResponse);
});

// What is asked for within data-in-turn is done one after another, each by the version that the one before has made.
// A button that was replaced meanwhile is pressed in its new place; where none is any more, there is nothing to do.
// What is marked data-once begins work, and is not asked for again while it waits or is on its way.
const waiting = [];
let sending = null;
const sendNext = () => {
  if (sending || held.length || !waiting.length) return;
  const { elt, issueRequest } = waiting.shift();
  const now = elt.id && document.getElementById(elt.id);
  if (elt.isConnected) issueRequest();
  else if (now) now.matches("form") ? now.requestSubmit() : now.click();
  sendNext();
};
document.addEventListener("htmx:confirm", (event) => {
  const { elt } = event.detail;
  if (!elt.closest("[data-in-turn]") || !(sending || held.length)) return;
  event.preventDefault();
  const isAsked = [sending, ...waiting].some((each) => each?.elt.id === elt.id);
  if (!isAsked || !elt.matches("[data-once]")) waiting.push(event.detail);
});
document.addEventListener("htmx:beforeSend", ({ detail: { elt, xhr } }) => {
  if (!elt.closest("[data-in-turn]")) return;
  sending = { elt, xhr };
  xhr.addEventListener("loadend", () => {
    sending = null;
    sendNext();
  });
});

// The second click of a double click is meant for the button that had the first, wherever that is by now.
let pressed = null;
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.detail < 2) pressed = button;
  const meant = pressed?.isConnected === false ? document.getElementById(pressed.id) : pressed;
  const isOnce = event.detail > 1 && meant?.closest("[data-once]");
  if (button === meant && !isOnce) return;
  event.preventDefault();
  event.stopPropagation();
  if (!isOnce) meant?.click();
}, { capture: true });

// What is asked for every few seconds comes again anyway.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, target } = event.detail;
  if (elt === target && target.matches("[hx-trigger^=every]") && document.querySelector(PRESSED)) event.detail.shouldSwap = false;
});

// Whoever listens to the page hears each thing once, not again with every step.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.id === "told" && target.textContent.trim() === fragment.textContent.trim()) event.detail.shouldSwap = false;
});

// A picture that is being drawn stays until the next preview of it is there; one that no longer is leaves it.
document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target, fragment } }) => {
  const shown = [...target.querySelectorAll(".frame > img")].find((each) => each.complete && each.naturalWidth);
  const next = fragment.querySelector(".frame > img");
  if (!shown || !next || shown.src === next.src) return;
  next.before(shown);
  shown.alt = "";
  next.addEventListener("load", () => shown.remove());
  next.addEventListener("error", () => next.remove());
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (!xhr.getResponseHeader("content-type")?.startsWith("application/problem+json")) return;
  event.detail.shouldSwap = false;
  tell(JSON.parse(xhr.responseText).detail);
});

// A field that sends itself once it is left is not sent while something is wrong with it.
document.addEventListener("htmx:validation:failed", ({ target }) => {
  tell(`${target.labels[0].textContent.trim()}: ${target.validationMessage} This is not saved.`);
});

document.addEventListener("htmx:sendError", () => {
  tell("The service does not answer. What was saved is safe; try again in a moment.");
});
