// Boxes that scroll sideways: keys reach them, screen readers name them, a fade says "more".
const WIDE = ["div.math mjx-container", "span.math", "pre", ".cell_output > .output",
              ".pst-scrollable-table-container"].map((s) => `.bd-article ${s}`).join();

function kind(box) {
  if (box.matches(".math, mjx-container")) return "Formula";
  if (box.matches("pre")) return box.closest(".cell_output") ? "Output" : "Code";
  return "Table";
}

function more(box) {
  box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
}

function isWide(box) {
  // around a formula in a sentence hangs its copy for screen readers, which no one scrolls to
  const formula = box.matches("span") && box.querySelector("mjx-math");
  const needs = formula ? formula.getBoundingClientRect().width : box.scrollWidth;
  const room = formula ? line(box) : box.clientWidth;
  return room > 0 && needs > room + 1.5;
}

// How long the line is that a formula stands in: a formula on the line has no width of its own.
function line(box) {
  let block = box.parentElement;
  while (getComputedStyle(block).display === "inline") block = block.parentElement;
  const { paddingLeft, paddingRight } = getComputedStyle(block);
  return block.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}

function mark() {
  const count = {};
  const all = [...document.querySelectorAll(WIDE)].map((box) => [box, isWide(box)]);
  for (const [box, wide] of all) {
    const what = kind(box);
    count[what] = (count[what] || 0) + 1;
    if (wide) {
      box.tabIndex = 0;
      // inside a sentence it is no landmark
      box.setAttribute("role", box.matches("span") ? "group" : "region");
      box.setAttribute("aria-label", `${what} ${count[what]}, scrolls sideways`);
      more(box);
    } else if (box.classList.contains("scrolls")) {
      box.classList.remove("more");
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
    box.classList.toggle("scrolls", wide);
  }
}

// A fold's button is called what it folds; the button for colours says what it shows.
function names() {
  for (const button of document.querySelectorAll(".toggle-button"))
    button.setAttribute("aria-label", button.parentElement.textContent.trim());
  const said = { light: "Light", dark: "Dark", auto: "System Settings" };
  for (const button of document.querySelectorAll(".theme-switch-button"))
    button.setAttribute("aria-label", `Colours: ${said[document.documentElement.dataset.mode]}`);
}

// A link to what lies in a fold opens the fold.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) {
    if (at.matches("details")) at.open = true;
    const button = at !== target && at.matches(".toggle-hidden") && at.querySelector(".toggle-button");
    if (button) button.click();
  }
  if (target) target.scrollIntoView();
}

// Paper is white and has no folds: the light theme, every fold open, and back again afterwards.
function onPaper() {
  const root = document.documentElement, before = root.dataset.theme;
  const folds = document.querySelectorAll(".bd-article details:not([open])");
  root.dataset.theme = "light";
  for (const fold of folds) fold.open = true;
  window.addEventListener("afterprint", () => {
    root.dataset.theme = before;
    for (const fold of folds) fold.open = false;
  }, { once: true });
}

function start() {
  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { mark(); waiting = setTimeout(mark, 600); }, 150);
  };
  const article = document.querySelector("article.bd-article");
  if (article) new ResizeObserver(soon).observe(article);
  document.fonts.addEventListener("loadingdone", soon); // a font changes widths, not heights
  document.addEventListener("scroll", ({ target }) => {
    if (target.matches && target.matches(".scrolls")) more(target);
  }, { capture: true, passive: true });
  // the whole title opens a fold, its formulas too, and a link in it only leads where it leads
  document.addEventListener("click", (event) => {
    const inside = event.target.closest(".toggle > .admonition-title > :not(.toggle-button)");
    if (!inside) return;
    event.stopPropagation();
    if (!event.target.closest("a")) inside.parentElement.querySelector(".toggle-button").click();
  }, { capture: true });
  const logo = document.querySelector(".bd-sidebar-primary .sidebar-primary-item:has(> .logo)");
  if (logo) logo.setAttribute("role", "banner");
  for (const button of document.querySelectorAll(".search-button-field"))
    button.removeAttribute("aria-label"); // its text names it
  names();
  new MutationObserver(names).observe(document.documentElement, { attributeFilter: ["data-mode"] });
  if (location.hash) reveal();
  window.addEventListener("hashchange", reveal);
  window.addEventListener("beforeprint", onPaper);
}

if (document.readyState === "complete") start();
else document.addEventListener("DOMContentLoaded", start);
