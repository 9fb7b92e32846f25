/** Headers that a subscription must not send, and why: what follows "the header … ". */
type Kind = {
  readonly reason: string;
  readonly names?: readonly string[];
  /** Names that begin like this. */
  readonly prefixes?: readonly string[];
};

/**
 * A receiver behind a proxy believes what the proxy tells it in headers: who calls, from where, and for what.
 * A subscriber chooses the URL, so it could tell a receiver of somebody else the same.
 */
const KINDS: readonly Kind[] = [
  {
    reason: "is set by the sender or by the connection",
    names: [
      ...["accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type"],
      ...["expect", "host", "keep-alive", "te", "traceparent", "tracestate", "trailer", "transfer-encoding"],
      ...["upgrade", "user-agent"],
    ],
    prefixes: ["webhook-", "proxy-"],
  },
  {
    // RFC 6265, and the headers of Fetch's requests.
    reason: "is one that browsers send, which receivers take for a user's session or consent",
    names: ["cookie", "set-cookie", "origin", "referer", "x-requested-with"],
    prefixes: ["sec-"],
  },
  {
    // RFC 7239, RFC 9110 (7.6.2 and 7.6.3), RFC 8470, RFC 8586.
    reason: "is one with which proxies vouch for the way that a request took",
    names: [
      ...["forwarded", "via", "max-forwards", "early-data", "cdn-loop", "front-end-https", "proxy"],
      ...["x-scheme", "x-url-scheme", "x-arr-ssl", "fastly-ff", "fastly-ssl"],
    ],
    prefixes: ["x-forwarded", "x-envoy-", "x-amzn-request-", "x-appengine-", "x-azure-", "cf-"],
  },
  {
    reason: "is one with which proxies vouch for the client's address",
    names: [
      ...["x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "fastly-client-ip"],
      ...["fly-client-ip", "x-nf-client-connection-ip", "x-vercel-forwarded-for", "client-ip"],
      ...["incap-client-ip", "ali-cdn-real-ip", "cdn-src-ip", "x-originating-ip", "x-forward-for"],
    ],
    // As CGI's variables are called, and those of WebLogic's proxies.
    prefixes: ["http-client-", "http-x-forwarded-", "x-http-forwarded-", "wl-proxy-"],
  },
  {
    reason: "is one with which proxies ask for another host, path or method",
    names: [
      ...["x-host", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override"],
      ...["disguised-host", "was-default-hostname", "x-waws-unencoded-url", "x-ms-original-url"],
      ...["x-script-name"],
    ],
    // Next.js skips what it finds in the latter.
    prefixes: ["x-original-", "x-middleware-"],
  },
  {
    // RFC 7540 (3.2.1) and RFC 7838.
    reason: "switches protocols",
    names: ["http2-settings", "alt-used"],
  },
  {
    // They answer only to requests with these headers.
    reason: "opens the services with which clouds tell their machines secrets",
    names: ["metadata", "metadata-flavor", "x-google-metadata-request", "x-identity-header"],
    prefixes: ["x-aws-ec2-metadata-", "x-aliyun-ecs-metadata-"],
  },
  {
    reason: "is one with which proxies and clouds vouch for a user",
    names: [
      ...["sm-user", "x-anonymous-consumer", "x-credential-identifier", "x-userinfo", "x-proxy-user"],
      ...["auth-user", "logon-user", "x-iisnode-auth-user", "x-auth-user", "x-auth-username"],
      ...["x-auth-roles", "x-jwt-assertion", "x-wso2-jwt-assertion", "l5d-client-id", "x-spiffe-id"],
    ],
    prefixes: [
      // Load balancers and gateways of AWS, Google Cloud and Azure.
      ...["x-amzn-oidc-", "x-goog-iap-", "x-goog-authenticated-user-"],
      ...["x-apigateway-api-userinfo", "x-endpoint-api-userinfo", "x-ms-client-principal", "x-ms-token-"],
      // CGI's variables, of which Authelia and Grafana make headers, and the proxy of Kubernetes' API.
      ...["remote-", "x-remote-", "x-webauth-", "impersonate-"],
      // oauth2-proxy, Vouch, Pomerium, authentik, mod_auth_openidc, Shibboleth, Kong and Tailscale.
      ...["x-auth-request-", "x-vouch-", "x-pomerium-", "x-authentik-", "oidc-", "shib-", "x-consumer-"],
      ...["tailscale-", "x-tailscale-", "x-authenticated-"],
    ],
  },
  {
    // RFC 9440, NGINX's and Apache's customs, and the load balancers of AWS and Azure.
    reason: "is one with which proxies vouch for a client's certificate",
    names: ["x-arr-clientcert", "client-cert", "client-cert-chain", "x-client-dn", "x-client-verify"],
    prefixes: ["ssl-", "x-ssl-", "x-client-cert", "x-tls-client-", "x-amzn-mtls-"],
  },
];

const REASONS = new Map(KINDS.flatMap(({ reason, names = [] }) => names.map((name) => [name, reason])));
const REASONS_BY_PREFIX = KINDS.flatMap(({ reason, prefixes = [] }) =>
  prefixes.map((prefix) => ({ prefix, reason })),
);

/** Returns why a subscription must not send a header, by its lower-case name; undefined if it may. */
export function whyRefused(name: string): string | undefined {
  // Many servers read both characters alike: their environment variables have no dash (RFC 3875, 4.1.18).
  const read = name.replaceAll("_", "-");
  return REASONS.get(read) ?? REASONS_BY_PREFIX.find(({ prefix }) => read.startsWith(prefix))?.reason;
}
