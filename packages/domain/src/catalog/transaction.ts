import type { EventType } from "../event-type.ts";
import {
  amount,
  date,
  id,
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
    TransactionID: id("The document's number in the system."),
    InvoiceNumber: text("Its number on paper."),
    TransactionPrefix: text("What stands before that number."),
    TransactionStatusCode: text("Where it stands, such as DRAFT, SENT or PAID."),
    CompanyIDFK: reference("The number of the company it is for, or from."),
    CompanyName: text("That company's name."),
    CurrencyCode: text("The currency of its amounts (ISO 4217).", { pattern: "^[A-Z]{3}$" }),
    DateIssued: date("The day it bears."),
    DueDate: date("The day it is due."),
    DateSent: time("When it was sent; null: it was not yet."),
    TotalAmount: amount("Its total, tax included."),
    TaxAmount: amount("The tax in it."),
    Balance: amount("What is still to be paid."),
    LineItems: list(
      "What it is for.",
      object("One line.", {
        Description: text("What it says."),
        Quantity: amount("How many."),
        UnitAmount: amount("For each."),
        TotalAmount: amount("For all."),
      }),
    ),
    Links: object("Where it can be looked at.", {
      ClientView: url("By the client."),
      Edit: url("To change it."),
      View: url("By its owner."),
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

export const TRANSACTION_EVENTS: readonly EventType[] = [
  { code: "bill_created", description: "A bill was added.", schema: billSchema, sample: bill },
  {
    code: "bill_updated",
    description: "A bill was changed.",
    schema: billSchema,
    sample: { ...bill, TransactionStatusCode: "PAID", Balance: 0 },
  },
  {
    code: "estimate_created",
    description: "An estimate was added.",
    schema: estimateSchema,
    sample: estimate,
  },
  {
    code: "estimate_deleted",
    description: "An estimate was deleted; the snapshot is its last state.",
    schema: estimateSchema,
    sample: estimate,
  },
  {
    code: "estimate_updated",
    description: "An estimate was changed.",
    schema: estimateSchema,
    sample: { ...estimate, TransactionStatusCode: "ACCEPTED" },
  },
  { code: "invoice_created", description: "An invoice was added.", schema: invoiceSchema, sample: invoice },
  {
    code: "invoice_deleted",
    description: "An invoice was deleted; the snapshot is its last state.",
    schema: invoiceSchema,
    sample: invoice,
  },
  {
    code: "invoice_sent",
    description: "An invoice was sent to the client.",
    schema: invoiceSchema,
    sample: { ...invoice, TransactionStatusCode: "SENT", DateSent: "2026-03-02T09:30:00Z" },
  },
  {
    code: "invoice_updated",
    description: "An invoice was changed, a payment included.",
    schema: invoiceSchema,
    sample: { ...invoice, TransactionStatusCode: "PAID", DateSent: "2026-03-02T09:30:00Z", Balance: 0 },
  },
];
