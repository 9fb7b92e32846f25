import { Brand } from "../parts/brand.tsx";
import styles from "./sign-in-page.module.css";

/** A page that says one thing, for who is not signed in. */
export function Notice(props: { title: string; text: string; isBusy?: boolean; children?: React.ReactNode }) {
  const { title, text, isBusy = false, children } = props;
  return (
    <main className={styles.page}>
      <div className={styles.card} aria-busy={isBusy}>
        <Brand />
        <div className={styles.intro}>
          <h1>{title}</h1>
          <p role="alert">{text}</p>
          {children}
        </div>
      </div>
    </main>
  );
}
