import { documentedReasons } from "../../../services/api/src/http/refusal-table.ts";

/** A reason's comment and name in the contract. */
const REASON = /((?: {2}\/\/ .*\n)+) {2}ERROR_REASON_(\w+) = [1-9]\d*;/g;

/** Returns the page of the errors' reasons, from the text of their contract. */
export function errorsPage(contract: string): string {
  const codes = documentedReasons();
  const rows = [...contract.matchAll(REASON)].map(([, comment = "", name = ""]) => {
    const sentence = comment
      .replaceAll(/^ {2}\/\/ /gm, "")
      .trim()
      .replaceAll("\n", " ");
    const found = codes.filter(({ reason }) => reason === name);
    const codesOf = [...new Set(found.flatMap(({ code }) => (code === undefined ? [] : [`\`${code}\``])))];
    const statuses = [...new Set(found.flatMap(({ http }) => (http === undefined ? [] : [String(http)])))];
    return `| \`${name}\` | ${codesOf.join(", ") || "–"} | ${statuses.join(", ") || "–"} | ${sentence} |`;
  });
  return `# Errors

<!-- Written by \`npm run generate\` from proto/posthaste/v1/error.proto. -->

Every error says in its message what was wrong, where, and what to do. For programs it has a code, which says
what kind of error it is, and a reason, which says which one. New reasons may be added; treat one that you do
not know by its code.

- **RPCs** (Connect, gRPC, gRPC-Web) carry the reason as a standard detail, \`google.rpc.ErrorInfo\` with the
  domain \`posthaste\`. Its \`metadata\` holds what the table names. If fields are at fault, or
  a header, a \`google.rpc.BadRequest\` names them; if they break a rule of the contract, a
  \`buf.validate.Violations\` names the rule, too. Of a value in JSON that cannot be decoded, only the type is
  known: if several fields have it, the message names them all, and there is no \`BadRequest\`. If a wait
  helps, a \`google.rpc.RetryInfo\` says how long, as the header \`retry-after\` does.
- **The client library** reads all of that: \`refusalOf(error)\` in
  [packages/client](../packages/client/README.md).
- **The REST gateway** answers with a problem (RFC 9457). It has the reason as \`reason\`, the field at fault
  as \`field\`, and a wait as the header \`retry-after\`.
- **A call whose protocol is not known**, because of its path, method or content type, is answered with a
  problem, too.

Over Connect, an error is JSON. \`debug\` shows what the Base64 in \`value\` holds:

\`\`\`json
{
  "code": "permission_denied",
  "message": "this token lacks the scope events:write; use one that has it",
  "details": [
    {
      "type": "google.rpc.ErrorInfo",
      "value": "Cg1TQ09QRV9N…",
      "debug": { "reason": "SCOPE_MISSING", "domain": "posthaste", "metadata": { "scope": "events:write" } }
    }
  ]
}
\`\`\`

The codes are those of RPCs. The statuses are those of problems, for the reasons that occur in them.

| reason | code | status | means |
|---|---|---|---|
${rows.join("\n")}
`;
}
