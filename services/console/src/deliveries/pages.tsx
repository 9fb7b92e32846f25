import { ChevronLeft, ChevronRight } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { useLocation } from "wouter";
import { useHistoryState } from "wouter/use-browser-location";
import controls from "../parts/controls.module.css";
import { addressOf, type Filters } from "./filters.ts";
import styles from "./pages.module.css";

/** What the history holds of a page that was opened from a newer one: its number, if that is known. */
type Entry = { readonly page?: number | undefined };

/**
 * Moves between the pages of the list. The API has tokens only for the pages after one, so the way back is
 * the browser's history.
 *
 * @param before the token of this page
 * @param next the token of the page after it; empty if there is none
 */
export function Pages({ filters, before, next }: { filters: Filters; before: string; next: string }) {
  const [, navigate] = useLocation();
  const entry = useHistoryState<Entry | null>();
  const page = before === "" ? 1 : entry?.page;
  const hasNewer = before !== "" && entry !== null;
  const showNewer = () => {
    if (hasNewer) history.back();
    else navigate(addressOf(filters));
  };
  const showOlder = () => {
    const state: Entry = { page: page === undefined ? undefined : page + 1 };
    navigate(addressOf(filters, next), { state });
    window.scrollTo(0, 0);
  };
  return (
    <nav className={styles.pages} aria-label="Delivery list pages">
      <Button
        className={`${controls.button} ${controls.small}`}
        isDisabled={before === ""}
        onPress={showNewer}
      >
        <ChevronLeft size={15} aria-hidden="true" /> {hasNewer || before === "" ? "Newer" : "Newest"}
      </Button>
      <span>{page === undefined ? "Older deliveries" : `Page ${page}`}</span>
      <Button className={`${controls.button} ${controls.small}`} isDisabled={next === ""} onPress={showOlder}>
        Older <ChevronRight size={15} aria-hidden="true" />
      </Button>
    </nav>
  );
}
