"use strict";
// Turns one leaf at a time. The book is complete without this: it only hides the leaves that are not open.
(() => {
  const root = document.documentElement;
  const SWIPE_PX = 40;
  const EDGE = 0.12;
  const HALF_TURN_MS = 300;
  const sideBySide = matchMedia("(min-aspect-ratio: 1/1)");
  const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");

  const animateSpread = (from, to, step, rtl) => {
    const [lifted, laid] = step > 0 ? [".recto", ".verso"] : [".verso", ".recto"];
    const angle = (step > 0) === rtl ? 90 : -90;
    const swing = (half, hinge, start, stop, options) => {
      half.style.transformOrigin = hinge;
      return half.animate(
        [start, stop].map((degrees) => ({
          transform: `perspective(150rem) rotateY(${degrees}deg)`,
          filter: `brightness(${degrees === 0 ? 1 : 0.78})`,
        })),
        { duration: HALF_TURN_MS, fill: "both", ...options },
      );
    };
    const [liftedHinge, laidHinge] = angle < 0 ? ["left", "right"] : ["right", "left"];
    return [
      swing(from.querySelector(lifted), liftedHinge, 0, angle, { easing: "ease-in" }),
      swing(to.querySelector(laid), laidHinge, -angle, 0, { easing: "ease-out", delay: HALF_TURN_MS }),
    ];
  };

  const animateSheet = (from, to, step, rtl) => {
    const shift = (step > 0) === rtl ? -8 : 8;
    const options = { duration: HALF_TURN_MS, easing: "ease-out", fill: "both" };
    return [
      from.animate([{ opacity: 1, transform: "none" }, { opacity: 0, transform: `translateX(${-shift}%)` }], options),
      to.animate([{ opacity: 0, transform: `translateX(${shift}%)` }, { opacity: 1, transform: "none" }], options),
    ];
  };

  const start = () => {
    const book = document.querySelector(".book");
    const leaves = [...book.querySelectorAll(".leaf")];
    const controls = document.querySelector(".controls");
    const back = controls.querySelector(".back");
    const forward = controls.querySelector(".forward");
    const counter = controls.querySelector(".counter");
    const announcer = document.querySelector("[role=status]");
    const rtl = root.dir === "rtl";
    let current = -1;
    let moving = [];

    const settle = () => {
      moving.forEach((animation) => animation.cancel());
      moving = [];
      delete book.dataset.turn;
      leaves.forEach((leaf) => leaf.classList.remove("is-leaving"));
    };

    const animate = (from, to, step) => {
      from.classList.add("is-leaving");
      book.dataset.turn = step > 0 ? "forward" : "back";
      const spreads = sideBySide.matches && [from, to].every((leaf) => leaf.classList.contains("spread"));
      moving = (spreads ? animateSpread : animateSheet)(from, to, step, rtl);
      moving.at(-1).onfinish = settle;
    };

    // The leaf's name and all its words in reading order, each in its language.
    const spoken = (leaf) => {
      const said = [[controls.lang, leaf.getAttribute("aria-label")]];
      leaf.querySelectorAll(".text, .balloon").forEach((part) => {
        said.push([part.closest("[lang]").lang, part.textContent.trim().replace(/\s+/g, " ")]);
      });
      return said.filter(([, words]) => words).flatMap(([lang, words], index) => {
        const part = Object.assign(document.createElement("span"), { lang, textContent: words });
        return index === 0 ? [part] : [index === 1 ? ". " : " ", part];
      });
    };

    const open = (index, focus) => {
      if (index < 0 || index >= leaves.length || index === current) return;
      settle();
      const [from, to] = [leaves[current], leaves[index]];
      from?.classList.remove("is-open");
      to.classList.add("is-open");
      if (from && !prefersStill.matches) animate(from, to, index - current);
      current = index;
      counter.textContent = to.getAttribute("aria-label");
      back.setAttribute("aria-disabled", String(index === 0));
      forward.setAttribute("aria-disabled", String(index === leaves.length - 1));
      if (from) history.replaceState(null, "", `#${to.id}`);
      scrollTo(0, 0);
      // Whoever moves the focus hears the leaf's name from it; whoever stays on a button hears it here.
      if (focus) to.focus({ preventScroll: true });
      announcer.replaceChildren(...(focus || !from ? [] : spoken(to)));
    };

    const keys = {
      ArrowRight: () => (rtl ? current - 1 : current + 1),
      ArrowLeft: () => (rtl ? current + 1 : current - 1),
      PageDown: () => current + 1,
      PageUp: () => current - 1,
      Home: () => 0,
      End: () => leaves.length - 1,
    };
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      let key = event.key;
      if (key === " ") {
        if (event.target.closest("button")) return;
        key = event.shiftKey ? "PageUp" : "PageDown";
      }
      if (!(key in keys)) return;
      // A leaf taller than the window is read to its end before it turns.
      const hidden = key === "PageDown" ? document.documentElement.scrollHeight - innerHeight - scrollY : scrollY;
      if (key.startsWith("Page") && hidden > 2) return;
      event.preventDefault();
      open(keys[key](), true);
    });

    let touch = null;
    book.addEventListener("pointerdown", (event) => {
      touch = event.pointerType !== "mouse" && event.isPrimary ? { x: event.clientX, y: event.clientY } : null;
    });
    book.addEventListener("pointercancel", () => { touch = null; });
    book.addEventListener("pointerup", (event) => {
      if (!touch || (visualViewport && visualViewport.scale > 1.05)) return;
      const [dx, dy] = [event.clientX - touch.x, event.clientY - touch.y];
      touch = null;
      if (Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 1.5 * Math.abs(dy)) open(current + ((dx < 0) === rtl ? -1 : 1), true);
    });

    book.addEventListener("click", (event) => {
      if (!getSelection().isCollapsed) return;
      const across = (rtl ? innerWidth - event.clientX : event.clientX) / innerWidth;
      if (current === 0 || across > 1 - EDGE) open(current + 1, true);
      else if (across < EDGE) open(current - 1, true);
    });

    back.addEventListener("click", () => open(current - 1, false));
    forward.addEventListener("click", () => open(current + 1, false));
    const linked = () => leaves.findIndex((leaf) => `#${leaf.id}` === location.hash);
    addEventListener("hashchange", () => open(linked(), true));

    controls.querySelectorAll(".setting").forEach((button) => {
      const name = button.dataset.class;
      const show = () => button.setAttribute("aria-pressed", String(document.body.classList.contains(name)));
      button.addEventListener("click", () => { document.body.classList.toggle(name); show(); });
      show();
    });

    leaves.forEach((leaf) => { leaf.tabIndex = -1; });
    controls.hidden = false;
    open(Math.max(0, linked()), false);
  };

  root.classList.add("scripted");
  addEventListener("DOMContentLoaded", start);
})();
