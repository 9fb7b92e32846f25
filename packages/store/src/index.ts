export { type Account, createAccount, getAccount, listAccounts, setLane } from "./accounts/accounts.ts";
export { createPortalLink, openPortalLink } from "./accounts/portal-links.ts";
export {
  authenticate,
  createToken,
  getToken,
  listTokens,
  type Principal,
  requirePresetForm,
  revokeToken,
  type Token,
} from "./accounts/tokens.ts";
export { type AttemptLedger, createAttemptLedger } from "./attempts/attempt-ledger.ts";
export { type Attempt, listAttempts } from "./attempts/attempts.ts";
export { cancelOrphan, type Orphan } from "./attempts/cancel-orphan.ts";
export type { AttemptContext } from "./attempts/load-for-attempt.ts";
export type {
  AttemptToRecord,
  RecordedAttempt,
} from "./attempts/record-attempt.ts";
export { SECRET } from "./audit/audit.ts";
export type { By, TokenActor } from "./audit/by.ts";
export { type AuditEntry, type AuditFilter, listAuditEntries } from "./audit/list-audit-entries.ts";
export {
  archiveEventType,
  checkEventType,
  createEventType,
  type EventTypeVersion,
  getEventType,
  listEventTypes,
  readEventType,
  readEventTypes,
  type StoredEventType,
  updateEventType,
} from "./catalog/event-types.ts";
export { getSchemaCheck, setSchemaCheck } from "./catalog/schema-check.ts";
export { type Clock, readTime, SKEW_MAX_MS, startClock } from "./database/clock.ts";
export type { AwayReason } from "./database/dialect/seam.ts";
export { isDatabaseAway, whyDatabaseAway } from "./database/in-parts.ts";
export { readInstallation } from "./database/installation.ts";
export { type ListByAccount, type PageByAccount, piecesInTurns } from "./database/list-by-account.ts";
export { migrate, pendingMigrations, UnknownMigrations } from "./database/migrate.ts";
export { parseSealingKeys, SealError, type SealingKeys, UnknownKey } from "./database/sealer.ts";
export { STORE_SETTINGS } from "./database/settings.ts";
export {
  clearTextWarning,
  closeStore,
  databaseUrl,
  durabilityWarning,
  isRowRefused,
  isStoreAway,
  openExistingStore,
  openStore,
  pingStore,
  type Store,
  type StoreOptions,
} from "./database/store.ts";
export {
  cancelDelivery,
  type Delivery,
  type DeliveryFilter,
  getDelivery,
  listDeliveries,
  requestRetry,
  resentAs,
  searchDeliveries,
} from "./deliveries/deliveries.ts";
export {
  type ChangeCursor,
  currentCursor,
  type DeliveryChange,
  listChanges,
  orderChanges,
} from "./deliveries/delivery-changes.ts";
export { hasTraits, type Traits } from "./deliveries/traits.ts";
export {
  holdsNoTime,
  TIME_COLUMNS,
  type TimeColumn,
  TRANSITIONS as DELIVERY_TRANSITIONS,
} from "./deliveries/transitions.ts";
export { type Backlog, measureBacklog } from "./dispatch/backlog.ts";
export type { Claim, PlacesAtHosts } from "./dispatch/claim.ts";
export { claimDeliveries } from "./dispatch/claim-deliveries.ts";
export type { RefusedClaims } from "./dispatch/claim-fitting.ts";
export { DRAIN_PER_SECOND } from "./dispatch/claim-rooms.ts";
export { type ClaimRotation, createClaimRotation } from "./dispatch/claim-rotation.ts";
export type { ClaimedDelivery } from "./dispatch/claimed-delivery.ts";
export { markStarted, releaseClaims, renewClaims, setAsideClaims } from "./dispatch/claims.ts";
export {
  cancelAsDeferred,
  changeDeferral,
  DEFERRED_MAX_MS,
  type Deferral,
  deferReconcile,
  isAsDeferred,
  listOverdue,
  type OverdueDelivery,
  type OverduePlace,
} from "./dispatch/overdue.ts";
export { listInFlight } from "./dispatch/places.ts";
export { reserveTurn } from "./dispatch/reserve-turn.ts";
export { type Turn, takeTurn } from "./dispatch/take-turn.ts";
export { measureUpkeep, type UnfinishedUpkeep } from "./dispatch/unfinished-upkeep.ts";
export { continueFanout, listFanouts } from "./ingest/continue-fanouts.ts";
export { createTestDelivery } from "./ingest/create-test-delivery.ts";
export { getEvent, indexedValues, type StoredEvent } from "./ingest/events.ts";
export type { EventToIngest, IngestCall, IngestedEvent, InTurn } from "./ingest/ingest-call.ts";
export { ingestEvents } from "./ingest/ingest-events.ts";
export { createIngest } from "./ingest/ingest-group.ts";
export { hashKeyValues } from "./ingest/key-hashes.ts";
export { type EventSummary, listEvents } from "./ingest/list-events.ts";
export { resendDelivery } from "./ingest/resend-delivery.ts";
export {
  endSubscription,
  endSubscriptionsByUrl,
  finishEnd,
  listEnding,
} from "./lifecycle/end-subscription.ts";
export {
  adoptStrays,
  drainSubscription,
  listDraining,
  listParked,
  parkDelivery,
  pauseSubscription,
  resumeSubscription,
} from "./lifecycle/park-deliveries.ts";
export { advanceErasure } from "./long-running/advance-erasure.ts";
export { advanceRecovery } from "./long-running/advance-recovery.ts";
export {
  createErasure,
  type Erasure,
  getErasure,
  listUnstartedErasures,
  markErasureStarted,
} from "./long-running/erasures.ts";
export {
  changeRecovery,
  createRecovery,
  FAILED_STATES,
  getRecovery,
  listRecoveries,
  listUnstartedRecoveries,
  markRecoveryStarted,
  RECOVERIES_MAX,
  type Recovery,
  type RecoveryFilter,
} from "./long-running/recoveries.ts";
export { renewInstallation } from "./long-running/renew-installation.ts";
export { resealSecrets } from "./long-running/reseal.ts";
export { RETENTION_KINDS, type RetentionAges, type RetentionKind, retain } from "./long-running/retain.ts";
export { notOpened, openMigratedStore } from "./open-migrated-store.ts";
export { type AccountState, getAccountState, listAccountStates } from "./operator/account-states.ts";
export {
  type FailingPlace,
  type FailingSubscription,
  listFailingSubscriptions,
} from "./operator/failing-subscriptions.ts";
export { listUnfinishedRecoveries, type UnfinishedRecovery } from "./operator/unfinished-recoveries.ts";
export { countChanges, forgetOldCounts } from "./statistics/count-changes.ts";
export {
  type AccountBacklog,
  accountBacklog,
  addCounts,
  type Counts,
  NO_COUNTS,
  quantileMs,
  readStatistics,
  type SpanMs,
} from "./statistics/statistics.ts";
export { noteHostProven } from "./subscriptions/hosts.ts";
export {
  getSubscription,
  listSubscriptions,
  type Subscription,
} from "./subscriptions/read-subscriptions.ts";
export {
  LIVE_SIGNING_KEYS_MAX,
  listPublicKeys,
  listSigningKeys,
  type PublicKey,
  rotateSigningKey,
  type SigningKey,
} from "./subscriptions/signing-keys.ts";
export { type SubscriptionHealth, subscriptionHealth } from "./subscriptions/subscription-health.ts";
export type { SubscriptionOptions } from "./subscriptions/subscription-options.ts";
export {
  createSubscription,
  type NewSubscription,
  updateSubscription,
} from "./subscriptions/subscriptions.ts";
