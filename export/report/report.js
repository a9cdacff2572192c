"use strict";
// The page reads without this script; it adds filters, the theme switch and the event explorer.
(function () {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Tables: show the rows that hold every word typed.
  for (const box of document.querySelectorAll(".filter")) {
    const rows = [...document.getElementById(box.dataset.table).tBodies[0].rows];
    const input = box.querySelector("input");
    const count = box.querySelector("output");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = shown + " of " + rows.length + " rows";
    };
    input.addEventListener("input", apply);
    apply();
  }

  // A link to a row that a filter hides shows it again.
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.closest("details");
    if (fold) { fold.open = true; target.scrollIntoView(); }
  });

  const section = document.getElementById("explorer");
  if (!section || !data.events.length) { theme(() => {}); return; }
  const pick = section.querySelector("select");
  const slider = section.querySelector("input[type=range]");
  const told = section.querySelector("output");
  const panes = section.querySelectorAll(".pane");
  let charts = [];
  let times = [];
  let event = null;

  // Round numbers from low to high, about four steps of 1, 2 or 5 times a power of ten.
  function ticks(low, high) {
    const ten = 10 ** Math.floor(Math.log10((high - low) / 4));
    const step = [1, 2, 5, 10].map((one) => one * ten).find((one) => (high - low) / one <= 6);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
    return [found, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))];
  }

  // A line chart over time on a canvas, with marks at contact, required time and fire; hovering tells values.
  function chart(pane, title, height, series, span, range) {
    const heading = document.createElement("div");
    heading.className = "chart-title";
    heading.textContent = title + ": " + series.map(([label]) => label).join(", ");
    const canvas = document.createElement("canvas");
    pane.append(heading, canvas);
    const all = series.flatMap((one) => one[2]);
    const spread = Math.max(...all) - Math.min(...all) || 1;
    const [low, high] = range || [Math.min(...all) - 0.05 * spread, Math.max(...all) + 0.05 * spread];
    const left = 56, right = 16, top = 6, bottom = 30;
    const width = () => canvas.clientWidth;
    const x = (t) => left + ((t - span[0]) / (span[1] - span[0])) * (width() - left - right);
    const y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);

    function draw(cursor) {
      const context = canvas.getContext("2d");
      canvas.style.width = "100%";
      canvas.style.height = height + "px";
      canvas.width = Math.round(width() * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
      context.scale(devicePixelRatio, devicePixelRatio);
      context.font = "11px system-ui, sans-serif";
      const line = (name, dash, thick, points) => {
        context.strokeStyle = colour(name);
        context.setLineDash(dash);
        context.lineWidth = thick;
        context.beginPath();
        for (const [px, py] of points) context.lineTo(px, py);
        context.stroke();
      };
      context.fillStyle = colour("--soft");
      const [levels, digits] = ticks(low, high);
      for (const v of levels) {
        line("--line", [], 1, [[left, y(v)], [width() - right, y(v)]]);
        context.textAlign = "right";
        context.fillText(v.toFixed(digits), left - 6, y(v) + 4);
      }
      context.textAlign = "center";
      const [moments, part] = ticks(span[0], span[1]);
      for (const t of moments) context.fillText(t.toFixed(part), x(t), height - bottom + 14);
      context.fillText("ms from first contact", (left + width()) / 2, height - 3);
      context.save();
      context.beginPath();
      context.rect(left, 0, width() - left - right, height - bottom);
      context.clip();
      for (const [, name, values, stepped] of series) {
        const points = [];
        values.forEach((v, k) => {
          if (stepped && k) points.push([x(times[k]), y(values[k - 1])]);
          points.push([x(times[k]), y(v)]);
        });
        line(name, [], 1.5, points);
      }
      const marks = [[0, "--soft", [2, 4], "contact"], [event.rttf_ms, "--good", [6, 4], "required"], [event.ttf_ms, "--bad", [], "fires"]];
      marks.forEach(([at, name, dash, word], k) => {
        if (at === null) return;
        line(name, dash, 1.5, [[x(at), top], [x(at), height - bottom]]);
        context.fillStyle = colour(name);
        context.textAlign = "left";
        context.fillText(word, x(at) + 4, top + 12 + 14 * k);
      });
      if (cursor !== undefined) line("--soft", [1, 2], 1, [[x(times[cursor]), top], [x(times[cursor]), height - bottom]]);
      context.restore();
    }
    canvas.addEventListener("mousemove", (move) => {
      const t = span[0] + ((move.offsetX - left) / (width() - left - right)) * (span[1] - span[0]);
      const k = Math.round((t - times[0]) / event.period_ms);
      if (k >= 0 && k < times.length) at(k);
    });
    draw();
    return { draw: draw, destroy: () => { heading.remove(); canvas.remove(); } };
  }

  // The cursor of every chart, and the values there in words.
  function at(k) {
    for (const one of charts) one.draw(k);
    say(k);
  }

  function say(k) {
    slider.value = k;
    const parts = ["at " + times[k].toFixed(1) + " ms", "main " + event.main_g[k].toFixed(2) + " g"];
    if (event.y) {
      parts.push("safing " + event.safing_g[k].toFixed(2) + " g", "net output " + event.y[k].toFixed(3) + " of its largest",
        event.vote[k] ? "votes to fire" : "votes not to fire",
        event.fire_request[k] ? "fire requested" : "no request", event.armed[k] ? "armed" : "not armed");
    }
    if (event.contribution) parts.push("contribution " + event.contribution[k].toFixed(3) + " of the largest");
    told.textContent = event.summary + " \u2014 " + parts.join(", ");
  }

  function summary(e) {
    if (e.id) return "Counterexample of " + e.id + ", made by the prover";
    const fate = e.ttf_ms === null ? "did not fire" : "fired at " + e.ttf_ms.toFixed(1) + " ms";
    const due = e.rttf_ms === null ? "" : ", required by " + e.rttf_ms.toFixed(1) + " ms";
    return e.name + " (" + e.source + ", " + e.label.replace("_", "-") + ") " + fate + due + ": " + e.verdict + "; " + e.keeps;
  }

  const choices = [...data.events, ...data.witnesses];
  choices.forEach((e, k) => {
    const option = document.createElement("option");
    option.value = k;
    option.textContent = e.id ? "counterexample of " + e.id : e.name + " \u00b7 " + e.source + " \u00b7 " + e.verdict;
    pick.append(option);
  });

  function show() {
    for (const one of charts) one.destroy();
    event = choices[Number(pick.value)];
    event = { rttf_ms: null, ttf_ms: null, first_ms: 0, explained_ms: null, ...event };
    event.summary = summary(event);
    times = event.main_g.map((_, k) => event.first_ms + k * event.period_ms);
    slider.max = times.length - 1;
    // What matters of a crash is in its first 100 ms, and where it was explained; what the prover made is shown whole.
    const last = times[times.length - 1];
    const span = event.y ? [Math.max(times[0], -20), Math.min(last, Math.max(100, event.explained_ms + 20))] : [times[0], last];
    charts = [chart(panes[0], "deceleration (g)", 240, [["main sensor", "--focus", event.main_g], ...(event.y ? [["safing sensor", "--soft", event.safing_g]] : [])], span)];
    if (event.y) {
      charts.push(chart(panes[1], "net output (1 is its largest magnitude; above 0 is a vote)", 180, [["net output", "--accent", event.y]], span, [-1.05, 1.05]));
      charts.push(chart(panes[2], "decision (1 is yes)", 150, [["vote", "--accent", event.vote, true], ["fire request", "--bad", event.fire_request, true], ["armed", "--open", event.armed, true]], span, [-0.1, 1.15]));
    }
    if (event.contribution) {
      charts.push(chart(panes[3], "contribution of each sample to the explained window (1 is the largest)", 180, [["contribution", "--focus", event.contribution, true]], span, [-1.05, 1.05]));
    }
    const when = event.ttf_ms ?? event.rttf_ms ?? event.explained_ms;
    const k = when === null ? 0 : times.findIndex((t) => t >= when - 1e-9);
    say(Math.max(0, k));
  }

  pick.addEventListener("change", show);
  slider.addEventListener("input", () => at(Number(slider.value)));
  window.addEventListener("resize", () => { for (const one of charts) one.draw(); });
  for (const link of document.querySelectorAll("[data-event]")) {
    link.addEventListener("click", () => {
      const k = choices.findIndex((e) => (e.name || e.id) === link.dataset.event);
      if (k >= 0) { pick.value = k; show(); }
    });
  }
  theme(show);
  show();

  function theme(redraw) {
    const button = document.getElementById("theme");
    button.hidden = false;
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const label = () => { button.textContent = dark() ? "light" : "dark"; button.setAttribute("aria-label", "switch to " + button.textContent + " colours"); };
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); redraw(); });
    label();
  }
})();
