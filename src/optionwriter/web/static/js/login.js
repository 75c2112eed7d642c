// A link that was followed from another site signs in, but the page it leads to comes without the session: look again.
const [arrival] = performance.getEntriesByType("navigation");
if (location.pathname !== "/login" && arrival?.redirectCount) {
  const reply = await fetch("/status", { cache: "no-store" });
  if (reply.ok) location.reload();
}
