// Keys for reviewing: each does what the button or link that names it does.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, video")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const found = document.querySelector(`[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (found) {
    event.preventDefault();
    if (found.matches("input, textarea")) found.focus();
    else found.click();
  }
});
