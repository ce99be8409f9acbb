import react from "@vitejs/plugin-react";

export default {
	plugins: [react()],
	experimental: { bundledDev: process.env.BENCH_BUNDLED === "1" },
};
