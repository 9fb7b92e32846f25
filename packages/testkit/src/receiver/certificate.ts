import { isIP } from "node:net";

export type Certificate = { readonly key: string; readonly cert: string };

/** Creates a key and a self-signed certificate for these host names or addresses, as PEM. */
export async function certificateFor(...hostNames: readonly [string, ...string[]]): Promise<Certificate> {
  return await selfSigned(hostNames, { name: "basicConstraints", cA: true });
}

/** Creates one that does not verify as a server's, whoever signed it: it is for clients only. */
export async function certificateForClients(hostName: string): Promise<Certificate> {
  return await selfSigned([hostName], { name: "extKeyUsage", clientAuth: true });
}

/** Creates one that has expired. */
export async function expiredCertificateFor(hostName: string): Promise<Certificate> {
  const dates = { notBeforeDate: new Date("2020-01-01"), notAfterDate: new Date("2021-01-01") };
  return await selfSigned([hostName], { name: "basicConstraints", cA: true }, dates);
}

async function selfSigned(
  hostNames: readonly [string, ...string[]],
  extension: { name: "basicConstraints"; cA: true } | { name: "extKeyUsage"; clientAuth: true },
  dates: { readonly notBeforeDate?: Date; readonly notAfterDate?: Date } = {},
): Promise<Certificate> {
  // Imported on demand: it takes a tenth of a second to load, and few tests need it.
  const { generate } = await import("selfsigned");
  const [first] = hostNames;
  const { private: key, cert } = await generate([{ name: "commonName", value: first }], {
    ...dates,
    keySize: 2048,
    algorithm: "sha256",
    extensions: [extension, { name: "subjectAltName", altNames: hostNames.map(altName) }],
  });
  return { key, cert };
}

/** By RFC 5280, 2 is a name and 7 an address. */
function altName(value: string): { type: 2; value: string } | { type: 7; ip: string } {
  return isIP(value) === 0 ? { type: 2, value } : { type: 7, ip: value };
}
