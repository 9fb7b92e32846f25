import { type Session, Theme } from "@posthaste/contracts/session";
import {
  Activity,
  BookOpen,
  Building2,
  CalendarClock,
  FileJson,
  Inbox,
  LogOut,
  type LucideIcon,
  Radio,
  RotateCcw,
  ScrollText,
  Tags,
  Users,
} from "lucide-react";
import { lazy, Suspense, useId } from "react";
import { Button } from "react-aria-components/Button";
import { Link, Route, Switch, useLocation } from "wouter";
import { WatchProvider } from "../api/use-watch.tsx";
import { ActionsKey } from "../find/actions-key.tsx";
import { SearchBox } from "../find/search-box.tsx";
import { GUIDE_NAME, GUIDE_PATH } from "../guide/guide-address.ts";
import { SwitchButton } from "../operator/switch-button.tsx";
import { OverviewPage } from "../overview/overview-page.tsx";
import { Brand } from "../parts/brand.tsx";
import controls from "../parts/controls.module.css";
import { Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { TimeAhead } from "../parts/time.tsx";
import { Needs } from "../session/denied.tsx";
import type { NeededScope } from "../session/denied-words.ts";
import { useSession } from "../session/session-context.tsx";
import { currentPlace } from "./current-place.ts";
import { PageBoundary } from "./page-boundary.tsx";
import styles from "./shell.module.css";
import { ThemeToggle } from "./theme-toggle.tsx";
import { useScrollToTop } from "./use-scroll-to-top.ts";

const DeliveriesPage = lazy(async () => ({
  default: (await import("../deliveries/deliveries-page.tsx")).DeliveriesPage,
}));
const DeliveryPage = lazy(async () => ({
  default: (await import("../delivery/delivery-page.tsx")).DeliveryPage,
}));
const EventPage = lazy(async () => ({ default: (await import("../event/event-page.tsx")).EventPage }));
const EventsPage = lazy(async () => ({ default: (await import("../events/events-page.tsx")).EventsPage }));
const SearchPage = lazy(async () => ({ default: (await import("../find/search-page.tsx")).SearchPage }));
const SubscriptionsPage = lazy(async () => ({
  default: (await import("../subscriptions/subscriptions-page.tsx")).SubscriptionsPage,
}));
const NewSubscriptionPage = lazy(async () => ({
  default: (await import("../subscriptions/new-subscription-page.tsx")).NewSubscriptionPage,
}));
const SubscriptionPage = lazy(async () => ({
  default: (await import("../subscriptions/subscription-page.tsx")).SubscriptionPage,
}));
const EventTypesPage = lazy(async () => ({
  default: (await import("../event-types/event-types-page.tsx")).EventTypesPage,
}));
const EventTypePage = lazy(async () => ({
  default: (await import("../event-types/event-type-page.tsx")).EventTypePage,
}));
const NewEventTypePage = lazy(async () => ({
  default: (await import("../event-types/edit-event-type-page.tsx")).NewEventTypePage,
}));
const EditEventTypePage = lazy(async () => ({
  default: (await import("../event-types/edit-event-type-page.tsx")).EditEventTypePage,
}));
const VersionsPage = lazy(async () => ({
  default: (await import("../event-types/versions-page.tsx")).VersionsPage,
}));
const RecoverPage = lazy(async () => ({
  default: (await import("../recover/recover-page.tsx")).RecoverPage,
}));
const OperatorPage = lazy(async () => ({
  default: (await import("../operator/operator-page.tsx")).OperatorPage,
}));
const AccountsPage = lazy(async () => ({
  default: (await import("../operator/accounts-page.tsx")).AccountsPage,
}));
const AccountPage = lazy(async () => ({
  default: (await import("../operator/account-page.tsx")).AccountPage,
}));
const AuditPage = lazy(async () => ({ default: (await import("../operator/audit-page.tsx")).AuditPage }));
const GuidePage = lazy(async () => ({ default: (await import("../guide/guide-page.tsx")).GuidePage }));
const InboxPage = lazy(async () => ({ default: (await import("../inbox/inbox-page.tsx")).InboxPage }));

const PLACES = [
  { path: "/", name: "Overview", Icon: Activity, scope: undefined },
  { path: "/deliveries", name: "Deliveries", Icon: CalendarClock, scope: "deliveries:read" },
  { path: "/events", name: "Events", Icon: FileJson, scope: "deliveries:read" },
  { path: "/subscriptions", name: "Subscriptions", Icon: Radio, scope: "subscriptions:read" },
  { path: "/event-types", name: "Event types", Icon: Tags, scope: undefined },
  { path: "/recover", name: "Recover", Icon: RotateCcw, scope: "deliveries:write" },
  { path: "/inbox", name: "Inbox", Icon: Inbox, scope: "subscriptions:write" },
] as const;

/** What concerns all accounts. */
const OPERATOR_PLACES = [
  { path: "/operator", name: "All accounts", Icon: Building2 },
  { path: "/operator/accounts", name: "Accounts", Icon: Users },
  { path: "/operator/audit", name: "Audit log", Icon: ScrollText },
] as const;
const OPERATOR_ROUTES = [
  <Route key="all" path="/operator" component={OperatorPage} />,
  <Route key="accounts" path="/operator/accounts" component={AccountsPage} />,
  <Route key="account" path={/^\/operator\/accounts\/(?<id>[1-9]\d{0,9})\/?$/}>
    {({ id }: { id: string }) => <AccountPage key={id} id={Number(id)} />}
  </Route>,
  <Route key="audit" path="/operator/audit" component={AuditPage} />,
];

/** The API would blame the id of any other address, which is no page. */
const SUBSCRIPTION_PATH = /^\/subscriptions\/(?<id>[1-9]\d{0,9})\/?$/;

/** The frame around every page. */
export function Shell() {
  const [path] = useLocation();
  useScrollToTop(path);
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to content
      </a>
      <div className={styles.side}>
        <div className={styles.sticky}>
          <Brand />
          <SearchBox />
          <Places />
          <Account />
        </div>
      </div>
      <main id="main" className={styles.main}>
        <Acting />
        <WatchProvider>
          <PageBoundary path={path}>
            <Suspense fallback={<Skeleton lines={8} />}>
              <Pages />
            </Suspense>
          </PageBoundary>
        </WatchProvider>
      </main>
    </div>
  );
}

