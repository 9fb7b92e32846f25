import { certificateFor } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { pemProblem } from "./pem.ts";

test("PEM for TLS is usable, or it is told why it is not", async () => {
  const [{ cert, key }, other] = await Promise.all([
    certificateFor("a.example"),
    certificateFor("b.example"),
  ]);
  expect(pemProblem({})).toBeUndefined();
  expect(pemProblem({ ca: cert })).toBeUndefined();
  expect(pemProblem({ ca: Buffer.from(cert), cert, key })).toBeUndefined();
  for (const ca of ["", "garbage", key]) expect(pemProblem({ ca })).toBe("no_authority");
  expect(pemProblem({ cert })).toBe("no_pair");
  expect(pemProblem({ key })).toBe("no_pair");
  for (const pair of [
    { cert, key: other.key },
    { cert: key, key: cert },
    { cert: "", key: "" },
    { cert, key: "garbage" },
  ])
    expect(pemProblem(pair)).toBe("malformed_pair");
});
