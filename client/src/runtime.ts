// Starts a page's bundle: makes sure that the registry is there.

import { registry } from "./registry";

registry();
