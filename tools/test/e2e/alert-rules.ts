import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { promtoolPath } from "@posthaste/testkit";

const run = promisify(execFile);
const monitoring = (name: string) =>
  fileURLToPath(new URL(`../../../docs/monitoring/${name}`, import.meta.url));
const RULES = monitoring("alerts.yaml");
const rules = readFileSync(RULES, "utf8");
const dashboard = readFileSync(monitoring("dashboard.json"), "utf8");

/** What one process answers to Prometheus; undefined: nothing. */
export type Scrape = {
  /** Prometheus' label `job`. */
  readonly service: string;
  readonly instance: string;
  readonly metrics: string | undefined;
};

/** Every alert, and for how many minutes its expression must hold. */
export const ALERTS: ReadonlyMap<string, number> = new Map(
  rules
    .split(/^ +- alert: /m)
    .slice(1)
    .map((rule) => [rule.split("\n", 1)[0] ?? "", Number(/^ +for: (\d+)m$/m.exec(rule)?.[1] ?? 0)]),
);

/** The expressions of the dashboard's panels, with Grafana's variable for the span of a rate filled in. */
export const PANELS: readonly string[] = [...dashboard.matchAll(/"expr": (".*")/g)].map(([, expr]) =>
  (JSON.parse(expr ?? "") as string).replaceAll("$__rate_interval", "5m"),
);

/** What rules and panels read. Everything else would only make promtool slow. */
const READ = new Set(
  [...`${rules}${dashboard}`.matchAll(/\b(posthaste|temporal|process)_\w+/g)].map(([name]) => name),
);

/** Minutes of the first scrape, then of the second. */
const BEFORE_MIN = 10;
const DURING_MIN = 60;
/** How long an expression may take to hold, with one step a minute. */
const GROWS_MIN = 10;

type Sample = {
  readonly value: number;
  readonly isCounter: boolean;
  /** When its process started, in seconds since 1970. */
  readonly startedAt: string | undefined;
};

/**
 * Evaluates the rules over two real scrapes of the same processes: some minutes in which everything is as in
 * the first one, and then some in which it is as in the second. A counter grows by the difference every
 * minute.
 *
 * @throws Error with promtool's output, unless no alert is there in the first minutes, and all of `alerts`
 *   fire in the later ones
 */
export async function expectAlerts(
  alerts: readonly string[],
  before: readonly Scrape[],
  during: readonly Scrape[] = before,
): Promise<void> {
  const count = (labels: string) => `count(ALERTS{${labels}}) > bool 0`;
  await evaluate(before, during, [
    expectation(count(""), BEFORE_MIN - 1, []),
    ...alerts.map((alert) =>
      expectation(
        count(`alertname="${alert}",alertstate="firing"`),
        BEFORE_MIN + GROWS_MIN + (ALERTS.get(alert) ?? 0),
        [1],
      ),
    ),
  ]);
}

/**
 * Evaluates the dashboard's panels over the same, likewise.
 *
 * @throws Error with promtool's output, unless each of them shows something in the later minutes
 */
export async function expectPanels(before: readonly Scrape[], during: readonly Scrape[]): Promise<void> {
  const shown = PANELS.map((expr) => expectation(`count(${expr}) > bool 0`, BEFORE_MIN + GROWS_MIN, [1]));
  await evaluate(before, during, shown);
}

type Expectation = ReturnType<typeof expectation>;

function expectation(expr: string, minute: number, values: readonly number[]) {
  const samples = values.map((value) => ({ labels: "{}", value }));
  return { expr, eval_time: `${minute}m`, exp_samples: samples };
}

async function evaluate(
  before: readonly Scrape[],
  during: readonly Scrape[],
  expectations: readonly Expectation[],
): Promise<void> {
  const series = inputSeries(before, during);
  const content = {
    rule_files: [RULES],
    evaluation_interval: "1m",
    tests: [{ interval: "1m", input_series: series, promql_expr_test: expectations }],
  };
  const dir = mkdtempSync(join(tmpdir(), "posthaste-alerts-"));
  try {
    // YAML includes JSON.
    const path = join(dir, "test.yaml");
    writeFileSync(path, JSON.stringify(content));
    await promtool("test", "rules", path);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Checks the rules' syntax and that their templates can be filled in. */
export async function checkRules(): Promise<void> {
  await promtool("check", "rules", RULES);
}

async function promtool(...args: readonly string[]): Promise<void> {
  try {
    await run(await promtoolPath(), args);
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args[0]} ${args[1]}: ${stdout}${stderr}`, { cause: error });
  }
}

function inputSeries(before: readonly Scrape[], during: readonly Scrape[]) {
  const [first, second] = [seriesOf(before), seriesOf(during)];
  return [...new Set([...first.keys(), ...second.keys()])].map((series) => ({
    series,
    values: `${valuesBefore(first.get(series))} ${valuesDuring(first.get(series), second.get(series))}`,
  }));
}

/** Promtool repeats a value once more than it is told to. */
function valuesBefore(sample: Sample | undefined): string {
  return sample === undefined ? `_x${BEFORE_MIN}` : `${sample.value}x${BEFORE_MIN - 1}`;
}

function valuesDuring(before: Sample | undefined, during: Sample | undefined): string {
  // Prometheus marks a series that a scrape does not have any more.
  if (during === undefined) return "stale";
  if (!during.isCounter) return `${during.value}x${DURING_MIN}`;
  const from = before?.value ?? 0;
  // A process that was started again begins at 0, and may have reached any value since.
  const grows = during.startedAt === before?.startedAt ? during.value - from : during.value;
  return `${from + grows}+${grows}x${DURING_MIN}`;
}

/** Returns the series of scrapes as Prometheus stores them: with the target's labels, and its own `up`. */
function seriesOf(scrapes: readonly Scrape[]): Map<string, Sample> {
  const series = new Map<string, Sample>();
  for (const { service, instance, metrics } of scrapes) {
    const target = `job="${service}",instance="${instance}"`;
    const startedAt = /^process_start_time_seconds (\S+)$/m.exec(metrics ?? "")?.[1];
    series.set(`up{${target}}`, { value: metrics === undefined ? 0 : 1, isCounter: false, startedAt });
    for (const line of metrics?.split("\n") ?? []) {
      const [, name = "", , labels, value] = /^(\w+)(\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (!READ.has(name)) continue;
      const isCounter = /_(total|bucket)$/.test(name);
      const all = labels === undefined || labels === "" ? target : `${labels},${target}`;
      series.set(`${name}{${all}}`, { value: Number(value), isCounter, startedAt });
    }
  }
  return series;
}
