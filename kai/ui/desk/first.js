// Takes away what stood in the first HTML once the page itself, or what Streamlit has to say in its place, is there.
new MutationObserver((_changes, observer) => {
  if (!document.querySelector(".st-key-kai-menu, .stAlert, .stException")) return;
  observer.disconnect();
  document.getElementById("kai-first")?.remove();
}).observe(document.documentElement, { childList: true, subtree: true });

// The way past menu and sidebar: to the first control of the talk, else to the first thing that the page has to press.
document.querySelector(".kai-skip").addEventListener("click", (event) => {
  event.preventDefault();
  const desk = [...document.querySelectorAll(".st-key-kai-desk *")].find((node) => node.shadowRoot)?.shadowRoot;
  const control = desk?.querySelector(".desk:not(.is-away) .bar .control:not([hidden])");
  (control ?? document.querySelector(".st-key-start button, .stMainBlockContainer :is(button, input)"))?.focus();
});