function Pages() {
  const { session, isActing } = useSession();
  return (
    <Switch>
      <Route path="/" component={OverviewPage} />
      <Route path="/deliveries">{needs("deliveries:read", "Deliveries", <DeliveriesPage />)}</Route>
      <Route path="/deliveries/:id">
        {({ id }) => needs("deliveries:read", "Delivery", <DeliveryPage key={id} id={id} />)}
      </Route>
      <Route path="/events">{needs("deliveries:read", "Events", <EventsPage />)}</Route>
      <Route path="/search" component={SearchPage} />
      <Route path="/events/:id">
        {({ id }) => needs("deliveries:read", "Event", <EventPage key={id} id={id} />)}
      </Route>
      <Route path="/subscriptions">
        {needs("subscriptions:read", "Subscriptions", <SubscriptionsPage />)}
      </Route>
      <Route path="/subscriptions/new">
        {needs("subscriptions:write", "New subscription", <NewSubscriptionPage />)}
      </Route>
      <Route path={SUBSCRIPTION_PATH}>
        {({ id }) =>
          needs("subscriptions:read", "Subscription", <SubscriptionPage key={id} id={Number(id)} />)
        }
      </Route>
      <Route path="/event-types" component={EventTypesPage} />
      <Route path="/event-types/-/new">
        {needs("catalog:write", "New event type", <NewEventTypePage />)}
      </Route>
      <Route path="/event-types/:code/edit">
        {({ code }) =>
          needs("catalog:write", "Edit event type", <EditEventTypePage key={code} code={code} />)
        }
      </Route>
      <Route path="/event-types/:code/versions">
        {({ code }) => <VersionsPage key={code} code={code} />}
      </Route>
      <Route path="/event-types/:code">{({ code }) => <EventTypePage key={code} code={code} />}</Route>
      <Route path="/recover">{needs("deliveries:read", "Recover", <RecoverPage />)}</Route>
      <Route path="/inbox">{needs("subscriptions:write", "Inbox", <InboxPage />)}</Route>
      <Route path={GUIDE_PATH} component={GuidePage} />
      {isOperator(session, isActing) && OPERATOR_ROUTES}
      <Route>
        <PageHeader title="Page not found" />
        <Empty title="There is nothing at this address">
          <Link href="/">Go to the overview</Link>
        </Empty>
      </Route>
    </Switch>
  );
}

