import { useMemo, useState } from "react";
import { CopyButton } from "./copy-button.tsx";
import styles from "./text-block.module.css";
import { Toggles } from "./toggles.tsx";

/** Formatting a longer text would block the page. */
const FORMATTED_CHARS_MAX = 100_000;

/** Shows received content as plain text. JSON can be shown formatted or as sent. */
export function TextBlock({ text, label, note }: { text: string; label: string; note?: string | undefined }) {
  const formatted = useMemo(() => formattedJson(text), [text]);
  const [view, setView] = useState<"formatted" | "raw">("formatted");
  const shown = view === "formatted" && formatted !== undefined ? formatted : text;
  return (
    <figure className={styles.block}>
      <figcaption>
        <span>{label}</span>
        <span className={styles.tools}>
          {formatted !== undefined && formatted !== text && (
            <Toggles
              label={`Format of ${label}`}
              options={[
                { id: "formatted", name: "Formatted" },
                { id: "raw", name: "As sent" },
              ]}
              value={view}
              onChange={setView}
            />
          )}
          {text !== "" && <CopyButton text={text} label={`Copy ${label}`} />}
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable regions need the keyboard */}
      <section tabIndex={0} aria-label={label} className={styles.scroll}>
        <pre>{shown === "" ? <span className={styles.none}>empty</span> : shown}</pre>
      </section>
      {note !== undefined && <p className={styles.note}>{note}</p>}
    </figure>
  );
}

/** Indents JSON and keeps its numbers as text, because JavaScript would round long numbers. */
function formattedJson(text: string): string | undefined {
  if (text.length > FORMATTED_CHARS_MAX || !/^\s*[[{]/.test(text)) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g) ?? [];
  let depth = 0;
  let out = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1];
    if (token === "{" || token === "[") {
      depth += 1;
      out += token;
      if (next !== "}" && next !== "]") out += line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const before = tokens[i - 1];
      if (before !== "{" && before !== "[") out += line();
      out += token;
    } else if (token === ",") out += `,${line()}`;
    else if (token === ":") out += ": ";
    else out += token;
  }
  return out;
}

export function bytesAsText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes);
}
