import { useEffect } from "react";
import { productName } from "../session/product-name.ts";
import styles from "./layout.module.css";
import { PartBoundary } from "./part-boundary.tsx";
import { usePageHeading } from "./use-page-heading.ts";

/** A page's heading, with its actions on the right. */
export function PageHeader(props: {
  title: React.ReactNode;
  /** The browser tab's title. Required if `title` is not a string. */
  name?: string;
  about?: React.ReactNode;
  children?: React.ReactNode;
}) {
  const { title, name = typeof title === "string" ? title : "", about, children } = props;
  const heading = usePageHeading();
  useEffect(() => {
    document.title = name === "" ? productName() : `${name} · ${productName()}`;
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
      <div className={isFlush ? styles.flush : styles.cardBody}>
        <PartBoundary>{children}</PartBoundary>
      </div>
    </section>
  );
}

/** An empty state: says what is missing and what to do about it. */
export function Empty({ title, children }: { title: string; children?: React.ReactNode }) {
  return (
    <div className={styles.empty}>
      <p className={styles.emptyTitle}>{title}</p>
      {children}
    </div>
  );
}

/** A placeholder for content that is loading. */
export function Skeleton({ lines }: { lines: number }) {
  return (
    <div className={styles.skeleton} aria-busy="true">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are identical and keep their order
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
