// Elements

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const minus = (text) => text.replace("-", "−");
const short = (value) => (value === null || value === undefined ? "–" : minus(String(Number(value.toPrecision(3)))));
const brief = (value) => minus(Number.isInteger(value) && Math.abs(value) > 9 ? String(value) : value.toFixed(2));
const signed = (value) => (value > 0 ? "+" : "") + minus(value.toFixed(2));
const percent = (value) => {
  if (value === null) return "–";
  if (value > 0.99 && value < 1) return ">99 %";
  return `${value < 0.01 ? "<1" : Math.round(100 * value)} %`;
};
const json = (id) => JSON.parse(document.getElementById(id).textContent);