const needs = (scope: NeededScope, title: string, page: React.ReactNode) => (
  <Needs scope={scope} title={title}>
    {page}
  </Needs>
);

/** An operator who acts in an account still sees all of them. */
function isOperator({ scopes }: Session, isActing: boolean): boolean {
  return isActing || scopes.includes("admin");
}

/** Says in whose account an operator acts, and leads back. */
function Acting() {
  const { session, isActing } = useSession();
  if (!isActing) return null;
  return (
    <div className={styles.acting} role="status">
      <p>
        You act in <strong>{session.accountName}</strong> (account {session.accountId}). The audit log names
        you.
      </p>
      <SwitchButton to={undefined}>Leave</SwitchButton>
    </div>
  );
}

function Places() {
  const { session, isActing, can } = useSession();
  const groupId = useId();
  const own = PLACES.filter(({ scope }) => scope === undefined || can(scope));
  const operators = isOperator(session, isActing) ? OPERATOR_PLACES : [];
  const all = [...own, ...operators];
  const [location] = useLocation();
  const current = currentPlace(
    all.map(({ path }) => path),
    location,
  );
  return (
    <nav aria-label="Main" className={styles.places}>
      <ActionsKey places={all} />
      <ul>
        {own.map((place) => (
          <PlaceLink key={place.path} {...place} isCurrent={place.path === current} />
        ))}
      </ul>
      {operators.length > 0 && (
        <>
          <p id={groupId} className={styles.group}>
            Installation
          </p>
          <ul aria-labelledby={groupId} className={styles.operators}>
            {operators.map((place) => (
              <PlaceLink key={place.path} {...place} isCurrent={place.path === current} />
            ))}
          </ul>
        </>
      )}
    </nav>
  );
}

function PlaceLink(props: { path: string; name: string; Icon: LucideIcon; isCurrent: boolean }) {
  const { path, name, Icon, isCurrent } = props;
  return (
    <li>
      <Link href={path} aria-current={isCurrent ? "page" : undefined} className={styles.place}>
        <Icon size={17} aria-hidden="true" />
        <span>{name}</span>
      </Link>
    </li>
  );
}

function Account() {
  const { session, signOut } = useSession();
  return (
    <div className={styles.account}>
      <div className={styles.who}>
        <strong>{session.accountName}</strong>
        <span>
          {session.expiresAt === undefined ? (
            `Account ${session.accountId}`
          ) : (
            <>
              Ends <TimeAhead at={session.expiresAt} />
            </>
          )}
        </span>
      </div>
      <Link
        href={GUIDE_PATH}
        className={`${controls.button} ${controls.icon}`}
        aria-label={GUIDE_NAME}
        title={GUIDE_NAME}
      >
        <BookOpen size={16} aria-hidden="true" />
      </Link>
      {session.theme === Theme.UNSPECIFIED && <ThemeToggle />}
      <Button className={`${controls.button} ${controls.icon}`} aria-label="Sign out" onPress={signOut}>
        <LogOut size={16} aria-hidden="true" />
      </Button>
    </div>
  );
}
