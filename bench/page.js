// Runs in every document before its own scripts, and tells the harness by benchTell when a mark of the app, or whether an error is
// shown, changed: {key, value, at}, at in milliseconds since 1970 by the clock that the harness reads too.
(() => {
	if (window !== top) return;

	// performance.timeOrigin may be off by what the clock was set since; the moment at which Date ticks is not.
	// Whoever is interrupted between the two reads the second too late, so the latest of several is right.
	let origin = -Infinity;
	for (let i = 0; i < 5; i++) {
		const before = Date.now();
		let tick = before;
		while (tick === before) tick = Date.now();
		origin = Math.max(origin, tick - performance.now());
	}
	const now = () => origin + performance.now();

	const told = {};
	const tell = (key, value, at) => {
		if (value === undefined || value === told[key]) return;
		told[key] = value;
		benchTell(JSON.stringify({ key, value, at }));
	};

	// All importers show the mark of shared.ts in one commit of React, or one after the other: the first and the last have to.
	const shared = document.getElementsByClassName("shared");
	const text = (element) => element?.textContent.split(" ").pop();
	const look = () => {
		const at = now();
		tell("leaf", text(document.getElementById("leaf-mark")), at);
		tell("root", text(document.getElementById("root-mark")), at);
		if (text(shared[0]) === text(shared[shared.length - 1])) tell("shared", text(shared[0]), at);
		const overlay = document.querySelector("devserve-overlay, vite-error-overlay, rsbuild-error-overlay, bun-hmr");
		tell("error", String(!!overlay && getComputedStyle(overlay).display !== "none"), at);
	};
	new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ["style"] });

	// A style sheet may change without a mutation, so it is looked at each millisecond while a change is awaited, also across a reload.
	const mark = () => {
		const element = document.getElementById("style-mark");
		return element ? getComputedStyle(element).zIndex : "auto"; // which it is while there is no sheet, too
	};
	const change = (before) => {
		const value = mark();
		if (value === "auto" || value === before) return scheduler.postTask(() => change(before), { delay: 1, priority: "user-blocking" });
		sessionStorage.removeItem("bench");
		tell("style", value, now());
	};
	window.benchStyle = () => {
		sessionStorage.setItem("bench", mark());
		delete told.style;
		change(mark());
	};
	if (location.protocol === "http:" && sessionStorage.getItem("bench") !== null) change(sessionStorage.getItem("bench"));
})();
