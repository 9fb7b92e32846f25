import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";

const SHOWN_MS = 1_500;

export function CopyButton({ text, label }: { text: string; label: string }) {
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
  return (
    <Button
      className={`${controls.button} ${controls.icon}`}
      aria-label={isCopied ? "Copied" : label}
      onPress={() => void copy()}
    >
      {isCopied ? <Check size={15} aria-hidden="true" /> : <Copy size={15} aria-hidden="true" />}
    </Button>
  );
}
