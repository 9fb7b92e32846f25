import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField } from "react-aria-components/TextField";
import controls from "../parts/controls.module.css";
import { Tick } from "../parts/tick.tsx";
import type { MoreOptions } from "./more-options.ts";
import { NamedValuesField } from "./named-values-field.tsx";

/** The fields of the options that few owners need. */
export function MoreOptionsFields(props: {
  options: MoreOptions;
  onChange(options: MoreOptions): void;
  /** Whether a credential can be removed: there is one, and no other is typed. */
  canRemoveSecret: boolean;
  hasRate: boolean;
}) {
  const { options, onChange, canRemoveSecret, hasRate } = props;
  const set = (over: Partial<MoreOptions>) => onChange({ ...options, ...over });
  return (
    <>
      {canRemoveSecret && (
        <Tick isSelected={options.removesSecret} onChange={(removesSecret) => set({ removesSecret })}>
          Remove the receiver credential
        </Tick>
      )}
      {hasRate && (
        <TextField
          className={controls.field}
          value={options.burst}
          onChange={(burst) => set({ burst })}
          inputMode="numeric"
        >
          <Label>Burst</Label>
          <Input className={controls.input} placeholder="default" />
          <Text slot="description">
            1 to 1,000 attempts that may follow at once after a quiet time. Default: those of a second.
          </Text>
        </TextField>
      )}
      <NamedValuesField
        label="Custom headers"
        what="header"
        about="Sent with every attempt. Their values are never shown again."
        isSecret
        rows={options.headers}
        onChange={(headers) => set({ headers })}
      />
      <NamedValuesField
        label="Metadata"
        what="entry"
        about="For your own systems, which read it with the subscription. Receivers do not get it."
        rows={options.metadata}
        onChange={(metadata) => set({ metadata })}
      />
    </>
  );
}
