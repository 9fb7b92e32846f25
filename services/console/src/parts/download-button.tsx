import { Download } from "lucide-react";
import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";

/** Some browsers read the bytes after the click. */
const READ_WITHIN_MS = 60_000;

/** Saves bytes as a file. Its type makes no browser open it. */
export function DownloadButton(props: { bytes: Uint8Array<ArrayBuffer>; name: string; label: string }) {
  const { bytes, name, label } = props;
  const save = () => {
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), READ_WITHIN_MS);
  };
  return (
    <Button className={`${controls.button} ${controls.icon}`} aria-label={label} onPress={save}>
      <Download size={15} aria-hidden="true" />
    </Button>
  );
}
