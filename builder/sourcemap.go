package builder

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/devserve/devserve/internal/private"
	"github.com/evanw/esbuild/pkg/api"
)

// Source maps are made when DevTools ask for them: most loads and updates never do, and they
// cost a fifth of a build. The modules are then compiled once more; one whose code has become
// another since has no map, for its lines are those of a file that is no longer there.
//
// The map of a bundle is an index map, of the modules' own maps at the lines where they begin:
// nothing is encoded again.

// sourceMap is the format of https://tc39.es/ecma426/.
type sourceMap struct {
	Version        int      `json:"version"`
	Sources        []string `json:"sources"`
	SourcesContent []string `json:"sourcesContent"`
	Names          []string `json:"names"`
	Mappings       string   `json:"mappings"`
}

type indexMap struct {
	Version  int          `json:"version"`
	Sections []indexEntry `json:"sections"`
}

type indexEntry struct {
	Offset struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	} `json:"offset"`
	Map sourceMap `json:"map"`
}

// sourceMap joins the maps of a bundle's sections.
func (b *Builder) sourceMap(out *bundle) Output {
	b.makeMaps(out.sections)
	index := indexMap{Version: 3, Sections: []indexEntry{}}
	for _, s := range out.sections {
		var smap []byte
		var inputs []string
		dropped := 0
		if s.compiled != nil {
			smap, dropped = s.compiled.smap, s.compiled.dropped
			inputs = append(slices.Clip(s.compiled.inputs), s.module.path)
		} else if b.deps.good != nil {
			smap = b.deps.good.smap
		}
		if m, ok := b.readMap(smap, dropped, inputs); ok {
			if i := slices.Index(m.Sources, b.resolver.base+dependencyTable); s.compiled == nil && i >= 0 && i < len(m.SourcesContent) {
				m.SourcesContent[i] = "" // it has paths of this machine
			}
			e := indexEntry{Map: m}
			e.Offset.Line = s.line
			index.Sections = append(index.Sections, e)
		}
	}
	body, _ := json.Marshal(index) // strings and numbers always marshal
	return Output{Body: body, ETag: etag(body), ContentType: "application/json"}
}

// makeMaps compiles the modules of sections that have no map yet once more.
func (b *Builder) makeMaps(sections []section) {
	wanted := map[*module]*compiled{}
	var ms []*module
	for _, s := range sections {
		if s.compiled == nil {
			b.mapDependencies()
		} else if s.compiled.smap == nil {
			wanted[s.module] = s.compiled
			ms = append(ms, s.module)
		}
	}
	for m, r := range b.compileAll(ms, api.SourceMapExternal) {
		if c := wanted[m]; r.compiled != nil && r.compiled.hash == c.hash && r.compiled.styleHash == c.styleHash {
			c.smap = r.compiled.smap
		}
	}
}

// mapDependencies makes the source map of the dependency bundle.
func (b *Builder) mapDependencies() {
	d := b.deps.good
	if d == nil || d.smap != nil {
		return
	}
	if again := b.bundleDependencies(d.modules, api.SourceMapExternal); again.hash == d.hash {
		d.smap = again.smap
	}
}

// readMap reads a map of esbuild's, made from inputs, whose sources are relative to the site, makes URL paths of them, and leaves
// out the first dropped lines, which the code has not.
func (b *Builder) readMap(data []byte, dropped int, inputs []string) (sourceMap, bool) {
	var m sourceMap
	if len(data) == 0 || json.Unmarshal(data, &m) != nil {
		return m, false
	}
	b.hide(&m, b.resolver.dir, inputs)
	for i, s := range m.Sources {
		if !strings.HasPrefix(s, "../") && !strings.Contains(s, ":") {
			m.Sources[i] = b.resolver.base + s
		}
	}
	for i, text := range m.SourcesContent {
		if end := strings.LastIndex(text, globMark); end >= 0 {
			m.SourcesContent[i] = text[:end]
		}
	}
	blank := len(m.Mappings) - len(strings.TrimLeft(m.Mappings, ";"))
	m.Mappings = m.Mappings[min(dropped, blank):]
	return m, true
}

// hide takes out of m, whose sources are relative to dir, the texts that are nobody's business. A script may bring a map, which
// may name any file of this machine, and esbuild reads what it finds there. What may be seen is what lies in the site, in an
// installed package or in the package of one of inputs, under a name that is not private, and what the map brought along itself.
func (b *Builder) hide(m *sourceMap, dir string, inputs []string) {
	shown := b.shown(inputs)
	for i := range min(len(m.Sources), len(m.SourcesContent)) {
		for _, path := range sourcePaths(m.Sources[i], dir) {
			if !slices.Contains(inputs, path) && !isSource(path, shown) {
				m.SourcesContent[i] = ""
			}
		}
	}
}

// shown lists the folders whose files may be seen by those who see inputs.
func (b *Builder) shown(inputs []string) []string {
	dirs := []string{b.resolver.dir}
	for _, input := range inputs {
		if !within(b.resolver.dir, input) && !inNodeModules(input) {
			dirs = append(dirs, packageDir(input))
		}
	}
	return dirs
}

// sourcePaths lists the files that a map in dir may mean by source: a URL, or what those who did not know that wrote.
func sourcePaths(source, dir string) []string {
	paths := []string{source}
	if u, err := url.Parse(source); err == nil {
		if u.Scheme != "" && u.Scheme != "file" {
			return nil // webpack:// and the like
		}
		paths = append(paths, u.Path)
	}
	for i, p := range paths {
		if strings.HasPrefix(p, "/") && filepath.VolumeName(p[1:]) != "" {
			p = p[1:] // file:///C:/
		}
		if p = filepath.FromSlash(p); !filepath.IsAbs(p) && !isShare(p) {
			p = filepath.Join(dir, p)
		}
		paths[i] = p
	}
	return paths
}

// isSource reports whether the file at path may be seen as it is: because of its place, or because it is not there.
func isSource(path string, dirs []string) bool {
	if isShare(path) {
		return false
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true
	}
	if slash := filepath.ToSlash(path); inNodeModules(path) {
		return !private.Name(slash[strings.LastIndex(slash, packages)+len(packages):])
	}
	return slices.ContainsFunc(dirs, func(dir string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && filepath.IsLocal(rel) && !private.Name(filepath.ToSlash(rel))
	})
}

// packageDir is the folder of the package that the file at path is of: the nearest one with a package.json, or its own.
func packageDir(path string) string {
	for d := filepath.Dir(path); ; d = filepath.Dir(d) {
		if regular(filepath.Join(d, "package.json")) == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return filepath.Dir(path)
		}
	}
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
