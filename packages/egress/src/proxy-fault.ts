/**
 * The proxy is unreachable or refuses its credentials. This is a fault: the operator must fix it, not the
 * receiver.
 */
export class ProxyFault extends Error {
  override readonly name: string = "ProxyFault";
}

/** No other address can help. */
export class CredentialsRefused extends ProxyFault {
  override readonly name = "CredentialsRefused";
}
