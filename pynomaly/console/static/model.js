// Draws a version: its calibration, and its windows over time. The same figures stand below as tables.
"use strict";

const percent = (value) => (value === null || value === undefined ? "–" : `${spell(100 * value)} %`);
const showPercent = (plot, value) => percent(value);
const showNumber = (plot, value) => (value === null ? "–" : spell(value));
const few = (values) => ({ show: values.length < 60, size: 5 });
const edge = (label, value) => ({ label, value, stroke: "transparent", width: 0, points: { show: false } });
const guide = (label, value, alone = false) => ({ label, value, stroke: color("quiet"), width: 1.5, dash: [6, 5], points: { show: alone } });
// Of a scale of powers of ten only these have a line.
const isPower = (value) => value !== null && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
const keepPowers = (plot, splits) => splits.map((value) => (isPower(value) ? value : null));
const HALF_DAY = 43200;
const widen = (plot, low, high) => (low === high ? [low - HALF_DAY, high + HALF_DAY] : [low, high]);

const drawPlot = (figure, series, data, options) => {
  const place = figure.querySelector(".plot");
  place.replaceChildren();
  const { scales, bands = [], onTime = false, nameValue } = options;
  const axis = styleAxis();
  if (!onTime) for (const part of [axis.grid, axis.ticks]) part.filter = keepPowers;
  new uPlot(
    {
      width: Math.max(280, place.clientWidth),
      height: 240,
      cursor: { drag: { x: true, y: false } },
      tzDate: inUtc,
      legend: { live: !still },
      scales,
      axes: [
        { ...axis, values: onTime ? nameTimes : options.nameX },
        { ...axis, size: 64, values: (plot, splits) => splits.map((value) => (value === null ? "" : nameValue(value))) },
      ],
      bands: bands.map((pair) => ({ series: pair, fill: `${color("s0")}2e` })),
      series: [{ label: onTime ? "window" : "asked", value: onTime ? nameMoment : showPercent }, ...series],
    },
    data,
    place,
  );
};

const pictures = {
  calibration: (figure, model) => {
    const levels = [...model.calibration].sort((one, other) => one.asked - other.asked);
    const least = levels[0].asked / 10;
    const above = (value) => (value > least ? value : least);
    const pick = (name) => levels.map((item) => item[name]);
    drawPlot(
      figure,
      [
        { label: "observed", stroke: color("s0"), width: 2, value: showPercent, points: { show: true, size: 7 } },
        edge("from", showPercent),
        edge("to", showPercent),
        guide("as asked", showPercent),
      ],
      [pick("asked"), levels.map((item) => (item.observed > 0 ? item.observed : null)), pick("low").map(above), pick("high"), pick("asked")],
      {
        scales: { x: { time: false, distr: 3 }, y: { distr: 3 } },
        bands: [[3, 2]],
        nameX: (plot, splits) => splits.map((value) => (value === null ? "" : percent(value))),
        nameValue: percent,
      },
    );
  },
  rates: (figure, model) => {
    const rows = model.windows.filter((item) => item.start !== null);
    drawPlot(
      figure,
      [
        { label: "alerting", stroke: color("s0"), width: 2, value: showPercent, points: few(rows) },
        edge("from", showPercent),
        edge("to", showPercent),
        guide("promised", showPercent, rows.length < 2),
      ],
      [rows.map((item) => Date.parse(item.start) / 1000), ...["observed", "low", "high", "expected"].map((name) => rows.map((item) => item[name]))],
      { scales: { x: { range: widen }, y: { range: (plot, low, high) => [0, high > 0 ? high * 1.05 : 0.01] } }, bands: [[3, 2]], onTime: true, nameValue: percent },
    );
  },
  drift: (figure, model) => {
    const rows = model.windows.filter((item) => item.start !== null);
    const line = (label, name, dash) => ({ label, stroke: color(name), width: 2, dash, value: showNumber, points: few(rows) });
    drawPlot(
      figure,
      [
        line("one column", "s0", undefined),
        line("together", "s1", [9, 4]),
        line("scores", "s2", [3, 3]),
        guide("warns", showNumber, rows.length < 2),
        guide("is drift", showNumber, rows.length < 2),
      ],
      [
        rows.map((item) => Date.parse(item.start) / 1000),
        ...["data", "features", "scores"].map((name) => rows.map((item) => item[name])),
        rows.map(() => model.notice),
        rows.map(() => model.strong),
      ],
      { scales: { x: { range: widen }, y: { range: (plot, low, high) => [0, Math.max(high, model.strong) * 1.1] } }, onTime: true, nameValue: spell },
    );
  },
};

for (const part of document.querySelectorAll("[data-url]")) {
  const figures = [...part.querySelectorAll("[data-model]")];
  if (!figures.length) continue;
  fetch(part.dataset.url, { headers: { Accept: "application/json" } })
    .then(async (answer) => {
      const model = await answer.json();
      if (!answer.ok) throw new Error(model.detail);
      for (const figure of figures) keepDrawn(figure, () => pictures[figure.dataset.model](figure, model));
    })
    .catch((error) => {
      for (const figure of figures) {
        figure.querySelector(".plot").hidden = true;
        figure.querySelector("figcaption").textContent = `It could not be drawn (${error.message}); the table below has the figures.`;
      }
    });
}
