import { type BinaryOperationNode, OperatorNode, SqliteQueryCompiler } from "kysely";

/** From here on a list grows by as many. Most lists of the code are shorter: they have one of ten lengths. */
const STEP = 512;

/**
 * Repeats the last of some values until they are a power of two, or a multiple of {@link STEP}, so that a
 * statement with a list has few texts and not one for each number of values. A database that keeps statements
 * prepared finds each again.
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
 * Writes lists with {@link padded} values: a value that is there twice changes nothing to what is in a list.
 * Node frees a prepared statement only when it collects all garbage, so that texts that come once cost
 * hundreds of megabytes. Lists stay far below SQLite's 32,766 variables. MySQL needs none of it: it prepares
 * no statement with a list.
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
