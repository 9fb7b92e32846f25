import { median } from "../measure/statistics.ts";
import { type Bar, barChart } from "./bar-chart.ts";
import { placeOf } from "./format.ts";
import { type BenchResults, type Figure, productCpuMs } from "./results.ts";

/** A chart of the results page. */
export type Chart = { readonly fileName: string; readonly title: string; readonly svg: string };

/** Returns the charts that have at least one measured figure. */
export function chartsOf({ figures }: BenchResults): readonly Chart[] {
  const measured = figures.filter(({ values }) => values.length > 0);
  const of = (scenario: string) => measured.filter((figure) => figure.scenario === scenario);
  return [
    chart("ingest-rate.svg", "Accepted events", "per second, median", of("ingest").map(valueBar)),
    chart("deliver-rate.svg", "Deliveries", "per second, median", of("deliver").map(valueBar)),
    chart(
      "ratios.svg",
      "Rates relative to their yardsticks",
      "ratio",
      measured.filter(({ unit, yardsticks }) => unit.endsWith("/s") && yardsticks.length > 0).map(ratioBar),
    ),
    chart(
      "cpu.svg",
      "CPU per delivery",
      "milliseconds",
      [...of("deliver"), ...of("growth")].filter(({ item }) => item === "delivery").map(cpuBar),
    ),
    chart("latency.svg", "Latency at 20 % load", "milliseconds", of("latency").map(latencyBar)),
  ].filter((one) => one !== undefined);
}

function chart(fileName: string, title: string, unit: string, bars: readonly Bar[]): Chart | undefined {
  return bars.length === 0 ? undefined : { fileName, title, svg: barChart(title, unit, bars) };
}

const labelOf = (figure: Figure) => `${figure.name} · ${placeOf(figure)}`;

function valueBar(figure: Figure): Bar {
  return { label: labelOf(figure), parts: [{ series: "median", value: median(figure.values) }] };
}

function ratioBar(figure: Figure): Bar {
  const { ratio = 0, name = "" } = figure.yardsticks[0] ?? {};
  return { label: labelOf(figure), parts: [{ series: "ratio", value: ratio }], note: `of ${name}` };
}

function cpuBar(figure: Figure): Bar {
  const parts = [...productCpuMs(figure)].map(([series, value]) => ({ series, value }));
  return { label: labelOf(figure), parts };
}

/** Shows the p50, and the distance from it to the p99. */
function latencyBar(figure: Figure): Bar {
  const { p50Ms = 0, p99Ms = 0 } = figure.latency ?? {};
  return {
    label: labelOf(figure).replace(", p50", ""),
    parts: [
      { series: "p50", value: p50Ms },
      { series: "up to p99", value: p99Ms - p50Ms },
    ],
  };
}
