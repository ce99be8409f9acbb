// Package client is the part of devserve that runs in the page: TypeScript in src/,
// bundled into dist/ by go generate and embedded here, so that who serves it needs neither
// Node nor a bundler. A test in gen rebuilds dist and compares.
//
//	connect   one event stream that always comes back, for all tabs together
//	catchup   what this page has seen; a lost event is a reload, never a stale page
//	apply     built → style sheets, assets and modules replaced, or one full reload
//	morph     the page as its templates render it now; loaded when one changes
//	overlay   a failed build, readable; gone with the next good one
//
// It knows neither Go nor esbuild: messages come in as src/protocol.ts describes them, and
// modules are replaced by src/registry.ts, which page bundles carry too.
package client

import _ "embed" // for go:embed

//go:generate go run ./gen

//go:embed dist/client.js
var script string

//go:embed dist/runtime.js
var runtime string

// Script returns the classic script that every page loads. In it the server replaces
// __DEVSERVE_TOKEN__ with the token that the page's own requests carry, and
// __DEVSERVE_BASE__ with its base path; both stand inside double-quoted strings.
func Script() []byte { return []byte(script) }

//go:embed dist/react.js
var react string

// React returns what stands after [Runtime] in the bundles of a React site: the host of React Fast Refresh.
func React() []byte { return []byte(react) }

//go:embed dist/preact.js
var preact string

// Preact is [React] for a Preact site.
func Preact() []byte { return []byte(preact) }

//go:embed dist/morph.js
var morph string

// Morph returns the module that [Script] imports when it first has to bring a page up to date with its templates.
func Morph() []byte { return []byte(morph) }

//go:embed dist/stream.js
var stream string

// Stream returns the module that holds the event stream of all tabs, in a SharedWorker.
func Stream() []byte { return []byte(stream) }

// Runtime returns the module registry, a classic script that starts a page's bundle. It
// is the same registry that [Script] carries; whichever runs first creates it.
func Runtime() []byte { return []byte(runtime) }
