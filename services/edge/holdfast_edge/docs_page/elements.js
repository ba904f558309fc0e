// Making elements. Text is always text: nothing here is read as HTML.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Text in which `words` between backticks are code.
export function prose(text) {
  return (text ?? "")
    .split("`")
    .map((part, at) => (at % 2 ? make("code", {}, part) : part));
}
