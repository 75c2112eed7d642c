// The picture of a position's result at expiry, from published columns: curve, strikes, spot, breakevens.
import { amount, axis, isDollars } from "./format.js";

const NS = "http://www.w3.org/2000/svg";
const WIDEST = 660, NARROWEST = 320, HEIGHT = 286, LEFT = 74, RIGHT = 14, TOP = 66, BOTTOM = 28;
const LETTER = 6.2, ROWS = 5; // of the marks' text: width and rows

function make(name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Round steps between two bounds, about so many.
function steps(low, high, about) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return found;
}

function marksOf(data, unit) {
  const breakevens = (unit === "usd" && data.breakevens_usd) || data.breakevens || [];
  return [
    ...(data.strikes ?? []).map((at) => ({ at, kind: "strike", text: `strike ${axis(at)}` })),
    ...breakevens.map((at) => ({ at, kind: "even", text: `breakeven ${axis(at)}` })),
    ...(data.spot === null || data.spot === undefined ? [] : [{ at: data.spot, kind: "spot", text: `spot ${axis(data.spot)}` }]),
  ];
}

function draw(box, unit) {
  const data = JSON.parse(box.dataset.payoff);
  const currency = unit === "usd" ? "USD" : box.dataset.currency;
  const ys = unit === "usd" ? data.pnl_usd : data.pnl;
  const points = data.underlying_price.map((x, i) => ({ x, y: ys[i] })).filter((one) => one.y !== null);
  if (points.length < 2) return box.replaceChildren();
  const WIDTH = Math.max(NARROWEST, Math.min(WIDEST, box.clientWidth || WIDEST)); // so that the text keeps its size
  const marks = marksOf(data, unit);
  const low = points[0].x, high = points.at(-1).x;
  const most = Math.max(0, ...points.map((one) => one.y)), least = Math.min(0, ...points.map((one) => one.y));
  const room = (most - least) * 0.08 || 1;
  const x = (at) => LEFT + ((at - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (at) => TOP + ((most + room - at) / (most - least + 2 * room)) * (HEIGHT - TOP - BOTTOM);

  const told = marks.map((one) => one.text).join(", ");
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Result at expiry in ${currency} over the underlying's price; ${told}` });
  const zero = y(0);
  const line = points.map((one) => `${x(one.x).toFixed(1)},${y(one.y).toFixed(1)}`);
  const area = (clip, kind) => {
    const top = clip === "up" ? TOP : zero, bottom = clip === "up" ? zero : HEIGHT - BOTTOM;
    const clamp = (at) => Math.min(bottom, Math.max(top, at));
    const path = points.map((one) => `${x(one.x).toFixed(1)},${clamp(y(one.y)).toFixed(1)}`).join(" ");
    svg.append(make("polygon", { class: kind, points: `${x(low)},${zero} ${path} ${x(high)},${zero}` }));
  };
  area("up", "win");
  area("down", "lose");
  for (const at of steps(least, most, 4)) {
    svg.append(make("line", { class: at === 0 ? "zero" : "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(at), y2: y(at) }));
    svg.append(make("text", { x: LEFT - 8, y: y(at) + 3.5, "text-anchor": "end" }, isDollars(currency) ? axis(at) : amount(at, currency).replace(/(\.\d\d)0+$/, "$1")));
  }
  for (const at of steps(low, high, WIDTH / 110)) {
    svg.append(make("text", { x: x(at), y: HEIGHT - 9, "text-anchor": "middle" }, axis(at)));
  }
  const ends = []; // where the text of each row ends
  for (const mark of marks.filter((one) => one.at >= low && one.at <= high).sort((a, b) => a.at - b.at)) {
    const at = x(mark.at);
    const end = at > WIDTH - 120 ? "end" : at < LEFT + 60 ? "start" : "middle";
    svg.append(make("line", { class: `mark ${mark.kind}`, x1: at, x2: at, y1: TOP - 4, y2: HEIGHT - BOTTOM }));
    if (mark.kind === "even") svg.append(make("circle", { class: "point", cx: at, cy: zero, r: 3.5 }));
    const wide = mark.text.length * LETTER;
    const from = end === "start" ? at : end === "end" ? at - wide : at - wide / 2;
    let row = ends.findIndex((one) => one < from - 6);
    if (row < 0) row = Math.min(ends.length, ROWS - 1);
    ends[row] = from + wide;
    svg.append(make("text", { class: "mark-text", x: at, y: 10 + row * 12, "text-anchor": end }, mark.text));
  }
  svg.append(make("polyline", { class: "curve", points: line.join(" ") }));

  const read = document.createElement("p");
  read.className = "payoff-read";
  for (const [name, value] of [["Best", most], ["Worst shown", least]]) {
    const bold = document.createElement("b");
    bold.textContent = `${amount(value, currency, true)} ${currency}`;
    const part = document.createElement("span");
    part.append(`${name} `, bold);
    read.append(part);
  }
  const about = document.createElement("span");
  about.textContent = `underlying from ${axis(low)} to ${axis(high)} USD`;
  read.append(about);
  box.replaceChildren(svg, read);
}

const drawn = new WeakMap(); // box -> what it shows

export function drawPayoffs(root) {
  const box = root.querySelector("[data-payoff]");
  if (!box) return;
  const unit = sessionStorage.getItem("payoff-unit") ?? "usd";
  for (const button of root.querySelectorAll("#payoff-switch button")) {
    button.setAttribute("aria-checked", String(button.dataset.unit === unit));
    button.tabIndex = button.dataset.unit === unit ? 0 : -1;
    button.onclick = () => {
      sessionStorage.setItem("payoff-unit", button.dataset.unit);
      drawPayoffs(root);
    };
    button.onkeydown = (event) => turn(event, root);
  }
  const key = unit + box.dataset.payoff;
  if (drawn.get(box) === key && box.firstElementChild) return;
  drawn.set(box, key);
  draw(box, unit);
}

function turn(event, root) {
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  const other = root.querySelector("#payoff-switch [aria-checked=false]");
  other.click();
  other.focus();
}
