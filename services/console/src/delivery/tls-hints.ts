type Rule = readonly [code: RegExp, hint: string];

/** What the codes of Node and OpenSSL mean for the receiver's owner. The first rule that matches counts. */
const RULES: readonly Rule[] = [
  [
    /^CERT_HAS_EXPIRED$/,
    "The receiver's certificate has expired. Renew it, and reload the server that presents it.",
  ],
  [/^CERT_NOT_YET_VALID$/, "The receiver's certificate is not valid yet. Check its dates."],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    "The receiver's certificate is for another host name. Present one that has the name in the subscription's URL.",
  ],
  [
    /SELF_SIGNED_CERT/,
    "The receiver's certificate comes from no public authority. Use one that does, or ask the sender's operator to trust yours.",
  ],
  [
    /^UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/,
    "The receiver's certificate leads to no authority that is known here. Check that its server sends the " +
      "intermediate certificates, too; if its authority is private, ask the sender's operator to trust it.",
  ],
  [
    /CERTIFICATE_REQUIRED/,
    "The receiver wants a certificate of its client, and deliveries have none. Turn that off for this URL, and verify signatures instead.",
  ],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_APPLICATION_PROTOCOL/,
    "The receiver and the sender have no version in common. The sender speaks TLS 1.2 or newer, and HTTP/1.1 over it.",
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/,
    "What came back does not look like TLS. If the URL's port speaks plain HTTP, turn TLS on there, or use another port.",
  ],
  [
    /_ALERT_/,
    "The receiver ended the TLS handshake with the alert above, and its log may say why. Among the causes are " +
      "ciphers that it does not share, and a client's certificate that it wants.",
  ],
  [
    /longer than/,
    "The receiver's certificates are longer than the sender reads. Send only the server's and the intermediate ones.",
  ],
];

/** Returns what a failure of TLS means, by its code or words. */
export function tlsHint(detail: string): string {
  return (
    RULES.find(([code]) => code.test(detail))?.[1] ??
    "TLS failed with the code above. `openssl s_client -connect HOST:PORT` shows what the receiver presents."
  );
}
