export { type Account, createAccount, getAccount, listAccounts, setLane } from "./accounts.ts";
export { advanceErasure } from "./advance-erasure.ts";
export { advanceRecovery } from "./advance-recovery.ts";
export { type AttemptLedger, createAttemptLedger } from "./attempt-ledger.ts";
export { type Attempt, listAttempts } from "./attempts.ts";
export { type Backlog, measureBacklog } from "./backlog.ts";
export { type Claim, type ClaimedDelivery, claimDeliveries, DRAIN_PER_SECOND } from "./claim-deliveries.ts";
export { markStarted, releaseClaims, renewClaims } from "./claims.ts";
export { continueFanout, listFanouts } from "./continue-fanouts.ts";
export { countChanges, forgetOldCounts } from "./count-changes.ts";
export { createTestDelivery } from "./create-test-delivery.ts";
export {
  cancelDelivery,
  type Delivery,
  getDelivery,
  listDeliveries,
  listDeliveriesOfType,
  requestRetry,
} from "./deliveries.ts";
export {
  type ChangeCursor,
  currentCursor,
  type DeliveryChange,
  listChanges,
  orderChanges,
} from "./delivery-changes.ts";
export { endSubscription, endSubscriptionsByUrl } from "./end-subscription.ts";
export {
  createErasure,
  type Erasure,
  getErasure,
  listUnstartedErasures,
  markErasureStarted,
} from "./erasures.ts";
export {
  archiveEventType,
  createEventType,
  type EventTypeVersion,
  listEventTypes,
  readEventType,
  readEventTypes,
  type StoredEventType,
  updateEventType,
} from "./event-types.ts";
export { getEvent, type StoredEvent } from "./events.ts";
export { type EventToIngest, type Ingest, type IngestedEvent, ingestEvents } from "./ingest-events.ts";
export { createIngest } from "./ingest-group.ts";
export { type AttemptContext, loadForAttempt } from "./load-for-attempt.ts";
export { migrate, pendingMigrations } from "./migrate.ts";
export { openMigratedStore } from "./open-migrated-store.ts";
export {
  changeDeferral,
  deferReconcile,
  listOverdue,
  type OverdueDelivery,
  RECONCILE_GRACE_MS,
} from "./overdue.ts";
export {
  drainStrays,
  drainSubscription,
  listDraining,
  listParked,
  parkDelivery,
  pauseSubscription,
  resumeSubscription,
} from "./park-deliveries.ts";
export { createPortalLink, openPortalLink } from "./portal-links.ts";
export {
  type AttemptToRecord,
  markHandedOver,
  type RecordedAttempt,
  recordAttempt,
} from "./record-attempt.ts";
export {
  changeRecovery,
  createRecovery,
  getRecovery,
  listRecoveries,
  listUnstartedRecoveries,
  markRecoveryStarted,
  type Recovery,
} from "./recoveries.ts";
export { resealSecrets } from "./reseal.ts";
export { resendDelivery } from "./resend-delivery.ts";
export { reserveTurn } from "./reserve-turn.ts";
export { RETENTION_KINDS, type RetentionAges, type RetentionKind, retain } from "./retain.ts";
export { getSchemaCheck, setSchemaCheck } from "./schema-check.ts";
export { parseSealingKeys, SealError, type SealingKeys } from "./sealer.ts";
export { STORE_SETTINGS } from "./settings.ts";
export {
  LIVE_SIGNING_KEYS_MAX,
  listPublicKeys,
  listSigningKeys,
  type PublicKey,
  rotateSigningKey,
  type SigningKey,
} from "./signing-keys.ts";
export {
  type AccountBacklog,
  accountBacklog,
  addCounts,
  type Counts,
  NO_COUNTS,
  quantileMs,
  readStatistics,
  type SpanMs,
} from "./statistics.ts";
export { closeStore, isStoreAway, openStore, pingStore, type Store, type StoreOptions } from "./store.ts";
export { type SubscriptionHealth, subscriptionHealth } from "./subscription-health.ts";
export type { SubscriptionOptions } from "./subscription-options.ts";
export {
  createSubscription,
  getSubscription,
  listSubscriptions,
  type NewSubscription,
  type Subscription,
  updateSubscription,
} from "./subscriptions.ts";
export { looksLikeToken } from "./token-secret.ts";
export {
  authenticate,
  createToken,
  getToken,
  listTokens,
  type Principal,
  revokeToken,
  type Token,
} from "./tokens.ts";
export { type Turn, takeTurn } from "./turns.ts";
