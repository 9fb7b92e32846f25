import { type BinaryOperationNode, MysqlQueryCompiler, OperatorNode } from "kysely";

/** What a comparison with an empty list is, whatever is compared. */
const EMPTY: Readonly<Record<string, string>> = { in: "1 = 0", "not in": "1 = 1" };

/**
 * Writes comparisons with an empty IN list as MySQL takes them: `in ()` is an error there, while SQLite finds
 * nothing in it. Which of a list's values are left is often known only under a lock.
 */
export class EmptyListsCompiler extends MysqlQueryCompiler {
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const { operator, rightOperand } = node;
    const empty = OperatorNode.is(operator) ? EMPTY[operator.operator] : undefined;
    const values = "values" in rightOperand ? rightOperand.values : undefined;
    if (empty !== undefined && Array.isArray(values) && values.length === 0) this.append(empty);
    else super.visitBinaryOperation(node);
  }
}
