export { deliver } from "./deliver.ts";
export { recover } from "./recover.ts";
export { retain } from "./retain.ts";
