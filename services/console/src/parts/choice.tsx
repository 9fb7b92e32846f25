import { ChevronDown } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { Label } from "react-aria-components/Label";
import { ListBox, ListBoxItem } from "react-aria-components/ListBox";
import { Popover } from "react-aria-components/Popover";
import { Select, SelectValue } from "react-aria-components/Select";
import styles from "./controls.module.css";

export type Option<K extends string> = { readonly id: K; readonly name: string };

/** A drop-down list with one selected option. */
export function Choice<K extends string>(props: {
  label: string;
  options: readonly Option<K>[];
  value: K;
  onChange(value: NoInfer<K>): void;
  className?: string | undefined;
}) {
  const { label, options, value, onChange, className = "" } = props;
  return (
    <Select
      className={`${styles.field} ${className}`}
      value={value}
      onChange={(key) => {
        const chosen = options.find(({ id }) => id === key);
        if (chosen !== undefined) onChange(chosen.id);
      }}
    >
      <Label>{label}</Label>
      <Button className={styles.select}>
        <SelectValue />
        <ChevronDown size={15} aria-hidden="true" />
      </Button>
      <Popover className={styles.popover}>
        <ListBox items={options}>
          {({ id, name }) => (
            <ListBoxItem id={id} textValue={name} className={styles.option}>
              {name}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}
