package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A config is what tells esbuild how to compile the files of a directory: each tsconfig.json, jsconfig.json and package.json in it and above it,
// and what these extend.
type config struct {
	sum   string          // of all that
	files map[string]bool // of the directory, and what they extend: whether they are there
}

// configOf reads the config of dir. What was read holds until one of the files changes, comes or goes.
func (b *Builder) configOf(dir string) config {
	if c, ok := b.configs[dir]; ok {
		return c
	}
	r := configReader{h: sha256.New(), files: map[string]bool{}}
	if up := filepath.Dir(dir); up != dir {
		io.WriteString(r.h, b.configOf(up).sum)
	}
	for _, name := range sortedKeys(b.resolver.list(dir)) {
		if isConfig(name) {
			r.read(filepath.Join(dir, name), 0)
		}
	}
	c := config{sum: hex.EncodeToString(r.h.Sum(nil)), files: r.files}
	b.configs[dir] = c
	return c
}

// allConfigs returns the configs of all modules, by directory.
func (b *Builder) allConfigs() map[string]config {
	for _, m := range b.modules {
		if m.kind != kindRemote && m.kind != kindDependency && m.namespace == "" {
			b.configOf(filepath.Dir(m.path))
		}
	}
	return b.configs
}

// isConfig says whether the file at path tells esbuild how to compile others: by its name, or because one of those extends it.
func (b *Builder) isConfig(path string) bool { return isConfig(path) || b.configFiles[path] }

func isConfig(path string) bool {
	base := filepath.Base(path)
	return base == "package.json" || strings.HasSuffix(base, ".json") &&
		(strings.HasPrefix(base, "tsconfig") || strings.HasPrefix(base, "jsconfig"))
}

type configReader struct {
	h     hash.Hash
	files map[string]bool
}

var extends = regexp.MustCompile(`"extends"\s*:\s*(?:"([^"]+)"|\[([^\]]*)\])`)

// read reads a tsconfig.json, or a package.json, and what it extends.
func (r configReader) read(path string, depth int) {
	data, err := readRegular(path)
	r.files[path] = err == nil
	fmt.Fprintln(r.h, path, err == nil)
	if err != nil || depth > 10 {
		return
	}
	r.h.Write(data)
	m := extends.FindSubmatch(data)
	if m == nil || filepath.Base(path) == "package.json" { // what that extends is other tools'
		return
	}
	specs := []string{string(m[1])}
	for _, s := range quoted.FindAllSubmatch(m[2], -1) {
		specs = append(specs, string(s[1]))
	}
	for _, spec := range specs {
		if spec == "" {
			continue
		}
		places := placesOf(path, spec)
		there := slices.DeleteFunc(slices.Clone(places), func(p string) bool {
			info, err := os.Stat(p)
			return err != nil || !info.Mode().IsRegular()
		})
		for _, p := range there {
			r.read(p, depth+1)
		}
		if len(there) == 0 {
			for _, p := range places {
				r.files[p] = false
			}
		}
	}
}

// placesOf lists where the file is that spec means in the file at path.
func placesOf(path, spec string) (places []string) {
	add := func(p string) {
		places = append(places, p, p+".json", filepath.Join(p, "tsconfig.json"), filepath.Join(p, "package.json"))
	}
	switch dir := filepath.Dir(path); {
	case filepath.IsAbs(spec):
		add(spec)
	case isRelative(spec):
		add(filepath.Join(dir, spec))
	default:
		for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
			add(filepath.Join(dir, "node_modules", spec))
		}
		add(filepath.Join(dir, "node_modules", spec))
	}
	return places
}

var quoted = regexp.MustCompile(`"([^"]+)"`)
