import { readFile } from "node:fs/promises";
import GithubSlugger, { slug } from "github-slugger";
import { Marked, type Token, type Tokens } from "marked";
import type { Plugin } from "vite";

/** A section of a document, as the console shows it. */
export type GuideSection = { readonly id: string; readonly title: string; readonly html: string };

/** What only readers of the repository need, such as where the tests are. */
const FOR_THE_REPOSITORY = /<!-- repository -->.*?<!-- \/repository -->/gs;

/** Renders `docs/*.md?guide` when the console is built, so that no browser loads a Markdown parser. */
export function guide(): Plugin {
  return {
    name: "guide",
    async load(id) {
      const [path = "", query] = id.split("?");
      if (query !== "guide") return undefined;
      const sections = guideSections(await readFile(path, "utf8"));
      return `export const sections = ${JSON.stringify(sections)};`;
    },
  };
}

/** Returns a document's sections; what is before the first one is left out. Headings have GitHub's ids. */
export function guideSections(markdown: string): readonly GuideSection[] {
  const slugger = new GithubSlugger();
  // The heading of what is rendered, after which what can be scrolled is named.
  let heading = "";
  // Of the rows in a section's own tables. Those of a chapter have numbers, which nothing leads to.
  let rowIds: RowIds | undefined;
  const html = new Marked({
    renderer: {
      heading({ tokens, text, depth }) {
        heading = text;
        rowIds = undefined;
        const inner = this.parser.parseInline(tokens);
        return `<h${depth} id="${slugger.slug(text)}" tabindex="-1">${inner}</h${depth}>\n`;
      },
      table(token) {
        return scroller(
          heading,
          tableOf(token, { inner: (cell) => this.parser.parseInline(cell.tokens), rowIds }),
        );
      },
      code({ text }) {
        return scroller(heading, `<pre>${escaped(text)}</pre>`);
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        // The console has no other documents.
        return href.startsWith("#") ? `<a href="${escaped(href)}">${inner}</a>` : inner;
      },
      html({ text }) {
        if (/^\s*<!--.*-->\s*$/s.test(text)) return "";
        throw new Error(`the guide has HTML, ${text.trim()}: write it in Markdown`);
      },
    },
  });
  return sectionsOf(html.lexer(markdown.replace(FOR_THE_REPOSITORY, ""))).map(({ title, tokens }) => {
    const id = slugger.slug(title);
    heading = title;
    rowIds = createRowIds(id);
    return { id, title, html: html.parser(tokens) };
  });
}

function sectionsOf(tokens: readonly Token[]): readonly { title: string; tokens: Token[] }[] {
  const sections: { title: string; tokens: Token[] }[] = [];
  for (const token of tokens) {
    if (token.type === "heading" && token["depth"] === 2) {
      sections.push({ title: (token as Tokens.Heading).text, tokens: [] });
    } else sections.at(-1)?.tokens.push(token);
  }
  return sections;
}

/** What is wider than the page scrolls in itself, which the keyboard must reach. */
function scroller(name: string, html: string): string {
  return `<section tabindex="0" aria-label="${escaped(name)}">${html}</section>\n`;
}

type RowIds = (text: string) => readonly string[];

/** Returns what names a row after each part of its first cell, such as `answers-301`, unless one is taken. */
function createRowIds(section: string): RowIds {
  const taken = new Set<string>();
  return (text) => {
    const ids = text.split(", ").map((part) => `${section}-${slug(part)}`);
    const free = ids.filter((id) => !taken.has(id));
    for (const id of free) taken.add(id);
    return free;
  };
}

function tableOf(
  { header, rows }: Tokens.Table,
  { inner, rowIds }: { inner(cell: Tokens.TableCell): string; rowIds: RowIds | undefined },
): string {
  const row = (cells: readonly string[]) => `<tr>${cells.join("")}</tr>`;
  // Some columns need no name, and an empty header has none to tell.
  const names = header.map((cell) =>
    cell.text === "" ? "<td></td>" : `<th scope="col">${inner(cell)}</th>`,
  );
  const body = rows.map((cells) =>
    row(
      cells.map((cell, column) => {
        const ids = column === 0 ? (rowIds?.(cell.text) ?? []) : [];
        const anchors = ids.map((id) => `<span id="${id}" tabindex="-1"></span>`).join("");
        // In a narrow window the cells of a row stand below each other, each after its column's name.
        const label = column === 0 ? "" : ` data-label="${escaped(header[column]?.text ?? "")}"`;
        return `<td${label}>${anchors}${inner(cell)}</td>`;
      }),
    ),
  );
  return `<table><thead>${row(names)}</thead><tbody>${body.join("")}</tbody></table>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
