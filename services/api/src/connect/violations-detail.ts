import type { DescMethod } from "@bufbuild/protobuf";
import { parsePath } from "@bufbuild/protobuf/reflect";
import { Violation, violationsToProto } from "@bufbuild/protovalidate";
import type { ConnectError } from "@connectrpc/connect";
import type { RefusedField } from "@posthaste/domain";

/** The `rule_id` of these violations; the contracts' own rules have other ids. */
const RULE_ID = "schema";

/**
 * Returns a refusal's field errors as error details, in the same form as violations of the contracts' rules.
 */
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
