// What all drawings have in common: colours of the theme, axes, and drawing again where theme or width change.
"use strict";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const spell = (number) => Number(number.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");
const nameTimes = (plot, splits, axis, space, step) =>
  splits.map((seconds, index) => {
    const at = new Date(seconds * 1000);
    const day = `${at.getUTCDate()} ${months[at.getUTCMonth()]}`;
    if (step >= 86400) return day;
    const hour = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    return index === 0 || at.getUTCHours() + at.getUTCMinutes() === 0 ? `${hour}\n${day}` : hour;
  });
const nameMoment = (plot, seconds) => (seconds === null ? "–" : new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " "));
const styleAxis = () => ({ stroke: color("quiet"), grid: { stroke: color("rule"), width: 1 }, ticks: { stroke: color("rule") } });
const inUtc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

// Draws a figure now, and again when the theme or its width changes.
const keepDrawn = (figure, draw) => {
  let width = figure.clientWidth;
  draw();
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    if (Math.abs(figure.clientWidth - width) > 4) {
      width = figure.clientWidth;
      draw();
    }
  }).observe(figure);
};
