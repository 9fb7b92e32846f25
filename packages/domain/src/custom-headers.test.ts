import { describe, expect, test } from "vitest";
import {
  CUSTOM_HEADERS_CHARS_MAX,
  CUSTOM_HEADERS_MAX,
  changedHeaders,
  parseCustomHeaders,
} from "./custom-headers.ts";
import { Refusal } from "./refusal.ts";

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "1"]));

test("names are lower-cased and values are trimmed", () => {
  expect(parseCustomHeaders({ "X-Api-Key": " a b\t", Authorization: "Bearer x" })).toEqual({
    "x-api-key": "a b",
    authorization: "Bearer x",
  });
  expect(parseCustomHeaders({})).toEqual({});
  expect(Object.keys(parseCustomHeaders(many(CUSTOM_HEADERS_MAX)))).toHaveLength(CUSTOM_HEADERS_MAX);
});

describe("changes to single headers", () => {
  const before = { "x-a": "1", "x-b": "2" };

  test("set and remove what they name, in any case, and keep the others", () => {
    const changes = { set: { "X-A": " 3 ", "x-c": "4" }, remove: ["X-B", "x-none"] };
    expect(changedHeaders(before, changes)).toEqual({ "x-a": "3", "x-c": "4" });
    expect(changedHeaders(before, { set: {}, remove: [] })).toEqual(before);
    expect(changedHeaders(before, { set: { "x-a": "3" }, remove: ["x-a"] })).toEqual({
      ...before,
      "x-a": "3",
    });
  });

  test("are refused if the result is, or if a name is set twice", () => {
    const set = (headers: Record<string, string>) => () =>
      changedHeaders(before, { set: headers, remove: [] });
    expect(set({ host: "a" })).toThrow(/"host" is set by/);
    expect(set({ "X-C": "1", "x-c": "2" })).toThrow(/is given twice/);
    expect(set(many(CUSTOM_HEADERS_MAX - 1))).toThrow(/has 21 entries/);
    expect(set({ "x-c": "a".repeat(CUSTOM_HEADERS_CHARS_MAX - 8) })).toThrow(/characters in total/);
  });
});

describe("the headers are refused for", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["a content type", { "Content-Type": "text/plain" }, /"Content-Type" is set by/],
    ["a host", { host: "a" }, /"host" is set by/],
    ["a content length", { "content-length": "1" }, /set by/],
    ["a transfer encoding", { "transfer-encoding": "chunked" }, /set by/],
    ["a header of Posthaste", { "Webhook-Signature": "v1,a" }, /set by/],
    ["an unused name with Posthaste's prefix", { "webhook-anything": "a" }, /set by/],
    ["a proxy header", { "proxy-authorization": "a" }, /set by/],
    ["a header of Posthaste with an underscore", { webhook_signature: "v1,a" }, /set by/],
    ["a cookie", { Cookie: "session=1" }, /"Cookie" is one that browsers send, .*; choose another name/],
    ["a client's address", { "X-Forwarded-For": "10.0.0.1" }, /vouch/],
    ["the same with underscores", { X_Forwarded_For: "10.0.0.1" }, /vouch/],
    ["a standard client's address", { forwarded: "for=10.0.0.1" }, /vouch/],
    ["a proxy that was passed", { via: "1.1 a" }, /vouch/],
    ["a path that Next.js skips", { "x-middleware-subrequest": "a" }, /another host, path or method/],
    ["a page's origin", { Origin: "https://yoursite.com" }, /browsers send/],
    ["a switch of protocols", { "http2-settings": "a" }, /switches protocols/],
    ["another path", { "x-original-url": "/admin" }, /another host, path or method/],
    ["another method", { "x-http-method-override": "DELETE" }, /another host, path or method/],
    ["Google's metadata", { "Metadata-Flavor": "Google" }, /clouds tell their machines/],
    ["Azure's metadata", { Metadata: "true" }, /clouds tell their machines/],
    ["a token for AWS's metadata", { "x-aws-ec2-metadata-token": "a" }, /clouds tell their machines/],
    ["a token for Alibaba's metadata", { "X-aliyun-ecs-metadata-token": "a" }, /clouds tell their machines/],
    ["an empty name", { "": "a" }, /is not a valid header name/],
    ["a name with a space", { "x y": "a" }, /is not a valid header name/],
    ["a name with a line break", { "x\r\ny": "a" }, /is not a valid header name/],
    ["a name that is too long", { ["x".repeat(65)]: "a" }, /is not a valid header name/],
    ["one name in two spellings", { "X-A": "1", "x-a": "2" }, /is given twice/],
    ["an empty value", { "x-a": " " }, /is empty/],
    ["a value with a line break", { "x-a": "hush\r\nhost: b" }, /other than visible ASCII/],
    ["a value outside ASCII", { "x-a": "é" }, /other than visible ASCII/],
    ["too many entries", many(CUSTOM_HEADERS_MAX + 1), /has 21 entries/],
    ["too many characters", { "x-a": "a".repeat(CUSTOM_HEADERS_CHARS_MAX) }, /4099 characters in total/],
  ])("%s", (_what, headers, words) => {
    const parse = () => parseCustomHeaders(headers);
    expect(parse).toThrow(Refusal);
    expect(parse).toThrow(words);
    expect(parse).not.toThrow(/hush/);
  });
});

describe("the header by which proxies and clouds vouch for an identity is refused in any spelling:", () => {
  test.each([
    ...["x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken", "x-amzn-mtls-clientcert"],
    ...["x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email", "x-apigateway-api-userinfo"],
    ...["x-ms-client-principal", "x-ms-client-principal-id", "x-ms-token-aad-id-token"],
    ...["remote-user", "remote-groups", "x-remote-user", "x-webauth-user", "impersonate-user"],
    ...["x-auth-request-user", "x-auth-request-access-token", "x-vouch-user", "x-authentik-username"],
    ...["x-pomerium-jwt-assertion", "tailscale-user-login", "x-tailscale-user", "oidc-claim-sub"],
    ...["x-forwarded-user", "x-forwarded-client-cert", "x-envoy-peer-metadata", "cf-access-jwt-assertion"],
    ...["ssl-client-s-dn", "ssl-client-verify", "x-ssl-client-cert", "x-ssl-cert", "x-client-cert"],
    ...["x-client-certificate", "x-arr-clientcert", "client-cert", "client-cert-chain"],
    ...["x-authenticated-userid", "x-jwt-assertion", "auth-user", "x-spiffe-id", "x-tls-client-cert"],
    ...["client-ip", "wl-proxy-client-ip", "wl-proxy-client-cert", "http-x-forwarded-for", "proxy"],
  ])("%s", (name) => {
    for (const spelling of [name, name.toUpperCase(), name.replaceAll("-", "_")]) {
      expect(() => parseCustomHeaders({ [spelling]: "a" })).toThrow(/vouch .*; choose another name/);
    }
  });
});

test("names that only resemble those are allowed", () => {
  const names = ["authorization", "x-api-key", "x-auth-token", "x-client-id", "x-amz-date", "x-ms-version"];
  const headers = Object.fromEntries(names.map((name) => [name, "a"]));
  expect(parseCustomHeaders(headers)).toEqual(headers);
});
