import { useMemo, useState } from "react";
import { Button } from "react-aria-components/Button";
import { beginningOf } from "./body-text.ts";
import { CopyButton } from "./copy-button.tsx";
import { DownloadButton } from "./download-button.tsx";
import { whole } from "./numbers.ts";
import styles from "./text-block.module.css";
import { Toggles } from "./toggles.tsx";

/** Formatting a longer text would block the page. */
const FORMATTED_CHARS_MAX = 100_000;

type TextBlockProps = {
  readonly text: string;
  readonly label: string;
  readonly note?: string | undefined;
  /** True: a line that is too long is scrolled and not wrapped, as code and tables need it. */
  readonly keepsLines?: boolean;
  /** What the Download button saves, and the file's name. Default: no such button. */
  readonly download?: { readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string } | undefined;
};

/** Shows received content as plain text. JSON can be shown formatted or as sent. */
export function TextBlock({ text, label, note, download, keepsLines = false }: TextBlockProps) {
  const formatted = useMemo(() => formattedJson(text), [text]);
  const [view, setView] = useState<"formatted" | "raw">("formatted");
  const [showsAll, setShowsAll] = useState(false);
  const all = view === "formatted" && formatted !== undefined ? formatted : text;
  const beginning = useMemo(() => beginningOf(all), [all]);
  const isCut = !showsAll && beginning.length < all.length;
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
          {download !== undefined && download.bytes.length > 0 && (
            <DownloadButton {...download} label={`Download ${label}`} />
          )}
          {text !== "" && <CopyButton text={text} label={`Copy ${label}`} />}
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable regions need the keyboard */}
      <section tabIndex={0} aria-label={label} className={styles.scroll}>
        <pre data-keeps-lines={keepsLines}>
          {all === "" ? <span className={styles.none}>empty</span> : isCut ? beginning : all}
        </pre>
      </section>
      {isCut && (
        <p className={styles.note}>
          This is the beginning.{" "}
          <Button className={styles.more} onPress={() => setShowsAll(true)}>
            Show all {whole(all.length)} characters
          </Button>
        </p>
      )}
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
