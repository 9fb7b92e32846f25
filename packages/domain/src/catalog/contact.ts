import type { EventType } from "../event-type.ts";
import { id, keys, reference, sensitiveKeys, snapshotSchema, text } from "./snapshot-schema.ts";

const schema = snapshotSchema("Contact", ["ContactID"], {
  ContactID: id("The contact's ID."),
  CompanyIDFK: reference("The ID of the company that the contact works for."),
  CompanyName: text("The company's name."),
  Firstname: text("The contact's first name."),
  Lastname: text("The contact's last name."),
  Email: text("The contact's e-mail address.", { format: "email" }),
  Phone: text("The contact's telephone number."),
  Mobile: text("The contact's mobile number."),
  PositionTitle: text("The contact's position in the company."),
  TimeZone: text("The contact's time zone, as an IANA name."),
});

const sample = {
  ContactID: 902,
  CompanyIDFK: 4711,
  CompanyName: "Foxglove & Quill Ltd",
  Firstname: "Ada",
  Lastname: "Marlowe",
  Email: "ada@foxglove-quill.example",
  Phone: "+44 117 496 0000",
  Mobile: null,
  PositionTitle: "Finance",
  TimeZone: "Europe/London",
};

const IDENTIFYING = [...keys("ContactID", "CompanyIDFK"), ...sensitiveKeys("Email")];

export const CONTACT_EVENTS: readonly EventType[] = [
  { code: "contact_created", description: "A contact was added.", schema, keys: IDENTIFYING, sample },
  {
    code: "contact_deleted",
    description: "A contact was deleted; the snapshot is its last state.",
    schema,
    keys: IDENTIFYING,
    sample,
  },
  {
    code: "contact_updated",
    description: "A contact was changed.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, Mobile: "+44 7700 900000", PositionTitle: "Head of Finance" },
  },
];
