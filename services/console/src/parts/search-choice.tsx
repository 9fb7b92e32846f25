import { ChevronDown } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { ComboBox } from "react-aria-components/ComboBox";
import { Group } from "react-aria-components/Group";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { ListBox, ListBoxItem } from "react-aria-components/ListBox";
import { Popover } from "react-aria-components/Popover";
import styles from "./controls.module.css";
import { matching, type SearchOption } from "./matching.ts";

/** More would be slow to draw, and nobody reads them. */
const SHOWN_MAX = 100;

/** A list to choose one option from, which a query narrows down. For a few options, use `Choice`. */
export function SearchChoice(props: {
  label: string;
  /** What is chosen with the value `""`. */
  none: string;
  options: readonly SearchOption[];
  value: string;
  /** The name of a value that is not among the options. */
  nameOf(value: string): string;
  onChange(value: string): void;
}) {
  const { label, none, options, value, nameOf, onChange } = props;
  // What the reader has typed. Undefined: nothing yet, and the input shows what is chosen.
  const [query, setQuery] = useState<string>();
  const found = matching(options, query ?? "");
  const isNarrowed = query !== undefined && query !== "";
  const shown = [...(isNarrowed ? [] : [{ id: NONE, name: none, about: "" }]), ...found.slice(0, SHOWN_MAX)];
  const chosen = value === "" ? none : (options.find(({ id }) => id === value)?.name ?? nameOf(value));
  return (
    <ComboBox
      className={styles.field}
      items={shown}
      inputValue={query ?? chosen}
      onInputChange={setQuery}
      value={value === "" ? NONE : value}
      onChange={(key) => {
        if (key !== null && key !== value) onChange(key === NONE ? "" : String(key));
        setQuery(undefined);
      }}
      onOpenChange={(isOpen) => {
        if (!isOpen) setQuery(undefined);
      }}
      menuTrigger="focus"
      allowsEmptyCollection
    >
      <Label>{label}</Label>
      <Group className={styles.combo}>
        <Input className={styles.input} onFocus={({ target }) => target.select()} />
        <Button className={styles.open}>
          <ChevronDown size={15} aria-hidden="true" />
        </Button>
      </Group>
      <Popover className={styles.popover}>
        <ListBox<SearchOption> renderEmptyState={() => <p className={styles.more}>Nothing found</p>}>
          {({ id, name, about }) => (
            <ListBoxItem id={id} textValue={name} className={styles.option}>
              {name}
              {about !== "" && <span className={styles.about}>{about}</span>}
            </ListBoxItem>
          )}
        </ListBox>
        {found.length > SHOWN_MAX && (
          <p className={styles.more}>{found.length - SHOWN_MAX} more. Type to find them.</p>
        )}
      </Popover>
    </ComboBox>
  );
}

/** A key cannot be empty. */
const NONE = "none";
