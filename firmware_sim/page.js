"use strict";
// The page reads without this script; it adds the theme switch, a time cursor and the values at it.
(function () {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const data = JSON.parse(document.getElementById("data").textContent);
  const plot = document.getElementById("plot");
  const svg = plot.querySelector("svg");
  const told = document.getElementById("values");
  const box = svg.viewBox.baseVal;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  line.id = "cursor";
  line.setAttribute("y1", data.top * box.height);
  line.setAttribute("y2", data.bottom * box.height);
  const times = data.time_ms;
  let at = -1;
  function show(index) {
    at = Math.max(0, Math.min(times.length - 1, index));
    const share = (times[at] - data.span_ms[0]) / (data.span_ms[1] - data.span_ms[0]);
    const x = (data.left + share * (data.right - data.left)) * box.width;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    if (!line.parentNode) { svg.append(line); }
    told.textContent = times[at] + " ms: " + data.columns.map((column) => {
      const value = column.names ? column.names[column.values[at]] : column.values[at];
      return value === null || value === undefined ? "" : column.label + " " + value + (column.unit ? " " + column.unit : "");
    }).filter(Boolean).join("; ");
  }
  plot.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const share = ((event.clientX - frame.left) / frame.width - data.left) / (data.right - data.left);
    const time = data.span_ms[0] + share * (data.span_ms[1] - data.span_ms[0]);
    const step = times.length > 1 ? times[1] - times[0] : 1;
    show(Math.round((time - times[0]) / step));
  });
  plot.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (move) { event.preventDefault(); show(at < 0 ? 0 : at + move); }
  });
})();
