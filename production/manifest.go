package production

import (
	"cmp"
	"path"
	"slices"

	"github.com/devserve/devserve/builder"
)

// ManifestFile is where, in the output, the manifest lies: where Vite writes its own.
const ManifestFile = ".vite/manifest.json"

// A Manifest tells what the sources became, in Vite's format, so that what reads Vite's reads it. The keys are paths relative to
// the site; what several entries share has the name of its file with "_" in front.
//
// https://vite.dev/guide/backend-integration
type Manifest map[string]Chunk

// A Chunk is a script, a style sheet or an asset. File, CSS and Assets are relative to the output, Imports and DynamicImports
// are keys of the manifest.
type Chunk struct {
	File           string   `json:"file"`
	Name           string   `json:"name,omitempty"`
	Src            string   `json:"src,omitempty"`
	IsEntry        bool     `json:"isEntry,omitempty"`
	IsDynamicEntry bool     `json:"isDynamicEntry,omitempty"`
	Imports        []string `json:"imports,omitempty"`
	DynamicImports []string `json:"dynamicImports,omitempty"`
	CSS            []string `json:"css,omitempty"` // all that must apply before the chunk runs, in order
	Assets         []string `json:"assets,omitempty"`
}

// Closure lists the keys of the chunks that the one under key imports, at whatever remove, each before what imports it.
func (m Manifest) Closure(key string) []string {
	var keys []string
	seen := map[string]bool{key: true}
	var visit func(string)
	visit = func(k string) {
		for _, to := range m[k].Imports {
			if !seen[to] {
				seen[to] = true
				visit(to)
				keys = append(keys, to)
			}
		}
	}
	visit(key)
	return keys
}

// manifestOf translates the chunks of a release.
func manifestOf(chunks []builder.Chunk) Manifest {
	// A source that became several files is found under its own name as what a page asks for.
	ordered := slices.Clone(chunks)
	rank := func(c builder.Chunk) int {
		switch {
		case c.Entry:
			return 0
		case c.Dynamic:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(ordered, func(a, b builder.Chunk) int { return cmp.Compare(rank(a), rank(b)) })
	m, keys := Manifest{}, map[string]string{}
	for _, c := range ordered {
		key := c.Src
		if _, taken := m[key]; taken || key == "" {
			key = "_" + path.Base(c.File)
		}
		keys[c.File] = key
		m[key] = Chunk{}
	}
	for _, c := range chunks {
		key := keys[c.File]
		out := Chunk{File: c.File, Src: c.Src, IsEntry: c.Entry, IsDynamicEntry: c.Dynamic, CSS: c.Styles, Assets: c.Assets}
		switch path.Ext(c.File) {
		case ".js":
			out.Name = c.Name
		case ".css":
			out.Src = key
			out.Assets = nil
		}
		for _, to := range c.Imports {
			out.Imports = append(out.Imports, keys[to])
		}
		for _, to := range c.DynamicImports {
			out.DynamicImports = append(out.DynamicImports, keys[to])
		}
		m[key] = out
	}
	return m
}
