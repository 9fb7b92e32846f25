/*
 * A member called `__proto__` of a snapshot, of metadata or of headers is a member like any other. Code that
 * copies members, such as the Protobuf runtime, would set the copy's prototype instead, and the member would
 * vanish. Without this accessor, which is of no use to new code (ECMA-262, annex B), it is a plain property.
 */
// biome-ignore lint/suspicious/noProto: it is removed, not used
delete (Object.prototype as { __proto__?: unknown }).__proto__;

export {};
