import { type BinaryOperationNode, OperatorNode, SqliteQueryCompiler } from "kysely";

/**
 * Longer lists grow in steps of this many values. Most lists in the code are shorter and have one of ten
 * lengths.
 */
const STEP = 512;

/**
 * Repeats the last value until the length is a power of two, or a multiple of {@link STEP}. A statement with
 * a list then has few texts instead of one per length, and a database that keeps statements prepared finds
 * each again.
 */
export function padded<T>(values: readonly T[]): readonly T[] {
  const { length } = values;
  const last = values.at(-1);
  if (last === undefined) return values;
  const wanted = length <= STEP ? 2 ** Math.ceil(Math.log2(length)) : Math.ceil(length / STEP) * STEP;
  return wanted === length ? values : [...values, ...new Array<T>(wanted - length).fill(last)];
}

const LISTS = new Set(["in", "not in"]);

/**
 * Pads every IN list with {@link padded}; a repeated value does not change which values are in the list. Node
 * frees a prepared statement only at a full garbage collection, so texts that are used once would cost
 * hundreds of megabytes. Lists stay far below SQLite's 32,766 variables. MySQL does not need this: it
 * prepares no statement with a list.
 */
export class FewTextsCompiler extends SqliteQueryCompiler {
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const { operator, rightOperand } = node;
    const isList = OperatorNode.is(operator) && LISTS.has(operator.operator);
    if (!isList || !("values" in rightOperand) || !Array.isArray(rightOperand.values)) {
      super.visitBinaryOperation(node);
      return;
    }
    const list = { ...rightOperand, values: padded<unknown>(rightOperand.values) };
    super.visitBinaryOperation({ ...node, rightOperand: list });
  }
}
