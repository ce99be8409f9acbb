package builder

import (
	_ "embed" // for go:embed
	"os"
	"path/filepath"

	"github.com/devserve/devserve/client"
)

// On a site that uses React, bundles begin with the runtime of React Fast Refresh, which must be there before
// React's renderer runs: the project's own if it has one, else that of react-refresh 0.18.0 (MIT; react/LICENSE).

//go:embed react/runtime.js
var refreshRuntime []byte

// writeReact writes what stands before the modules of a React site.
func (b *Builder) writeReact(w *writer) {
	if !b.jsx.react {
		return
	}
	w.add(client.React())
	w.addString("\nglobalThis.__devserve.refresh(function(module, exports) { var process = { env: { NODE_ENV: \"development\" } };\n")
	w.add(b.ownRefreshRuntime())
	w.addString("\n});\n")
}

func (b *Builder) ownRefreshRuntime() []byte {
	for dir := b.resolver.dir; ; dir = filepath.Dir(dir) {
		own := filepath.Join(dir, "node_modules", "react-refresh", "cjs", "react-refresh-runtime.development.js")
		if regular(own) == nil {
			if data, err := os.ReadFile(own); err == nil {
				return data
			}
		}
		if filepath.Dir(dir) == dir {
			return refreshRuntime
		}
	}
}
