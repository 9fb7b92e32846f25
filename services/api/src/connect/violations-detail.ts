import type { DescMethod } from "@bufbuild/protobuf";
import { parsePath } from "@bufbuild/protobuf/reflect";
import { Violation, violationsToProto } from "@bufbuild/protovalidate";
import type { ConnectError } from "@connectrpc/connect";
import type { RefusedField } from "@posthaste/domain";

/** What the `rule_id` of these violations is; the contract's own rules have others. */
const RULE_ID = "schema";

/** What is wrong with fields of a method's request, as details of its refusal, in the form of the contract's own rules. */
export function violationsDetail(
  method: DescMethod,
  fields: readonly RefusedField[],
): NonNullable<ConstructorParameters<typeof ConnectError>[3]> {
  if (fields.length === 0) return [];
  const [value, desc] = violationsToProto(
    fields.map(
      ({ field, message }) => new Violation(message, RULE_ID, parsePath(method.input, field), [], false),
    ),
  );
  return [{ desc, value }];
}
