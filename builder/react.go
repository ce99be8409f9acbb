package builder

import (
	_ "embed" // for go:embed
	"os"
	"path/filepath"
	"slices"

	"github.com/devserve/devserve/builder/refresh"
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

// withComponents is code with the line that names its components, on a React site. A module that cannot be read is
// left as it is: its importers run again in its place.
func (b *Builder) withComponents(m *module, code []byte) []byte {
	if !b.jsx.react || m.namespace != "" {
		return code
	}
	source, _ := b.source(m.path) // without it a comment in it goes unseen
	line, ok := refresh.Analyze(code, source)
	if !ok {
		b.log.Debug("components not found: the module cannot be read", "module", m.id)
		return code
	}
	if line == "" {
		return code
	}
	return append(slices.Clip(code), line...)
}
