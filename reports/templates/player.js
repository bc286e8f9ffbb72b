{
  // A video that isn't there (any more) leaves its filmstrip, and a sentence in its place. Errors don't bubble.
  document.addEventListener("error", (event) => {
    const video = event.target;
    if (video.tagName !== "VIDEO") return;
    const told = document.createElement("p");
    told.className = "nostrip";
    told.textContent = `There is no video that can be played at ${decodeURI(video.getAttribute("src"))}.`;
    video.replaceWith(told);
  }, true);
}
