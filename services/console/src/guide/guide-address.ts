export const GUIDE_PATH = "/guide/receivers";
export const GUIDE_NAME = "Receivers guide";

/** The sections that other pages lead to. A test compares them with the document. */
export type GuideSectionId = "verify-deliveries" | "answers" | "connections";

export function guideAddress(section: GuideSectionId): string {
  return `${GUIDE_PATH}#${section}`;
}
