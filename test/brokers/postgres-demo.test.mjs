/** The demo on PostgreSQL: by one process, by two, and by one that cannot get there. */
import { isDemonstrated } from "./demo.mjs";

await isDemonstrated("postgres");
