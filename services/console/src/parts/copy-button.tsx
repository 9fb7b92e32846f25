import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";

const SHOWN_MS = 1_500;

/** Copies a text. It shows an icon alone, unless its label is to be visible. */
export function CopyButton(props: { text: string; label: string; isLabelVisible?: boolean }) {
  const { text, label, isLabelVisible = false } = props;
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), SHOWN_MS);
    } catch {
      // The browser denies clipboard access. The reader can still select the text.
    }
  };
  const name = isCopied ? "Copied" : label;
  return (
    <Button
      className={`${controls.button} ${isLabelVisible ? controls.small : controls.icon}`}
      {...(isLabelVisible ? {} : { "aria-label": name })}
      onPress={() => void copy()}
    >
      {isCopied ? <Check size={15} aria-hidden="true" /> : <Copy size={15} aria-hidden="true" />}
      {isLabelVisible && name}
    </Button>
  );
}
