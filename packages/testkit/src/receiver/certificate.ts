/** Creates a key and a self-signed certificate for these host names, as PEM. */
export async function certificateFor(
  ...hostNames: readonly [string, ...string[]]
): Promise<{ key: string; cert: string }> {
  // Imported on demand: it takes a tenth of a second to load, and few tests need it.
  const { generate } = await import("selfsigned");
  const [first] = hostNames;
  const { private: key, cert } = await generate([{ name: "commonName", value: first }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      { name: "subjectAltName", altNames: hostNames.map((value) => ({ type: 2 as const, value })) },
    ],
  });
  return { key, cert };
}
