import { useEffect, useRef } from "react";
import styles from "./layout.module.css";

let isLaterPage = false;

/** A page's heading, with what can be done at its right. */
export function PageHeader(props: {
  title: React.ReactNode;
  /** Of the browser's tab, where the title is more than words. */
  name?: string;
  about?: React.ReactNode;
  children?: React.ReactNode;
}) {
  const { title, name = typeof title === "string" ? title : "Posthaste", about, children } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${name} · Posthaste`;
    // Whoever listens instead of looking is told that another page came; the first one begins at its beginning.
    if (isLaterPage) heading.current?.focus({ preventScroll: true });
    isLaterPage = true;
  }, [name]);
  return (
    <header className={styles.header}>
      <div className={styles.titles}>
        <h1 ref={heading} tabIndex={-1} className={styles.title}>
          {title}
        </h1>
        {about !== undefined && <p className={styles.about}>{about}</p>}
      </div>
      {children !== undefined && <div className={styles.actions}>{children}</div>}
    </header>
  );
}

export function Card(props: {
  title?: React.ReactNode;
  aside?: React.ReactNode;
  children: React.ReactNode;
  className?: string | undefined;
  isFlush?: boolean;
}) {
  const { title, aside, children, className = "", isFlush = false } = props;
  return (
    <section className={`${styles.card} ${className}`}>
      {title !== undefined && (
        <div className={styles.cardHead}>
          <h2>{title}</h2>
          {aside}
        </div>
      )}
      <div className={isFlush ? styles.flush : styles.cardBody}>{children}</div>
    </section>
  );
}

/** Nothing is there, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: React.ReactNode }) {
  return (
    <div className={styles.empty}>
      <p className={styles.emptyTitle}>{title}</p>
      {children}
    </div>
  );
}

/** Holds the place of what is on its way. */
export function Skeleton({ lines }: { lines: number }) {
  return (
    <div className={styles.skeleton} aria-busy="true">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same and never move
        <span key={i} className={styles.bone} />
      ))}
    </div>
  );
}

export function Facts({ facts }: { facts: readonly (readonly [string, React.ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
