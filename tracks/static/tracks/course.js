// Draws the positions that stand in the tables of a song's page.
"use strict";

const lang = navigator.languages.find((name) => name.startsWith(document.documentElement.lang)) ?? document.documentElement.lang;
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const dayAndMonth = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });

function points(table) {
  return [...table.querySelectorAll("tbody tr")].map((row) => {
    const position = row.querySelector("data");
    return { x: new Date(row.querySelector("time").dateTime).getTime(), y: position ? Number(position.value) : null };
  });
}

function draw(section) {
  const drawing = section.querySelector(".drawing");
  if (!drawing) return;
  const data = points(section.querySelector("table"));
  const lowest = Math.max(20, ...data.map((point) => point.y ?? 0));
  const ticks = { color: colour("--quiet"), maxTicksLimit: 6, maxRotation: 0 };
  new Chart(drawing.querySelector("canvas"), {
    type: "line",
    data: {
      datasets: [{
        data,
        stepped: "before",
        spanGaps: false,
        clip: 6,
        borderColor: colour("--accent"),
        backgroundColor: colour("--accent"),
        borderWidth: 2,
        pointRadius: data.length > 60 ? 0 : 3,
        pointHitRadius: 12,
      }],
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      parsing: false,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", min: data[0].x, max: data[data.length - 1].x, grid: { display: false },
             border: { color: colour("--rule") }, ticks: { ...ticks, callback: (value) => dayAndMonth.format(value) } },
        y: { reverse: true, min: 1, max: lowest, grid: { color: colour("--rule") }, border: { display: false },
             ticks: { ...ticks, maxTicksLimit: 5, callback: (value) => (value % 1 ? "" : value) } },
      },
      plugins: {
        legend: { display: false },
        tooltip: { displayColors: false, callbacks: { title: ([item]) => moment.format(item.parsed.x), label: (item) => `${item.parsed.y}` } },
      },
    },
  });
}


document.querySelectorAll(".course").forEach(draw);
// Colours of a canvas do not follow the system's preference by themselves.
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.location.reload());
