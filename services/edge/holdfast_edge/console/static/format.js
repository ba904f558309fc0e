// Numbers, money and moments as people read them.

export function money(value) {
  const amount = Number(value ?? 0);
  if (!Number.isFinite(amount)) return "–";
  if (amount === 0) return "$0";
  const digits = Math.abs(amount) >= 1 ? 2 : Math.abs(amount) >= 0.01 ? 4 : 6;
  return `${amount < 0 ? "−" : ""}$${Math.abs(amount).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
}

export function count(value) {
  return Number(value ?? 0).toLocaleString("en-US");
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(value < 10000 ? 2 : 1)} s`;
}

export function seconds(value) {
  return value < 90 ? `${Math.ceil(value)} s` : `${Math.ceil(value / 60)} min`;
}

export function moment(text) {
  const when = new Date(text);
  const today = new Date().toDateString() === when.toDateString();
  const time = when.toLocaleTimeString([], { hour12: false });
  return today ? time : `${when.toLocaleDateString()} ${time}`;
}

export function price(low, high) {
  if (low === null) return "–";
  const text = (value) => `$${value.toLocaleString("en-US", { maximumFractionDigits: 3 })}`;
  return low === high ? text(low) : `${text(low)} – ${text(high)}`;
}

export function words(text) {
  return String(text ?? "").replaceAll("_", " ").replaceAll("-", " ").toLowerCase();
}
