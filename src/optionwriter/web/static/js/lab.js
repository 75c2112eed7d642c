// The Lab: follows the queue, cancels and deletes. None of it computes.
import { startCompare } from "./compare.js";
import { startForm } from "./lab-form.js";
import { startLine } from "./line.js";
import { startTables } from "./tables.js";

const SILENT = "The page’s server does not answer: is optionwriter web still running?";
const $ = (id) => document.getElementById(id);
const refresh = () => document.body.dispatchEvent(new CustomEvent("filter"));

function say(text, isBad = false) {
  $("said").textContent = text;
  $("said").classList.toggle("bad", isBad);
  $("said").hidden = false;
}

// The answer's JSON; what the server says against it becomes an Error.
async function ask(method, path, body) {
  let reply;
  try {
    reply = await fetch(path, {
      method,
      ...(body ? { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new Error(SILENT);
  }
  if (reply.status === 401) location.reload();
  const told = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(told.error), { fields: told.fields ?? {} });
  return told;
}

// Cancels a run, or all of a group that are not over; what was done, in words.
async function stop({ cancel, cancelGroup }) {
  if (cancelGroup) {
    const { runs } = await ask("POST", "/api/backtests/cancel", { group: cancelGroup });
    return `${runs} runs of ${cancelGroup} are cancelled; one that runs stops at its next step.`;
  }
  const { status, id } = await ask("POST", `/api/backtests/${cancel}/cancel`);
  return status === "running" ? `Run ${id} stops at its next step.` : `Run ${id} is cancelled.`;
}

// What a Delete button would drop: what is asked before, where it is sent, and what is said after.
function dropped({ delete: run, name, deleteGroup: group, count }) {
  if (group)
    return {
      title: "Delete this sweep?",
      about: `${group}: all its ${count} runs, their figures, positions and curves are gone for good.`,
      path: `/api/backtests?${new URLSearchParams({ group })}`,
      done: (told) => `${group} is deleted: ${told.runs} runs.`,
    };
  return {
    title: "Delete this run?",
    about: `#${run} ${name}: its figures, positions and curves are gone for good.`,
    path: `/api/backtests/${run}`,
    done: () => `Run ${run} is deleted.`,
  };
}

function startActions() {
  const sure = $("sure");
  let wanted;
  document.addEventListener("click", async (event) => {
    const cancel = event.target.closest("[data-cancel], [data-cancel-group]"), drop = event.target.closest("[data-delete], [data-delete-group]");
    if (cancel) {
      cancel.disabled = true;
      try {
        say(await stop(cancel.dataset));
      } catch (problem) {
        say(problem.message, true);
      }
      refresh();
    } else if (drop) {
      wanted = dropped(drop.dataset);
      $("sure-h").textContent = wanted.title;
      $("sure-about").textContent = wanted.about;
      $("sure-error").hidden = true;
      sure.showModal();
    }
  });
  $("sure-no").addEventListener("click", () => sure.close());
  $("sure-yes").addEventListener("click", async () => {
    try {
      const told = await ask("DELETE", wanted.path);
      sure.close();
      say(wanted.done(told));
      refresh();
    } catch (problem) {
      $("sure-error").textContent = problem.message;
      $("sure-error").hidden = false;
    }
  });
}

function startLists() {
  $("run-filter").addEventListener("change", () => $("run-filter").requestSubmit());
}

startTables();
startLine();
startForm(ask, (text) => { say(text); refresh(); });
startActions();
startLists();
startCompare();
