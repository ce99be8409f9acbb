import { pluginReact } from "@rsbuild/plugin-react";

export default {
	plugins: [pluginReact()],
	source: { entry: { index: "./src/main.tsx" } },
	html: { template: "./rsbuild.html" },
	performance: { buildCache: true }, // off by default; the second start of the others has a cache too
	dev: { lazyCompilation: false },
};
