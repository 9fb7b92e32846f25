import { useMemo } from "react";
import { bodyText } from "./body-text.ts";
import { TextBlock } from "./text-block.tsx";

/** Shows a received body: as text, or its bytes if it is none. */
export function BodyBlock(props: {
  bytes: Uint8Array;
  label: string;
  /** The name of a downloaded file, without its ending. */
  fileName: string;
  /** True: only the first 16 KiB are stored. */
  isTruncated?: boolean;
}) {
  const { bytes, label, fileName, isTruncated = false } = props;
  const { text, isHex } = useMemo(() => bodyText(bytes, isTruncated), [bytes, isTruncated]);
  const download = useMemo(
    () => ({ bytes: new Uint8Array(bytes), name: `${fileName}.${endingOf(text, isHex)}` }),
    [bytes, fileName, text, isHex],
  );
  const notes = [
    ...(isHex ? ["Not UTF-8 text: shown as bytes in hexadecimal."] : []),
    ...(isTruncated ? ["Truncated: only the first 16 KiB are stored."] : []),
  ];
  const note = notes.length === 0 ? undefined : notes.join(" ");
  return <TextBlock label={label} text={text} note={note} download={download} keepsLines={isHex} />;
}

/** Never that of a page or a program, which would be opened when the file is. */
function endingOf(text: string, isHex: boolean): string {
  if (isHex) return "bin";
  return isJson(text) ? "json" : "txt";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
