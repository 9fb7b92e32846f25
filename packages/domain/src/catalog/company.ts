import type { EventType } from "../event-type.ts";
import { id, list, object, snapshotSchema, text, url } from "./snapshot-schema.ts";

const schema = snapshotSchema("Company", ["CompanyID", "CompanyName"], {
  CompanyID: id("The company's number."),
  CompanyName: text("Its name."),
  BillingAddress: text("Street and number of its billing address."),
  BillingAddressCity: text("City of its billing address."),
  BillingAddressState: text("State or region of its billing address."),
  BillingAddressPostcode: text("Postcode of its billing address."),
  BillingAddressCountry: text("Country of its billing address."),
  CurrencyCode: text("The currency it is invoiced in (ISO 4217).", { pattern: "^[A-Z]{3}$" }),
  TaxNumber: text("Its tax number."),
  website: url("Its website."),
  Contacts: list(
    "The people who work there.",
    object("One of them.", { ContactID: id("The contact's number."), Email: text("Their e-mail address.") }, [
      "ContactID",
    ]),
  ),
});

const sample = {
  CompanyID: 4711,
  CompanyName: "Foxglove & Quill Ltd",
  BillingAddress: "12 Harbour Lane",
  BillingAddressCity: "Bristol",
  BillingAddressState: null,
  BillingAddressPostcode: "BS1 4ZZ",
  BillingAddressCountry: "United Kingdom",
  CurrencyCode: "GBP",
  TaxNumber: "GB000000000",
  website: "https://foxglove-quill.example/",
  Contacts: [{ ContactID: 902, Email: "ada@foxglove-quill.example" }],
};

export const COMPANY_EVENTS: readonly EventType[] = [
  {
    code: "company_created",
    description: "A company was added.",
    schema,
    sample: { ...sample, Contacts: [] },
  },
  {
    code: "company_deleted",
    description: "A company was deleted; the snapshot is its last state.",
    schema,
    sample,
  },
  {
    code: "company_updated",
    description: "A company was changed.",
    schema,
    sample: { ...sample, BillingAddress: "14 Harbour Lane" },
  },
];
