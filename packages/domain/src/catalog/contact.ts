import type { EventType } from "../event-type.ts";
import { id, reference, snapshotSchema, text } from "./snapshot-schema.ts";

const schema = snapshotSchema("Contact", ["ContactID"], {
  ContactID: id("The contact's number."),
  CompanyIDFK: reference("The number of the company they work for."),
  CompanyName: text("That company's name."),
  Firstname: text("Their first name."),
  Lastname: text("Their last name."),
  Email: text("Their e-mail address.", { format: "email" }),
  Phone: text("Their telephone number."),
  Mobile: text("Their mobile number."),
  PositionTitle: text("What they do there."),
  TimeZone: text("Their time zone, by its IANA name."),
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

export const CONTACT_EVENTS: readonly EventType[] = [
  { code: "contact_created", description: "A contact was added.", schema, sample },
  {
    code: "contact_deleted",
    description: "A contact was deleted; the snapshot is its last state.",
    schema,
    sample,
  },
  {
    code: "contact_updated",
    description: "A contact was changed.",
    schema,
    sample: { ...sample, Mobile: "+44 7700 900000", PositionTitle: "Head of Finance" },
  },
];
