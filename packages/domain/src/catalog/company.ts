import type { EventType } from "../event-type.ts";
import { id, keys, list, object, snapshotSchema, text, url } from "./snapshot-schema.ts";

const schema = snapshotSchema("Company", ["CompanyID", "CompanyName"], {
  CompanyID: id("The company's ID."),
  CompanyName: text("The company's name."),
  BillingAddress: text("Billing address: street and number."),
  BillingAddressCity: text("Billing address: city."),
  BillingAddressState: text("Billing address: state or region."),
  BillingAddressPostcode: text("Billing address: postcode."),
  BillingAddressCountry: text("Billing address: country."),
  CurrencyCode: text("The currency of the company's invoices (ISO 4217).", { pattern: "^[A-Z]{3}$" }),
  TaxNumber: text("The company's tax number."),
  website: url("The company's website."),
  Contacts: list(
    "The company's contacts.",
    object(
      "A contact.",
      { ContactID: id("The contact's ID."), Email: text("The contact's e-mail address.") },
      ["ContactID"],
    ),
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

const IDENTIFYING = keys("CompanyID");

export const COMPANY_EVENTS: readonly EventType[] = [
  {
    code: "company_created",
    description: "A company was added.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, Contacts: [] },
  },
  {
    code: "company_deleted",
    description: "A company was deleted; the snapshot is its last state.",
    schema,
    keys: IDENTIFYING,
    sample,
  },
  {
    code: "company_updated",
    description: "A company was changed.",
    schema,
    keys: IDENTIFYING,
    sample: { ...sample, BillingAddress: "14 Harbour Lane" },
  },
];
