import { type KeyboardEvent, type MouseEvent, type RefObject, useId, useState } from "react";
import type UPlot from "uplot";
import { useLocation } from "wouter";
import type { BarTarget } from "./bar-address.ts";
import styles from "./bar-picker.module.css";
import { type ChartData, movedBy, readoutOf } from "./chart-data.ts";

export type { BarTarget } from "./bar-address.ts";

/** Leads from a chart's bars to deliveries: by a click, or by the arrow keys and Enter. */
export function BarPicker(props: {
  data: ChartData;
  label: string;
  opens: BarTarget;
  plot: RefObject<UPlot | null>;
  children: React.ReactNode;
}) {
  const { data, label, opens, plot, children } = props;
  const [, navigate] = useLocation();
  const [at, setAt] = useState<number>();
  const id = useId();
  const { times } = data;
  const open = async (index: number | null | undefined) => {
    const time = times[index ?? -1];
    if (time !== undefined) navigate(await addressFor(opens, time));
  };
  const onClick = ({ target }: MouseEvent) => {
    if (plot.current?.over.contains(target as Node) === true) void open(plot.current.cursor.idx);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") void open(at);
    const next = movedBy(event.key, at, times.length);
    const time = times[next ?? -1];
    if (next === undefined || time === undefined) return;
    event.preventDefault();
    setAt(next);
    plot.current?.setCursor({ left: plot.current.valToPos(time / 1_000, "x"), top: 0 });
  };
  return (
    <>
      <div
        className={styles.picker}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-describedby={id}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={at ?? Math.max(0, times.length - 1)}
        aria-valuetext={at === undefined ? "none chosen" : readoutOf(data, at)}
        onClick={onClick}
        onKeyDown={onKeyDown}
      >
        {children}
      </div>
      <p id={id} className={styles.about}>
        Choose a bar, or press Enter on it, to see the deliveries that were created in its time.
      </p>
    </>
  );
}

/** Loads what knows the filters' addresses only now: the first page does without it. */
async function addressFor(opens: BarTarget, time: number): Promise<string> {
  try {
    const { barAddress } = await import("./bar-address.ts");
    return barAddress(opens, time);
  } catch {
    // Another version of the console is installed by now. The page says so, and offers to reload.
    return "/deliveries";
  }
}
