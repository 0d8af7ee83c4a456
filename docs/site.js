// A click on a picture shows it in full size; the browser's back button returns.
document.addEventListener("click", ({ target }) => {
  if (target.matches(".md-content img") && !target.closest("a")) location = target.src;
});
