// The theme lets keys reach every box that scrolls, and looks for such boxes when the window
// changes its size. A fold that opens is new room too: tell the theme.
document.addEventListener("click", (event) => {
  if (event.target.closest(".toggle-button, .admonition-title, summary"))
    window.dispatchEvent(new Event("resize"));
});
