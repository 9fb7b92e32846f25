import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateFor } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { requireExtraAuthorities } from "./extra-authorities.ts";

test("authorities in NODE_EXTRA_CA_CERTS that Node would pass over are refused, in a sentence", async () => {
  const { cert } = await certificateFor("authority.example");
  const folder = await mkdtemp(join(tmpdir(), "posthaste-authorities-"));
  const path = join(folder, "ca.pem");
  const require = () => requireExtraAuthorities({ NODE_EXTRA_CA_CERTS: path });
  try {
    expect(require).toThrow("NODE_EXTRA_CA_CERTS: the file cannot be read (ENOENT)");
    await writeFile(path, new X509Certificate(cert).raw);
    expect(require).toThrow("NODE_EXTRA_CA_CERTS: the file holds no certificate in PEM, or a damaged one");
    await writeFile(path, cert);
    require();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("without NODE_EXTRA_CA_CERTS, as with an empty one, nothing is required", () => {
  requireExtraAuthorities({});
  requireExtraAuthorities({ NODE_EXTRA_CA_CERTS: "" });
});
