import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Refusal } from "@posthaste/domain";

/**
 * Commas, colons and brackets of a JSON message, outside of strings. Each takes up to a microsecond to
 * decode, and millions fit into some kilobytes that are compressed. A snapshot of 1 MiB in `data` has
 * about 100,000 if it is an invoice or a task; `data_json` is one string, and its own values are not counted.
 */
const SIGNS_MAX = 200_000;
/** Fields of a binary message: where JSON has a comma or a colon, a Struct has two. */
const FIELDS_MAX = 2 * SIGNS_MAX;
/** Protobuf's library decodes no deeper messages. */
const DEPTH_MAX = 100;

/**
 * Refuses a message that takes far longer to decode than an honest one of the largest size, by a look at its
 * bytes. A message that is malformed passes: who decodes it gets no further than this did.
 *
 * @throws Refusal `too_large`
 */
export function requireFewSigns(json: Uint8Array): void {
  let signs = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case 0x22: // A string: skip to its closing quotation mark.
        for (i++; i < json.length && json[i] !== 0x22; i++) if (json[i] === 0x5c) i++;
        break;
      case 0x2c: // ,
      case 0x3a: // :
      case 0x5b: // [
      case 0x5d: // ]
      case 0x7b: // {
      case 0x7d: // }
        signs += 1;
        if (signs > SIGNS_MAX) throw tooMany("commas, colons and brackets", SIGNS_MAX);
        break;
    }
  }
}

/**
 * The same for a binary message. Refuses two occurrences of one Struct, too, which are merged: the library
 * copies all of the first for each further one.
 *
 * @throws Refusal `too_large`
 * @throws Error if the message is malformed
 */
export function requireFewFields(desc: DescMessage, binary: Uint8Array): void {
  const reader = new BinaryReader(binary);
  let fields = 0;
  const read = (shape: Shape, end: number, depth: number) => {
    if (depth > DEPTH_MAX) throw new Error(`messages nest deeper than ${DEPTH_MAX} levels`);
    const structs = new Set<number>();
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      fields += 1;
      if (fields > FIELDS_MAX) throw tooMany("fields", FIELDS_MAX);
      const field = shape.get(number);
      if (field !== undefined && !field.wireTypes.includes(wireType))
        throw new Error(`field ${number} has the wire type ${wireType}`);
      if (field?.message === undefined) {
        reader.skip(wireType, number);
        continue;
      }
      if (field.isStruct && structs.has(number)) throw new Error(`field ${number} occurs twice`);
      if (field.isStruct) structs.add(number);
      const length = reader.uint32();
      if (reader.pos + length > end) throw new Error(`field ${number} is longer than its message`);
      read(field.message(), reader.pos + length, depth + 1);
    }
  };
  read(shapeOf(desc), binary.length, 1);
}

/** What a message's fields look like in binary. */
type Shape = ReadonlyMap<number, FieldShape>;
type FieldShape = {
  readonly wireTypes: readonly WireType[];
  /** The fields of its message; undefined if it has none. */
  readonly message?: () => Shape;
  readonly isStruct?: boolean;
};

const shapes = new WeakMap<DescMessage, Shape>();

function shapeOf(desc: DescMessage): Shape {
  const known = shapes.get(desc);
  if (known !== undefined) return known;
  const shape = new Map(desc.fields.map((field) => [field.number, fieldShape(field)]));
  shapes.set(desc, shape);
  return shape;
}

const LENGTH = [WireType.LengthDelimited];

function fieldShape(field: DescField): FieldShape {
  switch (field.fieldKind) {
    case "map": {
      const { message } = field;
      const value: FieldShape =
        message === undefined
          ? { wireTypes: [wireTypeOf(field.scalar)] }
          : { wireTypes: LENGTH, message: () => shapeOf(message) };
      const entry: Shape = new Map([
        [1, { wireTypes: [wireTypeOf(field.mapKey)] }],
        [2, value],
      ]);
      return { wireTypes: LENGTH, message: () => entry };
    }
    case "list":
    case "message": {
      const { message } = field;
      if (message === undefined) return { wireTypes: [wireTypeOf(field.scalar), ...LENGTH] };
      const isStruct = field.fieldKind === "message" && message.typeName === "google.protobuf.Struct";
      return { wireTypes: LENGTH, message: () => shapeOf(message), isStruct };
    }
    default:
      return { wireTypes: [wireTypeOf(field.scalar)] };
  }
}

/** @param scalar undefined for an enum */
function wireTypeOf(scalar: ScalarType | undefined): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

function tooMany(what: string, max: number): Refusal {
  const cure = "send fewer events in one call, or a snapshot as data_json";
  return new Refusal("too_large", `the message has more than ${max} ${what}; ${cure}`, {
    reason: "MESSAGE_TOO_LARGE",
  });
}
