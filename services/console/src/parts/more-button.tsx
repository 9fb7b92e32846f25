import { Button } from "react-aria-components/Button";
import controls from "./controls.module.css";
import styles from "./more-button.module.css";

/**
 * Loads the next page below a list that grows; nothing if there is none.
 *
 * @param props.pages the list's query
 */
export function MoreButton(props: {
  pages: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    fetchNextPage(): Promise<unknown>;
  };
  children: string;
}) {
  const { pages, children } = props;
  if (!pages.hasNextPage) return null;
  return (
    <p className={styles.more}>
      <Button
        className={`${controls.button} ${controls.small}`}
        isDisabled={pages.isFetchingNextPage}
        onPress={() => void pages.fetchNextPage()}
      >
        {children}
      </Button>
    </p>
  );
}
