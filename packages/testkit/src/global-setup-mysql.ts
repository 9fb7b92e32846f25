import { acquireMysql } from "./mysql-server.ts";

/** One MySQL server for a whole run of tests; they find it by its variable and make databases of their own. */
export async function setup(): Promise<() => Promise<void>> {
  const server = await acquireMysql((line) => console.error(`mysql: ${line}`));
  const given = process.env["POSTHASTE_TEST_MYSQL_URL"];
  process.env["POSTHASTE_TEST_MYSQL_URL"] = server.url;
  return async () => {
    if (given === undefined) delete process.env["POSTHASTE_TEST_MYSQL_URL"];
    await server.release();
  };
}
