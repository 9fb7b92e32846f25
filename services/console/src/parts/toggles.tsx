import { ToggleButton } from "react-aria-components/ToggleButton";
import { ToggleButtonGroup } from "react-aria-components/ToggleButtonGroup";
import type { Option } from "./choice.tsx";
import styles from "./controls.module.css";

/** A few options side by side, one of them selected. */
export function Toggles<K extends string>(props: {
  label: string;
  options: readonly Option<K>[];
  value: K;
  onChange(value: NoInfer<K>): void;
}) {
  const { label, options, value, onChange } = props;
  return (
    <ToggleButtonGroup
      aria-label={label}
      className={styles.toggles}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      onSelectionChange={(keys) => {
        const chosen = options.find(({ id }) => keys.has(id));
        if (chosen !== undefined) onChange(chosen.id);
      }}
    >
      {options.map(({ id, name }) => (
        <ToggleButton key={id} id={id} className={styles.toggle}>
          {name}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
