/** `ended`: all, and those that have ended. */
const WHICH = ["all", "failing", "ended"] as const;
export type Which = (typeof WHICH)[number];

/** Which subscriptions the list shows. The page's URL holds it, so that Back and a reload show the same. */
export type ListAddress = {
  readonly which: Which;
  /** The token of the page; empty for the first page. */
  readonly after: string;
};

export function readListAddress(search: string): ListAddress {
  const params = new URLSearchParams(search);
  return {
    which: WHICH.find((one) => one === params.get("which")) ?? "all",
    after: params.get("after") ?? "",
  };
}

export function listAddress({ which, after }: ListAddress): string {
  const params = new URLSearchParams();
  if (which !== "all") params.set("which", which);
  if (after !== "") params.set("after", after);
  const query = params.toString();
  return query === "" ? "/subscriptions" : `/subscriptions?${query}`;
}
