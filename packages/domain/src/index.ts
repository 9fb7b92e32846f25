export { EVENT_TYPES, isOperational, OPERATIONAL_EVENT_TYPES } from "./catalog/index.ts";
export type { OperationalSnapshots } from "./catalog/operational.ts";
export { type CustomHeaderChanges, changedHeaders, parseCustomHeaders } from "./custom-headers.ts";
export { createDebts, type Debts, type DebtTerms } from "./debts.ts";
export { compareDecimals, type Decimal, decimalOf, isMultipleOf, spellDecimal } from "./decimal.ts";
export { DAY_MS, HOUR_MS, MINUTE_MS } from "./durations.ts";
export {
  EGRESS_PORTS_DEFAULT,
  type EgressRules,
  type Forbidden,
  formatPorts,
  literalAddress,
  type Network,
  type PortRange,
  parseNetworks,
  parsePorts,
  permitsAddress,
  permitsPort,
  portOf,
  requireCallable,
  whyForbidden,
} from "./egress-rules.ts";
export {
  canonicalEventData,
  EVENT_DATA_BYTES_MAX,
  EVENT_DATA_DEPTH_MAX,
  type EventData,
  parseEventData,
} from "./event-data.ts";
export { type EventKey, matchesKey, parsePointer } from "./event-key.ts";
export { ALL_EVENT_TYPES, type EventType, type EventTypeKey, unknownEventTypeMessage } from "./event-type.ts";
export { DISABLE_RULE, type DisableRule, isToBeDisabled } from "./failing.ts";
export { createFairQueue, type FairQueue } from "./fair-queue.ts";
export {
  EVENT_TYPE_KEYS_MAX,
  type FoundValue,
  KEY_VALUE_BYTES_MAX,
  type KeyValue,
  readKeyValues,
  requireKeys,
} from "./key-values.ts";
export { type NamesByLength, namesByLength, nearestNames } from "./nearest-names.ts";
export { hasNumberText, noteNumberTexts, numberText } from "./number-texts.ts";
export {
  describeOutcome,
  OUTCOMES,
  type Outcome,
  outcomeOfStatus,
  terminalStateAfter,
  type Verdict,
  verdictOf,
} from "./outcome.ts";
export {
  EMPTY_LINE,
  endMs,
  halfOfRate,
  intervalMs,
  type Line,
  laterOf,
  lineAfter,
  lineBefore,
  nextTurnMs,
  type Pace,
  type Rate,
  stretched,
  turnsNow,
  turnsUntil,
} from "./pace.ts";
export { decodePageToken, encodePageToken, PAGE_SIZE_DEFAULT, type PageKey } from "./page-token.ts";
export { plainText, requireUnicode } from "./plain-text.ts";
export { PLATFORM_NETWORKS, parseDeniedNetworks } from "./platform-networks.ts";
export {
  REFUSAL_CODES,
  REFUSAL_REASONS,
  Refusal,
  type RefusalCode,
  type RefusalReason,
  type RefusedField,
} from "./refusal.ts";
export {
  ATTEMPT_TIMEOUT_MS,
  EARLY_TOLERANCE_MS,
  isDue,
  parseRetryAfterMs,
  RETRY_AFTER_MAX_MS,
  SCHEDULE,
  SIGNING_OVERLAP_MS,
  scheduledWaitMs,
  TEST_ATTEMPT_TIMEOUT_MS,
  waitAfterAttemptMs,
} from "./schedule.ts";
export { schemaBreaks } from "./schema-compatibility.ts";
export { SESSION_THEMES, type SessionTheme } from "./session-theme.ts";
export { placesToShare, roomToShare } from "./share.ts";
export { hostOf, parseTargetUrl, TARGET_URL_CHARS_MAX, withoutQuery } from "./target-url.ts";
export {
  ACCEPTANCES,
  type Acceptance,
  type AccountId,
  AUDIT_ACTORS,
  AUDIT_SUBJECTS,
  type AuditActor,
  type AuditEntryId,
  type AuditSubject,
  CREATION_CAUSES,
  type CreationCause,
  DELIVERY_EVENTS,
  DELIVERY_STATES,
  type DeliveryEvent,
  type DeliveryId,
  type DeliveryState,
  type ErasureId,
  type EventId,
  type InstallationId,
  isTerminal,
  LANES,
  type Lane,
  LEFT_OUT_REASONS,
  type LeftOutReason,
  RECOVERABLE_STATES,
  RECOVERY_KINDS,
  RECOVERY_STATES,
  type RecoverableState,
  type RecoveryId,
  type RecoveryKind,
  type RecoveryState,
  SCHEMA_CHECKS,
  SCOPES,
  type SchemaCheck,
  type Scope,
  SUBSCRIPTION_STATES,
  type SubscriptionId,
  type SubscriptionState,
  type TerminalState,
  type TokenId,
} from "./vocabulary.ts";
