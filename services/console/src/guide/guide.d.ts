/** A document of the repository, rendered by `build/guide.ts`. */
declare module "*.md?guide" {
  export const sections: readonly { readonly id: string; readonly title: string; readonly html: string }[];
}
