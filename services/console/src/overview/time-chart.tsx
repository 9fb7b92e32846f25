import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import { clockTime, dayOf, timeToMinute } from "../parts/times.ts";
import { THEME_CHANGED } from "../shell/theme.ts";
import { BarPicker, type BarTarget } from "./bar-picker.tsx";
import { type ChartData, columnsOf, loneValues, readoutOf, spelledValue } from "./chart-data.ts";
import styles from "./time-chart.module.css";

type Props = ChartData & {
  readonly label: string;
  /** Leads from a bar to the deliveries that were created in its time. Default: bars lead nowhere. */
  readonly opens?: BarTarget | undefined;
};

const HEIGHT = 232;

/** Draws a chart over time. Screen readers get the same values as a table. */
export function TimeChart(props: Props) {
  const { label, times, series, spell, opens } = props;
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
        optionsOf(latest.current, at.clientWidth, (idx) => {
          if (readout.current !== null) readout.current.textContent = readoutOf(latest.current, idx);
        }),
        columnsOf(latest.current),
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
    plot.current?.setData(columnsOf({ ...latest.current, times, series }));
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
      {opens === undefined ? (
        <div ref={place} className={styles.place} aria-hidden="true" />
      ) : (
        <BarPicker data={props} label={label} opens={opens} plot={plot}>
          <div ref={place} className={styles.place} aria-hidden="true" />
        </BarPicker>
      )}
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
                    <td key={name}>{spelledValue(values[i], spell)}</td>
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

/** @param read called with the index of the time under the pointer */
function optionsOf(
  props: Props,
  width: number,
  read: (idx: number | null | undefined) => void,
): UPlot.Options {
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
      x: { range: withRoom },
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
          : { label: name, stroke, width: 2, spanGaps: false, points: pointsOf(stroke) };
      }),
    ],
    hooks: { setCursor: [({ cursor }) => read(cursor.idx)] },
  };
}

/** Draws values without a neighbour, which a line does not show. */
function pointsOf(color: string): UPlot.Series.Points {
  return {
    show: false,
    fill: color,
    size: 6,
    filter: (plot, of) => loneValues([...(plot.data[of] ?? [])]),
  };
}

/** Adds half a bar's width at both ends. */
const withRoom: UPlot.Range.Function = ({ data: [seconds] }, min, max) => {
  const half = ((seconds[1] ?? min) - (seconds[0] ?? min)) / 2;
  return [min - half, max + half];
};

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
