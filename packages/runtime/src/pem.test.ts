import { X509Certificate } from "node:crypto";
import { certificateFor } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { pemProblem } from "./pem.ts";

const [{ cert, key }, other] = await Promise.all([certificateFor("a.example"), certificateFor("b.example")]);

test("PEM for TLS is usable, or it is told why it is not", () => {
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

test("authorities may be several, with text, keys and all labels that OpenSSL knows", () => {
  const labels = ["TRUSTED CERTIFICATE", "X509 CERTIFICATE"].map((to) => cert.replaceAll("CERTIFICATE", to));
  const commentedOut = "# -----BEGIN CERTIFICATE-----";
  const bundle = ["One", cert, "and another", commentedOut, key, other.cert, "the end"].join("\n");
  for (const ca of [...labels, bundle, bundle.replaceAll("\n", "\r\n"), `\uFEFF${cert}`]) {
    expect(pemProblem({ ca })).toBeUndefined();
    expect(pemProblem({ ca: Buffer.from(ca) })).toBeUndefined();
  }
});

test("authorities that OpenSSL would pass over are refused, also behind others", () => {
  const der = new X509Certificate(cert).raw;
  const pkcs7 = cert.replaceAll("CERTIFICATE", "PKCS7");
  const torn = other.cert.slice(0, 200);
  const damaged = other.cert.replace("MII", "!!!");
  for (const ca of [der, pkcs7, torn, damaged, `${torn}\n${cert}`, `${cert}${torn}`, `${cert}${damaged}`]) {
    expect(pemProblem({ ca })).toBe("no_authority");
    expect(pemProblem({ ca: Buffer.from(ca) })).toBe("no_authority");
  }
});
