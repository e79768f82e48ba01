// Draws the rows around an alert: the column that contributes most, what is usual, and p-values below.
"use strict";

const shade = (series) => ({
  hooks: {
    drawClear: [
      (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        if (series.low !== null && series.column) {
          const top = plot.valToPos(series.high, "y", true);
          const low = plot.valToPos(series.low, "y", true);
          ctx.fillStyle = color("rule");
          ctx.globalAlpha = 0.35;
          ctx.fillRect(bbox.left, Math.max(top, bbox.top), bbox.width, Math.min(low, bbox.top + bbox.height) - Math.max(top, bbox.top));
        }
        if (series.first) {
          const left = plot.valToPos(Date.parse(series.first) / 1000, "x", true);
          const right = plot.valToPos(Date.parse(series.last) / 1000, "x", true);
          ctx.fillStyle = color("band");
          ctx.globalAlpha = 0.8;
          ctx.fillRect(left - 3, bbox.top, Math.max(6, right - left + 6), bbox.height);
        }
        ctx.restore();
      },
    ],
  },
});

const draw = (figure, series) => {
  const place = figure.querySelector(".plot");
  place.replaceChildren();
  const axis = styleAxis();
  const rare = series.p_values.map((p) => (p === null ? null : -Math.log10(Math.max(p, 1e-12))));
  const main = series.column ? series.values : rare;
  const marked = main.map((value, index) => (series.alerting[index] ? value : null));
  const title = series.column || "-log10 p-value";
  const lines = [
    { value: nameMoment },
    { label: title, stroke: color("s0"), width: 1.5, points: { show: series.times.length < 80 } },
    { label: "alerts", stroke: color("s1"), width: 0, points: { show: true, size: 8, fill: color("s1") } },
  ];
  const width = Math.max(280, place.clientWidth);
  new uPlot(
    {
      width,
      height: 260,
      cursor: { drag: { x: true, y: false } },
      tzDate: inUtc,
      legend: { live: !still },
      axes: [{ ...axis, values: nameTimes }, { ...axis, size: 60 }],
      series: lines,
      plugins: [shade(series)],
    },
    [series.times, main, marked],
    place,
  );
  const usual = series.low !== null ? `Grey: nine of ten values of the reference lie between ${spell(series.low)} and ${spell(series.high)}. ` : "";
  const text = `${series.column ? `${series.column} of ${series.times.length} rows` : "How rare each row is"}; coloured: the time of the alert, dots: rows that alert. ${usual}${series.notes.join(" ")}`;
  figure.querySelector("figcaption").textContent = text;
  place.setAttribute("aria-label", text);
};

for (const figure of document.querySelectorAll("[data-series]")) {
  const caption = figure.querySelector("figcaption");
  fetch(figure.dataset.series, { headers: { Accept: "application/json" } })
    .then(async (answer) => {
      const series = await answer.json();
      if (!answer.ok) throw new Error(series.detail);
      if (!series.times.length) {
        caption.textContent = `Nothing to draw: ${series.notes.join(" ")}`;
        figure.querySelector(".plot").hidden = true;
        return;
      }
      keepDrawn(figure, () => draw(figure, series));
    })
    .catch((error) => {
      caption.textContent = `The rows could not be read: ${error.message}`;
    });
}
