// The client's one entry.

import { registry } from "./registry";

registry();
