/**
 * The language of dates and numbers. It is that of the console's words, whatever the browser's language is:
 * `28 Nov 2026, 14:05:09` and `1,234.5` read the same to everyone.
 */
export const LOCALE = "en-GB";
