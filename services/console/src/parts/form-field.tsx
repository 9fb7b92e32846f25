import { FieldError } from "react-aria-components/FieldError";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField, type TextFieldProps } from "react-aria-components/TextField";
import controls from "./controls.module.css";

/** A text field of a form, with its problem under it. */
export function FormField(
  props: Omit<TextFieldProps, "children" | "className" | "isInvalid"> & {
    label: string;
    placeholder?: string;
    about?: string;
    problem: string | undefined;
  },
) {
  const { label, placeholder, about, problem, ...rest } = props;
  return (
    <TextField className={controls.field} isInvalid={problem !== undefined} {...rest}>
      <Label>{label}</Label>
      <Input className={controls.input} placeholder={placeholder} />
      {about !== undefined && <Text slot="description">{about}</Text>}
      <FieldError className={controls.problem}>{problem}</FieldError>
    </TextField>
  );
}
