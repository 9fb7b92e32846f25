import type { EventType } from "../event-type.ts";
import {
  amount,
  date,
  id,
  keys,
  list,
  object,
  reference,
  snapshotSchema,
  text,
  time,
  url,
} from "./snapshot-schema.ts";

/** Invoices, estimates and bills share one shape. */
function transactionSchema(title: string) {
  return snapshotSchema(title, ["TransactionID", "TransactionStatusCode", "TotalAmount"], {
    TransactionID: id("The document's ID in the system."),
    InvoiceNumber: text("The document's printed number, without the prefix."),
    TransactionPrefix: text("The prefix of the printed number."),
    TransactionStatusCode: text("The document's status, such as DRAFT, SENT or PAID."),
    CompanyIDFK: reference("The ID of the client or supplier company."),
    CompanyName: text("The company's name."),
    CurrencyCode: text("The currency of all amounts (ISO 4217).", { pattern: "^[A-Z]{3}$" }),
    DateIssued: date("The issue date."),
    DueDate: date("The due date."),
    DateSent: time("When the document was sent; null if it has not been sent."),
    TotalAmount: amount("The total, including tax."),
    TaxAmount: amount("The tax included in the total."),
    Balance: amount("The amount still to be paid."),
    LineItems: list(
      "The line items.",
      object("A line item.", {
        Description: text("The description of the line item."),
        Quantity: amount("The quantity."),
        UnitAmount: amount("The price of one unit."),
        TotalAmount: amount("The amount of the whole line."),
      }),
    ),
    Links: object("Links to the document.", {
      ClientView: url("The client's view."),
      Edit: url("The page to edit the document."),
      View: url("The owner's view."),
    }),
  });
}

function transactionSample(kind: string, prefix: string) {
  return {
    TransactionID: 58213,
    InvoiceNumber: "1042",
    TransactionPrefix: prefix,
    TransactionStatusCode: "DRAFT",
    CompanyIDFK: 4711,
    CompanyName: "Foxglove & Quill Ltd",
    CurrencyCode: "GBP",
    DateIssued: "2026-03-02",
    DueDate: "2026-04-01",
    DateSent: null,
    TotalAmount: 1188.0,
    TaxAmount: 198.0,
    Balance: 1188.0,
    LineItems: [
      { Description: "Brand workshop, two days", Quantity: 2, UnitAmount: 450.0, TotalAmount: 900.0 },
      { Description: "Travel", Quantity: 1, UnitAmount: 90.0, TotalAmount: 90.0 },
    ],
    Links: {
      ClientView: `https://app.example.com/client/${kind}/58213`,
      Edit: `https://app.example.com/${kind}/58213/edit`,
      View: `https://app.example.com/${kind}/58213`,
    },
  };
}

const invoiceSchema = transactionSchema("Invoice");
const invoice = transactionSample("invoice", "INV-");
const estimateSchema = transactionSchema("Estimate");
const estimate = transactionSample("estimate", "EST-");
const billSchema = transactionSchema("Bill");
const bill = {
  ...transactionSample("bill", "BILL-"),
  CompanyIDFK: 88,
  CompanyName: "Northwind Paper Supplies",
};

const IDENTIFYING = keys("TransactionID", "InvoiceNumber", "CompanyIDFK");

export const TRANSACTION_EVENTS: readonly EventType[] = [
  {
    code: "bill_created",
    description: "A bill was added.",
    schema: billSchema,
    keys: IDENTIFYING,
    sample: bill,
  },
  {
    code: "bill_updated",
    description: "A bill was changed.",
    schema: billSchema,
    keys: IDENTIFYING,
    sample: { ...bill, TransactionStatusCode: "PAID", Balance: 0 },
  },
  {
    code: "estimate_created",
    description: "An estimate was added.",
    schema: estimateSchema,
    keys: IDENTIFYING,
    sample: estimate,
  },
  {
    code: "estimate_deleted",
    description: "An estimate was deleted; the snapshot is its last state.",
    schema: estimateSchema,
    keys: IDENTIFYING,
    sample: estimate,
  },
  {
    code: "estimate_updated",
    description: "An estimate was changed.",
    schema: estimateSchema,
    keys: IDENTIFYING,
    sample: { ...estimate, TransactionStatusCode: "ACCEPTED" },
  },
  {
    code: "invoice_created",
    description: "An invoice was added.",
    schema: invoiceSchema,
    keys: IDENTIFYING,
    sample: invoice,
  },
  {
    code: "invoice_deleted",
    description: "An invoice was deleted; the snapshot is its last state.",
    schema: invoiceSchema,
    keys: IDENTIFYING,
    sample: invoice,
  },
  {
    code: "invoice_sent",
    description: "An invoice was sent to the client.",
    schema: invoiceSchema,
    keys: IDENTIFYING,
    sample: { ...invoice, TransactionStatusCode: "SENT", DateSent: "2026-03-02T09:30:00Z" },
  },
  {
    code: "invoice_updated",
    description: "An invoice was changed or paid.",
    schema: invoiceSchema,
    keys: IDENTIFYING,
    sample: { ...invoice, TransactionStatusCode: "PAID", DateSent: "2026-03-02T09:30:00Z", Balance: 0 },
  },
];
