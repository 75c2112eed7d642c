// Equity against holding and plain rules, in USD or in one currency; the library is fetched after the page is there.
import { amount, isDollars, places } from "./format.js";

const LEAST_MS = 1_500; // between two readings

const state = { unit: sessionStorage.getItem("equity-unit") ?? "USD", data: null, chart: null, lines: null, units: "" };

// A colour of the tokens, as the canvas can take it.
function colour(name) {
  const probe = document.createElement("span");
  probe.className = "unseen";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function dress() {
  const { chart, lines } = state;
  chart.applyOptions({
    layout: { background: { color: colour("--surface") }, textColor: colour("--quiet") },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("--chart-grid") } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderColor: colour("--line") },
    crosshair: { vertLine: { color: colour("--edge"), labelBackgroundColor: colour("--live-ground") }, horzLine: { color: colour("--edge"), labelBackgroundColor: colour("--live-ground") } },
  });
  for (const [name, line] of Object.entries(lines)) line.applyOptions({ color: colour(`--chart-${token(name)}`) });
}

async function build(box) {
  const { createChart, LineSeries, LineStyle } = await import("../vendor/lightweight-charts.mjs");
  const inner = document.createElement("div");
  inner.className = "chart-in";
  box.append(inner);
  state.chart = createChart(inner, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(document.body).fontFamily },
    localization: { locale: "en-GB" },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 1 },
    rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.08 } },
    handleScroll: { vertTouchDrag: false, mouseWheel: false },
    handleScale: { mouseWheel: false },
  });
  const common = { lineWidth: 2, priceLineVisible: false, crosshairMarkerRadius: 3 };
  const beside = { ...common, lineWidth: 1, lastValueVisible: false };
  const styles = { benchmark_otm: LineStyle.Solid, benchmark_atm: LineStyle.LargeDashed };
  state.lines = {};
  for (const one of rules()) {
    state.lines[one.name] = state.chart.addSeries(LineSeries, { ...beside, lineStyle: styles[one.name] ?? LineStyle.Dotted });
  }
  state.lines.holding = state.chart.addSeries(LineSeries, { ...beside, lineStyle: LineStyle.Dashed });
  state.lines.equity = state.chart.addSeries(LineSeries, common);
  state.chart.subscribeCrosshairMove((move) => legend(move.time === undefined ? null : move.logical));
  dress();
}

// How the axis writes values of the unit that is shown.
function scale() {
  const dollars = isDollars(state.unit);
  const priceFormat = {
    type: "custom",
    minMove: dollars ? 1 : 0.0001,
    formatter: (value) => places(value, dollars ? 0 : 4),
  };
  for (const line of Object.values(state.lines)) line.applyOptions({ priceFormat });
}

// The rules beside a backtest's curve; the agent's own curve has none.
const rules = () => state.data.benchmarks ?? [];
const token = (name) => name.replace("benchmark_", "");

// What is drawn in the unit that is shown: name, title and values of each line, equity first.
function drawn() {
  const { data, unit } = state;
  const own = unit === "USD" ? { equity: data.equity_usd, holding: data.holding_usd } : data.currencies[unit];
  return [
    { name: "equity", title: "Equity", values: own?.equity ?? [] },
    { name: "holding", title: "Holding", values: own?.holding ?? [] },
    ...rules().map((one) => ({ ...one, values: (unit === "USD" ? one.usd : one.currencies[unit]) ?? [] })),
  ];
}

// Points in order of time, a gap where nothing is known; of several in one second the last.
function series(values) {
  const found = new Map();
  let isGap = false;
  state.data.at_ms.forEach((at, i) => {
    const time = Math.floor(at / 1000), value = values[i];
    const isKnown = value !== null && value !== undefined;
    // A line is drawn to a point in the point's colour: none, where nothing is known before it.
    found.set(time, isKnown ? { time, value, ...(isGap ? { color: "transparent" } : {}) } : { time });
    isGap = !isKnown;
  });
  return [...found.values()].sort((a, b) => a.time - b.time);
}

function known(values, at) {
  if (at !== null) return values[Math.min(Math.max(0, Math.round(at)), values.length - 1)];
  return values.findLast((one) => one !== null && one !== undefined);
}

function legend(at) {
  const parts = drawn().filter((one) => one.values.length).map(({ name, title, about, values }) => {
    const part = document.createElement("span"), key = document.createElement("i"), bold = document.createElement("b");
    key.className = `key ${token(name)}`;
    bold.textContent = `${amount(known(values, at), state.unit)} ${state.unit}`;
    if (about) part.title = about;
    part.append(key, `${title} `, bold);
    return part;
  });
  document.getElementById("equity-legend").replaceChildren(...parts);
}

function units() {
  const wanted = ["USD", ...Object.keys(state.data.currencies)];
  if (!wanted.includes(state.unit)) state.unit = "USD";
  const box = document.getElementById("equity-switch");
  const key = wanted.join();
  if (key !== state.units) {
    state.units = key;
    box.replaceChildren(...wanted.map((unit) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "radio");
      button.textContent = unit;
      button.dataset.unit = unit;
      return button;
    }));
  }
  for (const button of box.children) {
    button.setAttribute("aria-checked", String(button.dataset.unit === state.unit));
    button.tabIndex = button.dataset.unit === state.unit ? 0 : -1;
  }
  document.dispatchEvent(new CustomEvent("unit", { detail: state.unit }));
}

function choose(unit) {
  if (!unit || unit === state.unit) return;
  state.unit = unit;
  sessionStorage.setItem("equity-unit", unit);
  show(true);
}

async function show(isNew = false) {
  const box = document.getElementById("equity-chart"), wait = document.getElementById("equity-wait");
  units();
  if (state.data.at_ms.length < 2) {
    wait.textContent = "The curve begins with the second cycle.";
    wait.classList.add("still");
    wait.hidden = false;
    return;
  }
  if (!state.chart) {
    await build(box);
    isNew = true;
  }
  wait.hidden = true;
  scale();
  for (const { name, values } of drawn()) state.lines[name].setData(series(values));
  if (isNew) state.chart.timeScale().fitContent();
  legend(null);
}

// `address` answers with columns as GET /api/equity; the page's stream, where it has one, says when to read again.
export function startChart(address = "/api/equity") {
  let read = -Infinity, waiting = 0;

  async function fetchNow() {
    waiting = 0;
    read = performance.now();
    const reply = await fetch(address);
    if (!reply.ok) return;
    const before = state.data?.at_ms.length ?? 0;
    const range = state.chart?.timeScale().getVisibleLogicalRange();
    state.data = await reply.json();
    // Whoever sees all of it goes on seeing all of it.
    await show(Boolean(range) && range.from <= 0.5 && range.to >= before - 2);
  }
  function later() {
    if (waiting || document.hidden) return;
    waiting = setTimeout(() => fetchNow().catch(() => {}), Math.max(0, read + LEAST_MS - performance.now()));
  }

  const box = document.getElementById("equity-switch");
  box.addEventListener("click", (event) => choose(event.target.closest("button")?.dataset.unit));
  box.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const all = [...box.children], at = all.findIndex((one) => one.dataset.unit === state.unit);
    const next = all[(at + way + all.length) % all.length];
    choose(next.dataset.unit);
    next.focus();
  });
  document.getElementById("stream")?.addEventListener("version", later);
  document.addEventListener("theme", () => state.chart && dress());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.chart && dress());
  later();
}
