package builder

import (
	_ "embed" // for go:embed

	"github.com/devserve/devserve/builder/refresh"
	"github.com/devserve/devserve/client"
)

// On a site that uses React, bundles begin with the runtime of React Fast Refresh, which must be there before
// React's renderer runs: the project's own if it has one, else that of react-refresh 0.18.0 (MIT; react/LICENSE).

//go:embed react/runtime.js
var refreshRuntime []byte

// writeHost writes what stands before the modules of a React or Preact site.
func (b *Builder) writeHost(w *writer) {
	switch b.jsx.library {
	case react:
		w.add(client.React())
		w.addString("\nglobalThis.__devserve.refresh(function(module, exports) { var process = { env: { NODE_ENV: \"development\" } };\n")
		w.add(b.ownRefreshRuntime())
		w.addString("\n});\n")
	case preact:
		w.add(client.Preact())
		w.addString("\n")
	}
}

func (b *Builder) ownRefreshRuntime() []byte {
	if own, ok := installed(b.resolver.dir, "react-refresh/cjs/react-refresh-runtime.development.js"); ok {
		return own
	}
	return refreshRuntime
}

// componentsOf is the line that names the components of a module, on a React or Preact site, to go behind code; it may be
// empty. Without that of a module that cannot be read, its importers run again in its place.
func (b *Builder) componentsOf(m *module, code []byte) string {
	if b.jsx.library == "" || m.namespace != "" {
		return ""
	}
	source, _ := b.source(m.path) // without it a comment in it goes unseen
	line, ok := refresh.Analyze(code, source)
	if !ok {
		b.log.Debug("components not found: the module cannot be read", "module", m.id)
	}
	return line
}
