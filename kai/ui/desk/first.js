// Takes away what stood in the first HTML once the page itself, or what Streamlit has to say in its place, is there.
new MutationObserver((_changes, observer) => {
  if (!document.querySelector(".st-key-kai-menu, .stAlert, .stException")) return;
  observer.disconnect();
  document.getElementById("kai-first")?.remove();
}).observe(document.documentElement, { childList: true, subtree: true });
