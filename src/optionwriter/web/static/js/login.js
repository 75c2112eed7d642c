// A link that was opened from another site signs in, but its first page may come without the session: look again.
if (location.pathname !== "/login") {
  const reply = await fetch("/status", { cache: "no-store" });
  if (reply.ok) location.reload();
}
