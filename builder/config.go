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
	"strings"
)

// A config is what tells esbuild how to compile the files of a directory: each tsconfig.json, jsconfig.json and package.json in it and above it,
// and what these extend.
type config struct {
	sum   string          // of all that
	files map[string]bool // of the directory, and what they extend: whether they are there
}

// configOf reads the config of dir. What was read holds until one of the files changes, or any file comes or goes.
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
	if m == nil {
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
		var tries []string
		if filepath.IsAbs(spec) {
			tries = []string{spec}
		} else if isRelative(spec) {
			tries = []string{filepath.Join(filepath.Dir(path), spec)}
		} else {
			for d := filepath.Dir(path); ; d = filepath.Dir(d) {
				tries = append(tries, filepath.Join(d, "node_modules", spec))
				if filepath.Dir(d) == d {
					break
				}
			}
		}
		found := false
		for _, t := range tries {
			for _, end := range []string{"", ".json", string(filepath.Separator) + "tsconfig.json", string(filepath.Separator) + "package.json"} {
				if info, err := os.Stat(t + end); err == nil && info.Mode().IsRegular() {
					found = true
					r.read(t+end, depth+1)
				}
			}
		}
		if found {
			continue
		}
		for _, t := range tries {
			r.files[t], r.files[t+".json"] = false, false
		}
	}
}

var quoted = regexp.MustCompile(`"([^"]+)"`)
