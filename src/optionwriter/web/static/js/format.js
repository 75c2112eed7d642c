// Numbers for charts, as the server writes them on the page: digits grouped, a true minus sign, a dash for none.
const DOLLARS = new Set(["USD", "USDC", "USDT"]);

export const isDollars = (currency) => DOLLARS.has(currency);

export function places(value, digits, signed = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const text = new Intl.NumberFormat("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: signed ? "exceptZero" : "negative",
  }).format(value);
  return text.replace("-", "−");
}

export const amount = (value, currency, signed = false) => places(value, isDollars(currency) ? 2 : 6, signed);

// A price of the underlying on an axis: no more digits than it needs.
export const axis = (value) => places(value, Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0);

export function span(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${name}`;
  }
  return `${Math.round(seconds)} s`;
}
