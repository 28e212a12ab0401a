// Small drawings.

import { h, svg } from "./dom.js";

/** Answers in each of the last minutes. */
export function sparkline(values) {
  const most = Math.max(1, ...values);
  const width = 4;
  const bars = values.map((value, nth) =>
    svg("rect", {
      x: nth * width,
      y: 20 - Math.max(value > 0 ? 1.5 : 0.75, (value / most) * 20),
      width: width - 1,
      height: Math.max(value > 0 ? 1.5 : 0.75, (value / most) * 20),
      class: value > 0 ? "" : "none",
    }),
  );
  return svg(
    "svg",
    {
      class: "sparkline",
      viewBox: `0 0 ${values.length * width} 20`,
      role: "img",
      "aria-label": `${values.reduce((sum, value) => sum + value, 0)} answers in the last half hour`,
    },
    bars,
  );
}

/** A value with its interval between 0 and 1. */
export function interval({ value, low, high }) {
  const at = (share) => 4 + share * 292;
  return svg(
    "svg",
    {
      class: "interval",
      viewBox: "0 0 300 16",
      role: "img",
      "aria-label": `${Math.round(value * 100)} %, between ${Math.round(low * 100)} and ${Math.round(high * 100)} %`,
    },
    svg("line", { class: "axis", x1: at(0), x2: at(1), y1: 8, y2: 8 }),
    svg("line", { class: "whisker", x1: at(low), x2: at(high), y1: 8, y2: 8 }),
    svg("circle", { cx: at(value), cy: 8, r: 4 }),
  );
}

/** What a model reaches, in words. */
const REACHES = {
  accuracy: (share) => `the model is right in ${share}`,
  "accuracy of tokens": (share) => `the model tags ${share} of the tokens rightly`,
  "f1 of spans": (share) => `the model's spans reach an F1 of ${share}`,
};

/** A quality over the number of labels, with intervals. */
export function curve(points, measure) {
  const [width, height, left, bottom] = [640, 240, 44, 30];
  const most = Math.max(...points.map(({ labels }) => labels));
  const lowest = Math.max(0, Math.floor(Math.min(...points.map(({ accuracy }) => accuracy.low)) * 10 - 0.5) / 10);
  const x = (labels) => left + (labels / most) * (width - left - 16);
  const y = (share) => 10 + (1 - (share - lowest) / (1 - lowest)) * (height - bottom - 10);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => lowest + part * (1 - lowest));
  const line = points
    .map(
      ({ labels, accuracy }, nth) => `${nth === 0 ? "M" : "L"}${x(labels).toFixed(1)} ${y(accuracy.value).toFixed(1)}`,
    )
    .join("");
  const last = points.at(-1);
  const words = `With ${last.labels} answers ${REACHES[measure](`${Math.round(last.accuracy.value * 100)} %`)} (${Math.round(last.accuracy.low * 100)} to ${Math.round(last.accuracy.high * 100)} %)`;
  return h(
    "figure",
    { class: "curve" },
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
      ticks.map((share) => [
        svg("line", { class: "grid", x1: left, x2: width - 16, y1: y(share), y2: y(share) }),
        svg("text", { class: "up", x: left - 8, y: y(share) + 4 }, `${Math.round(share * 100)} %`),
      ]),
      points.map(({ labels, accuracy }) =>
        svg("line", { class: "whisker", x1: x(labels), x2: x(labels), y1: y(accuracy.low), y2: y(accuracy.high) }),
      ),
      svg("path", { d: line }),
      points.map(({ labels, accuracy }) => svg("circle", { cx: x(labels), cy: y(accuracy.value), r: 3.5 })),
      svg("text", { class: "across", x: x(most), y: height - 6 }, `${most.toLocaleString("en")} answers`),
      svg("text", { class: "start", x: left, y: height - 6 }, "0"),
    ),
    h("figcaption", { class: "soft" }, `${words}, from ${last.accuracy.basis}.`),
  );
}
