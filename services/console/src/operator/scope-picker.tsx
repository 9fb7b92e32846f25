import { Tick } from "../parts/tick.tsx";
import styles from "./operator.module.css";

/** Chooses what a token or a session may do. */
export function ScopePicker(props: {
  offered: readonly string[];
  chosen: readonly string[];
  onChange(scopes: string[]): void;
}) {
  const { offered, chosen, onChange } = props;
  return (
    <fieldset className={styles.scopes}>
      <legend>It may</legend>
      {offered.map((scope) => (
        <Tick
          key={scope}
          isSelected={chosen.includes(scope)}
          onChange={(isChosen) =>
            onChange(offered.filter((one) => (one === scope ? isChosen : chosen.includes(one))))
          }
        >
          <span className="mono">{scope}</span>
        </Tick>
      ))}
    </fieldset>
  );
}
