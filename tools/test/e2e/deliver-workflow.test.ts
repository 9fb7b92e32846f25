import { deliverSuite } from "./deliver-suite.ts";

deliverSuite("workflow");
