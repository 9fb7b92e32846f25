export const GUIDE_PATH = "/guide/receivers";
export const GUIDE_NAME = "Receivers guide";

/** The sections that other pages lead to. A test compares them with the document. */
export type GuideSectionId = "verify-deliveries" | "answers" | "connections";

/** @param row what the row in a section's table begins with, if one is meant, such as `503` */
export function guideAddress(section: GuideSectionId, row?: string): string {
  return `${GUIDE_PATH}#${section}${row === undefined ? "" : `-${row}`}`;
}
