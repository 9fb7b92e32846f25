import { X } from "lucide-react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";
import styles from "./only-button.module.css";

/** Shows a filter that a link has set, and removes it. */
export function OnlyButton({ name, onRemove }: { name: string; onRemove(): void }) {
  return (
    <Button
      className={`${controls.button} ${styles.only}`}
      aria-label={`Remove the filter ${name}`}
      onPress={onRemove}
    >
      <span>{name}</span> <X size={14} aria-hidden="true" />
    </Button>
  );
}
