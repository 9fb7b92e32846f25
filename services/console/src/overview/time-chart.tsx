import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import { clockTime, dayOf, timeToMinute } from "../parts/times.ts";
import { THEME_CHANGED } from "../shell/theme.ts";
import styles from "./time-chart.module.css";

export type Series = {
  readonly name: string;
  /** The name of a CSS variable of the theme. */
  readonly color: string;
  /** Null: no measurement. */
  readonly values: readonly (number | null)[];
};

type Props = {
  readonly label: string;
  /** One time for each point, in epoch milliseconds. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  /** Bars are stacked in the order of the series. */
  readonly kind: "bars" | "lines";
  spell(value: number): string;
};

const HEIGHT = 232;

/** Draws a chart over time. Screen readers get the same values as a table. */
export function TimeChart(props: Props) {
  const { label, times, series, spell } = props;
  const place = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLParagraphElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const plot = useRef<UPlot | null>(null);

  useEffect(() => {
    const at = place.current;
    if (at === null) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new UPlot(
        optionsOf(latest.current, at.clientWidth, (text) => {
          if (readout.current !== null) readout.current.textContent = text;
        }),
        dataOf(latest.current),
        at,
      );
    };
    draw();
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: at.clientWidth, height: HEIGHT }),
    );
    resized.observe(at);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    window.addEventListener(THEME_CHANGED, draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      window.removeEventListener(THEME_CHANGED, draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    plot.current?.setData(dataOf({ ...latest.current, times, series }));
  }, [times, series]);

  return (
    <figure aria-label={label} className={styles.figure}>
      <ul className={styles.legend} aria-hidden="true">
        {series.map(({ name, color }) => (
          <li key={name} data-color={color}>
            {name}
          </li>
        ))}
      </ul>
      <p ref={readout} className={styles.readout} aria-hidden="true" />
      <div ref={place} className={styles.place} aria-hidden="true" />
      <div className="visually-hidden">
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              {series.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {times.map((time, i) =>
              series.every(({ values }) => !values[i]) ? null : (
                <tr key={time}>
                  <th scope="row">{timeToMinute(time)}</th>
                  {series.map(({ name, values }) => (
                    <td key={name}>{spell(values[i] ?? 0)}</td>
                  ))}
                </tr>
              ),
            )}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

/** Returns the times in seconds, then the values of each series. Bars get stacked sums, the highest first. */
function dataOf({ times, series, kind }: Props): UPlot.AlignedData {
  const seconds = times.map((time) => time / 1_000);
  if (kind === "lines") return [seconds, ...series.map(({ values }) => [...values])];
  const stacked = series.map((_one, i) =>
    times.map((_time, at) => series.slice(0, i + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0)),
  );
  return [seconds, ...stacked.reverse()];
}

function optionsOf(props: Props, width: number, read: (text: string) => void): UPlot.Options {
  const { series, kind, spell } = props;
  const muted = colorOf("--muted");
  const grid = { stroke: colorOf("--border"), width: 1 };
  const ordered = kind === "bars" ? [...series].reverse() : series;
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { show: kind === "lines" }, y: false },
    padding: [8, 12, 0, 0],
    scales: {
      x: { range: roomFor(props.times) },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.12 : 1] },
    },
    axes: [
      {
        stroke: muted,
        grid: { show: false },
        ticks: { show: false },
        font: FONT,
        values: spellAxis,
        space: 70,
        size: 30,
      },
      {
        stroke: muted,
        grid,
        ticks: { show: false },
        font: FONT,
        size: 52,
        space: 42,
        values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? spell(value) : "")),
      },
    ],
    series: [
      {},
      ...ordered.map(({ name, color }): UPlot.Series => {
        const stroke = colorOf(color);
        return kind === "bars"
          ? {
              label: name,
              fill: stroke,
              stroke,
              width: 0,
              points: { show: false },
              ...(UPlot.paths.bars === undefined
                ? {}
                : { paths: UPlot.paths.bars({ size: [0.7, 26], radius: 0.15 }) }),
            }
          : { label: name, stroke, width: 2, spanGaps: false };
      }),
    ],
    hooks: {
      setCursor: [
        ({ cursor: { idx } }) => {
          const time = idx === null || idx === undefined ? undefined : props.times[idx];
          if (time === undefined || idx === null || idx === undefined) return read("");
          const parts = series.map(({ name, values }) => {
            const value = values[idx];
            return `${name} ${value === null || value === undefined ? "–" : spell(value)}`;
          });
          read([timeToMinute(time), ...parts].join("  ·  "));
        },
      ],
    },
  };
}

/** Adds half a bar's width at both ends. */
function roomFor(times: readonly number[]): UPlot.Range.Function {
  const half = ((times[1] ?? 0) - (times[0] ?? 0)) / 2_000;
  return (_plot, min, max) => [min - half, max + half];
}

const FONT = '11px "Inter Variable", system-ui, sans-serif';
const DAY_S = 86_400;

function spellAxis(_plot: UPlot, seconds: readonly number[]): string[] {
  const step = (seconds[1] ?? 0) - (seconds[0] ?? 0);
  return seconds.map((second) => (step >= DAY_S / 2 ? dayOf : clockTime)(second * 1_000));
}

/** Resolves a CSS variable to its colour, because a canvas accepts no variables. */
function colorOf(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
