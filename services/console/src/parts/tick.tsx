import { Check } from "lucide-react";
import { Checkbox } from "react-aria-components/Checkbox";
import styles from "./controls.module.css";

/** A checkbox. */
export function Tick(props: {
  isSelected: boolean;
  onChange(isSelected: boolean): void;
  isDisabled?: boolean;
  isInvalid?: boolean;
  "aria-describedby"?: string;
  children: React.ReactNode;
}) {
  const { children, ...rest } = props;
  return (
    <Checkbox className={styles.checkbox} {...rest}>
      {({ isSelected }) => (
        <>
          <span className={styles.box}>
            {isSelected && <Check size={13} strokeWidth={3} aria-hidden="true" />}
          </span>
          {children}
        </>
      )}
    </Checkbox>
  );
}
