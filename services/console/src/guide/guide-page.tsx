import { useEffect } from "react";
import { sections } from "../../../../docs/receivers.md?guide";
import { Card, PageHeader } from "../parts/layout.tsx";
import { VerifySnippets } from "../subscriptions/verify-snippets.tsx";
import { GUIDE_NAME, type GuideSectionId } from "./guide-address.ts";
import styles from "./guide-page.module.css";

/** The section that the code belongs to, which the document only links to. */
const WITH_CODE: GuideSectionId = "verify-deliveries";

/** Shows `docs/receivers.md`, the guide for developers of receivers. */
export function GuidePage() {
  useAddressedPlace();
  return (
    <>
      <PageHeader
        title={GUIDE_NAME}
        about="How to verify deliveries, and what to do about those that fail."
      />
      <Card className={styles.guide}>
        <nav aria-label="Sections">
          <ul className={styles.contents}>
            {sections.map(({ id, title }) => (
              <li key={id}>
                <a href={`#${id}`}>{title}</a>
              </li>
            ))}
          </ul>
        </nav>
        {sections.map(({ id, title, html }) => (
          <div key={id} className={styles.section}>
            <h2 id={id} tabIndex={-1}>
              {title}
            </h2>
            {/* biome-ignore lint/security/noDangerouslySetInnerHtml: rendered at build time */}
            <div className={styles.text} dangerouslySetInnerHTML={{ __html: html }} />
            {id === WITH_CODE && <VerifySnippets />}
          </div>
        ))}
      </Card>
    </>
  );
}

/**
 * Leads to the heading or the row that the address names. A browser looks for it as it loads the document,
 * and so before the page is shown. It finds by itself what a link within the page leads to.
 */
function useAddressedPlace(): void {
  useEffect(() => {
    const place = document.getElementById(location.hash.slice(1));
    place?.focus({ preventScroll: true });
    const row = place?.closest("tr");
    row?.classList.add(`${styles.addressed}`);
    // React Aria adds the tabs above some headings only after the first effects.
    const frame = requestAnimationFrame(() => (row ?? place)?.scrollIntoView());
    return () => cancelAnimationFrame(frame);
  }, []);
}
