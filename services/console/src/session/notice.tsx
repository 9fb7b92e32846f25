import { Brand } from "../parts/brand.tsx";
import { usePageHeading } from "../parts/use-page-heading.ts";
import styles from "./sign-in-page.module.css";

/** A page that says one thing, for who is not signed in. */
export function Notice(props: { title: string; text: string; isBusy?: boolean; children?: React.ReactNode }) {
  const { title, text, isBusy = false, children } = props;
  const heading = usePageHeading();
  return (
    <main className={styles.page}>
      <div className={styles.card} aria-busy={isBusy}>
        <Brand />
        <div className={styles.intro}>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          <p role="alert">{text}</p>
          {children}
        </div>
      </div>
    </main>
  );
}
