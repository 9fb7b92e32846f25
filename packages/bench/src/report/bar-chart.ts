/** A bar with one or more parts, drawn one after another. */
export type Bar = {
  readonly label: string;
  readonly parts: readonly BarPart[];
  /** The text after the value. Default: none. */
  readonly note?: string;
};
type BarPart = { readonly series: string; readonly value: number };

const WIDTH = 1_000;
const LABEL_WIDTH = 420;
const VALUE_WIDTH = 70;
const NOTE_WIDTH = 260;
const BAR_HEIGHT = 18;
const ROW_HEIGHT = 26;
const TOP = 64;
const BOTTOM = 16;
const COLOURS = ["#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#64748b"];

/** Draws horizontal bars as a static SVG, which code hosts display; on white, to be legible on dark pages. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const series = [...new Set(bars.flatMap(({ parts }) => parts.map((part) => part.series)))];
  const colourOf = (name: string) => COLOURS[series.indexOf(name) % COLOURS.length] ?? "#64748b";
  const most = Math.max(...bars.map(totalOf), Number.MIN_VALUE);
  const noteWidth = bars.some(({ note }) => note !== undefined) ? NOTE_WIDTH : 0;
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH - noteWidth) / most;
  const height = TOP + bars.length * ROW_HEIGHT + BOTTOM;
  const legend = series.length < 2 ? [] : series.map((name, i) => legendOf(name, i, colourOf(name)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 26, `${title} (${unit})`, 'font-size="16" font-weight="600"'),
    ...legend,
    ...bars.flatMap((bar, i) => rowOf(bar, TOP + i * ROW_HEIGHT, scale, colourOf)),
    "</svg>",
    "",
  ].join("\n");
}

function rowOf(bar: Bar, y: number, scale: number, colourOf: (name: string) => string): string[] {
  let x = LABEL_WIDTH;
  const rects = bar.parts.map(({ series, value }) => {
    const width = Math.max(0, value * scale);
    const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" fill="${colourOf(series)}"/>`;
    x += width;
    return rect;
  });
  const middle = y + BAR_HEIGHT - 4;
  return [
    text(LABEL_WIDTH - 8, middle, bar.label, 'text-anchor="end"'),
    ...rects,
    text(x + 6, middle, [shown(totalOf(bar)), bar.note ?? ""].join(" ").trim(), 'font-weight="600"'),
  ];
}

const LEGEND_WIDTH = 130;

function legendOf(name: string, i: number, colour: string): string {
  const x = 16 + i * LEGEND_WIDTH;
  return `<rect x="${x}" y="38" width="12" height="12" fill="${colour}"/>${text(x + 18, 49, name, "")}`;
}

function totalOf({ parts }: Bar): number {
  return parts.reduce((sum, { value }) => sum + value, 0);
}

function shown(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" fill="#111827" ${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
