// Kill and resume: a dialog that asks why, one request, and the page's own part says what came of it.
const TEXTS = {
  kill: {
    title: "Engage the kill switch",
    about: "At once nothing new is sent, and the agent cancels every order that rests. Positions stay as they are: " +
      "nothing is bought back. It survives restarts until somebody resumes.",
    confirm: "Stop the agent",
    said: "Kill switch engaged. Waiting for the agent to confirm…",
  },
  resume: {
    title: "Resume",
    about: "Asks the agent to lift the kill switch. It first reconciles with the exchange, then may open and manage " +
      "positions again.",
    confirm: "Resume",
    said: "Resume asked. Waiting for the agent…",
  },
};

export function startCommands() {
  const dialog = document.getElementById("command-dialog");
  const form = document.getElementById("command-form");
  const reason = document.getElementById("command-reason");
  const error = document.getElementById("command-error");
  const confirm = document.getElementById("command-confirm");
  const said = document.getElementById("said");
  let kind = "kill";

  function open(wanted) {
    kind = wanted;
    document.getElementById("command-h").textContent = TEXTS[kind].title;
    document.getElementById("command-about").textContent = TEXTS[kind].about;
    confirm.textContent = TEXTS[kind].confirm;
    confirm.classList.toggle("danger", kind === "kill");
    confirm.classList.toggle("primary", kind !== "kill");
    error.hidden = true;
    reason.value = "";
    dialog.showModal();
    reason.focus();
  }
  function fail(text) {
    error.textContent = text;
    error.hidden = false;
    reason.focus();
  }
  async function send() {
    confirm.disabled = true;
    try {
      const reply = await fetch("/api/commands", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ kind, reason: reason.value.trim() }),
      });
      if (reply.status === 202) {
        dialog.close();
        said.textContent = TEXTS[kind].said;
        said.hidden = false;
        scrollTo({ top: 0 }); // where it is said what came of it
        document.body.dispatchEvent(new CustomEvent("filter")); // shows it now, not with the next cycle
      } else {
        fail((await reply.json()).error);
      }
    } catch {
      fail("The page’s server does not answer: run optionwriter kill, or end the agent’s process.");
    } finally {
      confirm.disabled = false;
    }
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("#kill-open")) open("kill");
    else if (event.target.closest("#resume-open")) open("resume");
  });
  // What is published next says it better.
  document.getElementById("stream").addEventListener("version", () => { said.hidden = true; });
  document.getElementById("command-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (reason.value.trim().length < 3) fail("Give a reason of 3 characters or more.");
    else send();
  });
}
