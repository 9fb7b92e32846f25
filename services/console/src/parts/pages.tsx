import { ChevronLeft, ChevronRight } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { useLocation } from "wouter";
import { useHistoryState } from "wouter/use-browser-location";
import controls from "./controls.module.css";
import styles from "./pages.module.css";

/** What the history holds of a page that was opened from the one before: its number, if that is known. */
type Entry = { readonly page?: number | undefined };

/**
 * Moves between the pages of a list. The API has tokens only for the pages after one, so the way back is the
 * browser's history.
 */
export function Pages(props: {
  label: string;
  /** The buttons' names: to the page before or, if none is known, to the first; and to the next page. */
  names: { readonly before: string; readonly first: string; readonly next: string };
  /** The token of this page; empty on the first page. */
  token: string;
  /** The token of the next page; empty if there is none. */
  next: string;
  addressOf(token: string): string;
}) {
  const { label, names, token, next, addressOf } = props;
  const [, navigate] = useLocation();
  const entry = useHistoryState<Entry | null>();
  const page = token === "" ? 1 : entry?.page;
  const knowsBefore = token !== "" && entry !== null;
  const showBefore = () => {
    if (knowsBefore) history.back();
    else navigate(addressOf(""));
  };
  const showNext = () => {
    const state: Entry = { page: page === undefined ? undefined : page + 1 };
    navigate(addressOf(next), { state });
    window.scrollTo(0, 0);
  };
  const button = `${controls.button} ${controls.small}`;
  return (
    <nav className={styles.pages} aria-label={label}>
      <Button className={button} isDisabled={token === ""} onPress={showBefore}>
        <ChevronLeft size={15} aria-hidden="true" />
        {knowsBefore || token === "" ? names.before : names.first}
      </Button>
      {page !== undefined && <span>Page {page}</span>}
      <Button className={button} isDisabled={next === ""} onPress={showNext}>
        {names.next} <ChevronRight size={15} aria-hidden="true" />
      </Button>
    </nav>
  );
}
