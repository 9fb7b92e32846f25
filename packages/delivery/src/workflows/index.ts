export { carryDelivery } from "./carry-delivery.ts";
export { erase } from "./erase.ts";
export { recover } from "./recover.ts";
export { retain } from "./retain.ts";
