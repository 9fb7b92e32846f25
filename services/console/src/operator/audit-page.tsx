import { useMemo } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { useLocation, useSearch } from "wouter";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { Card, PageHeader } from "../parts/layout.tsx";
import { OnlyButton } from "../parts/only-button.tsx";
import { TimeFilter } from "../parts/time-filter.tsx";
import {
  type AuditFilters,
  auditAddress,
  auditRequest,
  NO_AUDIT_FILTERS,
  readAuditFilters,
} from "./audit-filters.ts";
import { AuditList } from "./audit-list.tsx";
import { actionName, SUBJECTS } from "./audit-words.ts";
import styles from "./operator.module.css";

const PAGE_SIZE = 50;
const SUBJECT_CHOICES = Object.entries(SUBJECTS).map(([id, name]) => ({ id, name }));

/** Shows who changed what, in all accounts. */
export function AuditPage() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const filters = useMemo(() => readAuditFilters(search), [search]);
  // The log is read as of the time of the filters: a later one would begin anew, at its first page.
  const request = useMemo(() => auditRequest(filters, Date.now()), [filters]);
  const change = (over: Partial<AuditFilters>, isTyped = false) =>
    navigate(auditAddress({ ...filters, ...over }), { replace: isTyped });
  return (
    <>
      <PageHeader title="Audit log" about="Every change of a call or a command, newest first." />
      <search className={`${styles.inline} ${styles.filters}`} aria-label="Filter the audit log">
        <TextField
          className={controls.field}
          value={filters.accountId === 0 ? "" : String(filters.accountId)}
          onChange={(text) => change({ accountId: Number(text.replace(/\D/g, "")) }, true)}
        >
          <Label>Account number</Label>
          <Input className={controls.input} inputMode="numeric" placeholder="Any" />
        </TextField>
        <Choice
          label="What was changed"
          options={SUBJECT_CHOICES}
          value={String(filters.subject)}
          onChange={(subject) => change({ subject: Number(subject) })}
        />
        <TextField
          className={controls.field}
          value={filters.subjectId}
          onChange={(subjectId) => change({ subjectId: subjectId.trim() }, true)}
        >
          <Label>Its number, id or code</Label>
          <Input className={controls.input} placeholder="Any" />
        </TextField>
        <TimeFilter
          since={filters.since}
          onChange={(since) => change({ since })}
          onType={(since) => change({ since }, true)}
        />
        {filters.action !== "" && (
          <OnlyButton name={actionName(filters.action)} onRemove={() => change({ action: "" })} />
        )}
        {filters.tokenId !== 0n && (
          <OnlyButton name={`Token ${filters.tokenId}`} onRemove={() => change({ tokenId: 0n })} />
        )}
        {auditAddress(filters) !== auditAddress(NO_AUDIT_FILTERS) && (
          <Button className={controls.button} onPress={() => change(NO_AUDIT_FILTERS)}>
            Clear filters
          </Button>
        )}
      </search>
      <Card isFlush>
        <AuditList key={search} request={request} pageSize={PAGE_SIZE} showsAccount />
      </Card>
    </>
  );
}
